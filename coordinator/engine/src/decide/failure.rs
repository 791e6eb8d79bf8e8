//! One attempt ends without an outcome: the same for every way in which that comes to be known.

use domain::outcome::CheckpointRef;
use domain::{FailureKind, TrialState};

use crate::decision::{Decision, Effect};
use crate::event::Event;
use crate::retry;
use crate::state::TrialEntry;
use crate::volatile::Touch;

/// Why an attempt failed, and what it left.
pub(super) struct Failure<'a> {
    pub(super) kind: FailureKind,
    pub(super) message: &'a str,
    /// Where the trial stood, where its worker gave it back.
    pub(super) left: Option<CheckpointRef>,
}

/// Adds to `decision` that the live attempt of `entry` failed; without a live one, nothing.
pub(super) fn fail_live_attempt(
    decision: &mut Decision,
    now_ms: u64,
    entry: &TrialEntry,
    failure: &Failure<'_>,
) {
    let Some(worker) = entry.holder() else { return };
    let Failure { kind, message, left } = *failure;
    let trial = entry.trial.id;
    let next = retry::state_after(entry, kind, worker);
    let checkpoint = checkpoint_after(entry, kind, next, left);
    if let Some(old) = entry.checkpoint.filter(|old| checkpoint.is_none_or(|new| new.hash != old.hash)) {
        decision.effects.push(Effect::CheckpointObsolete { hash: old.hash });
    }
    decision.events.push(Event::AttemptFailed {
        trial,
        attempt: entry.attempts,
        kind,
        message: message.to_owned(),
        worker: worker.to_owned(),
        next,
        checkpoint,
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

fn checkpoint_after(
    entry: &TrialEntry,
    kind: FailureKind,
    next: TrialState,
    left: Option<CheckpointRef>,
) -> Option<CheckpointRef> {
    if next.is_terminal() {
        return None;
    }
    let kept = entry.checkpoint.filter(|_| retry::keeps_checkpoint(entry, kind));
    left.filter(|_| kind == FailureKind::Returned).or(kept)
}

/// The effect of `entry`'s end on the file that it will not begin at any more.
pub(super) fn forget_checkpoint(entry: &TrialEntry) -> Option<Effect> {
    entry.checkpoint.map(|checkpoint| Effect::CheckpointObsolete { hash: checkpoint.hash })
}
