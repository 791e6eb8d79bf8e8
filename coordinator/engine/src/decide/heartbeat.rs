//! A worker lives: its leases live on, and it hears what it must drop.

use std::collections::BTreeSet;

use domain::ids::SessionId;
use domain::{FailureKind, TrialId, TrialState};

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
    touches.extend(obeyed(state, session, &running));
    for report in running {
        let trial = report.key.trial;
        match verdict(state, &report) {
            Verdict::Live => {
                touches.push(Touch::LeaseExtended { trial, until_ms, at_ms: now_ms });
                touches.push(Touch::Progressed { trial, progress: progress_of(report), at_ms: now_ms });
            }
            Verdict::GoOn => {}
            Verdict::Stop(directive) => {
                touches.push(Touch::ToldToStop { session, trial, at_ms: now_ms });
                directives.push((trial, directive));
            }
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
        // One that stood still is to make room; one that was silent for too long may go on, nobody took it over.
        (true, TrialState::Pending) if entry.last_failure != Some(FailureKind::Stalled) => Verdict::GoOn,
        _ => Verdict::Stop(Directive::Superseded),
    }
}

/// Orders to stop of which the worker says nothing any more.
fn obeyed(state: &State, session: SessionId, running: &[RunningTrial]) -> Vec<Touch> {
    let named: BTreeSet<TrialId> = running.iter().map(|report| report.key.trial).collect();
    let orders = state.volatile.stop_orders.keys().filter(|(holder, _)| *holder == session);
    let gone = orders.filter(|(_, trial)| !named.contains(trial));
    gone.map(|(_, trial)| Touch::Obeyed { session, trial: *trial }).collect()
}

fn progress_of(report: RunningTrial) -> Progress {
    Progress {
        epoch: report.epoch,
        epochs: report.epochs,
        loss_per_cell: report.loss_per_cell,
        phase: report.phase,
    }
}
