//! Data sets on their way: right bytes or none, resumed where they broke off, fetched once a host.

use std::fs;

use worker::ending::Ending;

use crate::trainer::FakeTrainer;
use crate::world::World;

#[test]
fn wrong_bytes_are_refused_and_fetched_again() {
    let world = World::new();
    world.offer([1]);
    world.shared().with(|memory| memory.fetches_to_spoil = 1);
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.fetches, [0, 0]);
        assert_eq!(memory.outcomes.len(), 1);
    });
    assert_eq!(fs::read(world.dataset_file()).unwrap(), world.data);
}

#[test]
fn a_data_set_that_never_comes_right_is_unavailable() {
    let world = World::new();
    world.offer([1]);
    world.shared().with(|memory| memory.fetches_to_spoil = u32::MAX);
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.failures.len(), 1);
        assert_eq!(memory.failures[0].kind, "data-unavailable");
        assert!(memory.failures[0].message.contains(&world.fingerprint().to_string()));
    });
    assert!(!world.dataset_file().exists());
}

#[test]
fn a_data_set_that_the_coordinator_has_not_is_unavailable() {
    let world = World::new();
    world.offer([1]);
    world.shared().with(|memory| memory.datasets.clear());
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.failures[0].kind, "data-unavailable");
        assert!(memory.failures[0].message.contains("no such data set"));
    });
}

#[test]
fn a_fetch_that_breaks_off_goes_on_where_it_was() {
    let world = World::new();
    world.offer([1]);
    world.shared().with(|memory| memory.cut_next_fetch_at = Some(100));
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| assert_eq!(memory.fetches, [0, 100]));
    assert_eq!(fs::read(world.dataset_file()).unwrap(), world.data);
}

#[test]
fn what_a_dead_worker_left_half_done_is_gone_on_with() {
    let world = World::new();
    world.offer([1]);
    let part = world.dataset_file().with_extension("part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, &world.data[..37]).unwrap();
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| assert_eq!(memory.fetches, [37]));
    assert_eq!(fs::read(world.dataset_file()).unwrap(), world.data);
}

#[test]
fn a_damaged_file_in_the_cache_is_fetched_again() {
    let world = World::new();
    world.offer([1]);
    fs::create_dir_all(world.dataset_file().parent().unwrap()).unwrap();
    let mut damaged = world.data.clone();
    damaged[100] ^= 1;
    fs::write(world.dataset_file(), damaged).unwrap();
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert_eq!(memory.fetches, [0]);
        assert_eq!(memory.outcomes.len(), 1);
    });
    assert_eq!(fs::read(world.dataset_file()).unwrap(), world.data);
}

#[test]
fn a_file_that_is_there_is_not_fetched() {
    let world = World::new();
    world.offer([1]);
    fs::create_dir_all(world.dataset_file().parent().unwrap()).unwrap();
    fs::write(world.dataset_file(), &world.data).unwrap();
    assert_eq!(world.start(1, &FakeTrainer::new()).ending(), Ending::Finished);
    world.shared().with(|memory| assert!(memory.fetches.is_empty()));
}

#[test]
fn workers_of_one_host_fetch_once() {
    let world = World::new();
    world.offer(0..4);
    let workers: Vec<_> = (0..4).map(|_| world.start(1, &FakeTrainer::new())).collect();
    for worker in workers {
        assert_eq!(worker.ending(), Ending::Finished);
    }
    world.shared().with(|memory| assert_eq!(memory.fetches, [0]));
}
