//! `coordinator leaderboard`: configs ranked over their seeds, in four formats.

use std::path::Path;

use domain::{MetricName, SweepName};

use super::{put, record, table_options};
use crate::error::{CliError, Ending};
use crate::leaderboard::{
    Filter, LeaderboardOptions, build, json, rows_csv, rows_markdown, rows_table, trials_csv,
    trials_markdown, trials_table,
};

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns
    Table,
    /// Every metric with mean, sd and interval
    Csv,
    /// Schema 1
    Json,
    /// A Markdown table
    Md,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the sweep [default: the one submitted last]
    sweep: Option<SweepName>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// A row a trial instead of a row a config
    #[arg(long)]
    per_trial: bool,
    /// Rank by this metric [default: latent_kmeans_ari where there are labels, else the reconstruction loss]
    #[arg(long, value_name = "NAME", value_parser = parse_metric)]
    metric: Option<MetricName>,
    /// Show only the best so many rows
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Look only at such trials: model=ae,beta-vae, beta>=1, seed!=0, state=diverged; may be repeated
    #[arg(long, value_name = "CONDITION")]
    filter: Vec<Filter>,
}

fn parse_metric(text: &str) -> Result<MetricName, String> {
    MetricName::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = MetricName::ALL.iter().map(|metric| metric.name()).collect();
        format!("there is no such metric; there are: {}", names.join(", "))
    })
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    let data = record::load(state, args.sweep.as_ref()).await?;
    let options = LeaderboardOptions { metric: args.metric, filters: args.filter, top: args.top };
    let board = build(&data, &options)?;
    put(&match (args.format, args.per_trial) {
        (Format::Table, false) => rows_table(&board, table_options()),
        (Format::Table, true) => trials_table(&board, &data, table_options()),
        (Format::Csv, false) => rows_csv(&board),
        (Format::Csv, true) => trials_csv(&board, &data),
        (Format::Json, per_trial) => format!("{:#}\n", json(&board, &data, per_trial)),
        (Format::Md, false) => rows_markdown(&board),
        (Format::Md, true) => trials_markdown(&board, &data),
    });
    Ok(Ending::Ok)
}
