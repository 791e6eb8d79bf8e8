//! `WorkerService`: each call becomes one input of the engine, or moves a file.

use std::time::Duration;

use domain::ids::SessionId;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use sweep_engine::{
    Directive, Input, LeaseGrant, LeaseKey, MAX_GRANTS_PER_CALL, MAX_SLOTS, Reply, RunningTrial, WorkerInfo,
};
use sweep_proto::v1::worker_service_server::WorkerService;
use sweep_proto::{CHUNK_BYTES, PROTOCOL, convert, v1};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tonic::codegen::Bytes;
use tonic::{Request, Response, Status, Streaming};

use super::names::NameKeeper;
use super::status::{of_artifact, of_dataset, of_runtime, of_wire};
use crate::access::Caller;
use crate::artifacts::ArtifactStore;
use crate::clock::{fresh_nonce, fresh_session};
use crate::datasets::DatasetStore;
use crate::failpoint::{self, Place};
use crate::runtime::CoordinatorHandle;

/// Longest silence within an upload: a chunk passes a slow line in far less.
const UPLOAD_IDLE: Duration = Duration::from_secs(60);
/// Longest name of a phase; the known ones are `data`, `train`, `evaluate`.
const MAX_PHASE_BYTES: usize = 32;

pub(super) struct WorkerApi {
    pub(super) handle: CoordinatorHandle,
    pub(super) artifacts: ArtifactStore,
    pub(super) checkpoints: ArtifactStore,
    pub(super) datasets: DatasetStore,
    pub(super) names: NameKeeper,
}

impl WorkerApi {
    async fn ask(&self, input: Input) -> Result<Reply, Status> {
        self.handle.send(input).await.map_err(|error| of_runtime(&error))
    }

    /// Whether a worker speaks. Files are for workers only.
    async fn check_session(&self, session: &[u8]) -> Result<(), Status> {
        let session = session_of(session)?;
        self.ask(Input::Identify { session }).await.map(drop)
    }
}

#[tonic::async_trait]
impl WorkerService for WorkerApi {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let caller = request.extensions().get::<Caller>().copied().unwrap_or(Caller::Anybody);
        let worker = worker_of(request.into_inner())?;
        let progress = self.handle.progress();
        let is_live = |name: &str| progress.borrow().workers.iter().any(|known| known.info.name == name);
        self.names.claim(&worker.name, caller, is_live)?;
        let session = fresh_session().map_err(|error| Status::unavailable(error.to_string()))?;
        match self.ask(Input::Register { worker, session }).await? {
            Reply::Registered { session, heartbeat_ms, lease_ttl_ms } => {
                Ok(Response::new(v1::RegisterResponse {
                    session: session.as_bytes().to_vec().into(),
                    heartbeat_ms,
                    lease_ttl_ms,
                }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn lease_trials(
        &self,
        request: Request<v1::LeaseTrialsRequest>,
    ) -> Result<Response<v1::LeaseTrialsResponse>, Status> {
        let message = request.into_inner();
        let session = session_of(&message.session)?;
        let nonce_count = (message.want as usize).min(MAX_GRANTS_PER_CALL);
        let nonces: Result<Vec<_>, _> = (0..nonce_count).map(|_| fresh_nonce()).collect();
        let nonces = nonces.map_err(|error| Status::unavailable(error.to_string()))?;
        match self.ask(Input::LeaseTrials { session, want: message.want, nonces }).await? {
            Reply::Leases { leases, retry_after_ms, finished } => {
                let ttl_ms = self.handle.lease_ttl_ms();
                let leases = leases.iter().map(|lease| lease_to_wire(lease, ttl_ms)).collect();
                Ok(Response::new(v1::LeaseTrialsResponse { leases, retry_after_ms, finished }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let message = request.into_inner();
        let session = session_of(&message.session)?;
        if message.running.len() > MAX_SLOTS as usize {
            return Err(Status::invalid_argument(format!(
                "a worker runs at most {MAX_SLOTS} trials at once"
            )));
        }
        let running: Result<Vec<_>, _> = message.running.into_iter().map(running_of).collect();
        match self.ask(Input::Heartbeat { session, running: running? }).await? {
            Reply::Heartbeat { directives, drain } => {
                let directives = directives.into_iter().map(|(trial, directive)| v1::TrialDirective {
                    trial_id: trial.as_bytes().to_vec().into(),
                    directive: directive_to_wire(directive).into(),
                });
                Ok(Response::new(v1::HeartbeatResponse { directives: directives.collect(), drain }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn report_outcome(
        &self,
        request: Request<v1::ReportOutcomeRequest>,
    ) -> Result<Response<v1::ReportOutcomeResponse>, Status> {
        let message = request.into_inner();
        let session = session_of(&message.session)?;
        let key = key_of(message.lease.as_ref())?;
        let outcome = convert::outcome_from_wire(message.outcome).map_err(|error| of_wire(&error))?;
        for artifact in &outcome.artifacts {
            if !self.artifacts.contains(&artifact.hash, artifact.bytes).await {
                // Retryable: the worker sends the artifact, then the outcome, again.
                return Err(Status::unavailable(format!(
                    "artifact {} has not been received whole: send it first",
                    artifact.hash
                )));
            }
        }
        self.ask(Input::ReportOutcome { session, key, outcome: Box::new(outcome) }).await?;
        Ok(Response::new(v1::ReportOutcomeResponse {}))
    }

    async fn report_failure(
        &self,
        request: Request<v1::ReportFailureRequest>,
    ) -> Result<Response<v1::ReportFailureResponse>, Status> {
        let message = request.into_inner();
        let session = session_of(&message.session)?;
        let key = key_of(message.lease.as_ref())?;
        let kind = convert::failure_kind(&message.kind).map_err(|error| of_wire(&error))?;
        let words = convert::clip_message(&message.message);
        let checkpoint = convert::checkpoint_from_wire(message.checkpoint.as_ref());
        let checkpoint = checkpoint.map_err(|error| of_wire(&error))?;
        if let Some(checkpoint) = &checkpoint
            && !self.checkpoints.contains(&checkpoint.hash, checkpoint.bytes).await
        {
            // Retryable, as for artifacts.
            return Err(Status::unavailable(format!(
                "checkpoint {} has not been received whole: send it first",
                checkpoint.hash
            )));
        }
        self.ask(Input::ReportFailure { session, key, kind, message: words, checkpoint }).await?;
        Ok(Response::new(v1::ReportFailureResponse {}))
    }

    type FetchDatasetStream = BoxStream<'static, Result<v1::FetchDatasetResponse, Status>>;

    async fn fetch_dataset(
        &self,
        request: Request<v1::FetchDatasetRequest>,
    ) -> Result<Response<Self::FetchDatasetStream>, Status> {
        let message = request.into_inner();
        self.check_session(&message.session).await?;
        let fingerprint = convert::fingerprint(&message.fingerprint).map_err(|error| of_wire(&error))?;
        let opened = self.datasets.open_at(&fingerprint, message.offset).await;
        let (file, total) = opened.map_err(|error| of_dataset(&error))?;
        let download = Download { file, offset: message.offset, total, is_first: true };
        let parts = try_unfold(download, next_chunk).enumerate().map(move |(position, part)| {
            let hash = if position == 0 { fingerprint.as_bytes().to_vec() } else { Vec::new() };
            part.map(|Chunk { offset, total, bytes }| v1::FetchDatasetResponse {
                offset,
                total,
                chunk: bytes,
                file_hash: hash.into(),
            })
        });
        Ok(Response::new(parts.boxed()))
    }

    type FetchCheckpointStream = BoxStream<'static, Result<v1::FetchCheckpointResponse, Status>>;

    async fn fetch_checkpoint(
        &self,
        request: Request<v1::FetchCheckpointRequest>,
    ) -> Result<Response<Self::FetchCheckpointStream>, Status> {
        let message = request.into_inner();
        let session = session_of(&message.session)?;
        let key = key_of(message.lease.as_ref())?;
        let checkpoint = match self.ask(Input::FindCheckpoint { session, key }).await? {
            Reply::Checkpoint(checkpoint) => checkpoint,
            other => return Err(unexpected(&other)),
        };
        let opened = self.checkpoints.open_at(&checkpoint.hash, message.offset).await;
        let (file, total) = opened.map_err(|error| of_artifact(&error))?;
        let download = Download { file, offset: message.offset, total, is_first: true };
        let parts = try_unfold(download, next_chunk).map(|part| {
            part.map(|Chunk { offset, total, bytes }| v1::FetchCheckpointResponse {
                offset,
                total,
                chunk: bytes,
            })
        });
        Ok(Response::new(parts.boxed()))
    }

    async fn put_artifact(
        &self,
        request: Request<Streaming<v1::PutArtifactRequest>>,
    ) -> Result<Response<v1::PutArtifactResponse>, Status> {
        let mut messages = request.into_inner();
        let Some(first) = next_message(&mut messages).await? else {
            return Err(Status::invalid_argument("an upload has at least one message"));
        };
        self.check_session(&first.session).await?;
        let hash = convert::artifact_hash(&first.hash).map_err(|error| of_wire(&error))?;
        let store = match first.purpose() {
            v1::ArtifactPurpose::Checkpoint => &self.checkpoints,
            v1::ArtifactPurpose::Unspecified => &self.artifacts,
        };
        let mut incoming = store.receive(hash, first.total).await.map_err(|error| of_artifact(&error))?;
        let mut message = Some(first);
        while let Some(part) = message {
            incoming.write(&part.chunk).await.map_err(|error| of_artifact(&error))?;
            message = next_message(&mut messages).await?;
        }
        incoming.commit().await.map_err(|error| of_artifact(&error))?;
        failpoint::reach(Place::ArtifactStored);
        Ok(Response::new(v1::PutArtifactResponse {}))
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        let session = session_of(&request.into_inner().session)?;
        self.ask(Input::Leave { session }).await?;
        Ok(Response::new(v1::LeaveResponse {}))
    }
}

fn unexpected(reply: &Reply) -> Status {
    Status::internal(format!("the engine answered another question: {reply:?}"))
}

fn session_of(bytes: &[u8]) -> Result<SessionId, Status> {
    convert::session_id(bytes).map_err(|error| of_wire(&error))
}

fn key_of(message: Option<&v1::LeaseKey>) -> Result<LeaseKey, Status> {
    let key = convert::LeaseKey::from_wire(message).map_err(|error| of_wire(&error))?;
    Ok(LeaseKey { trial: key.trial, attempt: key.attempt, nonce: key.nonce })
}

fn worker_of(message: v1::RegisterRequest) -> Result<WorkerInfo, Status> {
    if message.protocol != PROTOCOL {
        return Err(Status::invalid_argument(format!(
            "this coordinator speaks protocol {PROTOCOL}, the worker {}: use workers of the same release",
            message.protocol
        )));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if message.worker.starts_with('.') || !message.worker.bytes().all(is_plain) {
        return Err(Status::invalid_argument(
            "a worker's name has letters, digits, '-', '_' and '.', and does not start with '.'",
        ));
    }
    for text in [&message.worker, &message.host, &message.version, &message.device, &message.isa] {
        if text.len() > convert::MAX_NAME_BYTES {
            return Err(Status::invalid_argument(format!(
                "a name has at most {} bytes",
                convert::MAX_NAME_BYTES
            )));
        }
    }
    Ok(WorkerInfo {
        name: message.worker,
        host: message.host,
        pid: message.pid,
        slots: message.slots,
        version: message.version,
        device: message.device,
        isa: message.isa,
    })
}

fn running_of(message: v1::TrialProgress) -> Result<RunningTrial, Status> {
    if message.phase.len() > MAX_PHASE_BYTES {
        return Err(Status::invalid_argument(format!("a phase has at most {MAX_PHASE_BYTES} bytes")));
    }
    if message.epoch.max(message.epochs) as usize > convert::MAX_EPOCHS {
        return Err(Status::invalid_argument(format!("a trial has at most {} epochs", convert::MAX_EPOCHS)));
    }
    Ok(RunningTrial {
        key: key_of(message.lease.as_ref())?,
        epoch: message.epoch,
        epochs: message.epochs,
        // A loss that is about to diverge is no reason to lose a heartbeat.
        loss_per_cell: message.loss_per_cell.filter(|loss| loss.is_finite()),
        phase: message.phase,
    })
}

fn lease_to_wire(lease: &LeaseGrant, ttl_ms: u64) -> v1::Lease {
    v1::Lease {
        trial_id: lease.trial.id.as_bytes().to_vec().into(),
        attempt: lease.attempt,
        nonce: lease.nonce.as_bytes().to_vec().into(),
        config_json: lease.trial.config.canonical_json(),
        seed: lease.trial.seed,
        data_fingerprint: lease.trial.data.as_bytes().to_vec().into(),
        ttl_ms,
        checkpoint: lease.checkpoint.as_ref().map(convert::checkpoint_to_wire),
    }
}

const fn directive_to_wire(directive: Directive) -> v1::Directive {
    match directive {
        Directive::Cancel => v1::Directive::Cancel,
        Directive::Superseded => v1::Directive::Superseded,
    }
}

async fn next_message(
    messages: &mut Streaming<v1::PutArtifactRequest>,
) -> Result<Option<v1::PutArtifactRequest>, Status> {
    let waited = tokio::time::timeout(UPLOAD_IDLE, messages.message()).await;
    waited.map_err(|_| Status::deadline_exceeded("the upload fell silent"))?
}

struct Download {
    file: File,
    offset: u64,
    total: u64,
    is_first: bool,
}

/// A part of a file on its way out.
struct Chunk {
    offset: u64,
    total: u64,
    bytes: Bytes,
}

/// The next part of a file. The first one comes even where nothing is left, for it carries the length.
async fn next_chunk(mut download: Download) -> Result<Option<(Chunk, Download)>, Status> {
    let left = download.total.saturating_sub(download.offset);
    if left == 0 && !download.is_first {
        return Ok(None);
    }
    let length = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
    let mut bytes = vec![0; length];
    let read = download.file.read_exact(&mut bytes).await;
    read.map_err(|error| Status::unavailable(format!("the file cannot be read: {error}")))?;
    let chunk = Chunk { offset: download.offset, total: download.total, bytes: bytes.into() };
    download.offset += length as u64;
    download.is_first = false;
    Ok(Some((chunk, download)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sweep_proto::{PROTOCOL, v1};

    use super::{running_of, worker_of};

    proptest! {
        #[test]
        fn whoever_registers_is_taken_or_refused(
            name in ".{0,300}",
            host in ".{0,300}",
            slots in any::<u32>(),
            is_ours in any::<bool>(),
            protocol in any::<u32>(),
        ) {
            let protocol = if is_ours { PROTOCOL } else { protocol };
            let request =
                v1::RegisterRequest { worker: name, host, slots, protocol, ..Default::default() };
            if let Ok(worker) = worker_of(request) {
                prop_assert!(!worker.name.contains(['/', '\\', '\u{1b}', '\n', ' ']), "{}", worker.name);
                prop_assert!(worker.name.len() <= 256 && worker.host.len() <= 256);
            }
        }

        #[test]
        fn whatever_progress_is_said_is_taken_or_refused(
            trial_id in prop::collection::vec(any::<u8>(), 0..20),
            nonce in prop::collection::vec(any::<u8>(), 14..18),
            epoch in any::<u32>(),
            loss in any::<f64>(),
            phase in ".{0,40}",
        ) {
            let lease =
                Some(v1::LeaseKey { trial_id: trial_id.into(), attempt: 1, nonce: nonce.into() });
            let message =
                v1::TrialProgress { lease, epoch, epochs: epoch, loss_per_cell: Some(loss), phase };
            if let Ok(running) = running_of(message) {
                prop_assert!(running.loss_per_cell.is_none_or(f64::is_finite));
                prop_assert!(running.epoch <= 100_000 && running.phase.len() <= 32);
            }
        }
    }
}
