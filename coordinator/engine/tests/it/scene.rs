//! Sets a scene: an engine with its log and its own time, driven by single inputs.

use domain::config::{Config, EvaluationSpec, ModelSpec, PcaSpec};
use domain::ids::{ArtifactHash, Fingerprint, LeaseNonce, SessionId};
use domain::outcome::{CheckpointRef, Diagnostics, Environment};
use domain::{FailureKind, Outcome, OutcomeStatus, SweepName, Trial, TrialId, TrialState};
use sweep_engine::{
    Decision, Event, Input, LeaseKey, Mode, Rejection, Reply, RunningTrial, Settings, State, WorkerInfo,
    decide, invariants,
};

pub(crate) const TTL_MS: u64 = 30_000;
pub(crate) const NO_PROGRESS_MS: u64 = 600_000;

pub(crate) fn trial(seed: u64) -> Trial {
    let model = ModelSpec::Pca(PcaSpec { latent_dim: 2 });
    let config = Config { model, train: None, evaluation: EvaluationSpec::default() };
    Trial::new(config, seed, Fingerprint::of(b"data"))
}

pub(crate) fn checkpoint(content: &[u8]) -> CheckpointRef {
    CheckpointRef { hash: ArtifactHash::of(content), bytes: content.len() as u64, epoch: 7 }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        status: OutcomeStatus::Done,
        metrics: Vec::new(),
        epochs: Vec::new(),
        diagnostics: Diagnostics::default(),
        artifacts: Vec::new(),
        environment: Environment::default(),
    }
}

pub(crate) struct Scene {
    pub(crate) state: State,
    pub(crate) log: Vec<Event>,
    pub(crate) now_ms: u64,
    drawn: u64,
}

impl Scene {
    pub(crate) fn new(mode: Mode) -> Self {
        let settings =
            Settings { heartbeat_ms: 5_000, lease_ttl_ms: TTL_MS, no_progress_ms: NO_PROGRESS_MS, mode };
        Self { state: State::new(settings), log: Vec::new(), now_ms: 1_000_000, drawn: 0 }
    }

    /// Every invariant is checked after every step of every test.
    pub(crate) fn step(&mut self, input: Input) -> Decision {
        let decision = decide(&self.state, self.now_ms, input);
        for event in &decision.events {
            self.state.apply(event);
            // What is stored reads back the same.
            let text = serde_json::to_string(event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), *event);
        }
        self.log.extend(decision.events.iter().cloned());
        decision.touches.iter().for_each(|touch| self.state.touch(touch));
        assert_eq!(invariants::violations(&self.state, &self.log), Vec::<String>::new());
        decision
    }

    pub(crate) fn restart(&mut self) {
        self.state = State::replay(*self.state.settings(), &self.log, self.now_ms);
        assert_eq!(invariants::violations(&self.state, &self.log), Vec::<String>::new());
    }

    pub(crate) fn submit(&mut self, name: &str, seeds: impl IntoIterator<Item = u64>) -> Decision {
        let sweep: SweepName = name.parse().unwrap();
        let trials = seeds.into_iter().map(trial).collect();
        self.step(Input::SubmitSweep { sweep, about: "{}".to_owned(), trials })
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    pub(crate) fn register(&mut self, name: &str, slots: u32) -> SessionId {
        let session = SessionId::of(&self.draw().to_le_bytes());
        let worker = WorkerInfo {
            name: name.to_owned(),
            host: "host".to_owned(),
            pid: 1,
            slots,
            version: "0".to_owned(),
            device: "cpu".to_owned(),
            isa: "portable".to_owned(),
        };
        self.step(Input::Register { worker, session }).reply.unwrap();
        session
    }

    pub(crate) fn lease(&mut self, session: SessionId, want: u32) -> Vec<LeaseKey> {
        self.lease_reply(session, want).unwrap().0
    }

    /// Leases, and whether all is finished.
    pub(crate) fn lease_reply(
        &mut self,
        session: SessionId,
        want: u32,
    ) -> Result<(Vec<LeaseKey>, bool), Rejection> {
        let nonces = (0..want.min(8)).map(|_| LeaseNonce::of(&self.draw().to_le_bytes())).collect();
        match self.step(Input::LeaseTrials { session, want, nonces }).reply? {
            Reply::Leases { leases, finished, .. } => {
                let keys = leases.iter().map(|lease| LeaseKey {
                    trial: lease.trial.id,
                    attempt: lease.attempt,
                    nonce: lease.nonce,
                });
                Ok((keys.collect(), finished))
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn heartbeat(&mut self, session: SessionId, keys: &[LeaseKey]) -> Result<Reply, Rejection> {
        self.heartbeat_at(session, keys, 1, "train")
    }

    pub(crate) fn heartbeat_at(
        &mut self,
        session: SessionId,
        keys: &[LeaseKey],
        epoch: u32,
        phase: &str,
    ) -> Result<Reply, Rejection> {
        let running = keys.iter().map(|key| RunningTrial {
            key: *key,
            epoch,
            epochs: 200,
            loss_per_cell: Some(1.0),
            phase: phase.to_owned(),
        });
        let running = running.collect();
        self.step(Input::Heartbeat { session, running }).reply
    }

    /// Gives a trial back with a checkpoint of this content.
    pub(crate) fn give_back(&mut self, session: SessionId, key: LeaseKey, content: &[u8]) -> Decision {
        let checkpoint = Some(checkpoint(content));
        let (kind, message) = (FailureKind::Returned, String::new());
        self.step(Input::ReportFailure { session, key, kind, message, checkpoint })
    }

    pub(crate) fn done(&mut self, session: SessionId, key: LeaseKey) -> Result<Reply, Rejection> {
        self.step(Input::ReportOutcome { session, key, outcome: Box::new(outcome()) }).reply
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.step(Input::Tick).reply.unwrap();
    }

    pub(crate) fn state_of(&self, trial: TrialId) -> TrialState {
        self.state.trial(&trial).unwrap().state
    }
}
