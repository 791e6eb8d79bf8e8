//! A worker lives: its leases live on, and it hears what it must drop.

use domain::TrialState;
use domain::ids::SessionId;

use crate::decide::known_session;
use crate::decision::{Decision, Directive, Reply};
use crate::input::RunningTrial;
use crate::state::State;
use crate::volatile::{Progress, Touch};

pub(super) fn heartbeat(
    state: &State,
    now_ms: u64,
    session: SessionId,
    running: Vec<RunningTrial>,
) -> Decision {
    if let Err(rejection) = known_session(state, &session) {
        return Decision::answer(Err(rejection));
    }
    let until_ms = now_ms.saturating_add(state.settings().lease_ttl_ms);
    let mut touches = vec![Touch::Heard { session, at_ms: now_ms }];
    let mut directives = Vec::new();
    for report in running {
        let trial = report.key.trial;
        match verdict(state, &report) {
            Verdict::Live => {
                touches.push(Touch::LeaseExtended { trial, until_ms });
                touches.push(Touch::Progressed { trial, progress: progress_of(report) });
            }
            Verdict::GoOn => {}
            Verdict::Stop(directive) => directives.push((trial, directive)),
        }
    }
    let reply = Reply::Heartbeat { directives, drain: state.is_draining() };
    Decision { events: Vec::new(), touches, effects: Vec::new(), reply: Ok(reply) }
}

enum Verdict {
    /// Its lease lives.
    Live,
    /// Its lease has expired but nobody took the trial over: its outcome would be accepted.
    GoOn,
    /// It must not go on.
    Stop(Directive),
}

fn verdict(state: &State, report: &RunningTrial) -> Verdict {
    let Some(entry) = state.trial(&report.key.trial) else { return Verdict::Stop(Directive::Superseded) };
    if entry.state == TrialState::Cancelled {
        return Verdict::Stop(Directive::Cancel);
    }
    match (entry.is_last_attempt(&report.key), entry.state) {
        (true, TrialState::Leased) => Verdict::Live,
        (true, TrialState::Pending) => Verdict::GoOn,
        _ => Verdict::Stop(Directive::Superseded),
    }
}

fn progress_of(report: RunningTrial) -> Progress {
    Progress {
        epoch: report.epoch,
        epochs: report.epochs,
        loss_per_cell: report.loss_per_cell,
        phase: report.phase,
    }
}
