//! What the benchmarks share: the peers' throw-away Python environment, the product's binaries, stopwatch, medians,
//! the data set, trials trained several at a time, and one judge for everybody's maps.
//!
//! Must not live here: anything that the product needs. A figure is always printed beside its peer's, from one run.

pub mod fleet;
pub mod judge;
pub mod peer;
pub mod product;
pub mod trials;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// The workspace's root.
#[must_use]
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bench/ lies in the workspace").to_owned()
}

/// PBMC3k, log-normalised, with labels.
///
/// # Errors
/// When the data in the repository cannot be read.
pub fn pbmc3k() -> anyhow::Result<cells::Dataset> {
    let spec = domain::DataSpec {
        labels: Some(domain::data::LabelSource::File("data/pbmc3k/labels.csv".to_owned())),
        ..domain::DataSpec::of_path("data/pbmc3k")
    };
    cells::prepare(&spec, &workspace_root()).context("preparing data/pbmc3k")
}

/// Wall time of `work`.
///
/// # Errors
/// What `work` says.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Duration)> {
    let start = Instant::now();
    let value = work()?;
    Ok((value, start.elapsed()))
}

/// The middle value (of an even number: the mean of the middle two).
///
/// # Panics
/// When there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Trials at once: `--slots`, by default as many as there are cores.
///
/// # Errors
/// When it cannot be read or is 0.
pub fn slots() -> anyhow::Result<u64> {
    let slots = option("slots", std::thread::available_parallelism()?.get() as u64)?;
    anyhow::ensure!(slots > 0, "--slots is at least 1");
    Ok(slots)
}

/// Rounds in which the sides take turns: `--rounds`.
///
/// # Errors
/// When it cannot be read or is 0.
pub fn rounds(default: usize) -> anyhow::Result<usize> {
    let rounds = option("rounds", default)?;
    anyhow::ensure!(rounds > 0, "--rounds is at least 1");
    Ok(rounds)
}

/// The value after `--name`, or `default`.
///
/// # Errors
/// When it cannot be read.
pub fn option<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let flag = format!("--{name}");
    let mut args = std::env::args().skip_while(|arg| *arg != flag);
    match (args.next(), args.next()) {
        (None, _) => Ok(default),
        (Some(_), Some(value)) => value.parse().with_context(|| format!("{flag} {value}")),
        (Some(_), None) => anyhow::bail!("{flag} needs a value"),
    }
}
