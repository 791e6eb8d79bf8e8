//! A sweep is asked for: new trials are added, membership is replaced, what nobody wants any more is cancelled.

use std::collections::BTreeSet;

use domain::{SweepName, Trial, TrialId, TrialState};

use crate::MAX_TRIALS_PER_SWEEP;
use crate::decide::failure::forget_checkpoint;
use crate::decision::{Decision, Rejection, Reply, SubmitReceipt};
use crate::event::Event;
use crate::state::{State, TrialEntry};
use crate::volatile::Touch;

pub(super) fn submit(state: &State, sweep: SweepName, about: String, trials: Vec<Trial>) -> Decision {
    if trials.is_empty() || trials.len() > MAX_TRIALS_PER_SWEEP {
        return Decision::answer(Err(Rejection::BadSweepSize {
            limit: MAX_TRIALS_PER_SWEEP,
            found: trials.len(),
        }));
    }
    if state.volatile.is_held_up {
        return Decision::answer(Err(Rejection::NoRoom));
    }
    let mut seen = BTreeSet::new();
    let unique: Vec<Trial> = trials.into_iter().filter(|trial| seen.insert(trial.id)).collect();
    let members: Vec<TrialId> = unique.iter().map(|trial| trial.id).collect();
    let ended = members.iter().filter(|trial| stays_ended(state, trial)).count();
    let receipt = SubmitReceipt { trials: members.len() as u64, ended: ended as u64 };

    let revived = members.iter().filter(|trial| state_of(state, trial) == Some(TrialState::Cancelled));
    let revivals: Vec<Event> = revived.map(|trial| Event::TrialRevived { trial: *trial }).collect();
    let orphans = orphans(state, &sweep, &seen);
    let cancellations = orphans.iter().map(|entry| Event::TrialCancelled { trial: entry.trial.id });
    let effects = orphans.iter().filter_map(|entry| forget_checkpoint(entry)).collect();
    let added = unique.into_iter().filter(|trial| state.trial(&trial.id).is_none());

    let mut events: Vec<Event> = added.map(|trial| Event::TrialAdded { trial }).collect();
    events.push(Event::SweepSubmitted { sweep: sweep.clone(), about, trials: members });
    events.extend(revivals);
    events.extend(cancellations);
    Decision {
        events,
        touches: vec![Touch::SweepActivated { sweep }],
        effects,
        reply: Ok(Reply::Submitted(receipt)),
    }
}

fn state_of(state: &State, trial: &TrialId) -> Option<TrialState> {
    state.trial(trial).map(|entry| entry.state)
}

/// A cancelled trial that is asked for again runs again; every other end is for good.
fn stays_ended(state: &State, trial: &TrialId) -> bool {
    state_of(state, trial).is_some_and(|at| at.is_terminal() && at != TrialState::Cancelled)
}

/// Trials that only the sweep's last grid wanted and that have not ended.
fn orphans<'a>(state: &'a State, sweep: &SweepName, wanted: &BTreeSet<TrialId>) -> Vec<&'a TrialEntry> {
    let before = state.sweep(sweep).map_or(&[][..], |known| &known.trials);
    let dropped =
        before.iter().filter(|trial| !wanted.contains(trial)).filter_map(|trial| state.trial(trial));
    dropped.filter(|entry| entry.memberships <= 1 && !entry.state.is_terminal()).collect()
}
