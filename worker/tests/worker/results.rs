//! What becomes of trials and their results: handed over exactly, once or again, now or after a restart; dropped when
//! nobody wants them; given back when the worker leaves.

use std::fs;
use std::time::Duration;

use domain::MetricName;
use sweep_proto::v1;
use tonic::Status;
use worker::config::CoordinatorUrl;
use worker::ending::Ending;
use worker::orders::{DrainCause, Order};

use crate::coordinator::Memory;
use crate::trainer::{DEAF, FakeTrainer, HOLDS, PANICS, artifact_of, value_of};
use crate::world::{RunningWorker, World, lease_of, wait_for_files};

#[test]
fn every_lease_becomes_an_outcome_with_its_artifact_and_nothing_is_run_twice() {
    let world = World::new();
    let trials = world.offer(0..7);
    let trainer = FakeTrainer::new();
    assert_eq!(world.start(2, &trainer).ending(), Ending::Finished);
    world.shared().with(|memory| {
        for trial in &trials {
            let outcomes = memory.outcomes_of(trial.id);
            assert_eq!(outcomes.len(), 1);
            let outcome = outcomes[0];
            assert_eq!(
                outcome.metric(MetricName::SsePerCell).unwrap().to_bits(),
                value_of(trial.seed).to_bits()
            );
            let artifact = &memory.artifacts[outcome.artifacts[0].hash.as_bytes().as_slice()];
            assert_eq!(*artifact, artifact_of(trial.seed));
            assert_eq!(outcome.environment.worker, memory.registrations[0].worker);
            assert_eq!(outcome.environment.engine, "fake");
            assert_eq!(outcome.environment.version, env!("CARGO_PKG_VERSION"));
            assert!(!outcome.environment.host.is_empty());
        }
        assert_eq!(memory.most_live, 2, "never more leases than slots, and both used");
        assert_eq!(memory.fetches, [0], "one data set, fetched once");
        assert_eq!(memory.left, 1);
    });
    assert_eq!(trainer.begun.lock().unwrap().len(), trials.len());
    assert_eq!(trainer.opened.lock().unwrap().len(), 1, "opened once, shared by both slots");
}

#[test]
fn an_outcome_whose_answer_is_lost_is_told_again() {
    let world = World::new();
    let trial = &world.offer([3])[0];
    world.shared().with(|memory| memory.outcome_replies_to_lose = 2);
    let trainer = FakeTrainer::new();
    assert_eq!(world.start(1, &trainer).ending(), Ending::Finished);
    world.shared().with(|memory| {
        let outcomes = memory.outcomes_of(trial.id);
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    });
    assert_eq!(trainer.begun.lock().unwrap().len(), 1);
    assert!(world.spool_files("outcome").is_empty());
}

#[test]
fn a_coordinator_that_comes_back_gets_what_was_finished_meanwhile() {
    let mut world = World::new();
    let trials = world.offer([HOLDS, HOLDS + 1]);
    let trainer = FakeTrainer::new();
    let worker = world.start(2, &trainer);
    world.shared().wait_until("both run", |memory| {
        memory
            .heartbeats
            .last()
            .is_some_and(|beat| beat.running.iter().filter(|one| one.epoch > 0).count() == 2)
    });
    world.coordinator.stop();
    trainer.open_gate();
    wait_for_files(world.cache.path(), "outcome");
    let calls_before = world.shared().with(|memory| memory.calls.len());
    world.coordinator.start_again();
    assert_eq!(worker.ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.registrations.len(), 2);
        assert_eq!(memory.registrations[0].worker, memory.registrations[1].worker);
        for trial in &trials {
            assert_eq!(memory.outcomes_of(trial.id).len(), 1);
        }
        let calls = &memory.calls[calls_before..];
        let registered = calls.iter().position(|call| *call == "register").unwrap();
        assert!(calls[registered..].contains(&"heartbeat"));
    });
    assert!(world.spool_files("outcome").is_empty());
    assert_eq!(trainer.begun.lock().unwrap().len(), 2, "nothing was run again");
}

#[test]
fn after_a_restart_the_coordinator_hears_what_runs_before_it_is_asked_for_more() {
    let mut world = World::new();
    world.offer([HOLDS]);
    let trainer = FakeTrainer::new();
    let worker = world.start(2, &trainer);
    world.shared().wait_until("it runs", |memory| memory.trains(1));
    world.coordinator.stop();
    let calls_before = world.shared().with(|memory| memory.calls.len());
    world.coordinator.start_again();
    world.shared().wait_until("it asks again", |memory| {
        let calls = &memory.calls[calls_before..];
        let registered = calls.iter().position(|call| *call == "register");
        registered.is_some_and(|position| calls[position..].contains(&"lease"))
    });
    world.shared().with(|memory| {
        let calls = &memory.calls[calls_before..];
        let registered = calls.iter().position(|call| *call == "register").unwrap();
        let first = |name| calls[registered..].iter().position(|call| *call == name);
        assert!(first("heartbeat").unwrap() < first("lease").unwrap());
    });
    trainer.open_gate();
    assert_eq!(worker.ending(), Ending::Finished);
    assert_eq!(trainer.begun.lock().unwrap().len(), 1, "the running trial was kept");
}

#[test]
fn the_next_worker_of_a_cache_hands_the_spool_over_and_sets_a_damaged_file_aside() {
    let mut world = World::new();
    let trials = world.offer([HOLDS, HOLDS + 1]);
    let trainer = FakeTrainer::new();
    let worker = world.start(2, &trainer);
    world.shared().wait_until("both run", |memory| memory.trains(2));
    world.coordinator.stop();
    trainer.open_gate();
    wait_for_files(world.cache.path(), "outcome");
    worker.orders.give(Order::Drain(DrainCause::Signal));
    assert_eq!(worker.ending(), Ending::Drained(DrainCause::Signal));
    let waiting = world.spool_files("outcome");
    assert_eq!(waiting.len(), 2);
    let whole = fs::read(&waiting[0]).unwrap();
    fs::write(&waiting[0], &whole[..whole.len() / 2]).unwrap();

    // What the damaged file held is lost to the worker, so its trial is leased once more.
    world.shared().with(|memory| memory.live.clear());
    world.coordinator.start_again();
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.outcomes.len(), 1);
        let (key, outcome) = &memory.outcomes[0];
        let trial = trials.iter().find(|trial| trial.id == key.trial).unwrap();
        assert_eq!(outcome.metric(MetricName::SsePerCell).unwrap().to_bits(), value_of(trial.seed).to_bits());
        assert!(waiting[1].to_str().unwrap().contains(&trial.id.to_string()));
    });
    assert!(world.spool_files("outcome").is_empty());
    assert_eq!(world.spool_files("damaged").len(), 1);
}

#[test]
fn a_result_that_another_coordinator_is_owed_stays_in_the_spool() {
    let mut world = World::new();
    world.offer([HOLDS]);
    let trainer = FakeTrainer::new();
    let worker = world.start(1, &trainer);
    world.shared().wait_until("it runs", |memory| memory.trains(1));
    world.coordinator.stop();
    trainer.open_gate();
    wait_for_files(world.cache.path(), "outcome");
    worker.orders.give(Order::Stop(130));
    assert_eq!(worker.ending(), Ending::Stopped(130));

    world.shared().with(|memory| {
        memory.live.clear();
        memory.outcome_refusal = Some(Status::not_found("no such trial"));
    });
    world.coordinator.start_again();
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    assert_eq!(world.spool_files("outcome").len(), 1);
}

#[test]
fn a_superseded_or_cancelled_trial_is_dropped_and_its_slot_taken_by_the_next() {
    for directive in [v1::Directive::Superseded, v1::Directive::Cancel] {
        let world = World::new();
        let trials = world.offer([HOLDS, 5]);
        world.shared().with(|memory| memory.directives.insert((trials[0].id, 1), directive));
        let trainer = FakeTrainer::new();
        let worker = world.start(1, &trainer);
        world
            .shared()
            .wait_until("it runs", |memory| memory.heartbeats.iter().any(|beat| !beat.running.is_empty()));
        world.shared().with(|memory| {
            memory.live.retain(|(_, lease)| Memory::key_of(lease).trial != trials[0].id);
        });
        assert_eq!(worker.ending(), Ending::Finished);
        world.shared().with(|memory| {
            assert!(memory.outcomes_of(trials[0].id).is_empty());
            assert_eq!(memory.outcomes_of(trials[1].id).len(), 1);
            assert!(memory.failures.is_empty());
        });
    }
}

#[test]
fn a_slot_that_does_not_let_go_gets_nothing_and_costs_nothing() {
    let world = World::new();
    let trials = world.offer([DEAF, 5, 6]);
    world.shared().with(|memory| memory.directives.insert((trials[0].id, 1), v1::Directive::Cancel));
    let trainer = FakeTrainer::new();
    let worker = world.start(2, &trainer);
    world
        .shared()
        .wait_until("it runs", |memory| memory.heartbeats.iter().any(|beat| !beat.running.is_empty()));
    world.shared().with(|memory| {
        memory.live.retain(|(_, lease)| Memory::key_of(lease).trial != trials[0].id);
    });
    world.shared().wait_until("the other slot does the rest", |memory| memory.outcomes.len() == 2);
    world.shared().with(|memory| assert!(memory.most_live <= 2, "{}", memory.most_live));
    trainer.open_gate();
    assert_eq!(worker.ending(), Ending::Finished);
    world.shared().with(|memory| assert!(memory.outcomes_of(trials[0].id).is_empty()));
}

#[test]
fn a_trial_that_never_stops_costs_the_worker_its_process_and_nothing_else() {
    let world = World::new();
    world.offer([DEAF]);
    let trainer = FakeTrainer::new();
    let mut options = world.options(1);
    options.obey_limit = Duration::from_millis(300);
    let worker = RunningWorker::start(options, &trainer);
    world.shared().wait_until("it runs", |memory| memory.trains(1));
    worker.orders.give(Order::Drain(DrainCause::Signal));
    let ending = worker.ending();
    assert_eq!((ending.clone(), ending.code()), (Ending::Stopped(75), 75));
    trainer.open_gate();
}

#[test]
fn a_new_attempt_of_a_trial_that_still_runs_takes_its_place() {
    let world = World::new();
    let trial = world.offer([HOLDS]).remove(0);
    let trainer = FakeTrainer::new();
    let worker = world.start(1, &trainer);
    world.shared().wait_until("it runs", |memory| memory.trains(1));
    world.shared().with(|memory| {
        memory.live[0].1 = lease_of(&trial, 2);
        memory.directives.insert((trial.id, 1), v1::Directive::Superseded);
    });
    world.shared().wait_until("the second attempt runs", |memory| {
        let is_second = |one: &v1::TrialProgress| one.lease.as_ref().is_some_and(|key| key.attempt == 2);
        memory.heartbeats.iter().any(|beat| beat.running.iter().any(is_second))
    });
    trainer.open_gate();
    assert_eq!(worker.ending(), Ending::Finished);
    world.shared().with(|memory| {
        let attempts: Vec<u32> = memory.outcomes.iter().map(|(key, _)| key.attempt).collect();
        assert_eq!(attempts, [2]);
    });
}

#[test]
fn an_outcome_that_is_told_too_late_is_dropped() {
    let world = World::new();
    world.offer([1]);
    world.shared().with(|memory| {
        memory.outcome_refusal = Some(Status::failed_precondition("attempt 1 does not hold its lease"));
        memory.serves_for_ever = true;
    });
    let worker = world.start(1, &FakeTrainer::new());
    world.shared().wait_until("it was told", |memory| memory.calls.contains(&"outcome"));
    world.shared().with(|memory| {
        memory.live.clear();
        memory.serves_for_ever = false;
    });
    assert_eq!(worker.ending(), Ending::Finished);
    assert!(world.spool_files("outcome").is_empty());
    world.shared().with(|memory| assert!(memory.outcomes.is_empty() && memory.failures.is_empty()));
}

#[test]
fn a_refused_outcome_is_set_aside_and_reported_as_a_failure() {
    let world = World::new();
    world.offer([1]);
    world
        .shared()
        .with(|memory| memory.outcome_refusal = Some(Status::invalid_argument("a number is not finite")));
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.failures.len(), 1);
        assert_eq!(memory.failures[0].kind, "internal");
        assert!(
            memory.failures[0].message.contains("a number is not finite"),
            "{}",
            memory.failures[0].message
        );
    });
    assert_eq!(world.spool_files("refused").len(), 1);
}

#[test]
fn a_panic_is_a_failure_with_words_and_the_worker_goes_on() {
    let world = World::new();
    let trials = world.offer([PANICS, 2]);
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.failures.len(), 1);
        let failure = &memory.failures[0];
        assert_eq!(failure.kind, "panic");
        assert!(failure.message.contains("the trial of seed 1000 cannot stand it"), "{}", failure.message);
        assert!(failure.message.contains("trainer.rs:"), "{}", failure.message);
        assert_eq!(memory.outcomes_of(trials[1].id).len(), 1);
    });
}

#[test]
fn a_lease_whose_content_does_not_make_its_id_is_a_bad_config() {
    let world = World::new();
    world.offer([1, 2]);
    world.shared().with(|memory| memory.pending[0].seed = 9);
    let trainer = FakeTrainer::new();
    assert_eq!(world.start(1, &trainer).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.failures.len(), 1);
        assert_eq!(memory.failures[0].kind, "bad-config");
        assert_eq!(memory.outcomes.len(), 1);
    });
    assert_eq!(trainer.begun.lock().unwrap().len(), 1);
}

#[test]
fn a_drain_gives_running_trials_back() {
    let world = World::new();
    world.offer([HOLDS, HOLDS + 1, 3]);
    let worker = world.start(2, &FakeTrainer::new());
    world.shared().wait_until("both run", |memory| memory.trains(2));
    worker.orders.give(Order::Drain(DrainCause::Signal));
    let ending = worker.ending();
    assert_eq!(ending.code(), 75);
    world.shared().with(|memory| {
        assert_eq!(memory.failures.len(), 2);
        assert!(memory.failures.iter().all(|failure| failure.kind == "returned"));
        assert_eq!(memory.pending.len(), 1, "nothing more was taken");
        assert!(memory.outcomes.is_empty());
        assert_eq!(memory.left, 1);
    });
}

#[test]
fn the_coordinator_can_drain_a_worker() {
    let world = World::new();
    world.offer([HOLDS]);
    let worker = world.start(1, &FakeTrainer::new());
    world.shared().wait_until("it runs", |memory| memory.trains(1));
    world.shared().with(|memory| memory.drain = true);
    assert_eq!(worker.ending(), Ending::Drained(DrainCause::Coordinator));
    world.shared().with(|memory| assert_eq!(memory.failures[0].kind, "returned"));
}

#[test]
fn nobody_there_is_told_with_place_reason_and_next_step() {
    let mut world = World::new();
    world.coordinator.stop();
    let mut options = world.options(1);
    options.connect_timeout = Some(Duration::from_millis(50));
    let url = options.coordinator.as_str().to_owned();
    let ending = RunningWorker::start(options, &FakeTrainer::new()).ending();
    assert_eq!(ending.code(), 3);
    let words = ending.words();
    for part in [url.as_str(), "refused", "next:", "--connect-timeout"] {
        assert!(words.contains(part), "{part:?} in {words:?}");
    }
}

#[test]
fn a_worker_that_is_refused_ends_with_the_coordinators_words() {
    let world = World::new();
    world.shared().with(|memory| {
        memory.register_refusal = Some(Status::invalid_argument("protocol 2 is spoken here"));
    });
    let ending = world.start(1, &FakeTrainer::new()).ending();
    assert_eq!(ending.code(), 4);
    assert!(ending.words().contains("protocol 2 is spoken here"));
}

#[test]
fn a_worker_waits_for_a_coordinator_that_starts_later() {
    let mut world = World::new();
    world.offer([4]);
    world.coordinator.stop();
    let worker = world.start(1, &FakeTrainer::new());
    world.coordinator.start_again();
    assert_eq!(worker.ending(), Ending::Finished);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let world = World::new();
    let file = world.cache.path().join("file");
    fs::write(&file, b"").unwrap();
    let mut options = world.options(1);
    options.cache = file.clone();
    options.coordinator = CoordinatorUrl::parse(&world.coordinator.url()).unwrap();
    let ending = RunningWorker::start(options, &FakeTrainer::new()).ending();
    assert_eq!(ending.code(), 78);
    assert!(ending.words().contains(file.to_str().unwrap()));
}
