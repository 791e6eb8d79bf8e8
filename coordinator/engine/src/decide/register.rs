//! Workers come and go.

use domain::ids::SessionId;
use domain::{FailureKind, TrialId};

use crate::decide::failure::{self, Failure};
use crate::decide::known_session;
use crate::decision::{Decision, Effect, Rejection, Reply};
use crate::input::WorkerInfo;
use crate::state::State;
use crate::volatile::Touch;
use crate::{MAX_SESSIONS, MAX_SLOTS, MAX_WORKER_NAME_BYTES};

pub(super) fn register(state: &State, now_ms: u64, worker: WorkerInfo, session: SessionId) -> Decision {
    if let Err(rejection) = check(state, now_ms, &worker) {
        return Decision::answer(Err(rejection));
    }
    // The same process again (its reply was lost, or it reconnects): its old session is over, its leases stay its own.
    let earlier = sessions_of(state, &worker.name).map(|session| Touch::SessionClosed { session });
    let mut touches: Vec<Touch> = earlier.collect();
    let effects = vec![Effect::WorkerJoined { worker: worker.name.clone() }];
    touches.push(Touch::SessionOpened { session, worker, at_ms: now_ms });
    let settings = state.settings();
    let reply = Reply::Registered {
        session,
        heartbeat_ms: settings.heartbeat_ms,
        lease_ttl_ms: settings.lease_ttl_ms,
    };
    Decision { events: Vec::new(), touches, effects, reply: Ok(reply) }
}

fn check(state: &State, now_ms: u64, worker: &WorkerInfo) -> Result<(), Rejection> {
    if worker.name.is_empty() || worker.name.len() > MAX_WORKER_NAME_BYTES {
        return Err(Rejection::BadRegistration { problem: "a worker's name has 1 to 256 bytes" });
    }
    if worker.slots == 0 || worker.slots > MAX_SLOTS {
        return Err(Rejection::BadRegistration { problem: "a worker has 1 to 1024 slots" });
    }
    let namesake =
        state.sessions().map(|(_, session)| session).find(|session| session.worker.name == worker.name);
    if let Some(other) = namesake {
        let is_same_process = other.worker.pid == worker.pid && other.worker.host == worker.host;
        let is_live = now_ms.saturating_sub(other.heard_ms) <= state.settings().lease_ttl_ms;
        if is_live && !is_same_process {
            return Err(Rejection::NameTaken { name: worker.name.clone() });
        }
    } else if state.sessions().count() >= MAX_SESSIONS {
        return Err(Rejection::TooManyWorkers { limit: MAX_SESSIONS });
    }
    Ok(())
}

fn sessions_of<'a>(state: &'a State, worker: &'a str) -> impl Iterator<Item = SessionId> + 'a {
    state.sessions().filter(move |(_, known)| known.worker.name == worker).map(|(session, _)| *session)
}

pub(super) fn leave(state: &State, now_ms: u64, session: SessionId) -> Decision {
    let worker = match known_session(state, &session) {
        Ok(known) => known.worker.name.clone(),
        Err(rejection) => return Decision::answer(Err(rejection)),
    };
    free_all(state, now_ms, &worker, FailureKind::Returned, "the worker left")
}

pub(super) fn worker_gone(state: &State, now_ms: u64, worker: &str) -> Decision {
    free_all(state, now_ms, worker, FailureKind::WorkerLost, "the worker's process ended")
}

fn free_all(state: &State, now_ms: u64, worker: &str, kind: FailureKind, message: &str) -> Decision {
    let mut decision = Decision::answer(Ok(Reply::Acknowledged));
    let held: Vec<TrialId> =
        state.leases().filter(|(_, holder)| *holder == worker).map(|(entry, _)| entry.trial.id).collect();
    for trial in held {
        if let Some(entry) = state.trial(&trial) {
            let failure = Failure { kind, message, left: None };
            failure::fail_live_attempt(&mut decision, now_ms, entry, &failure);
        }
    }
    let sessions: Vec<SessionId> = sessions_of(state, worker).collect();
    if !sessions.is_empty() {
        decision.effects.push(Effect::WorkerLeft { worker: worker.to_owned() });
    }
    decision.touches.extend(sessions.into_iter().map(|session| Touch::SessionClosed { session }));
    decision
}
