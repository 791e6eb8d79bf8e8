//! Three limits of time that are not one, and what a person may order about a sweep.

use domain::{FailureKind, TrialState};
use sweep_engine::{Decision, Directive, Effect, Event, Input, Mode, Rejection, Reply};

use crate::scene::{NO_PROGRESS_MS, Scene, TTL_MS, trial};

/// Lets time pass in heartbeats that all say the same; the ticks' decisions.
fn live_on(
    scene: &mut Scene,
    session: domain::ids::SessionId,
    key: sweep_engine::LeaseKey,
    epoch: u32,
    phase: &str,
    ms: u64,
) -> Vec<Decision> {
    let mut ticks = Vec::new();
    let mut left_ms = ms;
    while left_ms > 0 {
        let step_ms = left_ms.min(TTL_MS / 2);
        left_ms -= step_ms;
        scene.now_ms += step_ms;
        scene.heartbeat_at(session, &[key], epoch, phase).unwrap();
        ticks.push(scene.step(Input::Tick));
    }
    ticks
}

fn stalls(ticks: &[Decision]) -> usize {
    let is_stall = |event: &&Event| matches!(event, Event::AttemptFailed { kind: FailureKind::Stalled, .. });
    ticks.iter().flat_map(|tick| &tick.events).filter(is_stall).count()
}

#[test]
fn a_worker_that_lives_without_progress_loses_the_trial_and_is_told() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    for epoch in 1..=3 {
        assert_eq!(stalls(&live_on(&mut scene, worker, key, epoch, "train", 1_000)), 0);
    }
    assert_eq!(stalls(&live_on(&mut scene, worker, key, 3, "train", NO_PROGRESS_MS - 2_000)), 0, "not yet");
    assert_eq!(stalls(&live_on(&mut scene, worker, key, 3, "train", TTL_MS)), 1);
    assert_eq!(scene.state_of(key.trial), TrialState::Pending);
    let Ok(Reply::Heartbeat { directives, .. }) = scene.heartbeat(worker, &[key]) else { panic!() };
    assert_eq!(directives, vec![(key.trial, Directive::Superseded)], "its slot is wanted back");
    assert_eq!(scene.done(worker, key), Ok(Reply::Acknowledged), "late is not lost, even so");
}

#[test]
fn slow_epochs_are_no_standstill() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    let epoch_ms = 120_000;
    for epoch in 1..=4 {
        assert_eq!(stalls(&live_on(&mut scene, worker, key, epoch, "train", epoch_ms)), 0);
    }
    assert_eq!(
        stalls(&live_on(&mut scene, worker, key, 4, "train", 18 * epoch_ms)),
        0,
        "20 medians are 40 min"
    );
    assert_eq!(stalls(&live_on(&mut scene, worker, key, 4, "train", 3 * epoch_ms)), 1);
}

#[test]
fn what_cannot_be_measured_gets_an_hour() {
    for (epoch, phase) in [(0, "data"), (0, "train"), (200, "evaluate")] {
        let mut scene = Scene::new(Mode::Serve);
        scene.submit("s", [1]);
        let worker = scene.register("w", 1);
        let key = scene.lease(worker, 1)[0];
        assert_eq!(stalls(&live_on(&mut scene, worker, key, epoch, phase, 6 * NO_PROGRESS_MS)), 0, "{phase}");
        assert_eq!(stalls(&live_on(&mut scene, worker, key, epoch, phase, TTL_MS)), 1, "{phase}");
    }
}

#[test]
fn three_standstills_fail_a_trial() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("s", [1]);
    for name in ["a", "b", "c"] {
        scene.pass(60_000);
        let worker = scene.register(name, 1);
        let key = scene.lease(worker, 1)[0];
        let ticks = live_on(&mut scene, worker, key, 0, "train", 6 * NO_PROGRESS_MS + TTL_MS);
        assert_eq!(stalls(&ticks), 1);
    }
    assert_eq!(scene.state_of(trial(1).id), TrialState::Failed);
}

#[test]
fn a_restart_begins_to_watch_anew() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 1);
    let key = scene.lease(worker, 1)[0];
    live_on(&mut scene, worker, key, 2, "train", NO_PROGRESS_MS - TTL_MS);
    scene.restart();
    let worker = scene.register("w", 1);
    assert_eq!(stalls(&live_on(&mut scene, worker, key, 2, "train", NO_PROGRESS_MS - TTL_MS)), 0);
}

#[test]
fn asking_for_trials_does_not_keep_a_lease() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let worker = scene.register("w", 2);
    let key = scene.lease(worker, 2)[0];
    for _ in 0..3 {
        scene.pass(TTL_MS / 2);
        scene.lease_reply(worker, 2).unwrap();
    }
    assert_eq!(
        scene.state.trial(&key.trial).unwrap().attempts,
        2,
        "no heartbeat named it: it was leased again"
    );
}

#[test]
fn a_worker_that_does_not_stop_gets_nothing_new_until_it_does() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    scene.submit("t", [2]);
    let worker = scene.register("w", 2);
    let key = scene.lease(worker, 1)[0];
    assert_eq!(scene.step(Input::CancelSweep { sweep: "s".parse().unwrap() }).reply, Ok(Reply::Cancelled(1)));
    let ticks = live_on(&mut scene, worker, key, 1, "train", NO_PROGRESS_MS);
    let notes = |ticks: &[Decision]| {
        let is_note =
            |effect: &&Effect| matches!(effect, Effect::WorkerDisobeys { worker, .. } if worker == "w");
        ticks.iter().flat_map(|tick| &tick.effects).filter(is_note).count()
    };
    assert_eq!(notes(&ticks), 0);
    let ticks = live_on(&mut scene, worker, key, 1, "train", 2 * TTL_MS);
    assert_eq!(notes(&ticks), 1, "said once");
    assert_eq!(scene.lease(worker, 2), vec![]);
    assert_eq!(scene.heartbeat(worker, &[]), Ok(Reply::Heartbeat { directives: vec![], drain: false }));
    assert_eq!(scene.lease(worker, 2)[0].trial, trial(2).id, "it has stopped");
}

#[test]
fn a_paused_sweep_rests_and_what_runs_goes_on() {
    let mut scene = Scene::new(Mode::UntilDone);
    scene.submit("s", [1, 2, 3]);
    scene.submit("t", [3]);
    let worker = scene.register("w", 4);
    let key = scene.lease(worker, 1)[0];
    let sweep = || "s".parse().unwrap();
    for events in [1, 0] {
        assert_eq!(scene.step(Input::PauseSweep { sweep: sweep() }).events.len(), events);
    }
    let keys = scene.lease(worker, 4);
    assert_eq!(
        keys.iter().map(|key| key.trial).collect::<Vec<_>>(),
        [trial(1).id, trial(3).id],
        "t is not paused"
    );
    scene.done(worker, key).unwrap();
    scene.restart();
    scene.submit("s", [1, 2, 3]);
    let worker = scene.register("w", 4);
    assert_eq!(scene.lease(worker, 4).len(), 1, "still paused after a restart and a submission");
    assert!(!scene.state.is_finished(), "a paused sweep is not done");
    for events in [1, 0] {
        assert_eq!(scene.step(Input::ResumeSweep { sweep: sweep() }).events.len(), events);
    }
    assert_eq!(scene.lease(worker, 4).len(), 2);
    assert!(scene.step(Input::PauseSweep { sweep: "x".parse().unwrap() }).reply.is_err());
}

#[test]
fn failed_and_poisoned_trials_run_again_when_a_person_says_so() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2, 3]);
    for name in ["a", "b", "c"] {
        scene.pass(60_000);
        let worker = scene.register(name, 1);
        assert_eq!(scene.lease(worker, 1)[0].trial, trial(1).id);
        scene.step(Input::WorkerGone { worker: name.to_owned() }).reply.unwrap();
    }
    for _ in 0..2 {
        scene.pass(60_000);
        let worker = scene.register("d", 2);
        for key in scene.lease(worker, 1) {
            let (kind, message) = (FailureKind::Panic, "boom".to_owned());
            let report = Input::ReportFailure { session: worker, key, kind, message, checkpoint: None };
            scene.step(report).reply.unwrap();
        }
    }
    let worker = scene.register("d", 2);
    scene.pass(1);
    let states: Vec<TrialState> = [1, 2].map(|seed| scene.state_of(trial(seed).id)).into();
    assert!(states.contains(&TrialState::Poisoned), "{states:?}");
    let retry = || Input::RetryFailed { sweep: "s".parse().unwrap() };
    let failed =
        states.iter().filter(|state| matches!(state, TrialState::Failed | TrialState::Poisoned)).count();
    assert_eq!(scene.step(retry()).reply, Ok(Reply::Retried(failed as u64)));
    assert_eq!(scene.step(retry()).reply, Ok(Reply::Retried(0)));
    let key = scene.lease(worker, 1)[0];
    assert_eq!((key.trial, key.attempt), (trial(1).id, 4), "attempts go on counting");
    scene.step(Input::WorkerGone { worker: "d".to_owned() }).reply.unwrap();
    assert_eq!(scene.state_of(trial(1).id), TrialState::Pending, "its old failures are forgiven");
}

#[test]
fn without_room_results_are_taken_and_nothing_is_begun() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2]);
    let worker = scene.register("w", 2);
    let key = scene.lease(worker, 1)[0];
    scene.step(Input::Hold { is_on: true }).reply.unwrap();
    assert_eq!(scene.lease(worker, 2), vec![key], "what it holds it may keep");
    assert_eq!(scene.submit("t", [3]).reply, Err(Rejection::NoRoom));
    assert_eq!(scene.done(worker, key), Ok(Reply::Acknowledged));
    scene.step(Input::Hold { is_on: false }).reply.unwrap();
    assert_eq!(scene.lease(worker, 2)[0].trial, trial(2).id);
}
