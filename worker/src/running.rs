//! The trials that this worker holds: leases, progress, and who was told to stop. Shared by the session, the training
//! threads and the heartbeat; its lock is held only to copy a few words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::TrialId;
use sweep_proto::convert::LeaseKey;
use sweep_proto::v1;
use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::orders::DrainCause;

/// What a trial is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Its data set is fetched or opened.
    #[default]
    Data,
    /// It trains.
    Train,
    /// It is scored, or waits to be handed over.
    Evaluate,
}

impl Phase {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
        }
    }
}

/// How far a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// What it is busy with.
    pub phase: Phase,
    /// Epochs done.
    pub epoch: u32,
    /// Epochs in all; 0 while unknown or for a model without.
    pub epochs: u32,
    /// Loss of the last epoch; always finite.
    pub loss_per_cell: Option<f64>,
}

/// Why a trial must not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The worker leaves: give the trial back.
    Return(DrainCause),
    /// A person cancelled it: drop it.
    Cancelled,
    /// Another attempt holds it: drop it.
    Superseded,
}

impl StopReason {
    /// Whether nobody waits for the trial any more.
    pub(crate) const fn is_drop(self) -> bool {
        matches!(self, Self::Cancelled | Self::Superseded)
    }
}

#[derive(Debug)]
struct Entry {
    key: LeaseKey,
    progress: Progress,
    stop: watch::Sender<Option<StopReason>>,
    /// Since when it is to stop.
    told: Option<Stopwatch>,
}

/// The table of held trials.
#[derive(Debug, Default)]
pub(crate) struct Running {
    entries: Mutex<BTreeMap<TrialId, Entry>>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TrialId, Entry>> {
        // Nothing panics under this lock; were it to, the table itself would still be whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Trials held.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The lease under which `trial` is held.
    pub(crate) fn key_of(&self, trial: TrialId) -> Option<LeaseKey> {
        self.lock().get(&trial).map(|entry| entry.key)
    }

    /// Takes a lease up and returns the end of it that its training thread holds.
    pub(crate) fn insert(self: &Arc<Self>, key: LeaseKey) -> TrialHandle {
        let (stop, stopped) = watch::channel(None);
        self.lock().insert(key.trial, Entry { key, progress: Progress::default(), stop, told: None });
        TrialHandle { key, table: Arc::clone(self), stopped }
    }

    /// Lets a lease go, if it is still the one that is held.
    pub(crate) fn remove(&self, key: LeaseKey) {
        let mut entries = self.lock();
        if entries.get(&key.trial).is_some_and(|entry| entry.key == key) {
            entries.remove(&key.trial);
        }
    }

    /// Tells the trial of this very lease to stop. A drop outranks a return; the first drop stands.
    pub(crate) fn stop(&self, key: LeaseKey, reason: StopReason) {
        if let Some(entry) = self.lock().get_mut(&key.trial).filter(|entry| entry.key == key) {
            tell(entry, reason);
        }
    }

    /// Tells every trial to stop.
    pub(crate) fn stop_all(&self, reason: StopReason) {
        self.lock().values_mut().for_each(|entry| tell(entry, reason));
    }

    /// Slots whose trial nobody waits for, but that have not let it go yet.
    pub(crate) fn dropping(&self) -> usize {
        self.lock().values().filter(|entry| entry.stop.borrow().is_some_and(StopReason::is_drop)).count()
    }

    /// A trial that was told to stop longer than `limit` ago and has not.
    pub(crate) fn disobedient(&self, limit: Duration) -> Option<TrialId> {
        let entries = self.lock();
        let mut overdue =
            entries.values().filter(|entry| entry.told.is_some_and(|told| told.elapsed() > limit));
        overdue.next().map(|entry| entry.key.trial)
    }

    /// What the next heartbeat says.
    pub(crate) fn snapshot(&self) -> Vec<(LeaseKey, Progress)> {
        self.lock().values().map(|entry| (entry.key, entry.progress)).collect()
    }
}

fn tell(entry: &mut Entry, reason: StopReason) {
    entry.told.get_or_insert_with(Stopwatch::start);
    entry.stop.send_if_modified(|current| {
        let is_news = current.is_none_or(|old| reason.is_drop() && !old.is_drop());
        if is_news {
            *current = Some(reason);
        }
        is_news
    });
}

/// One held trial, as its thread and its delivery see it.
#[derive(Debug, Clone)]
pub(crate) struct TrialHandle {
    pub(crate) key: LeaseKey,
    table: Arc<Running>,
    stopped: watch::Receiver<Option<StopReason>>,
}

impl TrialHandle {
    /// Whether it must stop, and why.
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        *self.stopped.borrow()
    }

    /// Waits until it must stop.
    pub(crate) async fn until_stopped(&self) -> StopReason {
        self.until(|_| true).await
    }

    /// Waits until nobody wants the trial any more.
    pub(crate) async fn until_dropped(&self) -> StopReason {
        self.until(StopReason::is_drop).await
    }

    async fn until(&self, is_it: impl Fn(StopReason) -> bool) -> StopReason {
        let mut stopped = self.stopped.clone();
        let seen =
            stopped.wait_for(|reason| reason.is_some_and(&is_it)).await.ok().and_then(|reason| *reason);
        match seen {
            Some(reason) => reason,
            // Its entry was let go: nobody will tell it anything any more.
            None => std::future::pending().await,
        }
    }

    /// Notes how far it is.
    pub(crate) fn note(&self, progress: Progress) {
        if let Some(entry) = self.table.lock().get_mut(&self.key.trial).filter(|entry| entry.key == self.key)
        {
            entry.progress = progress;
        }
    }
}

/// One line of a heartbeat.
pub(crate) fn progress_to_wire(key: &LeaseKey, progress: &Progress) -> v1::TrialProgress {
    v1::TrialProgress {
        lease: Some(key.to_wire()),
        epoch: progress.epoch,
        epochs: progress.epochs,
        loss_per_cell: progress.loss_per_cell.filter(|loss| loss.is_finite()),
        phase: progress.phase.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, Running, StopReason};
    use crate::orders::DrainCause;
    use domain::TrialId;
    use domain::ids::LeaseNonce;
    use std::sync::Arc;
    use sweep_proto::convert::LeaseKey;

    fn key(attempt: u32) -> LeaseKey {
        LeaseKey { trial: TrialId::of(b"t"), attempt, nonce: LeaseNonce::of(&attempt.to_le_bytes()) }
    }

    #[test]
    fn a_word_about_another_attempt_changes_nothing() {
        let table = Arc::new(Running::default());
        let handle = table.insert(key(2));
        table.stop(key(1), StopReason::Superseded);
        table.remove(key(1));
        assert_eq!(handle.stop_reason(), None);
        assert_eq!(table.len(), 1);
        table.remove(key(2));
        handle.note(Progress::default());
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_drop_outranks_a_return() {
        let table = Arc::new(Running::default());
        let handle = table.insert(key(1));
        table.stop_all(StopReason::Return(DrainCause::Signal));
        assert_eq!(handle.stop_reason(), Some(StopReason::Return(DrainCause::Signal)));
        table.stop(key(1), StopReason::Cancelled);
        table.stop(key(1), StopReason::Superseded);
        assert_eq!(handle.stop_reason(), Some(StopReason::Cancelled));
    }
}
