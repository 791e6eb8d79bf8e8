//! `coordinator replay`: runs one recorded trial again on this machine and, with `--verify`, compares what comes with what
//! was recorded, bit by bit.

use std::path::Path;

use domain::metric::Reproducibility;
use domain::{EpochRecord, Metric, Outcome, Trial};

use super::{put, record, say};
use crate::datasets::DatasetStore;
use crate::error::{CliError, Ending};
use crate::store::records::TrialRecord;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The trial's id, or as much of its beginning as no other trial has
    #[arg(value_name = "TRIAL", value_parser = parse_prefix)]
    trial: String,
    /// Compare losses, scores and codes with the record, bit by bit
    #[arg(long)]
    verify: bool,
    /// Do not say how far it is
    #[arg(long, short)]
    quiet: bool,
}

/// Digits without which too many trials would be meant.
const FEWEST_DIGITS: usize = 4;

fn parse_prefix(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && (FEWEST_DIGITS..=32).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(format!("expected {FEWEST_DIGITS} to 32 hexadecimal digits, as `leaderboard --per-trial` shows them"))
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    let found = find(state, &args.trial).await?;
    let Some(recorded) = found.outcome.clone() else {
        let words =
            format!("trial {} has no outcome to run again: it is {}", found.trial.id, found.state.name());
        return Err(CliError::NotFound(words));
    };
    let path = DatasetStore::of_state_dir(state).path(&found.trial.data);
    if !path.is_file() {
        return Err(CliError::NotFound(format!(
            "the data set of trial {} is not in {} any more: submit its sweep again, then replay",
            found.trial.id,
            state.display()
        )));
    }
    let environment = recorded.environment.clone();
    if !args.quiet {
        let Trial { id, config, seed, .. } = &found.trial;
        let words = format!(
            "trial {id}, {} seed {seed}: {} engine, {}",
            config.model.kind(),
            environment.engine,
            environment.isa
        );
        say(&crate::leaderboard::text::terminal(&words));
    }
    let trial = found.trial.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut shown = 0;
        let mut on_progress = |progress: worker::Progress| {
            // Ten lines for a trial of any length.
            let tenth = progress.epoch.saturating_mul(10).checked_div(progress.epochs).unwrap_or(0);
            if tenth > shown && !args.quiet {
                shown = tenth;
                say(&format!("  epoch {} of {}", progress.epoch, progress.epochs));
            }
        };
        worker::alone::run(&trial, &path, &environment.engine, &environment.isa, &mut on_progress)
    });
    let replayed = work.await.map_err(|error| CliError::Process {
        action: "run the trial",
        source: std::io::Error::other(error),
    })?;
    let replayed = replayed.map_err(|why| {
        CliError::Workers(format!("trial {} cannot be run again on this machine: {why}", found.trial.id))
    })?;
    if !args.verify {
        put(&numbers(&replayed.outcome));
        return Ok(Ending::Ok);
    }
    let findings = compare(&recorded, &replayed.outcome);
    put(&findings.words(&found.trial));
    Ok(if findings.are_equal() { Ending::Ok } else { Ending::Differs })
}

/// The recorded trial whose id begins so.
async fn find(state: &Path, prefix: &str) -> Result<TrialRecord, CliError> {
    let sweeps = record::load_all(state).await?;
    let mut found: Vec<TrialRecord> = Vec::new();
    for known in sweeps.into_iter().flat_map(|sweep| sweep.trials) {
        let is_new = found.iter().all(|other| other.trial.id != known.trial.id);
        if known.trial.id.to_string().starts_with(prefix) && is_new {
            found.push(known);
        }
    }
    match found.len() {
        0 => Err(CliError::NotFound(format!("no trial {prefix} is recorded in {}", state.display()))),
        1 => Ok(found.remove(0)),
        several => Err(CliError::Usage(format!("{several} trials begin with {prefix}: give more of the id"))),
    }
}

fn numbers(outcome: &Outcome) -> String {
    let lines = outcome.metrics.iter().map(|metric| format!("{} {}\n", metric.name.name(), metric.value));
    lines.collect()
}

/// One thing that was compared: what it is, and what differs.
struct Finding {
    what: &'static str,
    verdict: Result<String, String>,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn are_equal(&self) -> bool {
        self.0.iter().all(|finding| finding.verdict.is_ok())
    }

    fn words(&self, trial: &Trial) -> String {
        let mut out = String::new();
        for Finding { what, verdict } in &self.0 {
            let (sign, words) = match verdict {
                Ok(words) => ("equal  ", words),
                Err(words) => ("DIFFERS", words),
            };
            out.push_str(&format!("{sign}  {what:<12} {words}\n"));
        }
        out.push_str(&if self.are_equal() {
            format!("verified: trial {} gives what was recorded, to the bit\n", trial.id)
        } else {
            format!("NOT verified: trial {} does not give what was recorded\n", trial.id)
        });
        out
    }
}

fn compare(recorded: &Outcome, now: &Outcome) -> Findings {
    let mut findings =
        vec![Finding { what: "ending", verdict: same(&recorded.status, &now.status, "status") }];
    findings.push(Finding { what: "epochs", verdict: compare_epochs(&recorded.epochs, &now.epochs) });
    findings.push(Finding { what: "metrics", verdict: compare_metrics(&recorded.metrics, &now.metrics) });
    findings.push(Finding {
        what: "latent space",
        verdict: same(&recorded.diagnostics, &now.diagnostics, "diagnostics"),
    });
    let hashes = |outcome: &Outcome| -> Vec<String> {
        outcome
            .artifacts
            .iter()
            .map(|artifact| format!("{} {}", artifact.kind.name(), artifact.hash))
            .collect()
    };
    findings.push(Finding { what: "artifacts", verdict: same(&hashes(recorded), &hashes(now), "hashes") });
    Findings(findings)
}

fn same<T: PartialEq + std::fmt::Debug>(recorded: &T, now: &T, what: &str) -> Result<String, String> {
    if recorded == now { Ok(what.to_owned()) } else { Err(format!("{recorded:?} recorded, {now:?} now")) }
}

fn compare_epochs(recorded: &[EpochRecord], now: &[EpochRecord]) -> Result<String, String> {
    // What one has and the other lacks differs in its bits, too.
    let if_any = |value: Option<f64>| value.unwrap_or(f64::NAN);
    for (old, new) in recorded.iter().zip(now) {
        let pairs = [
            ("loss_per_cell", old.loss_per_cell, new.loss_per_cell),
            ("sse_per_cell", old.sse_per_cell, new.sse_per_cell),
            ("kl_per_cell", old.kl_per_cell, new.kl_per_cell),
            ("kl_spike_per_cell", if_any(old.kl_spike_per_cell), if_any(new.kl_spike_per_cell)),
            (
                "validation_sse_per_cell",
                if_any(old.validation_sse_per_cell),
                if_any(new.validation_sse_per_cell),
            ),
            (
                "validation_loss_per_cell",
                if_any(old.validation_loss_per_cell),
                if_any(new.validation_loss_per_cell),
            ),
        ];
        if let Some((name, old_value, new_value)) =
            pairs.into_iter().find(|(_, a, b)| a.to_bits() != b.to_bits())
        {
            return Err(format!("from epoch {} on: {name} {old_value} recorded, {new_value} now", old.epoch));
        }
    }
    if recorded.len() != now.len() {
        return Err(format!("{} recorded, {} now", recorded.len(), now.len()));
    }
    Ok(format!("{} losses", recorded.len()))
}

/// Those that must be equal: times and memory are not compared.
fn compare_metrics(recorded: &[Metric], now: &[Metric]) -> Result<String, String> {
    let exact = |metrics: &[Metric]| -> Vec<Metric> {
        let kept = metrics.iter().filter(|metric| metric.name.reproducibility() == Reproducibility::Exact);
        kept.copied().collect()
    };
    let (recorded, now) = (exact(recorded), exact(now));
    let names = |metrics: &[Metric]| metrics.iter().map(|metric| metric.name).collect::<Vec<_>>();
    if names(&recorded) != names(&now) {
        return Err(format!("{} recorded, {} now", recorded.len(), now.len()));
    }
    let differing: Vec<String> = recorded
        .iter()
        .zip(&now)
        .filter(|(old, new)| old.value.to_bits() != new.value.to_bits())
        .map(|(old, new)| format!("{} {} recorded, {} now", old.name.name(), old.value, new.value))
        .collect();
    if differing.is_empty() { Ok(format!("{} scores", recorded.len())) } else { Err(differing.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::{compare, parse_prefix};
    use domain::ids::ArtifactHash;
    use domain::outcome::{ArtifactKind, ArtifactRef, Diagnostics, Environment};
    use domain::{EpochRecord, Metric, MetricName, Outcome, OutcomeStatus};

    fn outcome() -> Outcome {
        let record = |epoch| EpochRecord {
            epoch,
            loss_per_cell: 0.3,
            sse_per_cell: 0.2,
            kl_per_cell: 0.1,
            seconds: 1.0,
            ..EpochRecord::default()
        };
        Outcome {
            status: OutcomeStatus::Done,
            metrics: vec![
                Metric { name: MetricName::SsePerCell, value: 0.1 },
                Metric { name: MetricName::TrainSeconds, value: 5.0 },
            ],
            epochs: vec![record(1), record(2)],
            diagnostics: Diagnostics::default(),
            artifacts: vec![ArtifactRef {
                kind: ArtifactKind::Embedding,
                hash: ArtifactHash::of(b"e"),
                bytes: 1,
            }],
            environment: Environment::default(),
        }
    }

    /// What differs after a change.
    fn differing(change: impl FnOnce(&mut Outcome)) -> Vec<&'static str> {
        let mut now = outcome();
        change(&mut now);
        let findings = compare(&outcome(), &now).0;
        findings.into_iter().filter(|finding| finding.verdict.is_err()).map(|finding| finding.what).collect()
    }

    #[test]
    fn one_bit_is_a_difference_and_time_is_none() {
        assert!(differing(|_| {}).is_empty());
        assert!(differing(|now| now.epochs[0].seconds = 9.0).is_empty());
        assert!(differing(|now| now.metrics[1].value = 9.0).is_empty());
        let next = |value: f64| f64::from_bits(value.to_bits() + 1);
        assert_eq!(differing(|now| now.epochs[1].kl_per_cell = next(0.1)), ["epochs"]);
        assert_eq!(differing(|now| now.epochs.truncate(1)), ["epochs"]);
        assert_eq!(differing(|now| now.metrics[0].value = next(0.1)), ["metrics"]);
        assert_eq!(differing(|now| now.metrics.truncate(0)), ["metrics"]);
        assert_eq!(differing(|now| now.diagnostics.code_variance.push(1.0)), ["latent space"]);
        assert_eq!(differing(|now| now.artifacts[0].hash = ArtifactHash::of(b"f")), ["artifacts"]);
        assert_eq!(differing(|now| now.status = OutcomeStatus::Diverged), ["ending"]);
    }

    #[test]
    fn a_trial_is_named_by_the_beginning_of_its_id() {
        assert!(parse_prefix("6437b3ac").is_ok());
        for bad in ["643", "6437B3AC", "xyz0", &"0".repeat(33)] {
            assert!(parse_prefix(bad).is_err(), "{bad}");
        }
    }
}
