//! Trials that are given back go on where they were; trials that fail begin anew; nothing keeps a checkpoint for ever.

use domain::ids::{ArtifactHash, LeaseNonce};
use domain::{FailureKind, TrialState};
use sweep_engine::{Decision, Effect, Input, LeaseKey, Mode, Rejection, Reply};

use crate::scene::{Scene, TTL_MS, checkpoint, trial};

fn obsolete(decision: &Decision) -> Vec<ArtifactHash> {
    let hashes = decision.effects.iter().filter_map(|effect| match effect {
        Effect::CheckpointObsolete { hash } => Some(*hash),
        _ => None,
    });
    hashes.collect()
}

/// What the next lease says about where to begin.
fn leased_again(scene: &mut Scene, worker: &str) -> (domain::ids::SessionId, LeaseKey, Option<Vec<u8>>) {
    let session = scene.register(worker, 1);
    let nonces = vec![LeaseNonce::of(&scene.draw().to_le_bytes())];
    let Ok(Reply::Leases { leases, .. }) = scene.step(Input::LeaseTrials { session, want: 1, nonces }).reply
    else {
        panic!("a lease");
    };
    let lease = &leases[0];
    let key = LeaseKey { trial: lease.trial.id, attempt: lease.attempt, nonce: lease.nonce };
    (session, key, lease.checkpoint.map(|checkpoint| checkpoint.hash.as_bytes().to_vec()))
}

fn hash(content: &[u8]) -> Vec<u8> {
    ArtifactHash::of(content).as_bytes().to_vec()
}

#[test]
fn what_is_given_back_goes_on_where_it_was() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let (first, key, begins) = leased_again(&mut scene, "a");
    assert_eq!(begins, None);
    assert_eq!(
        scene.step(Input::FindCheckpoint { session: first, key }).reply,
        Err(Rejection::NoCheckpoint { trial: key.trial })
    );
    assert!(scene.give_back(first, key, b"after 7").reply.is_ok());
    assert!(scene.give_back(first, key, b"said twice").reply.is_ok());

    let (second, again, begins) = leased_again(&mut scene, "b");
    assert_eq!(begins, Some(hash(b"after 7")));
    let found = scene.step(Input::FindCheckpoint { session: second, key: again }).reply;
    assert_eq!(found, Ok(Reply::Checkpoint(checkpoint(b"after 7"))));
    let stale = scene.step(Input::FindCheckpoint { session: first, key }).reply;
    assert!(matches!(stale, Err(Rejection::Superseded { .. })), "only the holder gets it: {stale:?}");

    let given_back = scene.give_back(second, again, b"after 9");
    assert_eq!(obsolete(&given_back), vec![ArtifactHash::of(b"after 7")], "the older file may go");
    scene.restart();
    let (third, last, begins) = leased_again(&mut scene, "c");
    assert_eq!(begins, Some(hash(b"after 9")), "also after a restart");
    let outcome = Box::new(crate::scene::outcome());
    let ended = scene.step(Input::ReportOutcome { session: third, key: last, outcome });
    assert_eq!(obsolete(&ended), vec![ArtifactHash::of(b"after 9")], "nothing is kept of a trial that ended");
}

#[test]
fn a_worker_that_leaves_or_is_lost_once_costs_no_checkpoint_but_twice_does() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let (session, key, _) = leased_again(&mut scene, "a");
    scene.give_back(session, key, b"after 7");
    let (session, _, _) = leased_again(&mut scene, "b");
    scene.step(Input::Leave { session }).reply.unwrap();
    let (_, _, begins) = leased_again(&mut scene, "c");
    assert_eq!(begins, Some(hash(b"after 7")));
    scene.step(Input::WorkerGone { worker: "c".to_owned() }).reply.unwrap();
    let (_, _, begins) = leased_again(&mut scene, "d");
    assert_eq!(begins, Some(hash(b"after 7")), "one worker's end says little about the trial");
    let gone = scene.step(Input::WorkerGone { worker: "d".to_owned() });
    assert_eq!(obsolete(&gone), vec![ArtifactHash::of(b"after 7")]);
    scene.pass(60_000);
    let (_, _, begins) = leased_again(&mut scene, "e");
    assert_eq!(begins, None, "the checkpoint may be what takes workers down");
}

#[test]
fn a_trial_that_fails_by_itself_begins_anew() {
    for kind in [FailureKind::Panic, FailureKind::Internal, FailureKind::OutOfMemory, FailureKind::BadConfig]
    {
        let mut scene = Scene::new(Mode::Serve);
        scene.submit("s", [1]);
        let (session, key, _) = leased_again(&mut scene, "a");
        scene.give_back(session, key, b"after 7");
        let (session, key, _) = leased_again(&mut scene, "b");
        // A checkpoint beside another failure is not believed.
        let beside = Some(checkpoint(b"of a panic"));
        let report = Input::ReportFailure { session, key, kind, message: String::new(), checkpoint: beside };
        assert_eq!(obsolete(&scene.step(report)), vec![ArtifactHash::of(b"after 7")]);
        scene.pass(TTL_MS);
        assert_eq!(leased_again(&mut scene, "c").2, None, "{kind:?}");
    }
}

#[test]
fn a_cancelled_trial_leaves_nothing_behind() {
    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1]);
    let (session, key, _) = leased_again(&mut scene, "a");
    scene.give_back(session, key, b"after 7");
    let cancelled = scene.step(Input::CancelSweep { sweep: "s".parse().unwrap() });
    assert_eq!(obsolete(&cancelled), vec![ArtifactHash::of(b"after 7")]);
    assert_eq!(scene.state_of(trial(1).id), TrialState::Cancelled);

    let mut scene = Scene::new(Mode::Serve);
    scene.submit("s", [1, 2]);
    let (session, key, _) = leased_again(&mut scene, "a");
    scene.give_back(session, key, b"after 7");
    let dropped = scene.submit("s", [2]);
    assert_eq!(obsolete(&dropped), vec![ArtifactHash::of(b"after 7")], "a changed grid drops it too");
}
