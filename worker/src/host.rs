//! Facts about this host and this process. No decisions.

use crate::clock;
use crate::config::MAX_NAME_LEN;

/// The host's name, `unknown` where it has none that is text.
pub(crate) fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// The worker's name: label (the host's name by default), process and launch. No two launches share one.
pub(crate) fn worker_name(label: Option<&str>, host: &str) -> String {
    // A host may be called anything; a worker may not.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let plain = label.unwrap_or(host).trim_start_matches('.').chars().take(MAX_NAME_LEN);
    let label: String = plain.map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{label}-{}-{}", std::process::id(), clock::launch_tag())
}

/// Largest resident memory of this process so far, in bytes; `None` where the system does not say (it does on Linux).
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    peak_in_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_in_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{peak_in_status, worker_name};

    #[test]
    fn the_peak_is_read_from_the_status() {
        assert_eq!(peak_in_status("Name:\tworker\nVmHWM:\t  123456 kB\nVmRSS:\t 1 kB\n"), Some(126_418_944));
        for other in ["", "VmHWM:\n", "VmHWM: many kB\n", "VmHWM: 5\n"] {
            assert_eq!(peak_in_status(other), None, "{other:?}");
        }
    }

    #[test]
    fn names_of_two_launches_differ() {
        assert!(worker_name(Some("gpu"), "h").starts_with("gpu-"));
        assert_ne!(worker_name(None, "h"), worker_name(None, "h"));
        assert!(worker_name(None, "../ä b").starts_with("___b-"), "{}", worker_name(None, "../ä b"));
    }
}
