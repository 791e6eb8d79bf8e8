//! Real processes: started with their output going to files, watched, signalled by pid, and ended with the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_until;

/// A process that ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code, `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Itself, when the code is `expected`.
    ///
    /// # Panics
    /// Otherwise, with both outputs.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, expected: i32) -> Self {
        assert_eq!(
            self.code,
            Some(expected),
            "exit code; stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A process that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts `binary` in `folder`; its outputs go to `<label>.out` and `<label>.err` there.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(binary: &Path, folder: &Path, label: &str, args: &[&str]) -> Self {
        Self::start_with_env(binary, folder, label, args, &[])
    }

    /// As [`Running::start`], with more environment.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with_env(
        binary: &Path,
        folder: &Path,
        label: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let stdout = folder.join(format!("{label}.out"));
        let stderr = folder.join(format!("{label}.err"));
        let child = Command::new(binary)
            .args(args)
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).expect("the test's folder can be written"))
            .stderr(File::create(&stderr).expect("the test's folder can be written"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", binary.display()));
        Self { child, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error so far.
    #[must_use]
    pub fn stderr_so_far(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill(pid_of(self.child.id()), signal).expect("the process is there");
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within `limit`; its standard error is printed.
    #[must_use]
    pub fn finish(mut self, limit: Duration) -> Finished {
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("the end of a process", limit, || self.child.try_wait().expect("a child can be asked"))
        }))
        .unwrap_or_else(|_| panic!("the process did not end; it said:\n{}", self.stderr_so_far()));
        Finished {
            code: status.code(),
            stdout: String::from_utf8_lossy(&std::fs::read(&self.stdout).unwrap_or_default()).into_owned(),
            stderr: self.stderr_so_far(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `binary` and waits for its end.
#[must_use]
pub fn run(binary: &Path, folder: &Path, args: &[&str]) -> Finished {
    Running::start(binary, folder, "run", args).finish(Duration::from_secs(540))
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a process id fits"))
}

/// The live children of `parent`, oldest first.
///
/// # Panics
/// When `/proc` cannot be read.
#[must_use]
pub fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task");
    let Ok(tasks) = std::fs::read_dir(path) else { return Vec::new() };
    let mut children: Vec<u32> = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|line| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect();
    children.sort_unstable();
    children
}

/// `kill -9` by pid.
///
/// # Panics
/// When there is no such process: a fault that did not fire would prove nothing.
pub fn kill_hard(pid: u32) {
    kill(pid_of(pid), Signal::SIGKILL).expect("the process to kill is there");
}
