//! What a person sees while trials run: a bar with the running trials below it on a terminal, plain lines elsewhere, all
//! on stderr. Decides nothing.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{MetricName, Trial, TrialId, TrialState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sweep_engine::SweepCounts;

use crate::leaderboard::text;
use crate::runtime::{EndedTrial, ProgressSnapshot, RunningTrialStatus};

/// Running trials with a line of their own at most.
const MOST_RUNNING_SHOWN: usize = 8;
/// Steps of the bar a trial: running trials move it by their epochs.
const STEPS: u64 = 1000;
/// Share of a trial's steps that training takes; the rest is scoring, whose progress nobody knows.
const TRAINING_SHARE: f64 = 0.7;

/// The screen; cheap to clone.
#[derive(Clone)]
pub(super) struct Screen {
    look: Arc<Look>,
}

enum Look {
    Quiet,
    Lines,
    Bars(MultiProgress),
}

impl Screen {
    /// Quiet, or bars where stderr is a terminal, or lines.
    pub(super) fn new(quiet: bool) -> Self {
        let look = if quiet {
            Look::Quiet
        } else if std::io::stderr().is_terminal() {
            Look::Bars(MultiProgress::new())
        } else {
            Look::Lines
        };
        Self { look: Arc::new(look) }
    }

    /// Something that a person may like to know.
    pub(super) fn say(&self, words: &str) {
        if !matches!(*self.look, Look::Quiet) {
            self.warn(words);
        }
    }

    /// Something that a person should know.
    pub(super) fn warn(&self, words: &str) {
        match &*self.look {
            Look::Bars(bars) => bars.suspend(|| super::say(words)),
            Look::Quiet | Look::Lines => super::say(words),
        }
    }
}

/// What trials are called; shared with whoever learns of new ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    of_trial: Arc<Mutex<BTreeMap<TrialId, String>>>,
}

impl Names {
    /// Learns the trials of a sweep.
    pub(super) fn learn<'a>(&self, trials: impl Iterator<Item = &'a Trial> + Clone) {
        let varying = domain::params::varying(trials.clone().map(|trial| &trial.config));
        let Ok(mut names) = self.of_trial.lock() else { return };
        for trial in trials {
            let mut name = trial.config.label(&varying);
            if trial.config.model.kind().is_seeded() {
                name.push_str(&format!(" seed {}", trial.seed));
            }
            names.insert(trial.id, name);
        }
    }

    fn of(&self, trial: &TrialId) -> String {
        let known = self.of_trial.lock().ok().and_then(|names| names.get(trial).cloned());
        known.unwrap_or_else(|| trial.short())
    }
}

/// Follows the coordinator's progress and shows what is new.
pub(super) struct Follower {
    screen: Screen,
    names: Names,
    bars: Option<Bars>,
    seen_ended: u64,
    seen_failed: u64,
    best: Option<(f64, String)>,
    problem: Option<String>,
}

struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    running: Vec<ProgressBar>,
    started: bool,
}

impl Follower {
    /// A follower of everything that runs.
    pub(super) fn new(screen: &Screen, names: &Names) -> Self {
        let bars = match &*screen.look {
            Look::Bars(all) => Some(Bars::new(all)),
            Look::Quiet | Look::Lines => None,
        };
        let (screen, names) = (screen.clone(), names.clone());
        Self { screen, names, bars, seen_ended: 0, seen_failed: 0, best: None, problem: None }
    }

    /// Shows what is new in `now`.
    pub(super) fn show(&mut self, now: &ProgressSnapshot) {
        let counts = active_counts(now);
        let (seen_ended, seen_failed) = (self.seen_ended, self.seen_failed);
        for failed in now.failed_attempts.iter().filter(|failed| failed.number > seen_failed) {
            let (name, kind) = (self.names.of(&failed.trial), failed.kind.name());
            let why = text::terminal(&failed.message);
            self.screen.say(&format!("{kind:9} {name}, attempt {}: {why}", failed.attempt));
        }
        self.seen_failed = now.failed_attempts.last().map_or(self.seen_failed, |last| last.number);
        let fresh: Vec<&EndedTrial> = now.ended.iter().filter(|ended| ended.number > seen_ended).collect();
        for (index, ended) in fresh.iter().enumerate() {
            self.note_best(ended);
            if self.bars.is_none() || ended.state != TrialState::Done {
                let after_it = (fresh.len() - 1 - index) as u64;
                let place = ended_of(&counts).saturating_sub(after_it);
                self.screen.say(&self.ended_line(ended, place, total_of(&counts)));
            }
        }
        self.seen_ended = now.ended.last().map_or(self.seen_ended, |last| last.number);
        if self.problem != now.store_problem {
            if let Some(problem) = &now.store_problem {
                self.screen.warn(&format!(
                    "warning: the record cannot be written, nothing is handed out: {}",
                    text::terminal(problem)
                ));
            }
            self.problem.clone_from(&now.store_problem);
        }
        if let Some(bars) = &mut self.bars {
            bars.show(now, &counts, &self.names, self.best.as_ref());
        }
    }

    /// Takes the bars off the screen.
    pub(super) fn finish(mut self) {
        if let Some(bars) = self.bars.take() {
            bars.running.iter().for_each(ProgressBar::finish_and_clear);
            bars.total.finish_and_clear();
        }
    }

    fn ended_line(&self, ended: &EndedTrial, place: u64, total: u64) -> String {
        let mut line = format!("{:9} {place}/{total}  {}", ended.state.name(), self.names.of(&ended.trial));
        let agreement = ended.latent_kmeans_ari.map(|ari| (MetricName::LatentKmeansAri, ari));
        for (metric, value) in [agreement, ended.reconstruction].into_iter().flatten() {
            line.push_str(&format!("  {metric} {}", text::number(metric, value)));
        }
        line
    }

    fn note_best(&mut self, ended: &EndedTrial) {
        // Agreement where there are labels; where there are none, no trial has one and the loss decides.
        let (merit, metric, value) = match (ended.latent_kmeans_ari, ended.reconstruction) {
            (Some(ari), _) => (ari, MetricName::LatentKmeansAri, ari),
            (None, Some((metric, loss))) => (-loss, metric, loss),
            (None, None) => return,
        };
        if self.best.as_ref().is_none_or(|(best, _)| merit > *best) {
            let words = format!("{metric} {} ({})", text::number(metric, value), self.names.of(&ended.trial));
            self.best = Some((merit, words));
        }
    }
}

/// Trials by state over the sweeps that are handed out.
pub(super) fn active_counts(now: &ProgressSnapshot) -> SweepCounts {
    let mut sum = SweepCounts::default();
    for counts in now.sweeps.iter().filter(|sweep| sweep.is_active).map(|sweep| &sweep.counts) {
        sum.pending += counts.pending;
        sum.leased += counts.leased;
        sum.done += counts.done;
        sum.diverged += counts.diverged;
        sum.failed += counts.failed;
        sum.poisoned += counts.poisoned;
        sum.cancelled += counts.cancelled;
    }
    sum
}

const fn ended_of(counts: &SweepCounts) -> u64 {
    counts.done + counts.diverged + counts.failed + counts.poisoned + counts.cancelled
}

const fn total_of(counts: &SweepCounts) -> u64 {
    ended_of(counts) + counts.pending + counts.leased
}

impl Bars {
    fn new(all: &MultiProgress) -> Self {
        let total = all.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{bar:24.cyan/dim} {msg}");
        total.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
        total.enable_steady_tick(Duration::from_secs(1));
        Self { all: all.clone(), total, running: Vec::new(), started: false }
    }

    fn show(
        &mut self,
        now: &ProgressSnapshot,
        counts: &SweepCounts,
        names: &Names,
        best: Option<&(f64, String)>,
    ) {
        let (done, total) = (ended_of(counts), total_of(counts));
        let partly: u64 = now.running.iter().map(steps_done).sum();
        self.total.set_length(total * STEPS);
        self.total.set_position(done * STEPS + partly);
        if !self.started && total > 0 {
            // What earlier runs did must not count as speed.
            self.total.reset_eta();
            self.started = true;
        }
        let mut words = format!("{done}/{total} done");
        for (count, name) in [
            (counts.leased, "running"),
            (counts.diverged, "diverged"),
            (counts.failed + counts.poisoned, "failed"),
            (counts.cancelled, "cancelled"),
        ] {
            if count > 0 {
                words.push_str(&format!(" · {count} {name}"));
            }
        }
        let left = self.total.eta();
        if !left.is_zero() && done < total {
            words.push_str(&format!(" · {} left", indicatif::HumanDuration(left)));
        }
        if let Some((_, best)) = best {
            words.push_str(&format!(" · best {best}"));
        }
        self.total.set_message(words);
        self.show_running(now, names);
    }

    fn show_running(&mut self, now: &ProgressSnapshot, names: &Names) {
        let shown = now.running.len().min(MOST_RUNNING_SHOWN);
        while self.running.len() < shown {
            let line = self.all.add(ProgressBar::new_spinner());
            line.set_style(
                ProgressStyle::with_template("  {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            self.running.push(line);
        }
        for line in self.running.drain(shown..) {
            line.finish_and_clear();
        }
        for (line, trial) in self.running.iter().zip(&now.running) {
            line.set_message(running_line(trial, names));
        }
    }
}

fn steps_done(trial: &RunningTrialStatus) -> u64 {
    if trial.phase == "evaluate" {
        return (STEPS as f64 * TRAINING_SHARE) as u64;
    }
    let share = f64::from(trial.epoch) / f64::from(trial.epochs.max(1));
    (STEPS as f64 * TRAINING_SHARE * share.min(1.0)) as u64
}

fn running_line(trial: &RunningTrialStatus, names: &Names) -> String {
    let mut line = names.of(&trial.trial);
    match trial.phase.as_str() {
        "evaluate" => line.push_str(" · scores and maps"),
        "data" => line.push_str(" · data"),
        _ if trial.epochs > 0 => line.push_str(&format!(" · epoch {}/{}", trial.epoch, trial.epochs)),
        _ => {}
    }
    if let Some(loss) = trial.loss_per_cell.filter(|_| trial.phase == "train") {
        line.push_str(&format!(" · loss {loss:.1}"));
    }
    if trial.attempt > 1 {
        line.push_str(&format!(" · attempt {}", trial.attempt));
    }
    line
}
