//! Training that does as the trial's seed says, in no time.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use domain::ids::ArtifactHash;
use domain::outcome::{ArtifactKind, ArtifactRef, Diagnostics, Environment};
use domain::{EpochRecord, Fingerprint, Metric, MetricName, Outcome, OutcomeStatus, Trial, TrialId};
use worker::runner::{Finished, GoOn, Hardware, Observer, RunEnd, Saved, TrialRunner};
use worker::{Phase, Progress};

/// A trial of this seed panics.
pub(crate) const PANICS: u64 = 1_000;
/// Trials from this seed on train until they are told to stop or the gate is opened.
pub(crate) const HOLDS: u64 = 2_000;

/// Trials from this seed on do not listen before the gate is opened.
pub(crate) const DEAF: u64 = 3_000;

#[derive(Default)]
pub(crate) struct FakeTrainer {
    gate: Mutex<bool>,
    changed: Condvar,
    /// Trials in the order in which they began.
    pub(crate) begun: Mutex<Vec<TrialId>>,
    /// What each of them was given to begin at.
    pub(crate) beginnings: Mutex<Vec<Option<Saved>>>,
    /// Fingerprints of opened files.
    pub(crate) opened: Mutex<Vec<Fingerprint>>,
}

impl FakeTrainer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Lets the held trials end.
    pub(crate) fn open_gate(&self) {
        *self.gate.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn be_deaf(&self) {
        let is_open = self.gate.lock().unwrap();
        drop(self.changed.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    fn hold(&self, mut epoch: u32, observer: &mut dyn Observer) -> Result<(), Option<Saved>> {
        let mut is_open = self.gate.lock().unwrap();
        while !*is_open {
            epoch += 1;
            let progress = Progress { phase: Phase::Train, epoch, epochs: 0, loss_per_cell: Some(1.5) };
            match observer.progress(progress) {
                GoOn::Yes => {}
                GoOn::Save => observer.keep(saved_at(epoch)),
                GoOn::Pause => return Err(Some(saved_at(epoch))),
                GoOn::No => return Err(None),
            }
            // An epoch: it ends by itself, or sooner when the gate opens.
            is_open = self.changed.wait_timeout(is_open, std::time::Duration::from_millis(1)).unwrap().0;
        }
        Ok(())
    }
}

/// The checkpoint of a held trial: more than a chunk.
pub(crate) fn saved_at(epoch: u32) -> Saved {
    let bytes = (0..sweep_proto::CHUNK_BYTES + 3)
        .map(|position| (position as u32 ^ epoch) as u8)
        .collect::<Vec<u8>>();
    Saved { epoch, bytes: bytes.into() }
}

/// The metric of a trial: its sum of two tenths has bits that a careless text form loses.
pub(crate) fn value_of(seed: u64) -> f64 {
    (0.1 + 0.2) * (seed + 1) as f64
}

/// The artifact of a trial: more than one chunk.
pub(crate) fn artifact_of(seed: u64) -> Vec<u8> {
    (0..sweep_proto::CHUNK_BYTES + 7).map(|position| (position as u64 * 31 + seed) as u8).collect()
}

impl TrialRunner for FakeTrainer {
    type Data = Vec<u8>;

    fn hardware(&self) -> Hardware {
        Hardware { device: "cpu".into(), isa: "portable".into(), engine: "fake".into() }
    }

    fn open(&self, path: &Path, fingerprint: Fingerprint) -> Result<Vec<u8>, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        if Fingerprint::of(&bytes) != fingerprint {
            return Err("another hash".to_owned());
        }
        self.opened.lock().unwrap().push(fingerprint);
        Ok(bytes)
    }

    fn run(
        &self,
        trial: &Trial,
        data: &Vec<u8>,
        saved: Option<Saved>,
        observer: &mut dyn Observer,
    ) -> RunEnd {
        assert_eq!(Fingerprint::of(data), trial.data);
        self.begun.lock().unwrap().push(trial.id);
        let epoch = saved.as_ref().map_or(0, |saved| saved.epoch);
        self.beginnings.lock().unwrap().push(saved);
        if trial.seed == PANICS {
            panic!("the trial of seed {} cannot stand it", trial.seed);
        }
        if trial.seed >= DEAF {
            self.be_deaf();
        } else if trial.seed >= HOLDS
            && let Err(saved) = self.hold(epoch, observer)
        {
            return RunEnd::Stopped(saved);
        }
        let content = artifact_of(trial.seed);
        let hash = ArtifactHash::of(&content);
        let outcome = Outcome {
            status: OutcomeStatus::Done,
            metrics: vec![Metric { name: MetricName::SsePerCell, value: value_of(trial.seed) }],
            epochs: vec![EpochRecord {
                epoch: 1,
                loss_per_cell: 0.3,
                sse_per_cell: 0.3,
                kl_per_cell: 0.0,
                seconds: 0.0,
                ..EpochRecord::default()
            }],
            diagnostics: Diagnostics::default(),
            artifacts: vec![ArtifactRef { kind: ArtifactKind::Embedding, hash, bytes: content.len() as u64 }],
            environment: Environment::default(),
        };
        RunEnd::Finished(Box::new(Finished { outcome, artifacts: vec![content.into()] }))
    }
}
