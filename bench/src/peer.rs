//! The peers: PyTorch, scikit-learn and openTSNE from the Python registry, in an environment of their own under the
//! target folder. Deleting that folder removes them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

/// The peers' versions: the ones that the figures in `bench/README.md` are about.
const PACKAGES: [&str; 3] = ["torch==2.15.0", "scikit-learn==1.9.0", "openTSNE==1.0.4"];

/// A Python with the peers in it; installed at the first use. `LATENTSWEEP_PEER_PYTHON` names one that is there already.
///
/// # Errors
/// When python3 or the registry cannot be had.
pub fn python() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("LATENTSWEEP_PEER_PYTHON") {
        return Ok(path.into());
    }
    let environment = crate::workspace_root().join("target/peers");
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    if !complete.is_file() {
        #[expect(clippy::print_stderr, reason = "a download of a gigabyte is announced")]
        {
            eprintln!("installing {} into {}", PACKAGES.join(", "), environment.display());
        }
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        std::fs::write(&complete, PACKAGES.join("\n")).context("marking the peers as installed")?;
    }
    Ok(python)
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// Starts a peer's script (a path in the repository) and lets it run.
///
/// # Errors
/// When it cannot be started.
pub fn start(script: &str, args: &[&str]) -> anyhow::Result<Child> {
    Command::new(python()?)
        .arg(crate::workspace_root().join(script))
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {script}"))
}

/// What a started script prints.
///
/// # Errors
/// When it fails.
pub fn finish(child: Child) -> anyhow::Result<String> {
    let output = child.wait_with_output().context("waiting for a peer")?;
    if !output.status.success() {
        bail!("a peer ended with {}", output.status);
    }
    String::from_utf8(output.stdout).context("a peer printed something that is no text")
}

/// The number before `unit` in a peer's line, as in `median 0.4550 s/epoch`.
///
/// # Errors
/// When there is none.
pub fn number_before(text: &str, unit: &str) -> anyhow::Result<f64> {
    let before = text.split(unit).next().filter(|head| head.len() < text.len());
    let word = before.and_then(|head| head.split_whitespace().next_back());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no number before `{unit}` in: {text}"))
}
