//! Time passes: leases without a heartbeat end, silent workers are forgotten.

use domain::FailureKind;

use crate::decide::failure;
use crate::decision::{Decision, Effect, Reply};
use crate::state::State;
use crate::volatile::Touch;

/// A session is forgotten after this many lease times of silence. Longer than one, so that a person still sees in the
/// list of workers who fell silent; a worker that comes back registers again.
const FORGET_AFTER_TTLS: u64 = 10;

pub(super) fn tick(state: &State, now_ms: u64) -> Decision {
    let mut decision = Decision::answer(Ok(Reply::Acknowledged));
    let ttl_ms = state.settings().lease_ttl_ms;
    for (trial, until_ms) in &state.volatile.deadlines {
        let Some(entry) = state.trial(trial).filter(|_| *until_ms < now_ms) else { continue };
        let message = format!("no heartbeat for {ttl_ms} ms");
        failure::fail_live_attempt(&mut decision, now_ms, entry, FailureKind::WorkerLost, &message);
    }
    let forget_after_ms = ttl_ms.saturating_mul(FORGET_AFTER_TTLS);
    for (session, known) in state.sessions() {
        if now_ms.saturating_sub(known.heard_ms) > forget_after_ms {
            decision.touches.push(Touch::SessionClosed { session: *session });
            decision.effects.push(Effect::WorkerLeft { worker: known.worker.name.clone() });
        }
    }
    decision
}
