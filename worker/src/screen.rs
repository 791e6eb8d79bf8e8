//! What a person at the worker's terminal sees: one bar a slot on a terminal, plain lines elsewhere, all on stderr.
//! Decides nothing.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use domain::{MetricName, ModelKind, Outcome, OutcomeStatus, Trial};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::running::{Phase, Progress};

/// Bars are drawn at most this often: drawing costs the training threads time.
const DRAWS_A_SECOND: u8 = 8;

enum Look {
    Quiet,
    Lines,
    Bars { all: MultiProgress, of_slot: Vec<ProgressBar> },
}

/// The screen. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Screen {
    look: Arc<Look>,
}

impl Screen {
    /// The screen of a worker with so many slots.
    pub(crate) fn new(quiet: bool, slots: usize) -> Self {
        let look = if quiet {
            Look::Quiet
        } else if std::io::stderr().is_terminal() {
            bars(slots)
        } else {
            Look::Lines
        };
        Self { look: Arc::new(look) }
    }

    /// Says something that a person may like to know.
    pub(crate) fn say(&self, text: &str) {
        match &*self.look {
            Look::Quiet => {}
            Look::Lines => print_line(text),
            Look::Bars { all, .. } => all.suspend(|| print_line(text)),
        }
    }

    /// Says something that a person should know.
    pub(crate) fn warn(&self, text: &str) {
        match &*self.look {
            Look::Quiet | Look::Lines => print_line(text),
            Look::Bars { all, .. } => all.suspend(|| print_line(text)),
        }
    }

    /// Shows how far the trial of a slot is.
    pub(crate) fn progress(&self, slot: usize, trial: &Trial, progress: &Progress) {
        let Look::Bars { of_slot, .. } = &*self.look else { return };
        let Some(bar) = of_slot.get(slot) else { return };
        let loss = progress.loss_per_cell.map(|loss| format!("  loss {loss:.2}")).unwrap_or_default();
        let doing = match progress.phase {
            Phase::Data => "data",
            Phase::Train => "train",
            Phase::Evaluate => "evaluate",
        };
        bar.set_length(u64::from(progress.epochs.max(1)));
        bar.set_position(u64::from(progress.epoch));
        bar.set_message(format!("{}  {doing}{loss}", label(trial)));
    }

    /// Shows that a slot has nothing to do.
    pub(crate) fn idle(&self, slot: usize) {
        if let Look::Bars { of_slot, .. } = &*self.look
            && let Some(bar) = of_slot.get(slot)
        {
            bar.set_position(0);
            bar.set_message("waits");
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        if let Look::Bars { all, .. } = &*self.look {
            // Only a terminal that is gone cannot be cleared.
            let _ = all.clear();
        }
    }
}

fn bars(slots: usize) -> Look {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND));
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let of_slot = (0..slots).map(|slot| {
        let bar = all.add(ProgressBar::new(1).with_style(style.clone()));
        bar.set_prefix(format!("slot {slot}"));
        bar.set_message("waits");
        bar
    });
    let of_slot = of_slot.collect();
    Look::Bars { all, of_slot }
}

/// Writes one line to stderr. That stderr is gone (a closed terminal) must not end a trial.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "worker: {text}");
}

/// A trial in a few words.
pub(crate) fn label(trial: &Trial) -> String {
    let model = trial.config.model.kind();
    let beta = trial.config.model.beta().map(|beta| format!(" beta {beta}")).unwrap_or_default();
    let seed = if model == ModelKind::Pca { String::new() } else { format!(" seed {}", trial.seed) };
    format!("{} {model}{beta} latent {}{seed}", trial.id.short(), trial.config.model.latent_dim())
}

/// An outcome in a few words.
pub(crate) fn result_words(outcome: &Outcome, took: Duration) -> String {
    let status = match outcome.status {
        OutcomeStatus::Done => "done",
        OutcomeStatus::Diverged => "diverged",
    };
    let shown = [
        MetricName::SsePerCell,
        MetricName::NllPerCell,
        MetricName::ValidationNllPerCell,
        MetricName::LatentKmeansAri,
        MetricName::Tsne2dKmeansAri,
    ];
    let numbers = shown.into_iter().filter_map(|name| Some(format!(", {name} {:.4}", outcome.metric(name)?)));
    format!("{status} in {:.1} s{}", took.as_secs_f64(), numbers.collect::<String>())
}
