//! The product's own binaries as a user runs them: built, started in a scratch folder, watched for time and memory.
//!
//! Must not live here: what is measured with them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// How often a running process is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// The release binary of the package `name`, brought up to date.
///
/// # Errors
/// When it cannot be built, or this benchmark is no release build.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    ensure!(!cfg!(debug_assertions), "measure release builds: cargo run --release -p bench …");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "-p", name]).current_dir(crate::workspace_root());
    ensure!(build.status().context("starting cargo")?.success(), "{name} does not build");
    let own = std::env::current_exe().context("finding the folder of the binaries")?;
    let path = own.with_file_name(name);
    ensure!(path.is_file(), "{} was not built", path.display());
    Ok(path)
}

/// An empty folder in which the examples' relative paths mean what they mean in a clone.
///
/// # Errors
/// When it cannot be made.
pub fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().context("making a scratch folder")?;
    for name in ["examples", "data"] {
        std::os::unix::fs::symlink(crate::workspace_root().join(name), folder.path().join(name))
            .with_context(|| format!("linking {name} into the scratch folder"))?;
    }
    Ok(folder)
}

/// A child that is killed when the benchmark gives up on it.
pub struct Watched {
    child: Child,
    name: String,
    peak_mb: f64,
}

impl Watched {
    /// Starts `command` and calls it `name` in errors.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child, name: name.to_owned(), peak_mb: 0.0 })
    }

    /// Looks once: notes the memory, says whether it still runs.
    ///
    /// # Errors
    /// When it has failed.
    pub fn glance(&mut self) -> anyhow::Result<bool> {
        if let Some(peak) = peak_resident_mb(self.child.id()) {
            self.peak_mb = self.peak_mb.max(peak);
        }
        match self.child.try_wait().with_context(|| format!("watching {}", self.name))? {
            None => Ok(true),
            Some(status) if status.success() => Ok(false),
            Some(status) => bail!("{} ended with {status}", self.name),
        }
    }

    /// Largest resident memory seen so far, in MB of 10⁶ bytes, as the kernel counts it (so no peak is missed but one
    /// in the last moments before the end).
    #[must_use]
    pub fn peak_mb(&self) -> f64 {
        self.peak_mb
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It has ended already unless the benchmark failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done`, looking every 50 ms.
///
/// # Errors
/// What `done` says.
pub fn wait_until(mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    while !done()? {
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

/// The kernel's high-water mark of a process's resident memory, in MB; `None` once it is gone, or not on Linux.
fn peak_resident_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
