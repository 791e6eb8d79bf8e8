//! What a hostile or broken worker may say: each is refused with a typed error, nothing changes by it, and others are
//! served as before.

use std::time::Duration;

use coordinator::store::records::SweepData;
use domain::ids::ArtifactHash;
use sweep_proto::convert::outcome_to_wire;
use sweep_proto::{MAX_MESSAGE_BYTES, PROTOCOL, v1};
use tonic::codegen::Bytes;
use tonic::{Code, Status};

use crate::fixture::{ARTIFACT, outcome};
use crate::ring::{Ring, key};

fn registration(name: &str) -> v1::RegisterRequest {
    v1::RegisterRequest {
        worker: name.to_owned(),
        host: "host".to_owned(),
        pid: 7,
        slots: 1,
        protocol: PROTOCOL,
        ..Default::default()
    }
}

async fn register(ring: &mut Ring, name: &str) -> Bytes {
    ring.worker.register(registration(name)).await.unwrap().into_inner().session
}

async fn record_of(ring: &Ring) -> SweepData {
    ring.handle.store().load_sweep(&"s".parse().unwrap()).await.unwrap().unwrap()
}

async fn report(
    ring: &mut Ring,
    session: &Bytes,
    lease: v1::LeaseKey,
    outcome: v1::Outcome,
) -> Result<(), Status> {
    let request =
        v1::ReportOutcomeRequest { session: session.clone(), lease: Some(lease), outcome: Some(outcome) };
    ring.worker.report_outcome(request).await.map(drop)
}

#[tokio::test]
async fn a_worker_touches_only_what_it_leased() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let (honest, hostile) = (register(&mut ring, "honest").await, register(&mut ring, "hostile").await);
    let lease = ring.lease(&honest, 1).await.leases[0].clone();
    let own = ring.lease(&hostile, 1).await.leases[0].clone();
    ring.put(&honest, ARTIFACT).await.unwrap();
    let before = record_of(&ring).await;

    let good = outcome_to_wire(&outcome());
    let forged_nonce = v1::LeaseKey { nonce: own.nonce.clone(), ..key(&lease) };
    let guessed_nonce = v1::LeaseKey { nonce: vec![0; 16].into(), ..key(&lease) };
    let no_nonce = v1::LeaseKey { nonce: Bytes::new(), ..key(&lease) };
    let future = v1::LeaseKey { attempt: 2, ..key(&lease) };
    let old = v1::LeaseKey { attempt: 0, ..key(&lease) };
    let unknown = v1::LeaseKey { trial_id: vec![7; 16].into(), ..key(&lease) };
    for (forged, code) in [
        (forged_nonce, Code::FailedPrecondition),
        (guessed_nonce, Code::FailedPrecondition),
        (future, Code::FailedPrecondition),
        (old, Code::FailedPrecondition),
        (unknown, Code::NotFound),
        (no_nonce, Code::InvalidArgument),
    ] {
        let refused = report(&mut ring, &hostile, forged.clone(), good.clone()).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        let failure = v1::ReportFailureRequest {
            session: hostile.clone(),
            lease: Some(forged.clone()),
            kind: "panic".to_owned(),
            message: "\u{1b}[2J=cmd|' /C calc'!A0<script>".to_owned(),
            checkpoint: None,
        };
        assert_eq!(ring.worker.report_failure(failure).await.unwrap_err().code(), code);
        let progress = v1::TrialProgress { lease: Some(forged), epoch: 3, ..Default::default() };
        let beat = v1::HeartbeatRequest { session: hostile.clone(), running: vec![progress] };
        match ring.worker.heartbeat(beat).await {
            // It is told to drop what it does not hold.
            Ok(reply) => assert_eq!(reply.into_inner().directives.len(), 1),
            Err(refused) => assert_eq!(refused.code(), Code::InvalidArgument),
        }
    }
    assert_eq!(record_of(&ring).await, before, "nothing has changed");
    let now = ring.handle.progress().borrow().clone();
    assert!(now.running.iter().all(|trial| trial.epoch == 0), "no progress was taken: {:?}", now.running);
    report(&mut ring, &honest, key(&lease), good).await.unwrap();
    ring.stop().await;
}

#[tokio::test]
async fn numbers_and_names_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = register(&mut ring, "hostile").await;
    let lease = ring.lease(&session, 1).await.leases[0].clone();
    ring.put(&session, ARTIFACT).await.unwrap();
    let before = record_of(&ring).await;
    type Change = fn(&mut v1::Outcome);
    let changes: [(&str, Change); 11] = [
        ("NaN", |m| m.metrics[0].value = f64::NAN),
        ("1e308", |m| m.metrics[0].value = 1e308),
        ("infinite loss", |m| m.epochs[0].loss_per_cell = f64::INFINITY),
        ("negative step", |m| m.epochs[0].epoch = (-1_i32).cast_unsigned()),
        ("negative time", |m| m.epochs[0].seconds = -5.0),
        ("a metric called ../", |m| m.metrics[0].name = "../../sse_per_cell".to_owned()),
        ("an artifact called ../", |m| m.artifacts[0].kind = "../embedding".to_owned()),
        ("a flood of metrics", |m| m.metrics = vec![m.metrics[0].clone(); 100_000]),
        ("a flood of epochs", |m| m.epochs = vec![m.epochs[0]; 100_001]),
        ("a flood of artifacts", |m| m.artifacts = vec![m.artifacts[0].clone(); 1000]),
        ("no such status", |m| m.status = -7),
    ];
    for (what, change) in changes {
        let mut message = outcome_to_wire(&outcome());
        change(&mut message);
        let refused = report(&mut ring, &session, key(&lease), message).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused}");
        assert!(refused.message().len() < 1000, "{what}: the answer repeats no flood");
    }
    for name in ["../../etc/passwd", "a/b", "", ".hidden", "a\u{1b}[31m", "a\nb", &"n".repeat(300)] {
        let refused = ring.worker.register(registration(name)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name:?}: {refused}");
    }
    let progress = |epoch, epochs| v1::TrialProgress {
        lease: Some(key(&lease)),
        epoch,
        epochs,
        loss_per_cell: Some(f64::NAN),
        phase: "train".to_owned(),
    };
    for running in [
        vec![progress((-1_i32).cast_unsigned(), 5)],
        vec![progress(1, u32::MAX)],
        vec![progress(1, 5); 2000],
        vec![v1::TrialProgress { phase: "x".repeat(1000), ..progress(1, 5) }],
    ] {
        let beat = v1::HeartbeatRequest { session: session.clone(), running };
        assert_eq!(ring.worker.heartbeat(beat).await.unwrap_err().code(), Code::InvalidArgument);
    }
    // A loss that is no number is no reason to lose the heartbeat, and is not taken either.
    let beat = v1::HeartbeatRequest { session: session.clone(), running: vec![progress(1, 5)] };
    ring.worker.heartbeat(beat).await.unwrap();
    assert_eq!(record_of(&ring).await, before);
    report(&mut ring, &session, key(&lease), outcome_to_wire(&outcome())).await.unwrap();
    ring.stop().await;
}

#[tokio::test]
async fn a_replayed_result_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = register(&mut ring, "w").await;
    let lease = ring.lease(&session, 1).await.leases[0].clone();
    ring.put(&session, ARTIFACT).await.unwrap();
    report(&mut ring, &session, key(&lease), outcome_to_wire(&outcome())).await.unwrap();
    let first = record_of(&ring).await;
    let mut better = outcome_to_wire(&outcome());
    better.metrics[0].value = 1.0;
    report(&mut ring, &session, key(&lease), better).await.unwrap();
    assert_eq!(record_of(&ring).await, first, "the first result counts");
    ring.stop().await;
}

#[tokio::test]
async fn other_versions_of_the_protocol_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    for protocol in [0, PROTOCOL + 1, u32::MAX] {
        let request = v1::RegisterRequest { protocol, ..registration("w") };
        let refused = ring.worker.register(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let words = refused.message();
        assert!(
            words.contains(&format!("protocol {PROTOCOL}")) && words.contains(&protocol.to_string()),
            "{words}"
        );
        assert!(words.contains("same release"), "{words}");
    }
    ring.stop().await;
}

#[tokio::test]
async fn oversized_messages_are_refused_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = register(&mut ring, "w").await;
    let lease = ring.lease(&session, 1).await.leases[0].clone();
    for (bytes, codes) in [
        (5_000_000, [Code::InvalidArgument, Code::InvalidArgument]),
        (MAX_MESSAGE_BYTES + 1, [Code::OutOfRange, Code::ResourceExhausted]),
    ] {
        let mut hostile = ring.worker.clone();
        let refused = hostile.register(registration(&"n".repeat(bytes))).await.unwrap_err();
        assert!(codes.contains(&refused.code()), "{bytes}: {refused}");
        // Words of a failure are cut, not refused: its trial must end.
        if bytes < MAX_MESSAGE_BYTES {
            let failure = v1::ReportFailureRequest {
                session: session.clone(),
                lease: Some(key(&lease)),
                kind: "no such kind".repeat(bytes / 16),
                message: String::new(),
                checkpoint: None,
            };
            let refused = hostile.report_failure(failure).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            assert!(refused.message().len() < 1000);
        }
    }
    // An artifact larger than it said, one larger than any may be, and one of another content.
    let hash = ArtifactHash::of(ARTIFACT).as_bytes().to_vec();
    for (total, chunk) in [(4, 1_000_000), (u64::MAX, 10), (10, 10)] {
        let first = v1::PutArtifactRequest {
            session: session.clone(),
            hash: hash.clone().into(),
            total,
            chunk: vec![0; chunk].into(),
            purpose: 0,
        };
        let refused = ring.worker.put_artifact(tokio_stream::iter([first])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    ring.put(&session, ARTIFACT).await.unwrap();
    report(&mut ring, &session, key(&lease), outcome_to_wire(&outcome())).await.unwrap();
    ring.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_calls_from_one_worker_keeps_no_other_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let (flooder, honest) = (register(&mut ring, "flooder").await, register(&mut ring, "honest").await);
    let flood = ring.connect_again().await;
    let beat = v1::HeartbeatRequest { session: flooder, running: Vec::new() };
    let calls: Vec<_> = (0..20_000)
        .map(|_| {
            let (mut client, beat) = (flood.clone(), beat.clone());
            tokio::spawn(async move { client.heartbeat(beat).await })
        })
        .collect();
    for _ in 0..50 {
        let answered = tokio::time::timeout(Duration::from_secs(2), ring.lease(&honest, 1)).await;
        assert_eq!(answered.expect("an answer in spite of the flood").leases.len(), 1);
    }
    for call in calls {
        call.abort();
    }
    ring.stop().await;
}
