//! `coordinator plan`: what a grid file asks for, what of it is done already, and how long the rest may take.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::Config;
use domain::grid::{Plan, PresetUse};

use super::forecast::{Forecast, forecast, rough_time};
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
    let sweeps = match record::load_all(state).await {
        Ok(sweeps) => sweeps,
        Err(CliError::Store(StoreError::Absent { .. })) => Vec::new(),
        Err(error) => return Err(error),
    };
    let preset = grid.file.preset.as_ref().map(preset_words).unwrap_or_default();
    put(&words(grid.file.name.as_str(), &grid.file.data.path, &plan, &sweeps, &preset));
    Ok(Ending::Ok)
}

/// What the preset says, and what of it the file says otherwise.
fn preset_words(preset: &PresetUse) -> String {
    let lines = |is_overridden: bool| -> Vec<String> {
        let chosen = preset.values.iter().filter(|value| value.is_overridden == is_overridden);
        chosen.map(|value| format!("    {} = {}\n", value.key, value.value)).collect()
    };
    let (set, overridden) = (lines(false), lines(true));
    let mut words = format!("preset {} sets\n{}", preset.name, set.concat());
    if !overridden.is_empty() {
        words.push_str(&format!("  and would set what the file says itself\n{}", overridden.concat()));
    }
    words
}

fn words(name: &str, data: &str, plan: &Plan, sweeps: &[SweepData], preset: &str) -> String {
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
    out.push_str(preset);
    let varying = domain::params::varying(&plan.configs);
    for config in plan.configs.iter().take(MOST_CONFIGS_SHOWN) {
        out.push_str(&format!("  {}\n", config.label(&varying)));
    }
    if plan.configs.len() > MOST_CONFIGS_SHOWN {
        out.push_str(&format!("  … and {} more\n", plan.configs.len() - MOST_CONFIGS_SHOWN));
    }
    let open = open_trials(plan, data, sweeps);
    if !sweeps.is_empty() {
        let ended = plan.trials.len() - open.len();
        out.push_str(&format!("{ended} of {} have ended, if the data has not changed\n", plan.trials.len()));
    }
    out.push_str(&forecast_words(&forecast(open, sweeps, data), sweeps.is_empty()));
    out
}

/// Configs of the plan's trials that no sweep on this data has seen the end of.
fn open_trials<'p>(plan: &'p Plan, data: &str, sweeps: &[SweepData]) -> Vec<&'p Config> {
    let ended: BTreeSet<(String, u64)> = sweeps
        .iter()
        .filter(|sweep| sweep.sweep.dataset.path == data)
        .flat_map(|sweep| &sweep.trials)
        .filter(|record| record.state.is_terminal())
        .map(|record| (record.trial.config.canonical_json(), record.trial.seed))
        .collect();
    let names: Vec<String> = plan.configs.iter().map(Config::canonical_json).collect();
    let is_open = |(config, seed): &&(usize, u64)| !ended.contains(&(names[*config].clone(), *seed));
    plan.trials.iter().filter(is_open).map(|(config, _)| &plan.configs[*config]).collect()
}

fn forecast_words(forecast: &Forecast, nothing_recorded: bool) -> String {
    let unknown = text::count(forecast.unknown, "trial");
    if forecast.known + forecast.unknown == 0 {
        return "nothing is left to run\n".to_owned();
    }
    if forecast.known == 0 {
        let why =
            if nothing_recorded { "nothing has run here yet" } else { "no such model has run on this data" };
        return format!("no forecast for {unknown}: {why}\n");
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let mut words = format!(
        "{} would take about {} of one core, or {} with {} at once, by the {} that ran on this data\n",
        text::count(forecast.known, "trial"),
        rough_time(forecast.core_seconds),
        rough_time(forecast.wall_seconds(cores)),
        cores,
        text::count(forecast.measured, "trial")
    );
    if forecast.unknown > 0 {
        words.push_str(&format!("no forecast for another {unknown}: no such model has run on this data\n"));
    }
    words
}
