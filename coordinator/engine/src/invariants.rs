//! What must hold after every step, each by its name. Tests check all of them; nothing here runs in production.

use std::collections::BTreeMap;

use domain::{TrialId, TrialState};

use crate::event::Event;
use crate::state::{Record, State};

/// Every invariant that does not hold, in words; empty is good.
#[must_use]
pub fn violations(state: &State, log: &[Event]) -> Vec<String> {
    let checks = [
        at_most_one_outcome(log),
        leased_means_live_lease(state),
        attempts_only_grow(log),
        members_are_known(state),
        replay_equals_live(state, log),
        nothing_happens_after_an_outcome(log),
        ended_trials_have_no_checkpoint(state),
        orders_belong_to_sessions(state),
    ];
    checks.into_iter().flatten().collect()
}

/// A trial has at most one accepted outcome.
fn at_most_one_outcome(log: &[Event]) -> Vec<String> {
    let mut accepted: BTreeMap<TrialId, u32> = BTreeMap::new();
    for event in log {
        if let Event::OutcomeAccepted { trial, .. } = event {
            *accepted.entry(*trial).or_insert(0) += 1;
        }
    }
    let twice = accepted.into_iter().filter(|(_, count)| *count > 1);
    twice.map(|(trial, count)| format!("trial {trial} has {count} accepted outcomes")).collect()
}

/// A trial is leased exactly when a live lease with a deadline exists for it.
fn leased_means_live_lease(state: &State) -> Vec<String> {
    let mut broken = Vec::new();
    for (trial, entry) in &state.record().trials {
        let is_leased = entry.state == TrialState::Leased;
        let has_deadline = state.volatile.deadlines.contains_key(trial);
        let has_holder = entry.holder().is_some();
        let is_watched = state.volatile.advances.contains_key(trial);
        if [has_deadline, has_holder, is_watched] != [is_leased; 3] {
            broken.push(format!(
                "trial {trial}: leased {is_leased}, deadline {has_deadline}, holder {has_holder}, progress watched {is_watched}"
            ));
        }
    }
    broken
}

/// Every new lease of a trial has the number after its last one.
fn attempts_only_grow(log: &[Event]) -> Vec<String> {
    let mut last: BTreeMap<TrialId, u32> = BTreeMap::new();
    let mut broken = Vec::new();
    for event in log {
        if let Event::LeaseGranted { trial, attempt, .. } = event {
            let before = last.insert(*trial, *attempt).unwrap_or(0);
            if *attempt != before + 1 {
                broken.push(format!("trial {trial}: attempt {attempt} follows {before}"));
            }
        }
    }
    broken
}

/// Every member of a sweep is a known trial that counts its memberships, and the counts of a sweep add up.
fn members_are_known(state: &State) -> Vec<String> {
    let mut memberships: BTreeMap<TrialId, u32> = BTreeMap::new();
    let mut broken = Vec::new();
    for sweep in &state.record().sweeps {
        for trial in &sweep.trials {
            *memberships.entry(*trial).or_insert(0) += 1;
        }
        if state.counts(sweep).total() != sweep.trials.len() as u64 {
            broken.push(format!("sweep {} does not account for every trial", sweep.name));
        }
    }
    for (trial, entry) in &state.record().trials {
        let expected = memberships.get(trial).copied().unwrap_or(0);
        if entry.memberships != expected {
            broken.push(format!("trial {trial} counts {} memberships, has {expected}", entry.memberships));
        }
    }
    broken
}

/// The log alone gives the same record as the live path.
fn replay_equals_live(state: &State, log: &[Event]) -> Vec<String> {
    let replayed: Record = State::replay(*state.settings(), log, 0).record().clone();
    if replayed == *state.record() {
        Vec::new()
    } else {
        vec!["replay differs from the live record".to_owned()]
    }
}

/// A trial with an outcome never changes again.
fn nothing_happens_after_an_outcome(log: &[Event]) -> Vec<String> {
    let mut ended: BTreeMap<TrialId, ()> = BTreeMap::new();
    let mut broken = Vec::new();
    for event in log {
        let trial = match event {
            Event::OutcomeAccepted { trial, .. } => {
                ended.insert(*trial, ());
                continue;
            }
            Event::TrialCancelled { trial }
            | Event::TrialRevived { trial }
            | Event::TrialRetried { trial }
            | Event::LeaseGranted { trial, .. }
            | Event::AttemptFailed { trial, .. } => trial,
            Event::TrialAdded { .. }
            | Event::SweepSubmitted { .. }
            | Event::SweepPaused { .. }
            | Event::SweepResumed { .. } => continue,
        };
        if ended.contains_key(trial) {
            broken.push(format!("trial {trial} changed after its outcome: {}", event.kind()));
        }
    }
    broken
}

/// A checkpoint is kept only where it may be needed: not for a trial that has ended, nor for one that never ran.
fn ended_trials_have_no_checkpoint(state: &State) -> Vec<String> {
    let entries = state.record().trials.iter();
    let kept = entries.filter(|(_, entry)| entry.checkpoint.is_some());
    let needless = kept.filter(|(_, entry)| entry.state.is_terminal() || entry.attempts == 0);
    needless
        .map(|(trial, entry)| format!("trial {trial} is {} and has a checkpoint", entry.state.name()))
        .collect()
}

/// Orders to stop are forgotten with the session that they were given to, or they would grow for ever.
fn orders_belong_to_sessions(state: &State) -> Vec<String> {
    let orders = state.volatile.stop_orders.keys();
    let stray = orders.filter(|(session, _)| !state.volatile.sessions.contains_key(session));
    stray
        .map(|(session, trial)| format!("an order to stop {trial} is kept for the gone session {session}"))
        .collect()
}
