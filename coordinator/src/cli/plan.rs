//! `coordinator plan`: what a grid file asks for, and what of it is done already.

use std::path::{Path, PathBuf};

use domain::TrialState;
use domain::grid::Plan;

use super::{intake, put, record};
use crate::error::{CliError, Ending};
use crate::leaderboard::text;
use crate::store::StoreError;
use crate::store::records::SweepData;

/// Configs that are listed.
const MOST_CONFIGS_SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The grid file
    grid: PathBuf,
}

pub(super) async fn run(state: &Path, args: &Args) -> Result<Ending, CliError> {
    let grid = intake::read_grid(&args.grid)?;
    let plan = grid.file.plan();
    let known = match record::load(state, Some(&grid.file.name)).await {
        Ok(data) => Some(data),
        Err(CliError::NotFound(_) | CliError::Store(StoreError::Absent { .. })) => None,
        Err(error) => return Err(error),
    };
    put(&words(grid.file.name.as_str(), &grid.file.data.path, &plan, known.as_ref()));
    Ok(Ending::Ok)
}

fn words(name: &str, data: &str, plan: &Plan, known: Option<&SweepData>) -> String {
    let mut out = format!(
        "{name}: {} ({} over {}), on {}\n",
        text::count(plan.trials.len(), "trial"),
        text::count(plan.configs.len(), "config"),
        text::count(plan.seeds.len(), "seed"),
        text::terminal(data),
    );
    if plan.folded > 0 {
        out.push_str(&format!(
            "{} of {} grid points are another one's trial: keys or seeds that their model does not have\n",
            plan.folded,
            plan.grid_points()
        ));
    }
    let varying = domain::params::varying(&plan.configs);
    for config in plan.configs.iter().take(MOST_CONFIGS_SHOWN) {
        out.push_str(&format!("  {}\n", config.label(&varying)));
    }
    if plan.configs.len() > MOST_CONFIGS_SHOWN {
        out.push_str(&format!("  … and {} more\n", plan.configs.len() - MOST_CONFIGS_SHOWN));
    }
    if let Some(data) = known {
        out.push_str(&done_words(plan, data));
    }
    out
}

/// How many of the plan's trials have ended, and what the others may take by the times of those that did.
fn done_words(plan: &Plan, known: &SweepData) -> String {
    let is_ended = |state: TrialState| state.is_terminal();
    let ended = plan
        .trials
        .iter()
        .filter(|(config, seed)| {
            known.trials.iter().any(|record| {
                record.trial.seed == *seed
                    && record.trial.config == plan.configs[*config]
                    && is_ended(record.state)
            })
        })
        .count();
    let mut words = format!("{ended} of {} have ended, if the data has not changed\n", plan.trials.len());
    let times: Vec<f64> = known.trials.iter().filter_map(seconds).collect();
    let left = plan.trials.len() - ended;
    if left > 0 && !times.is_empty() {
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        words.push_str(&format!(
            "the other {left} would take about {:.0} minutes of one core, by the {} that ran\n",
            (mean * left as f64 / 60.0).max(1.0),
            text::count(times.len(), "trial")
        ));
    }
    words
}

fn seconds(record: &crate::store::records::TrialRecord) -> Option<f64> {
    let outcome = record.outcome.as_ref()?;
    let training = outcome.metric(domain::MetricName::TrainSeconds)?;
    Some(training + outcome.metric(domain::MetricName::EvaluationSeconds).unwrap_or(0.0))
}
