//! A checkpoint's life over the wire: handed over with the trial, named by its next lease, given to the holder alone, gone
//! when the trial ends or the coordinator restarts without needing it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::ids::ArtifactHash;
use sweep_proto::v1;
use tonic::codegen::Bytes;
use tonic::{Code, Status};

use crate::fixture::ARTIFACT;
use crate::ring::{Ring, key};

const CHECKPOINT: &[u8] = b"where a trial stood";

fn reference() -> v1::CheckpointRef {
    let hash = ArtifactHash::of(CHECKPOINT).as_bytes().to_vec().into();
    v1::CheckpointRef { hash, bytes: CHECKPOINT.len() as u64, epoch: 7 }
}

async fn put(ring: &mut Ring, session: &Bytes, content: &'static [u8]) {
    let message = v1::PutArtifactRequest {
        session: session.clone(),
        hash: ArtifactHash::of(content).as_bytes().to_vec().into(),
        total: content.len() as u64,
        chunk: content.into(),
        purpose: v1::ArtifactPurpose::Checkpoint.into(),
    };
    ring.worker.put_artifact(tokio_stream::iter([message])).await.unwrap();
}

async fn give_back(
    ring: &mut Ring,
    session: &Bytes,
    lease: &v1::Lease,
    checkpoint: v1::CheckpointRef,
) -> Result<(), Status> {
    let request = v1::ReportFailureRequest {
        session: session.clone(),
        lease: Some(key(lease)),
        kind: "returned".to_owned(),
        message: "drained".to_owned(),
        checkpoint: Some(checkpoint),
    };
    ring.worker.report_failure(request).await.map(drop)
}

async fn fetch(ring: &mut Ring, session: &Bytes, lease: &v1::Lease, offset: u64) -> Result<Vec<u8>, Status> {
    let request = v1::FetchCheckpointRequest { session: session.clone(), lease: Some(key(lease)), offset };
    let mut parts = ring.worker.fetch_checkpoint(request).await?.into_inner();
    let mut content = Vec::new();
    while let Some(part) = parts.message().await? {
        assert_eq!((part.offset, part.total), (offset + content.len() as u64, CHECKPOINT.len() as u64));
        content.extend_from_slice(&part.chunk);
    }
    Ok(content)
}

fn files(state: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(state.join("checkpoints")).unwrap();
    let inside = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    inside.map(|file| file.unwrap().path()).collect()
}

async fn wait_until_gone(state: &Path) {
    let gone = async {
        while !files(state).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn it_goes_from_holder_to_holder_and_ends_with_the_trial() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = ring.register().await;
    let leases = ring.lease(&session, 2).await.leases;
    assert_eq!(fetch(&mut ring, &session, &leases[0], 0).await.unwrap_err().code(), Code::NotFound);

    let early = give_back(&mut ring, &session, &leases[0], reference()).await.unwrap_err();
    assert_eq!(early.code(), Code::Unavailable, "named before it is there: {early}");
    let endless = v1::CheckpointRef { bytes: u64::MAX, ..reference() };
    let refused = give_back(&mut ring, &session, &leases[0], endless).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    put(&mut ring, &session, CHECKPOINT).await;
    give_back(&mut ring, &session, &leases[0], reference()).await.unwrap();

    let again = ring.lease(&session, 2).await.leases;
    let second = again.iter().find(|lease| lease.trial_id == leases[0].trial_id).unwrap();
    assert_eq!((second.attempt, &second.checkpoint), (2, &Some(reference())));
    assert_eq!(fetch(&mut ring, &session, second, 0).await.unwrap(), CHECKPOINT);
    assert_eq!(fetch(&mut ring, &session, second, 5).await.unwrap(), &CHECKPOINT[5..]);
    let beyond = fetch(&mut ring, &session, second, 1 << 40).await.unwrap_err();
    assert_eq!(beyond.code(), Code::OutOfRange);
    let stale = fetch(&mut ring, &session, &leases[0], 0).await.unwrap_err();
    assert_eq!(stale.code(), Code::FailedPrecondition, "only to who holds the lease: {stale}");

    assert_eq!(files(folder.path()).len(), 1);
    ring.put(&session, ARTIFACT).await.unwrap();
    ring.report(&session, second).await.unwrap();
    wait_until_gone(folder.path()).await;
    ring.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_what_a_trial_needs_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    let session = ring.register().await;
    let lease = ring.lease(&session, 1).await.leases.remove(0);
    put(&mut ring, &session, CHECKPOINT).await;
    put(&mut ring, &session, b"of a worker that died before it named it").await;
    give_back(&mut ring, &session, &lease, reference()).await.unwrap();
    assert_eq!(files(folder.path()).len(), 2);
    ring.stop().await;

    let mut ring = Ring::start(folder.path()).await;
    ring.submit().await;
    assert_eq!(files(folder.path()).len(), 1);
    let session = ring.register().await;
    let lease = ring.lease(&session, 1).await.leases.remove(0);
    assert_eq!(lease.checkpoint, Some(reference()));
    assert_eq!(fetch(&mut ring, &session, &lease, 0).await.unwrap(), CHECKPOINT);
    ring.stop().await;
}
