//! `coordinator doctor`: whether this machine can do what the other commands need, each answer with what to do about it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::put;
use crate::error::{CliError, Ending};
use crate::leaderboard::text;
use crate::store::{SqliteStore, Store, StoreError};

/// Free bytes below which a sweep may not get far: a trial's maps take about 200 kB, a data set some tens of MB.
const LITTLE_SPACE: u64 = 1 << 30;
/// 1 January 2024, ms since 1970: no machine that runs this has an earlier date.
const EARLIEST_MS: i64 = 1_704_067_200_000;
/// Port of the documents' examples.
const USUAL_PORT: u16 = 7733;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// It works, but not as well as it might.
    Note,
    Bad,
}

struct Finding {
    health: Health,
    what: &'static str,
    words: String,
}

impl Finding {
    fn new(health: Health, what: &'static str, words: impl Into<String>) -> Self {
        Self { health, what, words: words.into() }
    }
}

pub(super) async fn run(state: &Path, _args: &Args) -> Result<Ending, CliError> {
    let findings = [
        state_folder(state),
        free_space(state),
        database(state).await,
        clock(crate::clock::wall_ms()),
        port(),
        processors(),
        gpu(Path::new("/dev")),
    ];
    let mut out = String::new();
    for finding in &findings {
        let word = match finding.health {
            Health::Good => "ok  ",
            Health::Note => "note",
            Health::Bad => "BAD ",
        };
        out.push_str(&format!("{word}  {:<13} {}\n", finding.what, text::terminal(&finding.words)));
    }
    put(&out);
    let is_well = findings.iter().all(|finding| finding.health != Health::Bad);
    Ok(if is_well { Ending::Ok } else { Ending::SomeFailed })
}

/// The folder itself, or the nearest one above that exists: that is where it would be made.
fn nearest(state: &Path) -> PathBuf {
    let absolute = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn state_folder(state: &Path) -> Finding {
    const WHAT: &str = "state folder";
    if state.exists() && !state.is_dir() {
        let words = format!("{} is a file: name a folder with --state DIR", state.display());
        return Finding::new(Health::Bad, WHAT, words);
    }
    let folder = nearest(state);
    match tempfile::Builder::new().prefix(".latentsweep-doctor-").tempfile_in(&folder) {
        Ok(_) if state.is_dir() => {
            Finding::new(Health::Good, WHAT, format!("{} can be written", state.display()))
        }
        Ok(_) => Finding::new(Health::Good, WHAT, format!("{} can be made", state.display())),
        Err(error) => {
            let words =
                format!("{} cannot be written ({error}): name another with --state DIR", folder.display());
            Finding::new(Health::Bad, WHAT, words)
        }
    }
}

fn free_space(state: &Path) -> Finding {
    const WHAT: &str = "disk";
    let folder = nearest(state);
    match statvfs(&folder) {
        Ok(disk) => {
            let free = disk.blocks_available().saturating_mul(disk.fragment_size());
            let words = format!("{:.1} GiB free at {}", free as f64 / f64::from(1 << 30), folder.display());
            if free < LITTLE_SPACE {
                Finding::new(
                    Health::Bad,
                    WHAT,
                    format!("{words}: make room, or name another disk with --state DIR"),
                )
            } else {
                Finding::new(Health::Good, WHAT, words)
            }
        }
        Err(error) => Finding::new(Health::Note, WHAT, format!("its free space cannot be read: {error}")),
    }
}

async fn database(state: &Path) -> Finding {
    const WHAT: &str = "database";
    let sweeps = match SqliteStore::open_read_only(state).await {
        Ok(store) => {
            let sweeps = store.list_sweeps().await;
            store.close().await;
            sweeps
        }
        Err(error) => Err(error),
    };
    match sweeps {
        Ok(sweeps) => {
            Finding::new(Health::Good, WHAT, format!("{} recorded", text::count(sweeps.len(), "sweep")))
        }
        Err(StoreError::Absent { .. }) => {
            Finding::new(Health::Good, WHAT, "none yet: the first sweep makes it")
        }
        Err(error) => Finding::new(Health::Bad, WHAT, error.to_string()),
    }
}

fn clock(now_ms: i64) -> Finding {
    const WHAT: &str = "clock";
    let shown =
        jiff::Timestamp::from_millisecond(now_ms).map_or_else(|_| "?".to_owned(), |now| now.to_string());
    if now_ms < EARLIEST_MS {
        let words =
            format!("{shown} lies in the past: set it, or certificates and dates of records will be wrong");
        Finding::new(Health::Bad, WHAT, words)
    } else {
        Finding::new(Health::Good, WHAT, shown)
    }
}

fn port() -> Finding {
    const WHAT: &str = "port";
    let any = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let usual = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT)));
    match (any, usual) {
        (Err(error), _) => Finding::new(Health::Bad, WHAT, format!("cannot listen on 127.0.0.1: {error}")),
        (Ok(_), Err(error)) => Finding::new(
            Health::Note,
            WHAT,
            format!(
                "127.0.0.1:{USUAL_PORT} is taken ({error}): a coordinator may be serving there, else use another --bind"
            ),
        ),
        (Ok(_), Ok(_)) => Finding::new(Health::Good, WHAT, format!("127.0.0.1:{USUAL_PORT} is free")),
    }
}

fn processors() -> Finding {
    const WHAT: &str = "processor";
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let cores = text::count(cores, "core");
    match instruction_set() {
        Some(name) => Finding::new(Health::Good, WHAT, format!("{cores}, {name} kernels")),
        None => Finding::new(
            Health::Note,
            WHAT,
            format!("{cores}, neither AVX-512 nor AVX2: training is several times slower"),
        ),
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_set() -> Option<&'static str> {
    if std::arch::is_x86_feature_detected!("avx512f") {
        Some("AVX-512")
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        Some("AVX2")
    } else {
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_set() -> Option<&'static str> {
    None
}

/// An NVIDIA card shows as a device file.
fn gpu(devices: &Path) -> Finding {
    const WHAT: &str = "GPU";
    if devices.join("nvidia0").exists() {
        Finding::new(
            Health::Good,
            WHAT,
            "an NVIDIA card is there; whether a worker uses it depends on how it was built",
        )
    } else {
        Finding::new(Health::Good, WHAT, "none: trials run on the processor")
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, clock, database, free_space, gpu, port, state_folder};

    #[test]
    fn a_folder_that_is_to_be_made_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b");
        assert_eq!(state_folder(&state).health, Health::Good);
        assert!(free_space(&state).words.contains("GiB free"));
        assert!(!state.exists(), "a look changes nothing");
    }

    #[test]
    fn a_file_in_its_place_is_bad() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(state_folder(file.path()).health, Health::Bad);
    }

    #[tokio::test]
    async fn no_database_is_well_and_a_damaged_one_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(database(folder.path()).await.health, Health::Good);
        std::fs::write(folder.path().join("coordinator.db"), "no database at all. ".repeat(200)).unwrap();
        assert_eq!(database(folder.path()).await.health, Health::Bad);
    }

    #[test]
    fn a_clock_of_the_last_century_is_bad() {
        assert_eq!((clock(0).health, clock(1_800_000_000_000).health), (Health::Bad, Health::Good));
    }

    #[test]
    fn a_port_is_free_or_named() {
        assert!(port().words.contains("127.0.0.1"));
        assert!(gpu(std::path::Path::new("/nowhere")).words.contains("none"));
    }
}
