//! A person wants the rest of a sweep not to run.

use domain::SweepName;

use crate::decision::{Decision, Effect, Rejection, Reply};
use crate::event::Event;
use crate::state::State;

/// Cancels what has not ended, apart from trials that another sweep wants too. A worker that runs one hears of it in
/// the reply to its next heartbeat.
pub(super) fn cancel_sweep(state: &State, sweep: SweepName) -> Decision {
    let Some(known) = state.sweep(&sweep) else {
        return Decision::answer(Err(Rejection::UnknownSweep { sweep }));
    };
    let entries = known.trials.iter().filter_map(|trial| state.trial(trial));
    let unwanted = entries.filter(|entry| entry.memberships <= 1 && !entry.state.is_terminal());
    let events: Vec<Event> = unwanted.map(|entry| Event::TrialCancelled { trial: entry.trial.id }).collect();
    let ends = events.iter().filter_map(|event| match event {
        Event::TrialCancelled { trial } => {
            Some(Effect::TrialEnded { trial: *trial, state: domain::TrialState::Cancelled })
        }
        _ => None,
    });
    Decision {
        effects: ends.collect(),
        reply: Ok(Reply::Cancelled(events.len() as u64)),
        touches: Vec::new(),
        events,
    }
}
