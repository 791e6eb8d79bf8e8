//! A coordinator, a cache folder, and workers on threads of this process.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use domain::config::PcaSpec;
use domain::{Config, EvaluationSpec, Fingerprint, ModelSpec, Trial};
use sweep_proto::v1;
use tempfile::TempDir;
use worker::config::{CoordinatorUrl, EngineChoice, ParentBond};
use worker::ending::Ending;
use worker::orders::OrderBoard;
use worker::runner::TrialRunner;
use worker::{Pace, WorkerOptions, session};

use crate::coordinator::{Coordinator, Shared};

pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) cache: TempDir,
    pub(crate) data: Vec<u8>,
}

impl World {
    /// A world with one data set in it.
    pub(crate) fn new() -> Self {
        let data: Vec<u8> = (0..200u8).collect();
        let world = Self { coordinator: Coordinator::start(), cache: tempfile::tempdir().unwrap(), data };
        let fingerprint = world.fingerprint().as_bytes().to_vec();
        world.shared().with(|memory| memory.datasets.insert(fingerprint, world.data.clone()));
        world
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.coordinator.shared
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.data)
    }

    /// A trial with this seed; what it trains is of no interest to the fake trainer.
    pub(crate) fn trial(&self, seed: u64) -> Trial {
        let model = ModelSpec::Pca(PcaSpec { latent_dim: 2 });
        Trial::new(
            Config { model, train: None, evaluation: EvaluationSpec::default() },
            seed,
            self.fingerprint(),
        )
    }

    /// Puts trials up for lease.
    pub(crate) fn offer(&self, seeds: impl IntoIterator<Item = u64>) -> Vec<Trial> {
        let trials: Vec<Trial> = seeds.into_iter().map(|seed| self.trial(seed)).collect();
        let leases: Vec<v1::Lease> = trials.iter().map(|trial| lease_of(trial, 1)).collect();
        self.shared().with(|memory| memory.pending.extend(leases));
        trials
    }

    pub(crate) fn options(&self, slots: usize) -> WorkerOptions {
        WorkerOptions {
            token: None,
            coordinator: CoordinatorUrl::parse(&self.coordinator.url()).unwrap(),
            slots: NonZeroUsize::new(slots).unwrap(),
            cache: self.cache.path().to_owned(),
            name: None,
            engine: EngineChoice::Sparse,
            connect_timeout: None,
            quiet: true,
            parent: ParentBond::None,
            obey_limit: Duration::from_secs(60),
            checkpoint_every: Duration::from_secs(60),
            pace: Pace { first: Duration::from_millis(2), longest: Duration::from_millis(20) },
        }
    }

    pub(crate) fn start<R: TrialRunner>(&self, slots: usize, trainer: &Arc<R>) -> RunningWorker {
        RunningWorker::start(self.options(slots), trainer)
    }

    pub(crate) fn dataset_file(&self) -> PathBuf {
        self.cache.path().join("datasets").join(format!("{}.lsds", self.fingerprint()))
    }

    pub(crate) fn spool_files(&self, ending: &str) -> Vec<PathBuf> {
        files_in(&self.cache.path().join("spool"), ending)
    }
}

/// Waits until there are files of this ending in the spool.
pub(crate) fn wait_for_files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    for _ in 0..6_000 {
        let files = files_in(&folder.join("spool"), ending);
        if !files.is_empty() {
            return files;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("no .{ending} file ever came to the spool");
}

fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

pub(crate) fn lease_of(trial: &Trial, attempt: u32) -> v1::Lease {
    let nonce = Fingerprint::of(format!("{} {attempt}", trial.id).as_bytes());
    v1::Lease {
        trial_id: trial.id.as_bytes().to_vec().into(),
        attempt,
        nonce: nonce.as_bytes()[..16].to_vec().into(),
        config_json: trial.config.canonical_json(),
        seed: trial.seed,
        data_fingerprint: trial.data.as_bytes().to_vec().into(),
        ttl_ms: 60,
        checkpoint: None,
    }
}

pub(crate) struct RunningWorker {
    pub(crate) orders: Arc<OrderBoard>,
    thread: JoinHandle<Ending>,
}

impl RunningWorker {
    pub(crate) fn start<R: TrialRunner>(options: WorkerOptions, trainer: &Arc<R>) -> Self {
        let orders = Arc::new(OrderBoard::default());
        let (board, trainer) = (Arc::clone(&orders), Arc::clone(trainer));
        let thread = std::thread::spawn(move || session::run(&options, trainer, &board));
        Self { orders, thread }
    }

    /// Waits for its end.
    pub(crate) fn ending(self) -> Ending {
        self.thread.join().unwrap()
    }
}
