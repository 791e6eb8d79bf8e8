//! Random walks: three workers, two sweeps, messages repeated, late, wrong and out of order, restarts in between.

use domain::FailureKind;
use domain::ids::SessionId;
use proptest::prelude::*;
use sweep_engine::{Input, LeaseKey, Mode, Reply};

use crate::scene::{NO_PROGRESS_MS, Scene, TTL_MS};

const WORKERS: [&str; 3] = ["a", "b", "c"];
const KINDS: &[FailureKind] = FailureKind::ALL;

#[derive(Debug, Clone)]
enum Step {
    Submit { sweep: usize, from: u64, count: u64 },
    Cancel { sweep: usize },
    Register { worker: usize },
    Lease { worker: usize, want: u32 },
    Heartbeat { worker: usize, keys: usize, epoch: u32 },
    Done { worker: usize, key: usize },
    Fail { worker: usize, key: usize, kind: usize },
    GiveBack { worker: usize, key: usize, content: u8 },
    Fetch { worker: usize, key: usize },
    Pause { sweep: usize, is_on: bool },
    Retry { sweep: usize },
    Leave { worker: usize },
    Gone { worker: usize },
    Pass { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..WORKERS.len();
    // Any lease ever given may be named again: an index counted back from the newest.
    let key = 0..12_usize;
    prop_oneof![
        1 => (0..2_usize, 0..4_u64, 1..5_u64).prop_map(|(sweep, from, count)| Step::Submit { sweep, from, count }),
        1 => (0..2_usize).prop_map(|sweep| Step::Cancel { sweep }),
        3 => worker.clone().prop_map(|worker| Step::Register { worker }),
        6 => (worker.clone(), 0..4_u32).prop_map(|(worker, want)| Step::Lease { worker, want }),
        4 => (worker.clone(), 0..12_usize, 0..4_u32)
            .prop_map(|(worker, keys, epoch)| Step::Heartbeat { worker, keys, epoch }),
        5 => (worker.clone(), key.clone()).prop_map(|(worker, key)| Step::Done { worker, key }),
        3 => (worker.clone(), key.clone(), 0..3_u8)
            .prop_map(|(worker, key, content)| Step::GiveBack { worker, key, content }),
        1 => (worker.clone(), key.clone()).prop_map(|(worker, key)| Step::Fetch { worker, key }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(sweep, is_on)| Step::Pause { sweep, is_on }),
        1 => (0..2_usize).prop_map(|sweep| Step::Retry { sweep }),
        4 => (worker.clone(), key, 0..KINDS.len()).prop_map(|(worker, key, kind)| Step::Fail { worker, key, kind }),
        1 => worker.clone().prop_map(|worker| Step::Leave { worker }),
        1 => worker.prop_map(|worker| Step::Gone { worker }),
        4 => (0..3 * TTL_MS).prop_map(|ms| Step::Pass { ms }),
        1 => (0..2 * NO_PROGRESS_MS).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Restart),
    ]
}

fn walk(scene: &mut Scene, steps: &[Step]) {
    let mut sessions: [Option<SessionId>; 3] = [None; 3];
    let mut keys: Vec<LeaseKey> = Vec::new();
    let nobody = SessionId::of(b"nobody");
    for step in steps {
        let session = |worker: usize| sessions[worker].unwrap_or(nobody);
        let recent = |key: usize| keys.len().checked_sub(key + 1).map(|position| keys[position]);
        match *step {
            Step::Submit { sweep, from, count } => {
                scene.submit(["s", "t"][sweep], from..from + count).reply.unwrap();
            }
            Step::Cancel { sweep } => {
                let _ = scene.step(Input::CancelSweep { sweep: ["s", "t"][sweep].parse().unwrap() });
            }
            Step::Register { worker } => sessions[worker] = Some(scene.register(WORKERS[worker], 2)),
            Step::Lease { worker, want } => {
                let leased =
                    scene.lease_reply(session(worker), want).map(|(leased, _)| leased).unwrap_or_default();
                keys.extend(leased.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>());
            }
            Step::Heartbeat { worker, keys: count, epoch } => {
                let some: Vec<LeaseKey> = keys.iter().rev().take(count).copied().collect();
                let _ = scene.heartbeat_at(session(worker), &some, epoch, "train");
            }
            Step::Done { worker, key } => {
                if let Some(key) = recent(key) {
                    let _ = scene.done(session(worker), key);
                }
            }
            Step::Fail { worker, key, kind } => {
                if let Some(key) = recent(key) {
                    let message = String::new();
                    let session = session(worker);
                    let kind = KINDS[kind];
                    let report = Input::ReportFailure { session, key, kind, message, checkpoint: None };
                    let _ = scene.step(report);
                }
            }
            Step::GiveBack { worker, key, content } => {
                if let Some(key) = recent(key) {
                    scene.give_back(session(worker), key, &[content]);
                }
            }
            Step::Fetch { worker, key } => {
                if let Some(key) = recent(key) {
                    let found = scene.step(Input::FindCheckpoint { session: session(worker), key }).reply;
                    let entry = scene.state.trial(&key.trial).unwrap();
                    if let Ok(Reply::Checkpoint(found)) = found {
                        assert!(entry.is_last_attempt(&key) && entry.checkpoint == Some(found));
                    }
                }
            }
            Step::Pause { sweep, is_on } => {
                let sweep = ["s", "t"][sweep].parse().unwrap();
                let input = if is_on { Input::PauseSweep { sweep } } else { Input::ResumeSweep { sweep } };
                let _ = scene.step(input);
            }
            Step::Retry { sweep } => {
                let _ = scene.step(Input::RetryFailed { sweep: ["s", "t"][sweep].parse().unwrap() });
            }
            Step::Leave { worker } => {
                let _ = scene.step(Input::Leave { session: session(worker) });
            }
            Step::Gone { worker } => {
                let _ = scene.step(Input::WorkerGone { worker: WORKERS[worker].to_owned() });
            }
            Step::Pass { ms } => scene.pass(ms),
            Step::Restart => scene.restart(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_invariant_holds_after_every_step(steps in prop::collection::vec(step(), 1..80)) {
        walk(&mut Scene::new(Mode::Serve), &steps);
    }

    /// Whatever happened before, one healthy worker and enough time bring every trial to its end.
    #[test]
    fn every_sweep_ends(steps in prop::collection::vec(step(), 1..40)) {
        let mut scene = Scene::new(Mode::Serve);
        walk(&mut scene, &steps);
        for sweep in ["s", "t"] {
            let _ = scene.step(Input::ResumeSweep { sweep: sweep.parse().unwrap() });
        }
        for _ in 0..40 {
            scene.pass(2 * TTL_MS);
            let healthy = scene.register("healthy", 8);
            for key in scene.lease(healthy, 8) {
                scene.done(healthy, key).unwrap();
            }
        }
        for sweep in &scene.state.record().sweeps {
            let counts = scene.state.counts(sweep);
            prop_assert_eq!(counts.ended(), counts.total());
        }
    }
}
