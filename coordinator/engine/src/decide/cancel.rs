//! A person wants the rest of a sweep not to run.

use domain::{SweepName, TrialState};

use crate::decide::failure::forget_checkpoint;
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
    let mut decision = Decision::answer(Ok(Reply::Cancelled(0)));
    for entry in unwanted {
        let trial = entry.trial.id;
        decision.events.push(Event::TrialCancelled { trial });
        decision.effects.push(Effect::TrialEnded { trial, state: TrialState::Cancelled });
        decision.effects.extend(forget_checkpoint(entry));
    }
    decision.reply = Ok(Reply::Cancelled(decision.events.len() as u64));
    decision
}
