//! One suite, every store.

use coordinator::store::records::SweepRecord;
use coordinator::store::{MemoryStore, SqliteStore, StateDir, Store, StoreError};
use domain::ids::{ArtifactHash, LeaseNonce};
use domain::outcome::CheckpointRef;
use domain::{FailureKind, SweepName, TrialState};
use sweep_engine::Event;

use crate::fixture::{outcome, record, trial};

fn submitted(sweep: &SweepRecord, seeds: &[u64]) -> Event {
    Event::SweepSubmitted {
        sweep: sweep.name.clone(),
        about: serde_json::to_string(sweep).unwrap(),
        trials: seeds.iter().map(|seed| trial(*seed).id).collect(),
    }
}

fn leased(seed: u64, attempt: u32) -> Event {
    let nonce = LeaseNonce::of(&attempt.to_le_bytes());
    Event::LeaseGranted { trial: trial(seed).id, attempt, nonce, worker: "w".to_owned() }
}

fn history() -> Vec<Vec<Event>> {
    let added = |seed: u64| Event::TrialAdded { trial: trial(seed) };
    vec![
        vec![added(1), added(2), added(3), submitted(&record("s", 7), &[3, 1, 2])],
        vec![leased(1, 1), leased(2, 1)],
        vec![Event::AttemptFailed {
            trial: trial(1).id,
            attempt: 1,
            kind: FailureKind::Panic,
            message: "\u{1b}[31mboom".to_owned(),
            worker: "w".to_owned(),
            next: TrialState::Pending,
            checkpoint: Some(CheckpointRef { hash: ArtifactHash::of(b"c"), bytes: 1, epoch: 3 }),
        }],
        vec![leased(1, 2)],
        vec![Event::OutcomeAccepted {
            trial: trial(1).id,
            attempt: 2,
            worker: "w".to_owned(),
            outcome: Box::new(outcome()),
        }],
        vec![Event::TrialCancelled { trial: trial(2).id }],
        vec![added(4), submitted(&record("t", 8), &[4, 1]), submitted(&record("s", 9), &[1, 2])],
    ]
}

async fn conforms(store: &dyn Store) {
    let s: SweepName = "s".parse().unwrap();
    assert_eq!(store.load_sweep(&s).await.unwrap(), None);
    assert_eq!(store.list_sweeps().await.unwrap(), vec![]);
    for (position, events) in history().iter().enumerate() {
        store.append(100 + i64::try_from(position).unwrap(), events).await.unwrap();
    }
    assert_eq!(store.replay().await.unwrap(), history().concat());

    let names: Vec<String> =
        store.list_sweeps().await.unwrap().iter().map(|sweep| sweep.name.to_string()).collect();
    assert_eq!(names, ["t", "s"], "`s` was submitted first and last: the last time counts");
    let data = store.load_sweep(&s).await.unwrap().unwrap();
    assert_eq!(data.sweep, record("s", 7), "the first submission's time, everything else the last one's");
    let [first, second] = &data.trials[..] else { panic!("{:?}", data.trials) };
    assert_eq!(
        (first.ordinal, &first.trial, first.state, first.attempts),
        (0, &trial(1), TrialState::Done, 2)
    );
    assert_eq!(first.outcome, Some(outcome()));
    assert_eq!(first.failures.len(), 1);
    assert_eq!((first.failures[0].attempt, first.failures[0].kind), (1, FailureKind::Panic));
    assert_eq!(first.failures[0].message, "\u{1b}[31mboom");
    assert_eq!((second.state, second.outcome.is_none()), (TrialState::Cancelled, true));
    let other = store.load_sweep(&"t".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(other.trials.iter().map(|row| row.trial.seed).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(other.trials[1].outcome, Some(outcome()), "equal trials of two sweeps are one");
}

#[tokio::test]
async fn memory_conforms() {
    conforms(&MemoryStore::default()).await;
}

#[tokio::test]
async fn sqlite_conforms_and_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap();
    conforms(&store).await;

    let reader = SqliteStore::open_read_only(folder.path()).await.unwrap();
    assert_eq!(reader.list_sweeps().await.unwrap().len(), 2, "a reader reads while the writer is open");
    assert!(reader.append(0, &[leased(4, 1)]).await.is_err());
    reader.close().await;
    store.close().await;
    drop(store);

    let again = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap();
    assert_eq!(again.replay().await.unwrap(), history().concat());
    again.close().await;
}

#[tokio::test]
async fn a_refused_transaction_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap();
    conforms(&store).await;
    let second = Event::OutcomeAccepted {
        trial: trial(1).id,
        attempt: 2,
        worker: "w".to_owned(),
        outcome: Box::new(outcome()),
    };
    assert!(
        store.append(0, &[leased(4, 1), second]).await.is_err(),
        "a second outcome is refused by the table itself"
    );
    assert_eq!(store.replay().await.unwrap(), history().concat());
    store.append(0, &[leased(4, 1)]).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn what_is_no_record_is_named_so() {
    let folder = tempfile::tempdir().unwrap();
    let absent = SqliteStore::open_read_only(folder.path()).await.unwrap_err();
    assert!(matches!(absent, StoreError::Absent { .. }), "{absent}");

    std::fs::write(
        folder.path().join("coordinator.db"),
        b"no database at all, but long enough to be one".repeat(100),
    )
    .unwrap();
    let damaged = SqliteStore::open_read_only(folder.path()).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
    let damaged = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap();
    conforms(&store).await;
    store.close().await;
    drop(store);
    let path = folder.path().join("coordinator.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The second page and on: the header stays whole.
    bytes[4096..3 * 4096].fill(0xA5);
    std::fs::write(&path, &bytes).unwrap();
    let damaged = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "whoever repairs it finds it as it was");
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_waited_for_and_then_said() {
    use sqlx::{ConnectOptions, Connection};
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(StateDir::lock(folder.path(), "test").unwrap()).await.unwrap();
    conforms(&store).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("coordinator.db"));
    let mut other = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let refused = store.append(0, &[leased(4, 1)]).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable { problem, .. } if problem.contains("locked")),
        "{refused}"
    );
    assert_eq!(store.replay().await.unwrap(), history().concat(), "readers are not hindered");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    store.append(0, &[leased(4, 1)]).await.unwrap();
    store.close().await;
}
