//! The worker's tie to its coordinator: how it connects, registers, notices that its session is unknown, and registers
//! again. Must not know what a trial is.

use std::sync::Mutex;
use std::time::Duration;

use domain::ids::SessionId;
use sweep_proto::dial::{Connection, Dialer, Hopeless, hopeless};
use sweep_proto::join::JoinToken;
use sweep_proto::v1::worker_service_client::WorkerServiceClient;
use sweep_proto::{MAX_MESSAGE_BYTES, PROTOCOL, convert, v1};
use tokio::sync::watch;
use tonic::{Code, Response, Status};

use crate::back_off::{BackOff, Pace};
use crate::config::CoordinatorUrl;
use crate::screen::Screen;
use crate::verdict::{self, Verdict};

/// The client that every call goes through.
pub(crate) type Client = WorkerServiceClient<Connection>;

/// Longest wait for a connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for the answer to one call that carries no file; a coordinator answers in milliseconds.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(20);
/// A silent connection is probed this often, so that a cut one is noticed although nothing is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bounds of what a coordinator may ask as time between heartbeats.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(60));

/// One registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: SessionId,
    /// Time between heartbeats.
    pub(crate) heartbeat: Duration,
    /// How long a lease lives without one.
    pub(crate) lease_ttl: Duration,
}

/// Why the coordinator will not have this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not take the registration.
    Registration(String),
    /// It does not let this worker in, or is not the one that the token names.
    NotLetIn(String),
    /// What was dialled is not what answers.
    WrongDoor(String),
}

/// The tie.
pub(crate) struct Link {
    url: String,
    dialer: Dialer,
    identity: v1::RegisterRequest,
    pace: Pace,
    screen: Screen,
    current: watch::Sender<Option<Session>>,
    /// The last session that a heartbeat was answered in.
    heard: watch::Sender<Option<SessionId>>,
    trouble: Mutex<Option<String>>,
}

impl Link {
    /// A tie that is not made yet.
    ///
    /// # Errors
    /// Words for people when the address cannot be dialled with this token.
    pub(crate) fn new(
        url: &CoordinatorUrl,
        token: Option<&JoinToken>,
        identity: v1::RegisterRequest,
        pace: Pace,
        screen: Screen,
    ) -> Result<Self, String> {
        let endpoint = url.endpoint().clone();
        let endpoint = endpoint
            .connect_timeout(CONNECT_LIMIT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(CALL_LIMIT)
            .keep_alive_while_idle(true);
        let dialer = Dialer::new(endpoint, token).map_err(|error| error.to_string())?;
        Ok(Self {
            url: url.as_str().to_owned(),
            dialer,
            identity,
            pace,
            screen,
            current: watch::Sender::new(None),
            heard: watch::Sender::new(None),
            trouble: Mutex::new(None),
        })
    }

    /// A client with a connection of its own, made at its first call and made again whenever it breaks. Must be called
    /// inside the runtime that will drive it.
    pub(crate) fn client(&self) -> Client {
        WorkerServiceClient::new(self.dialer.lazy())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Where the coordinator is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A new series of delays.
    pub(crate) fn back_off(&self) -> BackOff {
        BackOff::new(self.pace, &self.identity.worker)
    }

    /// The session, if there is one at the moment.
    pub(crate) fn session_now(&self) -> Option<Session> {
        *self.current.borrow()
    }

    /// The session, waited for.
    pub(crate) async fn session(&self) -> Session {
        let mut current = self.current.subscribe();
        match current.wait_for(Option::is_some).await.ok().and_then(|session| *session) {
            Some(session) => session,
            None => std::future::pending().await,
        }
    }

    /// Waits until the session is another than `known`.
    pub(crate) async fn session_changed(&self, known: Session) {
        let mut current = self.current.subscribe();
        let _ = current.wait_for(|session| *session != Some(known)).await;
    }

    /// The session, once the coordinator has heard in it what this worker runs. Before that it would count this
    /// worker as idle and lease it more than it has room for.
    pub(crate) async fn session_that_was_heard(&self) -> Session {
        loop {
            let session = self.session().await;
            let mut heard = self.heard.subscribe();
            tokio::select! {
                _ = heard.wait_for(|id| *id == Some(session.id)) => return session,
                () = self.session_changed(session) => {}
            }
        }
    }

    /// Notes that a heartbeat of session `id` was answered.
    pub(crate) fn note_heard(&self, id: SessionId) {
        self.heard.send_replace(Some(id));
        self.note_fine();
    }

    /// Notes that the coordinator does not know session `id`; another one is made if it is still the current one.
    pub(crate) fn note_lost(&self, id: SessionId) {
        self.current.send_if_modified(|current| {
            let is_current = current.is_some_and(|session| session.id == id);
            if is_current {
                *current = None;
            }
            is_current
        });
    }

    /// Notes that a call failed for now, and tells it once.
    pub(crate) fn note_trouble(&self, why: String) {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if trouble.is_none() {
            let words = match self.session_now() {
                Some(_) => format!("the coordinator does not answer ({why}); trials go on, trying again"),
                None => format!("waiting for the coordinator at {} ({why})", self.url),
            };
            self.screen.warn(&words);
        }
        tracing::debug!(why, "call failed");
        *trouble = Some(why);
    }

    fn note_fine(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if trouble.take().is_some() {
            self.screen.say("the coordinator answers");
        }
    }

    /// What the last failed call said.
    pub(crate) fn last_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Registers whenever there is no session. Comes back only when the coordinator refuses the worker for good.
    pub(crate) async fn keep_registered(&self) -> Refusal {
        let mut client = self.client();
        let mut current = self.current.subscribe();
        loop {
            let _ = current.wait_for(Option::is_none).await;
            let mut back_off = self.back_off();
            let session = loop {
                let reply = call(CALL_LIMIT, client.register(self.identity.clone())).await;
                let status = match reply.and_then(|reply| read_registration(&reply)) {
                    Ok(session) => break session,
                    Err(status) => status,
                };
                match hopeless(&status) {
                    Some(Hopeless::NotAllowed(why)) => return Refusal::NotLetIn(verdict::plain(&why)),
                    Some(Hopeless::WrongDoor(why)) => return Refusal::WrongDoor(verdict::plain(&why)),
                    None => {}
                }
                // The name of a launch is unique: where it is taken, the reply to an earlier try was lost, and the
                // coordinator forgets that session when nothing is heard in it.
                let is_own_name = status.code() == Code::AlreadyExists;
                if !is_own_name && matches!(verdict::judge(&status), Verdict::Refused | Verdict::Superseded) {
                    return Refusal::Registration(verdict::words(&status));
                }
                self.note_trouble(verdict::words(&status));
                tokio::time::sleep(back_off.next_delay()).await;
            };
            tracing::debug!(session = %session.id, "registered");
            self.current.send_replace(Some(session));
        }
    }
}

fn read_registration(reply: &v1::RegisterResponse) -> Result<Session, Status> {
    let id =
        convert::session_id(&reply.session).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let (shortest, longest) = HEARTBEAT_BOUNDS;
    Ok(Session {
        id,
        heartbeat: Duration::from_millis(reply.heartbeat_ms).clamp(shortest, longest),
        lease_ttl: Duration::from_millis(reply.lease_ttl_ms).max(shortest),
    })
}

/// Who this worker is, as it registers.
pub(crate) fn identity(
    worker: String,
    host: String,
    slots: usize,
    device: &str,
    isa: &str,
) -> v1::RegisterRequest {
    v1::RegisterRequest {
        worker,
        host,
        pid: std::process::id(),
        slots: u32::try_from(slots).unwrap_or(u32::MAX),
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: device.to_owned(),
        isa: isa.to_owned(),
    }
}

/// The answer to one call, within `limit`.
pub(crate) async fn call<T>(
    limit: Duration,
    reply: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, reply).await {
        Ok(reply) => reply.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {} s", limit.as_secs()))),
    }
}
