//! Hands the ends of trials over: artifacts first, then the outcome, again and again until the coordinator has
//! answered. What it cannot hand over goes to the spool. Must not know how a trial is trained.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::FailureKind;
use domain::ids::{ArtifactHash, SessionId};
use domain::outcome::CheckpointRef;
use prost::bytes::Bytes;
use sweep_proto::convert::{LeaseKey, checkpoint_to_wire, clip_message};
use sweep_proto::{CHUNK_BYTES, v1};
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::link::{CALL_LIMIT, Client, Link, call};
use crate::orders::OrderBoard;
use crate::runner::Saved;
use crate::running::{StopReason, TrialHandle};
use crate::spool::{Spool, SpoolError, SpooledOutcome};
use crate::verdict::{self, Verdict};

/// Longest wait for one artifact to be taken: 150 MB over a slow line.
const ARTIFACT_LIMIT: Duration = Duration::from_secs(300);

/// Longest wait for a checkpoint to be taken: whoever takes a worker's machine away gives it half a minute.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(20);

/// The end of one trial.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// With numbers.
    Outcome(Box<SpooledOutcome>),
    /// Without.
    Failure {
        /// Typed cause.
        kind: FailureKind,
        /// Words for people.
        message: String,
        /// Where the trial stood.
        saved: Option<Saved>,
    },
}

/// One thing to hand over.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    /// The lease that it ends.
    pub(crate) key: LeaseKey,
    /// What is said.
    pub(crate) content: Content,
    /// Where it waits on disk, if it does.
    pub(crate) spooled: Option<PathBuf>,
}

/// What became of a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The coordinator has it.
    Accepted,
    /// Nobody wants it; the words say why.
    Dropped(String),
    /// It waits in the spool for the next worker of this cache.
    Kept,
    /// The coordinator will never take it; the words are its.
    Refused(String),
    /// It could neither be handed over nor kept; the coordinator will lease the trial again.
    Lost(String),
}

/// What deliveries share.
pub(crate) struct Outbox {
    pub(crate) link: Arc<Link>,
    pub(crate) spool: Spool,
    pub(crate) orders: Arc<OrderBoard>,
    /// Whether the worker is about to leave: then one try has to do.
    pub(crate) leaving: watch::Sender<bool>,
}

enum Interruption {
    Leave,
    Drop(StopReason),
}

impl Outbox {
    /// Hands `parcel` over. `handle` says when nobody wants it any more; what comes from the spool has none.
    pub(crate) async fn deliver(
        &self,
        client: Client,
        mut parcel: Parcel,
        handle: Option<TrialHandle>,
    ) -> Delivery {
        let interruption = async {
            tokio::select! {
                reason = dropped(handle.as_ref()) => Interruption::Drop(reason),
                () = self.orders.stopped() => Interruption::Leave,
            }
        };
        let interrupted = tokio::select! {
            biased;
            interruption = interruption => Ok(interruption),
            delivery = self.try_until_answered(client, &mut parcel) => Err(delivery),
        };
        match interrupted {
            Err(delivery) => delivery,
            Ok(Interruption::Leave) => self.keep(&mut parcel).await,
            Ok(Interruption::Drop(reason)) => self.forget(&parcel, format!("{reason:?}").to_lowercase()),
        }
    }

    async fn try_until_answered(&self, mut client: Client, parcel: &mut Parcel) -> Delivery {
        let mut back_off = self.link.back_off();
        let mut refusals = 0;
        loop {
            if self.link.session_now().is_none() {
                self.spool_if_outcome(parcel).await;
            }
            let Some(session) = self.session_unless_leaving().await else { return self.keep(parcel).await };
            let Err(status) = send(&mut client, session, parcel).await else {
                if let Some(path) = &parcel.spooled {
                    self.spool.remove(path);
                }
                return Delivery::Accepted;
            };
            match verdict::judge(&status) {
                Verdict::Superseded => return self.forget(parcel, verdict::words(&status)),
                Verdict::UnknownSession => self.link.note_lost(session),
                // A restarted coordinator may call the session not found as well as the trial: asked again in a new
                // session, it means the trial.
                Verdict::Refused if status.code() == Code::NotFound && refusals == 0 => {
                    refusals += 1;
                    self.link.note_lost(session);
                }
                Verdict::Refused => return self.set_aside(&mut client, parcel, &status).await,
                Verdict::Retry => {
                    self.link.note_trouble(verdict::words(&status));
                    self.spool_if_outcome(parcel).await;
                    if self.sleep_unless_leaving(back_off.next_delay()).await {
                        return self.keep(parcel).await;
                    }
                }
            }
        }
    }

    /// The current session; `None` when there is none and the worker leaves.
    async fn session_unless_leaving(&self) -> Option<SessionId> {
        let mut leaving = self.leaving.subscribe();
        tokio::select! {
            biased;
            session = self.link.session() => Some(session.id),
            _ = leaving.wait_for(|leaving| *leaving) => None,
        }
    }

    /// Sleeps; says whether the worker leaves.
    async fn sleep_unless_leaving(&self, delay: Duration) -> bool {
        let mut leaving = self.leaving.subscribe();
        tokio::select! {
            _ = leaving.wait_for(|leaving| *leaving) => true,
            () = tokio::time::sleep(delay) => false,
        }
    }

    async fn spool_if_outcome(&self, parcel: &mut Parcel) {
        if parcel.spooled.is_some() {
            return;
        }
        if let Err(error) = self.spool_now(parcel).await {
            tracing::warn!(%error, "a finished outcome cannot be put on disk; it is kept in memory");
        }
    }

    async fn spool_now(&self, parcel: &mut Parcel) -> Result<(), SpoolError> {
        let Content::Outcome(outcome) = parcel.content.clone() else { return Ok(()) };
        let (spool, key) = (self.spool.clone(), parcel.key);
        // The disk may be slow; the runtime has calls to make.
        let written = tokio::task::spawn_blocking(move || spool.put(&key, &outcome)).await;
        match written {
            Ok(path) => parcel.spooled = Some(path?),
            Err(panic) => tracing::error!(%panic, "writing to the spool broke off"),
        }
        Ok(())
    }

    /// The worker leaves without an answer.
    async fn keep(&self, parcel: &mut Parcel) -> Delivery {
        if matches!(parcel.content, Content::Failure { .. }) {
            return Delivery::Lost("the coordinator is away".to_owned());
        }
        if parcel.spooled.is_none()
            && let Err(error) = self.spool_now(parcel).await
        {
            return Delivery::Lost(error.to_string());
        }
        Delivery::Kept
    }

    fn forget(&self, parcel: &Parcel, why: String) -> Delivery {
        if let Some(path) = &parcel.spooled {
            self.spool.remove(path);
        }
        Delivery::Dropped(why)
    }

    async fn set_aside(&self, client: &mut Client, parcel: &mut Parcel, status: &Status) -> Delivery {
        let why = verdict::words(status);
        // A trial that this coordinator has never heard of may be another's whose worker used the same cache.
        if status.code() == Code::NotFound {
            return if parcel.spooled.is_some() { Delivery::Kept } else { Delivery::Dropped(why) };
        }
        if let Content::Outcome(_) = &parcel.content {
            self.spool_if_outcome(parcel).await;
            self.tell_refusal(client, parcel.key, &why).await;
        }
        if let Some(path) = &parcel.spooled {
            self.spool.refuse(path);
        }
        Delivery::Refused(why)
    }

    /// An outcome that is refused ends its trial all the same: as a failure with the coordinator's own words.
    async fn tell_refusal(&self, client: &mut Client, key: LeaseKey, why: &str) {
        let Some(session) = self.link.session_now() else { return };
        let message = format!("the coordinator refused the outcome: {why}");
        let request = failure_request(session.id, key, FailureKind::Internal, &message, None);
        if let Err(status) = call(CALL_LIMIT, client.report_failure(request)).await {
            tracing::warn!(why = verdict::words(&status), "the refusal of an outcome could not be reported");
        }
    }
}

async fn dropped(handle: Option<&TrialHandle>) -> StopReason {
    match handle {
        Some(handle) => handle.until_dropped().await,
        None => std::future::pending().await,
    }
}

async fn send(client: &mut Client, session: SessionId, parcel: &Parcel) -> Result<(), Status> {
    match &parcel.content {
        Content::Failure { kind, message, saved } => {
            let checkpoint = match saved {
                Some(saved) => put_checkpoint(client, session, saved).await?,
                None => None,
            };
            let request = failure_request(session, parcel.key, *kind, message, checkpoint);
            call(CALL_LIMIT, client.report_failure(request)).await.map(drop)
        }
        Content::Outcome(content) => {
            for artifact in &content.artifacts {
                let purpose = v1::ArtifactPurpose::Unspecified;
                put_artifact(client, session, artifact, purpose, ARTIFACT_LIMIT).await?;
            }
            let request = v1::ReportOutcomeRequest {
                session: session.as_bytes().to_vec().into(),
                lease: Some(parcel.key.to_wire()),
                outcome: content.outcome.clone(),
            };
            call(CALL_LIMIT, client.report_outcome(request)).await.map(drop)
        }
    }
}

fn failure_request(
    session: SessionId,
    key: LeaseKey,
    kind: FailureKind,
    message: &str,
    checkpoint: Option<v1::CheckpointRef>,
) -> v1::ReportFailureRequest {
    v1::ReportFailureRequest {
        session: session.as_bytes().to_vec().into(),
        lease: Some(key.to_wire()),
        kind: kind.name().to_owned(),
        message: clip_message(message),
        checkpoint,
    }
}

/// Sends where a trial stood. Without it the trial is given back all the same and begins anew; only a session that is
/// unknown is worth another try.
async fn put_checkpoint(
    client: &mut Client,
    session: SessionId,
    saved: &Saved,
) -> Result<Option<v1::CheckpointRef>, Status> {
    let purpose = v1::ArtifactPurpose::Checkpoint;
    match put_artifact(client, session, &saved.bytes, purpose, CHECKPOINT_LIMIT).await {
        Ok(()) => {}
        Err(status) if verdict::judge(&status) == Verdict::UnknownSession => return Err(status),
        Err(status) => {
            let why = verdict::words(&status);
            tracing::warn!(why, "a checkpoint cannot be handed over; the trial is given back without it");
            return Ok(None);
        }
    }
    let (hash, bytes) = (ArtifactHash::of(&saved.bytes), saved.bytes.len() as u64);
    Ok(Some(checkpoint_to_wire(&CheckpointRef { hash, bytes, epoch: saved.epoch })))
}

async fn put_artifact(
    client: &mut Client,
    session: SessionId,
    content: &Bytes,
    purpose: v1::ArtifactPurpose,
    limit: Duration,
) -> Result<(), Status> {
    let mut messages = Vec::with_capacity(content.len().div_ceil(CHUNK_BYTES).max(1));
    let mut rest = content.clone();
    loop {
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        messages.push(v1::PutArtifactRequest { chunk, ..Default::default() });
        if rest.is_empty() {
            break;
        }
    }
    let first = &mut messages[0];
    first.session = session.as_bytes().to_vec().into();
    first.hash = blake3::hash(content).as_bytes().to_vec().into();
    first.total = content.len() as u64;
    first.set_purpose(purpose);
    call(limit, client.put_artifact(tokio_stream::iter(messages))).await.map(drop)
}
