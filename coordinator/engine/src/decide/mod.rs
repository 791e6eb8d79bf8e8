//! One function a kind of input; each is pure and fits a screen or two.

mod cancel;
mod control;
mod expire;
mod failure;
mod heartbeat;
mod lease;
mod register;
mod report;
mod submit;

use domain::ids::SessionId;

use crate::decision::{Decision, Rejection, Reply};
use crate::input::Input;
use crate::state::State;
use crate::volatile::{Session, Touch};

/// What follows from `input` at `now_ms` (monotonic).
#[must_use]
pub fn decide(state: &State, now_ms: u64, input: Input) -> Decision {
    match input {
        Input::SubmitSweep { sweep, about, trials } => submit::submit(state, sweep, about, trials),
        Input::CancelSweep { sweep } => cancel::cancel_sweep(state, sweep),
        Input::PauseSweep { sweep } => control::pause(state, sweep),
        Input::ResumeSweep { sweep } => control::resume(state, sweep),
        Input::RetryFailed { sweep } => control::retry_failed(state, sweep),
        Input::Register { worker, session } => register::register(state, now_ms, worker, session),
        Input::Identify { session } => match known_session(state, &session) {
            Ok(_) => Decision::answer(Ok(Reply::Acknowledged)),
            Err(rejection) => Decision::answer(Err(rejection)),
        },
        Input::LeaseTrials { session, want, nonces } => lease::lease(state, now_ms, session, want, &nonces),
        Input::Heartbeat { session, running } => heartbeat::heartbeat(state, now_ms, session, running),
        Input::ReportOutcome { session, key, outcome } => {
            report::outcome(state, now_ms, session, key, outcome)
        }
        Input::ReportFailure { session, key, kind, message, checkpoint } => {
            let failure = failure::Failure { kind, message: &message, left: checkpoint };
            report::failure(state, now_ms, session, key, &failure)
        }
        Input::FindCheckpoint { session, key } => report::checkpoint(state, session, key),
        Input::Leave { session } => register::leave(state, now_ms, session),
        Input::WorkerGone { worker } => register::worker_gone(state, now_ms, &worker),
        Input::Hold { is_on } => {
            Decision { touches: vec![Touch::HeldUp { is_on }], ..Decision::answer(Ok(Reply::Acknowledged)) }
        }
        Input::Drain => {
            Decision { touches: vec![Touch::DrainBegun], ..Decision::answer(Ok(Reply::Acknowledged)) }
        }
        Input::Tick => expire::tick(state, now_ms),
    }
}

fn known_session<'a>(state: &'a State, session: &SessionId) -> Result<&'a Session, Rejection> {
    state.volatile.sessions.get(session).ok_or(Rejection::UnknownSession)
}
