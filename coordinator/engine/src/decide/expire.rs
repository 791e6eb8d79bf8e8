//! Time passes, and three different limits with it: a silent worker loses its leases, a trial without progress is given to
//! another worker, and a worker that does not stop what it was told to stop gets no new trials.

use domain::FailureKind;

use crate::decide::failure::{self, Failure};
use crate::decision::{Decision, Effect, Reply};
use crate::state::{State, TrialEntry};
use crate::volatile::Touch;

/// A session is forgotten after this many lease times of silence. Longer than one, so that a person still sees in the
/// list of workers who fell silent; a worker that comes back registers again.
const FORGET_AFTER_TTLS: u64 = 10;

pub(super) fn tick(state: &State, now_ms: u64) -> Decision {
    let mut decision = Decision::answer(Ok(Reply::Acknowledged));
    end_leases(state, now_ms, &mut decision);
    note_disobedience(state, now_ms, &mut decision);
    forget_the_silent(state, now_ms, &mut decision);
    decision
}

fn end_leases(state: &State, now_ms: u64, decision: &mut Decision) {
    let ttl_ms = state.settings().lease_ttl_ms;
    for (trial, until_ms) in &state.volatile.deadlines {
        let Some(entry) = state.trial(trial) else { continue };
        if *until_ms < now_ms {
            let message = format!("no heartbeat for {ttl_ms} ms");
            let failure = Failure { kind: FailureKind::WorkerLost, message: &message, left: None };
            failure::fail_live_attempt(decision, now_ms, entry, &failure);
        } else if let Some(message) = standstill(state, now_ms, entry) {
            let failure = Failure { kind: FailureKind::Stalled, message: &message, left: None };
            failure::fail_live_attempt(decision, now_ms, entry, &failure);
        }
    }
}

/// What is wrong with a trial whose worker lives but that does not come forward.
fn standstill(state: &State, now_ms: u64, entry: &TrialEntry) -> Option<String> {
    let advance = state.volatile.advances.get(&entry.trial.id)?;
    let (idle_ms, limit_ms) = (advance.idle_ms(now_ms), advance.limit_ms(state.settings().no_progress_ms));
    (idle_ms > limit_ms).then(|| {
        format!("its worker lives, but no epoch ended for {} s (limit {} s)", idle_ms / 1000, limit_ms / 1000)
    })
}

fn note_disobedience(state: &State, now_ms: u64, decision: &mut Decision) {
    for ((session, trial), order) in &state.volatile.stop_orders {
        if order.is_noted || !is_overdue(state, now_ms, order.since_ms) {
            continue;
        }
        decision.touches.push(Touch::DisobedienceNoted { session: *session, trial: *trial });
        if let Some(known) = state.volatile.sessions.get(session) {
            let worker = known.worker.name.clone();
            decision.effects.push(Effect::WorkerDisobeys { worker, trial: *trial });
        }
    }
}

/// Whether an order to stop that was given then has been disobeyed.
pub(super) const fn is_overdue(state: &State, now_ms: u64, since_ms: u64) -> bool {
    now_ms.saturating_sub(since_ms) > state.settings().no_progress_ms
}

fn forget_the_silent(state: &State, now_ms: u64, decision: &mut Decision) {
    let forget_after_ms = state.settings().lease_ttl_ms.saturating_mul(FORGET_AFTER_TTLS);
    for (session, known) in state.sessions() {
        if now_ms.saturating_sub(known.heard_ms) > forget_after_ms {
            decision.touches.push(Touch::SessionClosed { session: *session });
            decision.effects.push(Effect::WorkerLeft { worker: known.worker.name.clone() });
        }
    }
}
