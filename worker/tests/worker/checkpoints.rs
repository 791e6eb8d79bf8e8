//! Trials that are given back go on where they were: through the coordinator, from this host's disk, or not at all when a
//! checkpoint is of no use.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use domain::Trial;
use domain::ids::ArtifactHash;
use sweep_proto::v1;
use worker::ending::Ending;
use worker::orders::{DrainCause, Order};
use worker::runner::Saved;

use crate::trainer::{FakeTrainer, HOLDS, saved_at};
use crate::world::{RunningWorker, World, lease_of};

fn reference(saved: &Saved) -> v1::CheckpointRef {
    v1::CheckpointRef {
        hash: ArtifactHash::of(&saved.bytes).as_bytes().to_vec().into(),
        bytes: saved.bytes.len() as u64,
        epoch: saved.epoch,
    }
}

/// Files on the shelf of the world's cache.
fn shelf(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.cache.path().join("checkpoints")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Offers a trial that a checkpoint is named for, and the checkpoint if it is given.
fn offer_from(world: &World, saved: &Saved, is_there: bool) -> Trial {
    let trial = world.trial(HOLDS);
    world.shared().with(|memory| {
        let lease = v1::Lease { checkpoint: Some(reference(saved)), ..lease_of(&trial, 2) };
        memory.pending.push_back(lease);
        if is_there {
            memory.checkpoints.insert(reference(saved).hash.to_vec(), saved.bytes.to_vec());
        }
    });
    trial
}

/// Runs a worker over what is offered; what its only trial began at.
fn beginning(world: &World) -> Option<Saved> {
    let trainer = FakeTrainer::new();
    trainer.open_gate();
    assert_eq!(world.start(1, &trainer).ending(), Ending::Finished);
    let mut beginnings = trainer.beginnings.lock().unwrap();
    assert_eq!(beginnings.len(), 1);
    beginnings.remove(0)
}

/// Lets a worker train the held trial for a while, then drains it.
fn drained(world: &World) {
    world.offer([HOLDS]);
    let worker = world.start(1, &FakeTrainer::new());
    world.shared().wait_until("it trains", |memory| {
        memory.heartbeats.iter().any(|beat| beat.running.iter().any(|one| one.epoch >= 3))
    });
    worker.orders.give(Order::Drain(DrainCause::Signal));
    assert_eq!(worker.ending(), Ending::Drained(DrainCause::Signal));
}

#[test]
fn a_drained_worker_hands_over_where_its_trial_stood() {
    let world = World::new();
    drained(&world);
    world.shared().with(|memory| {
        let named = memory.failures[0].checkpoint.clone().unwrap();
        assert!(named.epoch >= 3);
        assert_eq!(memory.failures[0].kind, "returned");
        assert_eq!(memory.checkpoints[&named.hash.to_vec()], saved_at(named.epoch).bytes);
        let (sent, said) =
            ["artifact", "failure"].map(|name| memory.calls.iter().position(|call| *call == name)).into();
        assert!(sent.unwrap() < said.unwrap(), "the coordinator has it before it is named");
    });
    assert_eq!(shelf(&world), Vec::<PathBuf>::new(), "what was handed over is not kept twice");
}

#[test]
fn the_next_worker_begins_at_the_checkpoint() {
    let world = World::new();
    offer_from(&world, &saved_at(5), true);
    assert_eq!(beginning(&world), Some(saved_at(5)));
}

#[test]
fn a_fetch_that_breaks_off_goes_on_where_it_was() {
    let world = World::new();
    offer_from(&world, &saved_at(5), true);
    world.shared().with(|memory| memory.cut_next_checkpoint_at = Some(1000));
    assert_eq!(beginning(&world), Some(saved_at(5)));
    world.shared().with(|memory| assert_eq!(memory.checkpoint_fetches, [0, 1000]));
}

#[test]
fn a_checkpoint_that_is_gone_or_has_other_bytes_means_the_start() {
    for spoil in [None, Some(7)] {
        let world = World::new();
        let trial = offer_from(&world, &saved_at(5), spoil.is_some());
        world.shared().with(|memory| {
            for content in memory.checkpoints.values_mut() {
                content[spoil.unwrap_or(0)] ^= 1;
            }
        });
        assert_eq!(beginning(&world), None);
        world.shared().with(|memory| assert_eq!(memory.outcomes_of(trial.id).len(), 1));
    }
}

#[test]
fn a_trial_is_given_back_even_where_its_checkpoint_is_not_taken() {
    let world = World::new();
    world.shared().with(|memory| memory.checkpoints_to_refuse = u32::MAX);
    drained(&world);
    world.shared().with(|memory| {
        assert_eq!(memory.failures.len(), 1);
        assert_eq!(memory.failures[0].checkpoint, None);
    });
}

#[test]
fn where_the_coordinator_is_away_the_checkpoint_stays_for_the_next_worker_of_the_host() {
    let mut world = World::new();
    world.offer([HOLDS]);
    let worker = world.start(1, &FakeTrainer::new());
    world.shared().wait_until("it trains", |memory| {
        memory.heartbeats.iter().any(|beat| beat.running.iter().any(|one| one.epoch >= 3))
    });
    world.coordinator.stop();
    worker.orders.give(Order::Drain(DrainCause::Signal));
    assert_eq!(worker.ending(), Ending::Drained(DrainCause::Signal));
    assert_eq!(shelf(&world).len(), 1);

    world.coordinator.start_again();
    // The lease ran out, and the trial is leased again to this host.
    world.shared().with(|memory| {
        memory.live.clear();
        memory.pending.push_back(lease_of(&world.trial(HOLDS), 2));
    });
    let begun = beginning(&world).unwrap();
    assert!(begun.epoch >= 3);
    assert_eq!(begun, saved_at(begun.epoch));
    assert_eq!(shelf(&world), Vec::<PathBuf>::new(), "nothing is kept of a trial that ended");
}

#[test]
fn a_trial_in_training_is_put_on_this_hosts_disk_now_and_then() {
    let world = World::new();
    world.offer([HOLDS]);
    let trainer = FakeTrainer::new();
    let mut options = world.options(1);
    options.checkpoint_every = Duration::from_millis(20);
    let worker = RunningWorker::start(options, &trainer);
    world.shared().wait_until("it runs", |memory| {
        memory.heartbeats.iter().any(|beat| beat.running.iter().any(|one| one.epoch >= 100))
    });
    // What a kill would leave behind now.
    let kept =
        shelf(&world).into_iter().find(|path| path.extension().is_some_and(|ending| ending == "checkpoint"));
    let name = kept.unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with(&world.trial(HOLDS).id.to_string()), "{name}");
    trainer.open_gate();
    assert_eq!(worker.ending(), Ending::Finished);
    assert_eq!(shelf(&world), Vec::<PathBuf>::new());
}
