//! Trials are handed out: the worker's live leases first, then new ones in the order of sweeps and ordinals.

use std::collections::BTreeSet;

use domain::ids::{LeaseNonce, SessionId};
use domain::{TrialId, TrialState};

use crate::MAX_GRANTS_PER_CALL;
use crate::decide::{expire, known_session};
use crate::decision::{Decision, LeaseGrant, Reply};
use crate::event::Event;
use crate::state::{State, TrialEntry};
use crate::volatile::Touch;

/// Shortest time before an idle worker asks again: the end of a sweep is seen within it.
const IDLE_RETRY_MIN_MS: u64 = 250;
/// Longest.
const IDLE_RETRY_MAX_MS: u64 = 10_000;
/// Share of each registered worker: with many idle ones, all of them together ask 125 times a second.
const IDLE_RETRY_PER_WORKER_MS: u64 = 8;

pub(super) fn lease(
    state: &State,
    now_ms: u64,
    session: SessionId,
    want: u32,
    nonces: &[LeaseNonce],
) -> Decision {
    let worker = match known_session(state, &session) {
        Ok(known) => &known.worker,
        Err(rejection) => return Decision::answer(Err(rejection)),
    };
    let want = want.min(worker.slots) as usize;
    let held: Vec<&TrialEntry> =
        state.leases().filter(|(_, holder)| *holder == worker.name).map(|(entry, _)| entry).collect();
    let rests = state.is_draining() || state.volatile.is_held_up || disobeys(state, now_ms, session);
    let may_grant = if rests { 0 } else { want.saturating_sub(held.len()) };
    let fresh = choose(state, now_ms, &worker.name, may_grant.min(nonces.len()).min(MAX_GRANTS_PER_CALL));

    let mut leases: Vec<LeaseGrant> = held.iter().filter_map(|entry| grant_again(entry)).collect();
    let new_leases = fresh.into_iter().zip(nonces).map(|(entry, nonce)| LeaseGrant {
        trial: entry.trial.clone(),
        attempt: entry.attempts + 1,
        nonce: *nonce,
        checkpoint: entry.checkpoint,
    });
    let old_count = leases.len();
    leases.extend(new_leases);

    let events = leases[old_count..].iter().map(|lease| Event::LeaseGranted {
        trial: lease.trial.id,
        attempt: lease.attempt,
        nonce: lease.nonce,
        worker: worker.name.clone(),
    });
    let until_ms = now_ms.saturating_add(state.settings().lease_ttl_ms);
    // Heartbeats keep a lease, questions do not: a worker that forgot one would hold it for ever.
    let begun = leases[old_count..].iter();
    let begun = begun.map(|lease| Touch::LeaseExtended { trial: lease.trial.id, until_ms, at_ms: now_ms });
    let heard = Touch::Heard { session, at_ms: now_ms };
    Decision {
        events: events.collect(),
        touches: begun.chain([heard]).collect(),
        effects: Vec::new(),
        reply: Ok(Reply::Leases {
            retry_after_ms: if leases.len() < want { idle_retry_ms(state) } else { 0 },
            finished: state.is_finished(),
            leases,
        }),
    }
}

/// Asking again returns the same lease: a reply that was lost costs nothing.
fn grant_again(entry: &TrialEntry) -> Option<LeaseGrant> {
    let last = entry.last.as_ref()?;
    Some(LeaseGrant {
        trial: entry.trial.clone(),
        attempt: entry.attempts,
        nonce: last.nonce,
        checkpoint: entry.checkpoint,
    })
}

/// Whether the worker goes on with something although it was told to stop long ago.
fn disobeys(state: &State, now_ms: u64, session: SessionId) -> bool {
    let mut orders = state.volatile.stop_orders.iter().filter(|((holder, _), _)| *holder == session);
    orders.any(|(_, order)| expire::is_overdue(state, now_ms, order.since_ms))
}

/// Up to `limit` trials that may run now, those that have not failed on this worker first.
fn choose<'a>(state: &'a State, now_ms: u64, worker: &str, limit: usize) -> Vec<&'a TrialEntry> {
    let mut chosen = Vec::new();
    let mut failed_here = Vec::new();
    if limit == 0 {
        return chosen;
    }
    let mut seen: BTreeSet<TrialId> = BTreeSet::new();
    let sweeps = state.record().sweeps.iter().filter(|sweep| state.is_active(sweep) && !sweep.is_paused);
    for entry in sweeps.flat_map(|sweep| &sweep.trials).filter_map(|trial| state.trial(trial)) {
        if chosen.len() == limit {
            return chosen;
        }
        if !may_run(state, now_ms, entry) || !seen.insert(entry.trial.id) {
            continue;
        }
        if entry.failed_on.contains(worker) {
            failed_here.push(entry);
        } else {
            chosen.push(entry);
        }
    }
    let room = limit - chosen.len();
    chosen.extend(failed_here.into_iter().take(room));
    chosen
}

fn may_run(state: &State, now_ms: u64, entry: &TrialEntry) -> bool {
    let rests_until_ms = state.volatile.held_back.get(&entry.trial.id).copied().unwrap_or(0);
    entry.state == TrialState::Pending && rests_until_ms <= now_ms
}

fn idle_retry_ms(state: &State) -> u64 {
    let workers = state.volatile.sessions.len() as u64;
    (workers * IDLE_RETRY_PER_WORKER_MS).clamp(IDLE_RETRY_MIN_MS, IDLE_RETRY_MAX_MS)
}
