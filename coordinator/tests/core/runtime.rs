//! When the store refuses, nobody is told otherwise, and the state is what the store says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use coordinator::runtime::{Coordinator, RuntimeError};
use coordinator::store::records::{SweepData, SweepRecord};
use coordinator::store::{MemoryStore, Store, StoreError};
use domain::SweepName;
use sweep_engine::{Event, Mode, Rejection, SubmitReceipt};

use crate::fixture::{record, trial};

#[derive(Default)]
struct FullDisk {
    inner: MemoryStore,
    is_full: AtomicBool,
    is_short: AtomicBool,
}

#[async_trait]
impl Store for FullDisk {
    async fn append(&self, at_ms: i64, events: &[Event]) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { path: "x.db".into(), problem: "disk full".to_owned() });
        }
        self.inner.append(at_ms, events).await
    }

    async fn replay(&self) -> Result<Vec<Event>, StoreError> {
        self.inner.replay().await
    }

    async fn load_sweep(&self, name: &SweepName) -> Result<Option<SweepData>, StoreError> {
        self.inner.load_sweep(name).await
    }

    async fn list_sweeps(&self) -> Result<Vec<SweepRecord>, StoreError> {
        self.inner.list_sweeps().await
    }

    async fn readiness(&self) -> Result<(), String> {
        if self.is_short.load(Ordering::SeqCst) { Err("short of space".to_owned()) } else { Ok(()) }
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn what_was_not_written_has_not_happened() {
    let store = Arc::new(FullDisk::default());
    let settings = coordinator::runtime::settings(Mode::UntilDone);
    let handle = Coordinator::start(settings, Arc::clone(&store) as Arc<dyn Store>).await.unwrap();
    store.is_full.store(true, Ordering::SeqCst);
    let refused = handle.submit_sweep(record("s", 1), vec![trial(1)]).await.unwrap_err();
    assert!(matches!(&refused, RuntimeError::Store(_)), "{refused}");
    assert!(refused.to_string().contains("disk full"));

    store.is_full.store(false, Ordering::SeqCst);
    let mut progress = handle.progress();
    let now = progress.wait_for(|now| now.store_problem.is_none()).await.unwrap().clone();
    assert_eq!((now.sweeps.len(), now.is_finished), (0, false));
    let receipt = handle.submit_sweep(record("s", 1), vec![trial(1)]).await.unwrap();
    assert_eq!(receipt, SubmitReceipt { trials: 1, ended: 0 });
    assert_eq!(handle.cancel_sweep("s".parse().unwrap()).await.unwrap(), 1);
    progress.wait_for(|now| now.is_finished).await.unwrap();

    handle.shutdown().await;
    assert!(matches!(handle.drain().await, Err(RuntimeError::Stopped)));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_disk_that_runs_short_holds_up_new_work_until_it_has_room() {
    let store = Arc::new(FullDisk::default());
    let settings = coordinator::runtime::settings(Mode::Serve);
    let handle = Coordinator::start(settings, Arc::clone(&store) as Arc<dyn Store>).await.unwrap();
    handle.submit_sweep(record("s", 1), vec![trial(1)]).await.unwrap();
    store.is_short.store(true, Ordering::SeqCst);
    let mut progress = handle.progress();
    let now = progress.wait_for(|now| now.store_problem.is_some()).await.unwrap().clone();
    assert_eq!(now.store_problem.as_deref(), Some("short of space"));
    let refused = handle.submit_sweep(record("t", 1), vec![trial(2)]).await.unwrap_err();
    assert!(matches!(refused, RuntimeError::Rejected(Rejection::NoRoom)), "{refused}");
    assert_eq!(handle.cancel_sweep("s".parse().unwrap()).await.unwrap(), 1, "what ends work is taken");
    store.is_short.store(false, Ordering::SeqCst);
    progress.wait_for(|now| now.store_problem.is_none()).await.unwrap();
    handle.submit_sweep(record("t", 1), vec![trial(2)]).await.unwrap();
    handle.shutdown().await;
}
