//! One attempt ends without an outcome: the same for every way in which that comes to be known.

use domain::{FailureKind, TrialState};

use crate::decision::{Decision, Effect};
use crate::event::Event;
use crate::retry;
use crate::state::TrialEntry;
use crate::volatile::Touch;

/// Adds to `decision` that the live attempt of `entry` failed; without a live one, nothing.
pub(super) fn fail_live_attempt(
    decision: &mut Decision,
    now_ms: u64,
    entry: &TrialEntry,
    kind: FailureKind,
    message: &str,
) {
    let Some(worker) = entry.holder() else { return };
    let trial = entry.trial.id;
    let next = retry::state_after(entry, kind, worker);
    decision.events.push(Event::AttemptFailed {
        trial,
        attempt: entry.attempts,
        kind,
        message: message.to_owned(),
        worker: worker.to_owned(),
        next,
    });
    let rest_ms = retry::back_off_ms(entry, kind);
    if next == TrialState::Pending && rest_ms > 0 {
        decision.touches.push(Touch::HeldBack { trial, until_ms: now_ms.saturating_add(rest_ms) });
    }
    decision.effects.push(Effect::AttemptFailed {
        trial,
        attempt: entry.attempts,
        kind,
        message: message.to_owned(),
        worker: worker.to_owned(),
    });
    if next.is_terminal() {
        decision.effects.push(Effect::TrialEnded { trial, state: next });
    }
}
