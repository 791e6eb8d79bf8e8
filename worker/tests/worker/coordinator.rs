//! A coordinator that keeps its word and can be told to misbehave. Its memory outlives its process: `stop` and `start`
//! are a crash and a restart, after which it knows no session.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use domain::{Outcome, TrialId};
use sweep_proto::convert::{LeaseKey, outcome_from_wire};
use sweep_proto::v1;
use sweep_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

/// Nothing that a test waits for takes this long unless it never comes.
const DEADLINE: Duration = Duration::from_secs(60);

/// What it remembers and how it is to behave.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) registrations: Vec<v1::RegisterRequest>,
    /// Names of the workers by session.
    pub(crate) sessions: BTreeMap<Vec<u8>, String>,
    sessions_made: u8,
    /// Waiting to be leased.
    pub(crate) pending: VecDeque<v1::Lease>,
    /// Leased and not ended, each with its worker's name.
    pub(crate) live: Vec<(String, v1::Lease)>,
    /// Most leases that were live at once.
    pub(crate) most_live: usize,
    pub(crate) outcomes: Vec<(LeaseKey, Outcome)>,
    pub(crate) failures: Vec<v1::ReportFailureRequest>,
    pub(crate) artifacts: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) checkpoints: BTreeMap<Vec<u8>, Vec<u8>>,
    /// So many checkpoints are refused as they come.
    pub(crate) checkpoints_to_refuse: u32,
    /// The next checkpoint that is fetched ends after so many bytes.
    pub(crate) cut_next_checkpoint_at: Option<usize>,
    /// Offsets that fetches of checkpoints began at.
    pub(crate) checkpoint_fetches: Vec<u64>,
    pub(crate) heartbeats: Vec<v1::HeartbeatRequest>,
    /// Names of calls in their order.
    pub(crate) calls: Vec<&'static str>,
    /// By trial and attempt.
    pub(crate) directives: BTreeMap<(TrialId, u32), v1::Directive>,
    pub(crate) drain: bool,
    /// Never says that it is finished.
    pub(crate) serves_for_ever: bool,
    /// Takes so many outcomes without the answer arriving.
    pub(crate) outcome_replies_to_lose: u32,
    /// Answers every outcome with this.
    pub(crate) outcome_refusal: Option<Status>,
    pub(crate) register_refusal: Option<Status>,
    pub(crate) datasets: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Offsets that fetches began at.
    pub(crate) fetches: Vec<u64>,
    /// So many fetches get bytes with an error in them.
    pub(crate) fetches_to_spoil: u32,
    /// The next fetch ends after so many bytes.
    pub(crate) cut_next_fetch_at: Option<usize>,
    pub(crate) left: u32,
}

impl Memory {
    /// Whether a heartbeat said that so many trials train. One that is merely held may still wait for its data, and then
    /// needs the coordinator, and obeys.
    pub(crate) fn trains(&self, count: usize) -> bool {
        let training =
            |beat: &v1::HeartbeatRequest| beat.running.iter().filter(|one| one.phase == "train").count();
        self.heartbeats.iter().any(|beat| training(beat) == count)
    }

    fn worker_of(&self, session: &[u8]) -> Result<String, Status> {
        self.sessions.get(session).cloned().ok_or_else(|| Status::unauthenticated("unknown session"))
    }

    pub(crate) fn key_of(lease: &v1::Lease) -> LeaseKey {
        let key = v1::LeaseKey {
            trial_id: lease.trial_id.clone(),
            attempt: lease.attempt,
            nonce: lease.nonce.clone(),
        };
        LeaseKey::from_wire(Some(&key)).unwrap()
    }

    fn end(&mut self, key: LeaseKey) {
        self.live.retain(|(_, lease)| Self::key_of(lease) != key);
    }

    pub(crate) fn outcomes_of(&self, trial: TrialId) -> Vec<&Outcome> {
        self.outcomes.iter().filter(|(key, _)| key.trial == trial).map(|(_, outcome)| outcome).collect()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<(Mutex<Memory>, Condvar)>);

impl Shared {
    /// Looks at or changes the memory.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        let result = act(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    /// Waits until `is_it` holds.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_it: impl Fn(&Memory) -> bool) {
        let memory = self.0.0.lock().unwrap();
        let (memory, waited) =
            self.0.1.wait_timeout_while(memory, DEADLINE, |memory| !is_it(memory)).unwrap();
        assert!(!waited.timed_out(), "never came: {what}; calls: {:?}", memory.calls);
    }
}

/// The process, as far as there is one.
pub(crate) struct Coordinator {
    pub(crate) shared: Shared,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Coordinator {
    pub(crate) fn start() -> Self {
        let mut coordinator =
            Self { shared: Shared::default(), address: SocketAddr::from(([127, 0, 0, 1], 0)), runtime: None };
        coordinator.start_again();
        coordinator
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves at the same address as before.
    pub(crate) fn start_again(&mut self) {
        self.shared.with(|memory| memory.sessions.clear());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(self.address)).unwrap();
        self.address = listener.local_addr().unwrap();
        let service = WorkerServiceServer::new(self.shared.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        self.runtime = Some(runtime);
    }

    /// Cuts every connection and stops listening.
    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(DEADLINE);
        }
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.stop();
    }
}

type Chunks = tokio_stream::Iter<std::vec::IntoIter<Result<v1::FetchDatasetResponse, Status>>>;
/// Small, so that a small data set takes many.
const CHUNK: usize = 16;

#[tonic::async_trait]
impl WorkerService for Shared {
    type FetchDatasetStream = Chunks;

    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        self.with(|memory| {
            memory.calls.push("register");
            if let Some(refusal) = memory.register_refusal.clone() {
                return Err(refusal);
            }
            let request = request.into_inner();
            memory.sessions_made += 1;
            let session = vec![memory.sessions_made; 16];
            memory.sessions.insert(session.clone(), request.worker.clone());
            memory.registrations.push(request);
            Ok(Response::new(v1::RegisterResponse {
                session: session.into(),
                heartbeat_ms: 5,
                lease_ttl_ms: 60,
            }))
        })
    }

    async fn lease_trials(
        &self,
        request: Request<v1::LeaseTrialsRequest>,
    ) -> Result<Response<v1::LeaseTrialsResponse>, Status> {
        let request = request.into_inner();
        self.with(|memory| {
            memory.calls.push("lease");
            let worker = memory.worker_of(&request.session)?;
            let held = memory.live.iter().filter(|(holder, _)| *holder == worker).count();
            for _ in held..request.want as usize {
                memory.live.extend(memory.pending.pop_front().map(|lease| (worker.clone(), lease)));
            }
            memory.most_live = memory.most_live.max(memory.live.len());
            let finished = memory.live.is_empty() && memory.pending.is_empty() && !memory.serves_for_ever;
            let own = memory.live.iter().filter(|(holder, _)| *holder == worker);
            let leases = own.map(|(_, lease)| lease.clone()).collect();
            Ok(Response::new(v1::LeaseTrialsResponse { leases, retry_after_ms: 10, finished }))
        })
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let request = request.into_inner();
        self.with(|memory| {
            memory.calls.push("heartbeat");
            memory.worker_of(&request.session)?;
            let mut reply = v1::HeartbeatResponse { drain: memory.drain, ..Default::default() };
            for running in &request.running {
                let key = LeaseKey::from_wire(running.lease.as_ref()).unwrap();
                if let Some(directive) = memory.directives.get(&(key.trial, key.attempt)) {
                    let trial_id = key.trial.as_bytes().to_vec().into();
                    reply.directives.push(v1::TrialDirective { trial_id, directive: (*directive).into() });
                }
            }
            memory.heartbeats.push(request);
            Ok(Response::new(reply))
        })
    }

    async fn report_outcome(
        &self,
        request: Request<v1::ReportOutcomeRequest>,
    ) -> Result<Response<v1::ReportOutcomeResponse>, Status> {
        let request = request.into_inner();
        self.with(|memory| {
            memory.calls.push("outcome");
            memory.worker_of(&request.session)?;
            if let Some(refusal) = memory.outcome_refusal.clone() {
                return Err(refusal);
            }
            let key = LeaseKey::from_wire(request.lease.as_ref()).unwrap();
            let outcome = outcome_from_wire(request.outcome).unwrap();
            for artifact in &outcome.artifacts {
                let content = memory.artifacts.get(artifact.hash.as_bytes().as_slice());
                assert_eq!(
                    content.map(|bytes| bytes.len() as u64),
                    Some(artifact.bytes),
                    "artifacts come first"
                );
            }
            memory.outcomes.push((key, outcome));
            memory.end(key);
            if memory.outcome_replies_to_lose > 0 {
                memory.outcome_replies_to_lose -= 1;
                return Err(Status::unavailable("the reply was lost"));
            }
            Ok(Response::new(v1::ReportOutcomeResponse {}))
        })
    }

    async fn report_failure(
        &self,
        request: Request<v1::ReportFailureRequest>,
    ) -> Result<Response<v1::ReportFailureResponse>, Status> {
        let request = request.into_inner();
        self.with(|memory| {
            memory.calls.push("failure");
            memory.worker_of(&request.session)?;
            memory.end(LeaseKey::from_wire(request.lease.as_ref()).unwrap());
            memory.failures.push(request);
            Ok(Response::new(v1::ReportFailureResponse {}))
        })
    }

    async fn fetch_dataset(
        &self,
        request: Request<v1::FetchDatasetRequest>,
    ) -> Result<Response<Self::FetchDatasetStream>, Status> {
        let request = request.into_inner();
        self.with(|memory| {
            memory.calls.push("fetch");
            memory.worker_of(&request.session)?;
            memory.fetches.push(request.offset);
            let Some(content) = memory.datasets.get(request.fingerprint.as_ref()) else {
                return Err(Status::not_found("no such data set"));
            };
            let mut content = content.clone();
            let total = content.len() as u64;
            if memory.fetches_to_spoil > 0 {
                memory.fetches_to_spoil -= 1;
                *content.last_mut().unwrap() ^= 1;
            }
            content.truncate(memory.cut_next_fetch_at.take().unwrap_or(content.len()));
            let rest = &content[request.offset as usize..];
            let messages = rest.chunks(CHUNK).enumerate().map(|(position, chunk)| {
                Ok(v1::FetchDatasetResponse {
                    offset: request.offset + (position * CHUNK) as u64,
                    total,
                    chunk: chunk.to_vec().into(),
                    file_hash: if position == 0 { request.fingerprint.clone() } else { Default::default() },
                })
            });
            Ok(Response::new(tokio_stream::iter(messages.collect::<Vec<_>>())))
        })
    }

    type FetchCheckpointStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<v1::FetchCheckpointResponse, Status>>>;

    async fn fetch_checkpoint(
        &self,
        request: Request<v1::FetchCheckpointRequest>,
    ) -> Result<Response<Self::FetchCheckpointStream>, Status> {
        let request = request.into_inner();
        let key = LeaseKey::from_wire(request.lease.as_ref()).unwrap();
        self.with(|memory| {
            memory.calls.push("checkpoint");
            memory.worker_of(&request.session)?;
            memory.checkpoint_fetches.push(request.offset);
            let lease = memory.live.iter().map(|(_, lease)| lease).find(|lease| Memory::key_of(lease) == key);
            let named = lease.and_then(|lease| lease.checkpoint.clone());
            let hash = named.map(|named| named.hash.to_vec()).unwrap_or_default();
            let Some(content) = memory.checkpoints.get(&hash) else {
                return Err(Status::not_found("no such checkpoint"));
            };
            let total = content.len() as u64;
            let end = memory.cut_next_checkpoint_at.take().unwrap_or(content.len());
            let rest = &content[request.offset as usize..end];
            let messages = rest.chunks(sweep_proto::CHUNK_BYTES).enumerate().map(|(position, chunk)| {
                Ok(v1::FetchCheckpointResponse {
                    offset: request.offset + (position * sweep_proto::CHUNK_BYTES) as u64,
                    total,
                    chunk: chunk.to_vec().into(),
                })
            });
            Ok(Response::new(tokio_stream::iter(messages.collect::<Vec<_>>())))
        })
    }

    async fn put_artifact(
        &self,
        request: Request<Streaming<v1::PutArtifactRequest>>,
    ) -> Result<Response<v1::PutArtifactResponse>, Status> {
        let mut messages = request.into_inner();
        let mut first = None;
        let mut content = Vec::new();
        while let Some(message) = messages.message().await? {
            content.extend_from_slice(&message.chunk);
            first.get_or_insert(message);
        }
        let first = first.unwrap();
        assert_eq!(first.total, content.len() as u64);
        assert_eq!(first.hash.as_ref(), blake3::hash(&content).as_bytes());
        self.with(|memory| {
            memory.calls.push("artifact");
            memory.worker_of(&first.session)?;
            let is_checkpoint = first.purpose() == v1::ArtifactPurpose::Checkpoint;
            if is_checkpoint && memory.checkpoints_to_refuse > 0 {
                memory.checkpoints_to_refuse -= 1;
                return Err(Status::unavailable("the disk is full"));
            }
            let store = if is_checkpoint { &mut memory.checkpoints } else { &mut memory.artifacts };
            store.insert(first.hash.to_vec(), content);
            Ok(Response::new(v1::PutArtifactResponse {}))
        })
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        self.with(|memory| {
            memory.calls.push("leave");
            memory.worker_of(&request.into_inner().session)?;
            memory.left += 1;
            Ok(Response::new(v1::LeaveResponse {}))
        })
    }
}
