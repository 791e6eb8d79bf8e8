//! Messages to `domain` types and back. What comes from the wire is hostile until it has passed through here.

use domain::ids::{ArtifactHash, Fingerprint, LeaseNonce, SessionId};
use domain::metric::MetricName;
use domain::outcome::{
    ArtifactKind, ArtifactRef, CheckpointRef, Diagnostics, Environment, MAX_CHECKPOINT_BYTES,
};
use domain::{EpochRecord, FailureKind, Metric, Outcome, OutcomeStatus, TrialId};

use crate::v1;

/// Most epochs in one outcome: the largest that a grid file may ask for.
pub const MAX_EPOCHS: usize = 100_000;
/// Most artifacts of one outcome; there is one kind today.
pub const MAX_ARTIFACTS: usize = 16;
/// Most latent dimensions in diagnostics: the largest that a grid file may ask for.
pub const MAX_LATENT_DIM: usize = 1024;
/// Longest string from a worker: names and versions.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest words of a failure; longer ones are cut.
pub const MAX_MESSAGE_TEXT_BYTES: usize = 4096;

/// A message that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub struct WireError {
    /// Its field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

fn wrong<T>(field: &'static str, problem: impl Into<String>) -> Result<T, WireError> {
    Err(WireError { field, problem: problem.into() })
}

fn fixed_bytes<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], WireError> {
    bytes.try_into().or_else(|_| wrong(field, format!("{N} bytes expected, {} found", bytes.len())))
}

/// The session id in `bytes`.
///
/// # Errors
/// When it has another length.
pub fn session_id(bytes: &[u8]) -> Result<SessionId, WireError> {
    fixed_bytes("session", bytes).map(SessionId::from_bytes)
}

/// The data fingerprint in `bytes`.
///
/// # Errors
/// When it has another length.
pub fn fingerprint(bytes: &[u8]) -> Result<Fingerprint, WireError> {
    fixed_bytes("data_fingerprint", bytes).map(Fingerprint::from_bytes)
}

/// The artifact hash in `bytes`.
///
/// # Errors
/// When it has another length.
pub fn artifact_hash(bytes: &[u8]) -> Result<ArtifactHash, WireError> {
    fixed_bytes("hash", bytes).map(ArtifactHash::from_bytes)
}

/// The checkpoint that a message names, if it names one.
///
/// # Errors
/// When its hash has another length, or its size or epoch is out of bounds.
pub fn checkpoint_from_wire(message: Option<&v1::CheckpointRef>) -> Result<Option<CheckpointRef>, WireError> {
    let Some(message) = message else { return Ok(None) };
    if message.bytes == 0 || message.bytes > MAX_CHECKPOINT_BYTES {
        return wrong(
            "checkpoint.bytes",
            format!("1 to {MAX_CHECKPOINT_BYTES} expected, {} found", message.bytes),
        );
    }
    if message.epoch as usize > MAX_EPOCHS {
        return wrong("checkpoint.epoch", format!("at most {MAX_EPOCHS} expected, {} found", message.epoch));
    }
    let hash = fixed_bytes("checkpoint.hash", &message.hash).map(ArtifactHash::from_bytes)?;
    Ok(Some(CheckpointRef { hash, bytes: message.bytes, epoch: message.epoch }))
}

/// The message of a checkpoint.
#[must_use]
pub fn checkpoint_to_wire(checkpoint: &CheckpointRef) -> v1::CheckpointRef {
    v1::CheckpointRef {
        hash: checkpoint.hash.as_bytes().to_vec().into(),
        bytes: checkpoint.bytes,
        epoch: checkpoint.epoch,
    }
}

/// Which lease a message is about, as the engine knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseKey {
    /// The trial.
    pub trial: TrialId,
    /// From 1.
    pub attempt: u32,
    /// Proof of holding it.
    pub nonce: LeaseNonce,
}

impl LeaseKey {
    /// From the wire.
    ///
    /// # Errors
    /// When it is absent or a field has another length.
    pub fn from_wire(message: Option<&v1::LeaseKey>) -> Result<Self, WireError> {
        let Some(message) = message else { return wrong("lease", "is absent") };
        Ok(Self {
            trial: TrialId::from_bytes(fixed_bytes("lease.trial_id", &message.trial_id)?),
            attempt: message.attempt,
            nonce: LeaseNonce::from_bytes(fixed_bytes("lease.nonce", &message.nonce)?),
        })
    }

    /// To the wire.
    #[must_use]
    pub fn to_wire(&self) -> v1::LeaseKey {
        v1::LeaseKey {
            trial_id: self.trial.as_bytes().to_vec().into(),
            attempt: self.attempt,
            nonce: self.nonce.as_bytes().to_vec().into(),
        }
    }
}

/// The failure kind of this name.
///
/// # Errors
/// When there is none.
pub fn failure_kind(name: &str) -> Result<FailureKind, WireError> {
    FailureKind::from_name(name)
        .map_or_else(|| wrong("kind", format!("no failure kind {:?}", clip(name))), Ok)
}

/// A worker's words, cut to their bound at a character's edge.
#[must_use]
pub fn clip_message(text: &str) -> String {
    clip_to(text, MAX_MESSAGE_TEXT_BYTES)
}

fn clip(text: &str) -> String {
    clip_to(text, MAX_NAME_BYTES)
}

fn clip_to(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

/// The outcome in a message.
///
/// # Errors
/// When a name is unknown, a number is not finite, a metric stands twice, or a list or string is longer than its bound.
pub fn outcome_from_wire(message: Option<v1::Outcome>) -> Result<Outcome, WireError> {
    let Some(message) = message else { return wrong("outcome", "is absent") };
    let status = match message.status() {
        v1::OutcomeStatus::Done => OutcomeStatus::Done,
        v1::OutcomeStatus::Diverged => OutcomeStatus::Diverged,
        v1::OutcomeStatus::Unspecified => return wrong("outcome.status", "is unspecified"),
    };
    Ok(Outcome {
        status,
        metrics: metrics_from_wire(&message.metrics)?,
        epochs: epochs_from_wire(&message.epochs)?,
        diagnostics: diagnostics_from_wire(message.diagnostics.unwrap_or_default())?,
        artifacts: artifacts_from_wire(&message.artifacts)?,
        environment: environment_from_wire(message.environment.unwrap_or_default())?,
    })
}

fn metrics_from_wire(messages: &[v1::Metric]) -> Result<Vec<Metric>, WireError> {
    if messages.len() > MetricName::ALL.len() {
        return wrong(
            "outcome.metrics",
            format!("at most {} expected, {} found", MetricName::ALL.len(), messages.len()),
        );
    }
    let mut metrics = Vec::with_capacity(messages.len());
    for message in messages {
        let Some(name) = MetricName::from_name(&message.name) else {
            return wrong("outcome.metrics", format!("no metric {:?}", clip(&message.name)));
        };
        check_number("outcome.metrics", message.value)?;
        metrics.push(Metric { name, value: message.value });
    }
    metrics.sort_by_key(|metric| metric.name);
    if let Some(pair) = metrics.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return wrong("outcome.metrics", format!("{} stands twice", pair[0].name));
    }
    Ok(metrics)
}

/// Largest magnitude of a reported number: beyond it a loss has exploded, and sums over trials would overflow.
pub const MAX_MAGNITUDE: f64 = 1e30;

fn check_number(field: &'static str, value: f64) -> Result<(), WireError> {
    if value.is_finite() && value.abs() <= MAX_MAGNITUDE {
        return Ok(());
    }
    wrong(field, format!("{value} is not a number between -{MAX_MAGNITUDE:e} and {MAX_MAGNITUDE:e}"))
}

fn epochs_from_wire(messages: &[v1::EpochRecord]) -> Result<Vec<EpochRecord>, WireError> {
    if messages.len() > MAX_EPOCHS {
        return wrong("outcome.epochs", format!("at most {MAX_EPOCHS} expected, {} found", messages.len()));
    }
    let mut epochs = Vec::with_capacity(messages.len());
    for (position, message) in messages.iter().enumerate() {
        if message.epoch as usize != position + 1 {
            return wrong(
                "outcome.epochs",
                format!("epoch {} expected, {} found", position + 1, message.epoch),
            );
        }
        let always = [message.loss_per_cell, message.sse_per_cell, message.kl_per_cell, message.seconds];
        let sometimes =
            [message.kl_spike_per_cell, message.validation_sse_per_cell, message.validation_loss_per_cell];
        for value in always.into_iter().chain(sometimes.into_iter().flatten()) {
            check_number("outcome.epochs", value)?;
        }
        if message.seconds < 0.0 {
            return wrong("outcome.epochs", format!("an epoch of {} seconds", message.seconds));
        }
        epochs.push(EpochRecord {
            epoch: message.epoch,
            loss_per_cell: message.loss_per_cell,
            sse_per_cell: message.sse_per_cell,
            kl_per_cell: message.kl_per_cell,
            kl_spike_per_cell: message.kl_spike_per_cell,
            validation_sse_per_cell: message.validation_sse_per_cell,
            validation_loss_per_cell: message.validation_loss_per_cell,
            seconds: message.seconds,
        });
    }
    Ok(epochs)
}

fn diagnostics_from_wire(message: v1::Diagnostics) -> Result<Diagnostics, WireError> {
    for list in [&message.kl_per_dim, &message.code_variance, &message.kl_spike_per_dim, &message.mean_gate] {
        if list.len() > MAX_LATENT_DIM {
            return wrong(
                "outcome.diagnostics",
                format!("at most {MAX_LATENT_DIM} dimensions, {} found", list.len()),
            );
        }
        list.iter().try_for_each(|value| check_number("outcome.diagnostics", *value))?;
    }
    for share in [message.zero_share, message.hard_zero_share].into_iter().flatten() {
        check_number("outcome.diagnostics", share)?;
    }
    let is_ascending = message.dead_gates.windows(2).all(|pair| pair[0] < pair[1]);
    if !is_ascending || message.dead_gates.iter().any(|dim| *dim as usize >= MAX_LATENT_DIM) {
        return wrong(
            "outcome.diagnostics",
            format!("dead gates are dimensions below {MAX_LATENT_DIM}, ascending"),
        );
    }
    Ok(Diagnostics {
        kl_per_dim: message.kl_per_dim,
        code_variance: message.code_variance,
        kl_spike_per_dim: message.kl_spike_per_dim,
        mean_gate: message.mean_gate,
        zero_share: message.zero_share,
        hard_zero_share: message.hard_zero_share,
        dead_gates: message.dead_gates,
    })
}

fn artifacts_from_wire(messages: &[v1::ArtifactRef]) -> Result<Vec<ArtifactRef>, WireError> {
    if messages.len() > MAX_ARTIFACTS {
        return wrong(
            "outcome.artifacts",
            format!("at most {MAX_ARTIFACTS} expected, {} found", messages.len()),
        );
    }
    let mut artifacts: Vec<ArtifactRef> = Vec::with_capacity(messages.len());
    for message in messages {
        let Some(kind) = ArtifactKind::from_name(&message.kind) else {
            return wrong("outcome.artifacts", format!("no artifact kind {:?}", clip(&message.kind)));
        };
        if artifacts.iter().any(|other| other.kind == kind) {
            return wrong("outcome.artifacts", format!("{} stands twice", kind.name()));
        }
        artifacts.push(ArtifactRef { kind, hash: artifact_hash(&message.hash)?, bytes: message.bytes });
    }
    Ok(artifacts)
}

fn environment_from_wire(message: v1::Environment) -> Result<Environment, WireError> {
    let fields =
        [&message.worker, &message.host, &message.version, &message.device, &message.isa, &message.engine];
    if let Some(long) = fields.into_iter().find(|text| text.len() > MAX_NAME_BYTES) {
        return wrong(
            "outcome.environment",
            format!("at most {MAX_NAME_BYTES} bytes a name, {} found", long.len()),
        );
    }
    Ok(Environment {
        worker: message.worker,
        host: message.host,
        version: message.version,
        device: message.device,
        isa: message.isa,
        engine: message.engine,
    })
}

/// The message of an outcome.
#[must_use]
pub fn outcome_to_wire(outcome: &Outcome) -> v1::Outcome {
    let status = match outcome.status {
        OutcomeStatus::Done => v1::OutcomeStatus::Done,
        OutcomeStatus::Diverged => v1::OutcomeStatus::Diverged,
    };
    let metrics = outcome.metrics.iter();
    let epochs = outcome.epochs.iter();
    let artifacts = outcome.artifacts.iter();
    v1::Outcome {
        status: status.into(),
        metrics: metrics.map(|m| v1::Metric { name: m.name.name().to_owned(), value: m.value }).collect(),
        epochs: epochs
            .map(|record| v1::EpochRecord {
                epoch: record.epoch,
                loss_per_cell: record.loss_per_cell,
                sse_per_cell: record.sse_per_cell,
                kl_per_cell: record.kl_per_cell,
                kl_spike_per_cell: record.kl_spike_per_cell,
                validation_sse_per_cell: record.validation_sse_per_cell,
                validation_loss_per_cell: record.validation_loss_per_cell,
                seconds: record.seconds,
            })
            .collect(),
        diagnostics: Some(v1::Diagnostics {
            kl_per_dim: outcome.diagnostics.kl_per_dim.clone(),
            code_variance: outcome.diagnostics.code_variance.clone(),
            kl_spike_per_dim: outcome.diagnostics.kl_spike_per_dim.clone(),
            mean_gate: outcome.diagnostics.mean_gate.clone(),
            zero_share: outcome.diagnostics.zero_share,
            hard_zero_share: outcome.diagnostics.hard_zero_share,
            dead_gates: outcome.diagnostics.dead_gates.clone(),
        }),
        artifacts: artifacts
            .map(|artifact| v1::ArtifactRef {
                kind: artifact.kind.name().to_owned(),
                hash: artifact.hash.as_bytes().to_vec().into(),
                bytes: artifact.bytes,
            })
            .collect(),
        environment: Some(v1::Environment {
            worker: outcome.environment.worker.clone(),
            host: outcome.environment.host.clone(),
            version: outcome.environment.version.clone(),
            device: outcome.environment.device.clone(),
            isa: outcome.environment.isa.clone(),
            engine: outcome.environment.engine.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{LeaseKey, checkpoint_from_wire, checkpoint_to_wire, outcome_from_wire, outcome_to_wire};
    use crate::v1;
    use domain::ids::{ArtifactHash, LeaseNonce};
    use domain::outcome::{ArtifactKind, ArtifactRef, CheckpointRef, Diagnostics};
    use domain::{EpochRecord, Metric, MetricName, Outcome, OutcomeStatus, TrialId};

    fn example() -> Outcome {
        Outcome {
            status: OutcomeStatus::Done,
            metrics: vec![
                Metric { name: MetricName::TrainSsePerCell, value: 1758.25 },
                Metric { name: MetricName::LatentKmeansAri, value: -0.01 },
            ],
            epochs: vec![EpochRecord {
                epoch: 1,
                loss_per_cell: 3.0,
                sse_per_cell: 2.0,
                kl_per_cell: 0.5,
                kl_spike_per_cell: Some(0.25),
                validation_sse_per_cell: Some(2.5),
                validation_loss_per_cell: Some(3.5),
                seconds: 0.1,
            }],
            diagnostics: Diagnostics {
                kl_per_dim: vec![0.1, 0.2],
                kl_spike_per_dim: vec![0.1, 0.0],
                zero_share: Some(0.5),
                hard_zero_share: Some(0.4),
                dead_gates: vec![0, 7],
                ..Diagnostics::default()
            },
            artifacts: vec![ArtifactRef {
                kind: ArtifactKind::Embedding,
                hash: ArtifactHash::of(b"x"),
                bytes: 1,
            }],
            environment: domain::outcome::Environment { worker: "w".into(), ..Default::default() },
        }
    }

    fn refused(change: impl FnOnce(&mut v1::Outcome)) -> String {
        let mut message = outcome_to_wire(&example());
        change(&mut message);
        outcome_from_wire(Some(message)).unwrap_err().to_string()
    }

    #[test]
    fn an_outcome_crosses_the_wire_unchanged() {
        assert_eq!(outcome_from_wire(Some(outcome_to_wire(&example()))).unwrap(), example());
    }

    #[test]
    fn hostile_outcomes_are_refused_by_field() {
        assert!(outcome_from_wire(None).is_err());
        assert!(refused(|m| m.status = 0).contains("unspecified"));
        assert!(refused(|m| m.status = 99).contains("unspecified"));
        assert!(refused(|m| m.metrics[0].value = f64::NAN).contains("NaN"));
        assert!(refused(|m| m.metrics[0].value = 1e308).contains("not a number between"));
        assert!(refused(|m| m.metrics[0].name = "../../etc/passwd".into()).contains("no metric"));
        assert!(refused(|m| m.metrics[1] = m.metrics[0].clone()).contains("twice"));
        assert!(refused(|m| m.metrics = vec![m.metrics[0].clone(); 10_000]).contains("at most"));
        assert!(refused(|m| m.epochs[0].epoch = 7).contains("epoch 1 expected"));
        assert!(refused(|m| m.epochs[0].validation_loss_per_cell = Some(f64::NAN)).contains("NaN"));
        assert!(refused(|m| m.diagnostics.as_mut().unwrap().dead_gates = vec![3, 3]).contains("ascending"));
        // A negative step, as a program in a language without unsigned numbers would send it.
        assert!(refused(|m| m.epochs[0].epoch = (-1_i32).cast_unsigned()).contains("epoch 1 expected"));
        assert!(refused(|m| m.epochs[0].seconds = -1.0).contains("-1 seconds"));
        assert!(refused(|m| m.epochs[0].loss_per_cell = f64::NEG_INFINITY).contains("-inf"));
        assert!(refused(|m| m.artifacts[0].hash = vec![1, 2].into()).contains("32 bytes"));
        assert!(refused(|m| m.artifacts[0].kind = "x".into()).contains("no artifact kind"));
        assert!(refused(|m| m.artifacts.push(m.artifacts[0].clone())).contains("twice"));
        assert!(
            refused(|m| m.environment.as_mut().unwrap().host = "h".repeat(1000)).contains("bytes a name")
        );
    }

    #[test]
    fn a_checkpoint_crosses_the_wire_and_an_impossible_one_is_refused() {
        let checkpoint = CheckpointRef { hash: ArtifactHash::of(b"c"), bytes: 7, epoch: 3 };
        let message = checkpoint_to_wire(&checkpoint);
        assert_eq!(checkpoint_from_wire(Some(&message)), Ok(Some(checkpoint)));
        assert_eq!(checkpoint_from_wire(None), Ok(None));
        let changes: [fn(&mut v1::CheckpointRef); 4] = [
            |message| message.bytes = 0,
            |message| message.bytes = u64::MAX,
            |message| message.epoch = u32::MAX,
            |message| message.hash = vec![1; 31].into(),
        ];
        for change in changes {
            let mut wrong = message.clone();
            change(&mut wrong);
            assert!(checkpoint_from_wire(Some(&wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_lease_key_needs_every_part() {
        let key = LeaseKey { trial: TrialId::of(b"t"), attempt: 3, nonce: LeaseNonce::of(b"n") };
        assert_eq!(LeaseKey::from_wire(Some(&key.to_wire())).unwrap(), key);
        assert!(LeaseKey::from_wire(None).is_err());
        assert!(LeaseKey::from_wire(Some(&v1::LeaseKey::default())).is_err());
    }
}
