//! Where a trial begins: at the start, at a checkpoint of this host's disk, or at the one that its lease names. A
//! checkpoint that is not to be had costs time, never a trial.

use domain::ids::ArtifactHash;
use domain::outcome::CheckpointRef;
use sweep_proto::v1;
use tonic::Status;

use crate::link::{CALL_LIMIT, Client, Link, call};
use crate::runner::Saved;
use crate::shelf::Shelf;
use crate::slots::Job;
use crate::verdict::{self, Verdict};

/// Tries to fetch a checkpoint from a coordinator that does not answer: beyond them, training is quicker.
const FETCH_TRIES: u32 = 5;

/// A checkpoint that did not come.
enum Trouble {
    /// Another try may help.
    Passing(Status),
    /// None will.
    Final(String),
}

/// The checkpoint to begin at, and what a person should know where the lease named one that is not to be had.
pub(crate) async fn find(
    client: &mut Client,
    link: &Link,
    shelf: &Shelf,
    job: &Job,
) -> (Option<Saved>, Option<String>) {
    let local = shelf.take(job.handle.key.trial);
    let Some(named) = job.checkpoint.as_deref() else { return (local, None) };
    if local.as_ref().is_some_and(|local| local.epoch >= named.epoch) {
        return (local, None);
    }
    match fetch(client, link, job, named).await {
        Ok(saved) => (Some(saved), None),
        Err(why) => (local, Some(why)),
    }
}

async fn fetch(client: &mut Client, link: &Link, job: &Job, named: &CheckpointRef) -> Result<Saved, String> {
    let mut back_off = link.back_off();
    let mut bytes = Vec::new();
    let mut tries = 0;
    loop {
        let session = link.session().await;
        let request = v1::FetchCheckpointRequest {
            session: session.id.as_bytes().to_vec().into(),
            lease: Some(job.handle.key.to_wire()),
            offset: bytes.len() as u64,
        };
        match fetch_rest(client, request, named.bytes, &mut bytes).await {
            Ok(()) if ArtifactHash::of(&bytes) == named.hash => {
                return Ok(Saved { epoch: named.epoch, bytes: bytes.into() });
            }
            Ok(()) => return Err("its bytes are not those that were handed over".to_owned()),
            Err(Trouble::Final(why)) => return Err(why),
            Err(Trouble::Passing(status)) => {
                tries += 1;
                if tries == FETCH_TRIES {
                    return Err(verdict::words(&status));
                }
                if verdict::judge(&status) == Verdict::UnknownSession {
                    link.note_lost(session.id);
                } else {
                    link.note_trouble(verdict::words(&status));
                    tokio::time::sleep(back_off.next_delay()).await;
                }
            }
        }
    }
}

/// Adds to `bytes` what is missing of `total`.
async fn fetch_rest(
    client: &mut Client,
    request: v1::FetchCheckpointRequest,
    total: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let mut parts = call(CALL_LIMIT, client.fetch_checkpoint(request)).await.map_err(judge)?;
    loop {
        let part = match tokio::time::timeout(CALL_LIMIT, parts.message()).await {
            Ok(part) => part.map_err(judge)?,
            Err(_) => return Err(Trouble::Passing(Status::deadline_exceeded("it stopped on its way"))),
        };
        let Some(part) = part else { break };
        let is_next = part.offset == bytes.len() as u64 && part.total == total;
        if !is_next || (bytes.len() + part.chunk.len()) as u64 > total {
            return Err(Trouble::Final("other parts came than were asked for".to_owned()));
        }
        bytes.extend_from_slice(&part.chunk);
    }
    if bytes.len() as u64 == total {
        return Ok(());
    }
    Err(Trouble::Passing(Status::unavailable("it ended before its end")))
}

fn judge(status: Status) -> Trouble {
    match verdict::judge(&status) {
        Verdict::Retry | Verdict::UnknownSession => Trouble::Passing(status),
        Verdict::Superseded | Verdict::Refused => Trouble::Final(verdict::words(&status)),
    }
}
