//! A person lets a sweep rest, go on, or try again what failed.

use domain::{SweepName, TrialState};

use crate::decision::{Decision, Rejection, Reply};
use crate::event::Event;
use crate::state::State;

/// No more trials are handed out; what runs goes on to its end. Saying it twice changes nothing.
pub(super) fn pause(state: &State, sweep: SweepName) -> Decision {
    let Some(known) = state.sweep(&sweep) else { return unknown(sweep) };
    let events = if known.is_paused { Vec::new() } else { vec![Event::SweepPaused { sweep }] };
    Decision { events, ..Decision::answer(Ok(Reply::Acknowledged)) }
}

/// A paused sweep goes on. Saying it of one that is not paused changes nothing.
pub(super) fn resume(state: &State, sweep: SweepName) -> Decision {
    let Some(known) = state.sweep(&sweep) else { return unknown(sweep) };
    let events = if known.is_paused { vec![Event::SweepResumed { sweep }] } else { Vec::new() };
    Decision { events, ..Decision::answer(Ok(Reply::Acknowledged)) }
}

/// Failed and poisoned trials run again as if nothing had been counted against them.
pub(super) fn retry_failed(state: &State, sweep: SweepName) -> Decision {
    let Some(known) = state.sweep(&sweep) else { return unknown(sweep) };
    let has_failed = |state: TrialState| matches!(state, TrialState::Failed | TrialState::Poisoned);
    let entries = known.trials.iter().filter_map(|trial| state.trial(trial));
    let failed = entries.filter(|entry| has_failed(entry.state));
    let events: Vec<Event> = failed.map(|entry| Event::TrialRetried { trial: entry.trial.id }).collect();
    let reply = Ok(Reply::Retried(events.len() as u64));
    Decision { events, ..Decision::answer(reply) }
}

fn unknown(sweep: SweepName) -> Decision {
    Decision::answer(Err(Rejection::UnknownSweep { sweep }))
}
