//! A trial's end is reported: at most one outcome counts, and repeating a report changes nothing.

use domain::ids::SessionId;
use domain::{Outcome, OutcomeStatus, TrialState};

use crate::decide::failure::{self as failing, Failure};
use crate::decide::known_session;
use crate::decision::{Decision, Effect, Rejection, Reply};
use crate::event::Event;
use crate::input::LeaseKey;
use crate::state::{State, TrialEntry};
use crate::volatile::Touch;

pub(super) fn outcome(
    state: &State,
    now_ms: u64,
    session: SessionId,
    key: LeaseKey,
    outcome: Box<Outcome>,
) -> Decision {
    let worker = match known_session(state, &session) {
        Ok(known) => known.worker.name.clone(),
        Err(rejection) => return Decision::answer(Err(rejection)),
    };
    let entry = match last_attempt(state, &key) {
        Ok(entry) => entry,
        Err(rejection) => return Decision::answer(Err(rejection)),
    };
    let mut decision = Decision::answer(Ok(Reply::Acknowledged));
    decision.touches.push(Touch::Heard { session, at_ms: now_ms });
    match entry.state {
        // Pending: the lease ran out, but the trial was not handed to anybody else. Late is not lost.
        TrialState::Leased | TrialState::Pending => {
            let ended = match outcome.status {
                OutcomeStatus::Done => TrialState::Done,
                OutcomeStatus::Diverged => TrialState::Diverged,
            };
            decision.effects.push(Effect::TrialEnded { trial: key.trial, state: ended });
            decision.effects.extend(failing::forget_checkpoint(entry));
            decision.events.push(Event::OutcomeAccepted {
                trial: key.trial,
                attempt: key.attempt,
                worker,
                outcome,
            });
        }
        // The reply to the first report was lost.
        TrialState::Done | TrialState::Diverged => {}
        TrialState::Failed | TrialState::Poisoned | TrialState::Cancelled => {
            decision.reply = Err(Rejection::Ended { trial: key.trial, state: entry.state });
        }
    }
    decision
}

pub(super) fn failure(
    state: &State,
    now_ms: u64,
    session: SessionId,
    key: LeaseKey,
    failure: &Failure<'_>,
) -> Decision {
    if let Err(rejection) = known_session(state, &session) {
        return Decision::answer(Err(rejection));
    }
    let entry = match last_attempt(state, &key) {
        Ok(entry) => entry,
        Err(rejection) => return Decision::answer(Err(rejection)),
    };
    let mut decision = Decision::answer(Ok(Reply::Acknowledged));
    decision.touches.push(Touch::Heard { session, at_ms: now_ms });
    match entry.state {
        TrialState::Leased => failing::fail_live_attempt(&mut decision, now_ms, entry, failure),
        // This attempt has ended without an outcome already: said twice, or after its lease ran out.
        TrialState::Pending | TrialState::Failed | TrialState::Poisoned | TrialState::Cancelled => {}
        TrialState::Done | TrialState::Diverged => {
            decision.reply = Err(Rejection::Ended { trial: key.trial, state: entry.state });
        }
    }
    decision
}

/// The checkpoint at which the holder of a lease is to begin.
pub(super) fn checkpoint(state: &State, session: SessionId, key: LeaseKey) -> Decision {
    let found = known_session(state, &session).and_then(|_| last_attempt(state, &key)).and_then(|entry| {
        if entry.state != TrialState::Leased {
            return Err(Rejection::Ended { trial: key.trial, state: entry.state });
        }
        entry.checkpoint.map(Reply::Checkpoint).ok_or(Rejection::NoCheckpoint { trial: key.trial })
    });
    Decision::answer(found)
}

/// The trial of `key`, if `key` is its last attempt.
fn last_attempt<'a>(state: &'a State, key: &LeaseKey) -> Result<&'a TrialEntry, Rejection> {
    let entry = state.trial(&key.trial).ok_or(Rejection::UnknownTrial { trial: key.trial })?;
    if entry.is_last_attempt(key) {
        return Ok(entry);
    }
    Err(Rejection::Superseded { trial: key.trial, attempt: key.attempt, last: entry.attempts })
}
