//! Worker's side by a real client over loopback: register, lease, heartbeat, artifact, outcome, restart.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use coordinator::artifacts::ArtifactStore;
use coordinator::datasets::DatasetStore;
use coordinator::rpc::{IntakeError, PreparedSweep, RpcError, RpcServer, SubmittedGrid, SweepIntake};
use coordinator::runtime::{Coordinator, CoordinatorHandle, settings};
use coordinator::store::{SqliteStore, StateDir};
use domain::MetricName;
use domain::ids::{ArtifactHash, Fingerprint};
use sweep_engine::{Mode, Settings};
use sweep_proto::convert::outcome_to_wire;
use sweep_proto::v1;
use sweep_proto::v1::sweep_service_client::SweepServiceClient;
use sweep_proto::v1::worker_service_client::WorkerServiceClient;
use tonic::codegen::Bytes;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::fixture::{ARTIFACT, DATA, outcome, record, trial};

/// Makes a sweep of two trials of whatever text comes, which must not be empty.
pub(crate) struct TwoTrials;

#[async_trait]
impl SweepIntake for TwoTrials {
    async fn prepare(&self, grid: SubmittedGrid) -> Result<PreparedSweep, IntakeError> {
        if grid.grid_toml.is_empty() {
            return Err(IntakeError { message: format!("{}: is empty", grid.file_name) });
        }
        Ok(PreparedSweep { record: record("s", 1), trials: vec![trial(1), trial(2)] })
    }
}

pub(crate) struct Ring {
    pub(crate) handle: CoordinatorHandle,
    server: RpcServer,
    pub(crate) worker: WorkerServiceClient<Channel>,
    sweeps: SweepServiceClient<Channel>,
}

impl Ring {
    pub(crate) async fn start(state: &Path) -> Self {
        let store = SqliteStore::open(StateDir::lock(state, "test").unwrap()).await.unwrap();
        let ttl = Settings { heartbeat_ms: 5_000, lease_ttl_ms: 30_000, ..settings(Mode::UntilDone) };
        let files = ArtifactStore::of_checkpoints(state);
        let handle = Coordinator::start_with_checkpoints(ttl, Arc::new(store), files).await.unwrap();
        let server = serve(state, "127.0.0.1:0".parse().unwrap(), &handle).await.unwrap();
        let channel =
            Channel::from_shared(format!("http://{}", server.address())).unwrap().connect().await.unwrap();
        let worker = WorkerServiceClient::new(channel.clone());
        Self { handle, server, worker, sweeps: SweepServiceClient::new(channel) }
    }

    pub(crate) async fn stop(self) {
        let Self { handle, server, worker, sweeps } = self;
        drop((worker, sweeps));
        server.shutdown().await;
        handle.shutdown().await;
    }

    /// Another connection to the same coordinator.
    pub(crate) async fn connect_again(&self) -> WorkerServiceClient<Channel> {
        let url = format!("http://{}", self.server.address());
        WorkerServiceClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap())
    }

    pub(crate) async fn submit(&mut self) -> v1::SubmitSweepResponse {
        let request = v1::SubmitSweepRequest { grid_toml: "x".to_owned(), ..Default::default() };
        self.sweeps.submit_sweep(request).await.unwrap().into_inner()
    }

    pub(crate) async fn register(&mut self) -> Bytes {
        let request = v1::RegisterRequest {
            worker: "w".to_owned(),
            host: "host".to_owned(),
            pid: 1,
            slots: 2,
            protocol: sweep_proto::PROTOCOL,
            ..Default::default()
        };
        self.worker.register(request).await.unwrap().into_inner().session
    }

    pub(crate) async fn lease(&mut self, session: &Bytes, want: u32) -> v1::LeaseTrialsResponse {
        let request = v1::LeaseTrialsRequest { session: session.clone(), want };
        self.worker.lease_trials(request).await.unwrap().into_inner()
    }

    pub(crate) async fn put(&mut self, session: &Bytes, content: &'static [u8]) -> Result<(), Status> {
        let first = v1::PutArtifactRequest {
            session: session.clone(),
            hash: ArtifactHash::of(ARTIFACT).as_bytes().to_vec().into(),
            total: ARTIFACT.len() as u64,
            chunk: content[..4].into(),
            purpose: 0,
        };
        let second = v1::PutArtifactRequest { chunk: content[4..].into(), ..Default::default() };
        self.worker.put_artifact(tokio_stream::iter([first, second])).await.map(drop)
    }

    pub(crate) async fn report(&mut self, session: &Bytes, lease: &v1::Lease) -> Result<(), Status> {
        let request = v1::ReportOutcomeRequest {
            session: session.clone(),
            lease: Some(key(lease)),
            outcome: Some(outcome_to_wire(&outcome())),
        };
        self.worker.report_outcome(request).await.map(drop)
    }
}

async fn serve(state: &Path, address: SocketAddr, handle: &CoordinatorHandle) -> Result<RpcServer, RpcError> {
    let (artifacts, datasets) = (ArtifactStore::of_state_dir(state), DatasetStore::of_state_dir(state));
    RpcServer::start(address, handle.clone(), artifacts, datasets, Arc::new(TwoTrials)).await
}

pub(crate) fn key(lease: &v1::Lease) -> v1::LeaseKey {
    v1::LeaseKey { trial_id: lease.trial_id.clone(), attempt: lease.attempt, nonce: lease.nonce.clone() }
}

#[tokio::test]
async fn a_trial_goes_round_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    assert_eq!(ring.submit().await, v1::SubmitSweepResponse { sweep: "s".to_owned(), trials: 2, ended: 0 });
    let session = ring.register().await;
    let leases = ring.lease(&session, 1).await.leases;
    assert_eq!(leases[0].config_json, trial(1).config.canonical_json());
    assert_eq!(ring.lease(&session, 1).await.leases, leases, "asking again gives the same");

    let too_early = ring.report(&session, &leases[0]).await.unwrap_err();
    assert_eq!(too_early.code(), Code::Unavailable, "its artifact is not there yet: {too_early}");
    let forged = ring.put(&session, b"other bytes of an artifact!").await.unwrap_err();
    assert_eq!(forged.code(), Code::InvalidArgument, "{forged}");
    for _ in 0..2 {
        ring.put(&session, ARTIFACT).await.unwrap();
        ring.report(&session, &leases[0]).await.unwrap();
    }

    let stale = v1::Lease { attempt: 7, ..leases[0].clone() };
    let refused = ring.report(&session, &stale).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.metadata().get("sweep-rejection").unwrap(), "superseded");
    let unknown = ring.report(&vec![0; 16].into(), &leases[0]).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unauthenticated);
    let short = ring.report(&vec![0; 3].into(), &leases[0]).await.unwrap_err();
    assert_eq!(short.code(), Code::InvalidArgument);
    ring.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_results_and_live_leases() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = ring.register().await;
    let leases = ring.lease(&session, 2).await.leases;
    ring.put(&session, ARTIFACT).await.unwrap();
    ring.report(&session, &leases[0]).await.unwrap();
    ring.stop().await;

    let mut ring = Ring::start(folder.path()).await;
    assert_eq!(ring.submit().await.ended, 1, "the result is kept");
    let lost = ring.report(&session, &leases[1]).await.unwrap_err();
    assert_eq!(lost.code(), Code::Unauthenticated, "sessions are not");
    let session = ring.register().await;
    assert_eq!(ring.lease(&session, 2).await.leases, leases[1..], "the running trial is adopted");
    ring.report(&session, &leases[0]).await.unwrap();
    ring.report(&session, &leases[1]).await.unwrap();
    assert!(ring.lease(&session, 2).await.finished);

    let mut progress = ring.handle.progress();
    let seen = progress.wait_for(|now| now.is_finished).await.unwrap().clone();
    assert_eq!(seen.sweeps[0].counts.done, 2);
    assert_eq!(seen.ended[0].reconstruction, Some((MetricName::SsePerCell, 1758.25)));
    let data = ring.handle.store().load_sweep(&"s".parse().unwrap()).await.unwrap().unwrap();
    assert!(data.trials.iter().all(|row| row.outcome == Some(outcome())));
    ring.stop().await;
}

#[tokio::test]
async fn a_worker_that_ends_gives_its_trials_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = ring.register().await;
    assert_eq!(ring.lease(&session, 2).await.leases.len(), 2);
    ring.handle.worker_gone("w").await.unwrap();
    let session = ring.register().await;
    let leases = ring.lease(&session, 2).await.leases;
    assert!(leases.iter().all(|lease| lease.attempt == 2), "{leases:?}");

    ring.handle.drain().await.unwrap();
    let running =
        leases.iter().map(|lease| v1::TrialProgress { lease: Some(key(lease)), ..Default::default() });
    let request = v1::HeartbeatRequest { session, running: running.collect() };
    let reply = ring.worker.heartbeat(request).await.unwrap().into_inner();
    assert!(reply.drain && reply.directives.is_empty(), "{reply:?}");
    ring.stop().await;
}

#[tokio::test]
async fn a_data_set_comes_from_any_offset() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    let fingerprint = Fingerprint::of(DATA);
    std::fs::write(DatasetStore::of_state_dir(folder.path()).path(&fingerprint), DATA).unwrap();
    let session = ring.register().await;
    for offset in [0, 5, DATA.len()] {
        let request = v1::FetchDatasetRequest {
            session: session.clone(),
            fingerprint: fingerprint.as_bytes().to_vec().into(),
            offset: offset as u64,
        };
        let mut parts = ring.worker.fetch_dataset(request).await.unwrap().into_inner();
        let part = parts.message().await.unwrap().unwrap();
        assert_eq!((part.offset, part.total), (offset as u64, DATA.len() as u64));
        assert_eq!(part.chunk, &DATA[offset..]);
        assert_eq!(part.file_hash, &fingerprint.as_bytes()[..]);
        assert!(parts.message().await.unwrap().is_none());
    }
    let beyond = v1::FetchDatasetRequest {
        session: session.clone(),
        fingerprint: fingerprint.as_bytes().to_vec().into(),
        offset: 1 << 40,
    };
    assert_eq!(ring.worker.fetch_dataset(beyond).await.unwrap_err().code(), Code::OutOfRange);
    let absent = v1::FetchDatasetRequest { session, fingerprint: vec![7; 32].into(), offset: 0 };
    assert_eq!(ring.worker.fetch_dataset(absent).await.unwrap_err().code(), Code::NotFound);
    ring.stop().await;
}

#[tokio::test]
async fn a_port_in_use_and_a_bad_grid_are_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    let taken = serve(folder.path(), ring.server.address(), &ring.handle).await.unwrap_err();
    assert!(matches!(taken, RpcError::AddressInUse { .. }), "{taken}");
    let request = v1::SubmitSweepRequest { file_name: "grid.toml".to_owned(), ..Default::default() };
    let refused = ring.sweeps.submit_sweep(request).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "grid.toml: is empty"));
    ring.stop().await;
}
