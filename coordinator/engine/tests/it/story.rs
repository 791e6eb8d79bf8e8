//! One promise a test.

use domain::{FailureKind, TrialState};
use sweep_engine::{Directive, Input, Mode, Rejection, Reply, SubmitReceipt};

use crate::scene::{Scene, TTL_MS, trial};

fn fail(scene: &mut Scene, session: domain::ids::SessionId, key: sweep_engine::LeaseKey, kind: FailureKind) {
    scene
        .step(Input::ReportFailure { session, key, kind, message: String::new(), checkpoint: None })
        .reply
        .unwrap();
}

#[test]
fn a_sweep_runs_in_order_and_finishes() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("s", [1, 2, 3]);
    let worker = scene.register("w", 2);
    let keys = scene.lease(worker, 2);
    assert_eq!(keys.iter().map(|key| key.trial).collect::<Vec<_>>(), vec![trial(1).id, trial(2).id]);
    for key in keys {
        scene.done(worker, key).unwrap();
    }
    let (keys, finished) = scene.lease_reply(worker, 2).unwrap();
    assert!(!finished);
    scene.done(worker, keys[0]).unwrap();
    assert_eq!(scene.lease_reply(worker, 2).unwrap(), (vec![], true));
}

#[test]
fn asking_again_returns_the_same_leases() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2, 3]);
    let worker = scene.register("w", 2);
    let first = scene.lease(worker, 2);
    assert_eq!(scene.lease(worker, 2), first);
    let again = scene.register("w", 2);
    assert_eq!(scene.lease(again, 2), first, "a worker that reconnects keeps its leases");
    assert_eq!(scene.lease_reply(worker, 2), Err(Rejection::UnknownSession), "its old session is over");
}

#[test]
fn an_outcome_counts_once_and_its_repeat_is_acknowledged() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    assert_eq!(scene.done(worker, key), Ok(Reply::Acknowledged));
    let events = scene.log.len();
    assert_eq!(scene.done(worker, key), Ok(Reply::Acknowledged));
    scene.restart();
    let worker = scene.register("w", 1);
    assert_eq!(scene.done(worker, key), Ok(Reply::Acknowledged), "also after a restart");
    assert_eq!(scene.log.len(), events);
}

#[test]
fn heartbeats_keep_a_lease_and_silence_ends_it() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    for _ in 0..5 {
        scene.pass(TTL_MS - 1);
        assert_eq!(
            scene.heartbeat(worker, &[key]),
            Ok(Reply::Heartbeat { directives: vec![], drain: false })
        );
    }
    scene.pass(TTL_MS + 1);
    assert_eq!(scene.state_of(key.trial), TrialState::Pending);
    assert_eq!(scene.lease(worker, 1)[0].attempt, 2, "no back-off after the first loss of a worker");
}

#[test]
fn late_is_accepted_superseded_is_not() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2]);
    let slow = scene.register("slow", 2);
    let keys = scene.lease(slow, 2);
    scene.pass(TTL_MS + 1);
    let other = scene.register("other", 1);
    let taken = scene.lease(other, 1)[0];
    assert_eq!(taken.trial, keys[0].trial);
    let refused = scene.done(slow, keys[0]);
    assert!(matches!(refused, Err(Rejection::Superseded { attempt: 1, last: 2, .. })), "{refused:?}");
    let Ok(Reply::Heartbeat { directives, .. }) = scene.heartbeat(slow, &keys) else { panic!() };
    assert_eq!(directives, vec![(keys[0].trial, Directive::Superseded)], "the other may go on");
    assert_eq!(scene.done(slow, keys[1]), Ok(Reply::Acknowledged));
    assert_eq!(scene.done(other, taken), Ok(Reply::Acknowledged));
}

#[test]
fn a_wrong_nonce_changes_nothing() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 1);
    let mut key = scene.lease(worker, 1)[0];
    key.nonce = domain::ids::LeaseNonce::of(b"guessed");
    assert!(scene.done(worker, key).is_err());
    key.trial = trial(9).id;
    assert!(matches!(scene.done(worker, key), Err(Rejection::UnknownTrial { .. })));
    assert_eq!(scene.state_of(trial(1).id), TrialState::Leased);
}

#[test]
fn three_lost_workers_poison_a_trial() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("s", [1]);
    for (name, expected) in
        [("a", TrialState::Pending), ("b", TrialState::Pending), ("c", TrialState::Poisoned)]
    {
        scene.pass(60_000);
        let worker = scene.register(name, 1);
        assert_eq!(scene.lease(worker, 1).len(), 1);
        scene.step(Input::WorkerGone { worker: name.to_owned() }).reply.unwrap();
        assert_eq!(scene.state_of(trial(1).id), expected);
    }
    assert!(scene.state.is_finished());
}

#[test]
fn a_panic_is_tried_once_more_on_another_worker_after_a_rest() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    fail(&mut scene, worker, key, FailureKind::Panic);
    fail(&mut scene, worker, key, FailureKind::Panic);
    assert_eq!(scene.state_of(key.trial), TrialState::Pending, "said twice counts once");
    let other = scene.register("o", 2);
    assert_eq!(scene.lease(other, 2).len(), 1, "it rests");
    scene.pass(1_000);
    let again = *scene.lease(other, 2).iter().find(|held| held.trial == key.trial).unwrap();
    fail(&mut scene, other, again, FailureKind::Panic);
    assert_eq!(scene.state_of(key.trial), TrialState::Failed);
}

#[test]
fn a_worker_prefers_what_has_not_failed_on_it() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    fail(&mut scene, worker, key, FailureKind::Panic);
    scene.pass(60_000);
    assert_eq!(scene.lease(worker, 1)[0].trial, trial(2).id);
}

#[test]
fn what_is_given_back_costs_nothing() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    for round in 1..=10 {
        let worker = scene.register("w", 1);
        let key = scene.lease(worker, 1)[0];
        assert_eq!(key.attempt, round);
        scene.step(Input::Leave { session: worker }).reply.unwrap();
    }
    assert_eq!(scene.state_of(trial(1).id), TrialState::Pending);
}

#[test]
fn a_restart_adopts_running_trials_for_one_lease_time() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2]);
    let worker = scene.register("w", 2);
    let keys = scene.lease(worker, 2);
    scene.pass(TTL_MS - 1);
    scene.restart();
    let worker = scene.register("w", 2);
    scene.pass(TTL_MS - 1);
    scene.heartbeat(worker, &keys[..1]).unwrap();
    scene.pass(2);
    assert_eq!(scene.state_of(keys[0].trial), TrialState::Leased);
    assert_eq!(scene.state_of(keys[1].trial), TrialState::Pending);
}

#[test]
fn a_changed_grid_keeps_results_and_drops_the_rest() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("s", [1, 2, 3]);
    scene.submit("t", [3]);
    let worker = scene.register("w", 2);
    let keys = scene.lease(worker, 2);
    scene.done(worker, keys[0]).unwrap();
    let receipt = scene.submit("s", [1, 4]).reply;
    assert_eq!(receipt, Ok(Reply::Submitted(SubmitReceipt { trials: 2, ended: 1 })));
    assert_eq!(scene.state_of(trial(2).id), TrialState::Cancelled);
    assert_eq!(scene.state_of(trial(3).id), TrialState::Pending, "the other sweep wants it");
    let Ok(Reply::Heartbeat { directives, .. }) = scene.heartbeat(worker, &keys[1..]) else { panic!() };
    assert_eq!(directives, vec![(trial(2).id, Directive::Cancel)]);
    scene.submit("s", [1, 2]);
    assert_eq!(scene.state_of(trial(2).id), TrialState::Pending, "wanted again, it runs again");
}

#[test]
fn equal_trials_of_two_sweeps_are_one() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 4);
    let key = scene.lease(worker, 4)[0];
    scene.done(worker, key).unwrap();
    let receipt = scene.submit("t", [1, 1]).reply;
    assert_eq!(receipt, Ok(Reply::Submitted(SubmitReceipt { trials: 1, ended: 1 })));
    assert_eq!(scene.lease(worker, 4), vec![]);
}

#[test]
fn until_done_leaves_other_sweeps_alone() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("old", [1]);
    scene.restart();
    let worker = scene.register("w", 4);
    assert_eq!(scene.lease_reply(worker, 4).unwrap(), (vec![], false), "nothing is submitted yet");
    scene.submit("new", [2]);
    assert_eq!(scene.lease(worker, 4)[0].trial, trial(2).id);
}

#[test]
fn a_drain_gives_no_new_leases_and_a_cancel_ends_the_sweep() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("s", [1, 2]);
    let worker = scene.register("w", 2);
    let keys = scene.lease(worker, 1);
    scene.step(Input::Drain).reply.unwrap();
    assert_eq!(scene.lease(worker, 2), keys);
    assert!(matches!(scene.heartbeat(worker, &keys), Ok(Reply::Heartbeat { drain: true, .. })));
    assert_eq!(scene.step(Input::CancelSweep { sweep: "s".parse().unwrap() }).reply, Ok(Reply::Cancelled(2)));
    assert!(matches!(scene.done(worker, keys[0]), Err(Rejection::Ended { .. })));
    assert!(scene.state.is_finished());
}

#[test]
fn hostile_registrations_are_refused() {
    let mut scene = Scene::new(Mode::Serve);
    let session = domain::ids::SessionId::of(b"s");
    let worker = |name: &str, slots, pid| sweep_engine::WorkerInfo {
        name: name.to_owned(),
        host: "host".to_owned(),
        pid,
        slots,
        version: String::new(),
        device: String::new(),
        isa: String::new(),
    };
    for bad in [worker("", 1, 1), worker(&"x".repeat(257), 1, 1), worker("w", 0, 1), worker("w", u32::MAX, 1)]
    {
        let reply = scene.step(Input::Register { worker: bad, session }).reply;
        assert!(matches!(reply, Err(Rejection::BadRegistration { .. })), "{reply:?}");
    }
    scene.register("w", 1);
    let twin = scene.step(Input::Register { worker: worker("w", 1, 2), session }).reply;
    assert!(matches!(twin, Err(Rejection::NameTaken { .. })), "{twin:?}");
    scene.pass(TTL_MS + 1);
    assert!(scene.step(Input::Register { worker: worker("w", 1, 2), session }).reply.is_ok());
}
