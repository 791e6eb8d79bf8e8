//! How the rest of the program speaks to the task that owns the engine.

use std::sync::Arc;

use domain::{SweepName, Trial};
use sweep_engine::{Input, Rejection, Reply, SubmitReceipt};
use tokio::sync::{mpsc, oneshot, watch};

use super::ProgressSnapshot;
use crate::store::records::SweepRecord;
use crate::store::{Store, StoreError};

/// Why an input was not answered as hoped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// The engine says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The record cannot be written or read now: nothing was changed, try again.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

/// What a person may order about a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepOrder {
    /// Begin no more trials; what runs goes on.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Run no more trials; results stay.
    Cancel,
    /// Run failed and poisoned trials again.
    RetryFailed,
}

pub(super) type Answer = Result<Reply, RuntimeError>;

pub(super) enum Message {
    Input { input: Input, answer: oneshot::Sender<Answer> },
    Shutdown { done: oneshot::Sender<()> },
}

/// Speaks to the running coordinator; cheap to clone.
#[derive(Clone)]
pub struct CoordinatorHandle {
    pub(super) inbox: mpsc::Sender<Message>,
    pub(super) progress: watch::Receiver<ProgressSnapshot>,
    pub(super) store: Arc<dyn Store>,
    pub(super) lease_ttl_ms: u64,
}

impl std::fmt::Debug for CoordinatorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoordinatorHandle").finish_non_exhaustive()
    }
}

impl CoordinatorHandle {
    /// Adds a sweep, or replaces the membership of the one of this name.
    ///
    /// # Errors
    /// When it is refused or the record cannot be written.
    pub async fn submit_sweep(
        &self,
        record: SweepRecord,
        trials: Vec<Trial>,
    ) -> Result<SubmitReceipt, RuntimeError> {
        let about = serde_json::to_string(&record).map_err(|error| {
            RuntimeError::Store(Arc::new(StoreError::Unstorable { problem: error.to_string() }))
        })?;
        let input = Input::SubmitSweep { sweep: record.name, about, trials };
        match self.send(input).await? {
            Reply::Submitted(receipt) => Ok(receipt),
            other => unreachable!("a submission is answered as one, not by {other:?}"),
        }
    }

    /// Cancels what has not ended of a sweep; answers how many trials that were.
    ///
    /// # Errors
    /// When there is no such sweep or the record cannot be written.
    pub async fn cancel_sweep(&self, sweep: SweepName) -> Result<u64, RuntimeError> {
        match self.send(Input::CancelSweep { sweep }).await? {
            Reply::Cancelled(trials) => Ok(trials),
            other => unreachable!("a cancellation is answered as one, not by {other:?}"),
        }
    }

    /// Does as a person orders about a sweep; answers how many trials were cancelled or will run again.
    ///
    /// # Errors
    /// When there is no such sweep or the record cannot be written.
    pub async fn order(&self, sweep: SweepName, order: SweepOrder) -> Result<u64, RuntimeError> {
        let input = match order {
            SweepOrder::Pause => Input::PauseSweep { sweep },
            SweepOrder::Resume => Input::ResumeSweep { sweep },
            SweepOrder::Cancel => Input::CancelSweep { sweep },
            SweepOrder::RetryFailed => Input::RetryFailed { sweep },
        };
        match self.send(input).await? {
            Reply::Cancelled(trials) | Reply::Retried(trials) => Ok(trials),
            _ => Ok(0),
        }
    }

    /// The process of the worker of this name has ended: what it held is free at once. Unknown names are fine.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn worker_gone(&self, worker: &str) -> Result<(), RuntimeError> {
        self.send(Input::WorkerGone { worker: worker.to_owned() }).await.map(drop)
    }

    /// No new leases from now on; workers hear of it in the reply to their next heartbeat.
    ///
    /// # Errors
    /// When the coordinator has stopped.
    pub async fn drain(&self) -> Result<(), RuntimeError> {
        self.send(Input::Drain).await.map(drop)
    }

    /// What goes on, always the newest; a receiver that lags misses only what is out of date.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<ProgressSnapshot> {
        self.progress.clone()
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Answers what waits, closes the store and ends the task. Later calls answer `Stopped`.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        if self.inbox.send(Message::Shutdown { done }).await.is_ok() {
            // An error says that the task has ended already.
            let _ = finished.await;
        }
    }

    /// How long a lease lives without a heartbeat.
    pub(crate) const fn lease_ttl_ms(&self) -> u64 {
        self.lease_ttl_ms
    }

    /// One input, one reply.
    pub(crate) async fn send(&self, input: Input) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.inbox.send(Message::Input { input, answer }).await.map_err(|_| RuntimeError::Stopped)?;
        answered.await.map_err(|_| RuntimeError::Stopped)?
    }
}
