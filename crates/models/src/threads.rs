//! What a training process settles once, before its first thread: no pools of candle's or rayon's beside the trials'
//! own threads, and an allocator that keeps the memory of a step for the next one.

/// The variables that candle's pools read when they start.
const POOL_SIZES: [&str; 2] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];

/// The pools could not be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process has threads already, so its environment must not be changed; start it with RAYON_NUM_THREADS=1 \
     CANDLE_NUM_THREADS=1, or call limit_threads first in main"
)]
pub struct AlreadyThreaded;

/// Sets the size of candle's thread pools to 1. Call it first thing in `main`, before a runtime or a thread exists.
///
/// A worker runs one trial on each of its threads; candle would give every large elementwise operation to one pool of
/// spinning threads as wide as the machine, in which the trials would wait for each other. The numbers of a trial do
/// not depend on this call, its time does.
///
/// # Errors
/// [`AlreadyThreaded`] when the variables are not set and the process no longer has a single thread (or when that
/// cannot be found out: only Linux says). Nothing is changed then.
pub fn limit_threads() -> Result<(), AlreadyThreaded> {
    let is_limited = |name: &&str| std::env::var(name).is_ok_and(|value| value == "1");
    if POOL_SIZES.iter().all(is_limited) {
        return Ok(());
    }
    if !has_one_thread() {
        return Err(AlreadyThreaded);
    }
    for name in POOL_SIZES {
        // SAFETY: `set_var` races with other threads that read the environment; the line above saw that there is no
        // other thread, and this one starts none in between.
        unsafe { std::env::set_var(name, "1") };
    }
    Ok(())
}

/// Blocks up to this size come from the heap: every tensor between the gene layers, of any usual width and batch.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAP_BLOCK_BYTES: libc::c_int = 4 << 20;

/// Free memory at the end of a heap that is kept.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: libc::c_int = 64 << 20;

/// Tells glibc's allocator to keep the memory of freed tensors. By default it gives every block beyond 128 KiB back to
/// the system at once, and a training step allocates dozens of them: a tenth of its time went into clearing pages. With
/// another allocator nothing happens. The numbers of a trial do not depend on this call.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (option, value) in [(libc::M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES), (libc::M_TRIM_THRESHOLD, KEPT_BYTES)]
    {
        // SAFETY: `mallopt` takes the allocator's own lock and changes one number that it reads. It may refuse; then the
        // process is slower, not wrong.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Whether the calling thread is the only one of its process.
fn has_one_thread() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    status.lines().filter_map(|line| line.strip_prefix("Threads:")).any(|count| count.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::{AlreadyThreaded, POOL_SIZES, limit_threads};

    #[test]
    fn a_process_with_threads_is_left_alone() {
        // A test runs on a thread of its own beside the harness's.
        let is_limited = POOL_SIZES.iter().all(|name| std::env::var(name).is_ok_and(|value| value == "1"));
        let expected = if is_limited { Ok(()) } else { Err(AlreadyThreaded) };
        assert_eq!(limit_threads(), expected);
    }
}
