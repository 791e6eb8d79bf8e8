//! When a trial that failed may run again, and when it has failed for good.

use domain::{FailureKind, TrialState};

use crate::state::TrialEntry;

/// First back-off.
pub const BACK_OFF_FIRST_MS: u64 = 1000;
/// Longest back-off.
pub const BACK_OFF_MAX_MS: u64 = 60_000;
/// A trial that took down this many different workers is poisoned.
pub const POISONED_AFTER_WORKERS: usize = 3;
/// A trial is poisoned after this many lost attempts even if always by workers of the same few names: without it one
/// worker that is restarted under its old name would run a deadly trial for ever.
pub const MAX_LOST_ATTEMPTS: u32 = 9;

/// Where a trial stands after one more failure of this kind on this worker.
#[must_use]
pub fn state_after(entry: &TrialEntry, kind: FailureKind, worker: &str) -> TrialState {
    let failures = entry.failures_of(kind).saturating_add(1);
    if kind == FailureKind::WorkerLost {
        let is_new_worker = !entry.lost_by.contains(worker);
        let workers = entry.lost_by.len() + usize::from(is_new_worker);
        let is_deadly = failures >= kind.limit() && workers >= POISONED_AFTER_WORKERS;
        return if is_deadly || failures >= MAX_LOST_ATTEMPTS {
            TrialState::Poisoned
        } else {
            TrialState::Pending
        };
    }
    if kind.counts_as_attempt() && failures >= kind.limit() {
        TrialState::Failed
    } else {
        TrialState::Pending
    }
}

/// Whether a trial keeps its checkpoint after one more failure of this kind. A trial that failed by itself begins anew:
/// the checkpoint may be why. So does one that took a second worker down.
#[must_use]
pub fn keeps_checkpoint(entry: &TrialEntry, kind: FailureKind) -> bool {
    match kind {
        FailureKind::Returned | FailureKind::DataUnavailable => true,
        FailureKind::WorkerLost => entry.failures_of(kind) == 0,
        FailureKind::Stalled
        | FailureKind::Panic
        | FailureKind::BadConfig
        | FailureKind::OutOfMemory
        | FailureKind::Internal => false,
    }
}

/// How long a trial rests after one more failure of this kind: 1 s, doubling with every failure up to 60 s. Nothing
/// after a trial was given back, and nothing after its first loss of a worker: that is most often the worker's end.
#[must_use]
pub fn back_off_ms(entry: &TrialEntry, kind: FailureKind) -> u64 {
    if kind == FailureKind::Returned {
        return 0;
    }
    let before: u32 = entry.failures.values().sum();
    let spared = u32::from(entry.failures_of(FailureKind::WorkerLost) > 0 || kind == FailureKind::WorkerLost);
    let counted = before.saturating_add(1).saturating_sub(spared);
    match counted {
        0 => 0,
        n => BACK_OFF_FIRST_MS.saturating_mul(1 << (n - 1).min(16)).min(BACK_OFF_MAX_MS),
    }
}
