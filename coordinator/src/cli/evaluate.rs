//! `coordinator evaluate`: scores any embedding, from scVI, Seurat or a notebook, with the metrics of a trial.
//!
//! Must not live here: what the scores mean (`domain::metric`) and how they are computed (`eval`).

use std::path::PathBuf;

use cells::labels::{Labels, assign};
use cells::read::embedding::{self, EmbeddingTable};
use cells::read::labels::{self, LabelTable};
use domain::EvaluationSpec;
use domain::config::NmiAverage;
use domain::data::Unlabelled;
use domain::metric::{Direction, Metric, MetricName};
use eval::{Brake, Conduct, EvaluationInput};
use serde_json::{Map, Value, json};

use super::{put, say};
use crate::error::{CliError, Ending};
use crate::leaderboard::text;

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// Cells that an error names.
const EXAMPLES: usize = 5;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns
    Table,
    /// name,value
    Csv,
    /// Schema 1, grouped by what was clustered
    Json,
    /// A Markdown table
    Md,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Average {
    /// scikit-learn's
    Arithmetic,
    /// The study's
    Geometric,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CSV or TSV, plain or gz, with a header: cells' names, then a column a dimension
    #[arg(long, value_name = "FILE")]
    embedding: PathBuf,
    /// CSV, plain or gz, with a header: cells' names, then labels
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// The column of labels [default: cell_type if there is one, else the second]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Clusters of k-means [default: as many as there are labels]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    kmeans: Option<u32>,
    /// Mean in the denominator of NMI
    #[arg(long, value_enum, default_value_t = Average::Arithmetic)]
    nmi: Average,
    /// Neighbours in Leiden's graph, the kNN scores and trustworthiness
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    neighbours: u32,
    /// t-SNE's perplexity
    #[arg(long, value_name = "P", default_value_t = 40.0, value_parser = parse_perplexity)]
    perplexity: f64,
    /// t-SNE's iterations; 0 draws no maps
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    tsne_iterations: u32,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

fn parse_perplexity(text: &str) -> Result<f64, String> {
    let perplexity: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    let is_usable = (2.0..=1000.0).contains(&perplexity);
    is_usable.then_some(perplexity).ok_or_else(|| "a perplexity lies between 2 and 1000".to_owned())
}

pub(super) fn run(args: &Args) -> Result<Ending, CliError> {
    let table = embedding::read(&args.embedding)?;
    let given = labels::read(&args.labels, args.column.as_deref())?;
    let labels = join(&table, &given)?;
    say(&format!(
        "{} of {}, {} in {:?}",
        text::count(table.cells.len(), "cell"),
        text::count(table.dim, "dimension"),
        text::count(labels.classes.len(), "label"),
        text::terminal(&given.column),
    ));
    let unused = given.label_of.len() - table.cells.len();
    if unused > 0 {
        say(&format!("{} not in the embedding", text::count(unused, "labelled cell")));
    }
    let spec = EvaluationSpec {
        perplexity: args.perplexity,
        tsne_iterations: args.tsne_iterations,
        clusters: args.kmeans,
        nmi: match args.nmi {
            Average::Arithmetic => NmiAverage::Arithmetic,
            Average::Geometric => NmiAverage::Geometric,
        },
        neighbours: args.neighbours,
        silhouette: true,
        ..EvaluationSpec::default()
    };
    let input = EvaluationInput {
        codes: &table.values,
        n_cells: table.cells.len(),
        dim: table.dim,
        labels: Some((&labels.of_cell, labels.classes.len())),
        spec: &spec,
    };
    let has_second_core = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let evaluation = eval::evaluate(&input, Conduct { brake: Brake::none(), has_second_core })?;
    let mut metrics = evaluation.metrics;
    metrics.sort_by_key(|metric| metric.name);
    put(&match args.format {
        Format::Table => in_columns(&metrics),
        Format::Csv => in_csv(&metrics),
        Format::Json => format!("{:#}\n", in_json(&table, &labels, &metrics)),
        Format::Md => in_markdown(&metrics),
    });
    Ok(Ending::Ok)
}

/// The label of each cell of the embedding.
fn join(table: &EmbeddingTable, labels: &LabelTable) -> Result<Labels, CliError> {
    let (embedding, file) = (table.path.display(), labels.path.display());
    if labels.label_of.contains_key(&table.header) {
        return Err(CliError::Evaluation(format!(
            "{embedding}: the first line names the cell {:?}, but a header is expected there: the first column's name, then \
             one a dimension. Write a header above it",
            table.header
        )));
    }
    let missing: Vec<&str> =
        table.cells.iter().filter(|cell| !labels.label_of.contains_key(*cell)).map(String::as_str).collect();
    if !missing.is_empty() {
        let there = labels.first_barcode.as_deref().unwrap_or("(the file has no rows)");
        return Err(CliError::Evaluation(format!(
            "{file}: {} of the {} cells in {embedding} have no label in column {:?}, e.g. {}; a cell there is named like \
             {there}. Name the cells alike in both files, label them all, or leave those without a label out of the embedding",
            missing.len(),
            table.cells.len(),
            labels.column,
            missing[..missing.len().min(EXAMPLES)].join(", "),
        )));
    }
    Ok(assign(labels, &table.cells, Unlabelled::Error)?.labels)
}

fn direction(metric: MetricName) -> &'static str {
    match metric.direction() {
        Direction::Higher => "higher is better",
        Direction::Lower => "lower is better",
        Direction::Neither => "a fact",
    }
}

fn in_columns(metrics: &[Metric]) -> String {
    let width = metrics.iter().map(|metric| metric.name.name().len()).max().unwrap_or_default();
    let line = |metric: &Metric| {
        let value = text::number(metric.name, metric.value);
        format!("{:<width$}  {value:>8}  {}\n", metric.name, direction(metric.name))
    };
    let lines: String = metrics.iter().map(line).collect();
    format!("{lines}\nlatent_leiden_* is at the resolution that fits the labels best\n")
}

fn in_csv(metrics: &[Metric]) -> String {
    let lines = metrics.iter().map(|metric| format!("{},{}\n", metric.name, metric.value));
    std::iter::once("metric,value\n".to_owned()).chain(lines).collect()
}

fn in_markdown(metrics: &[Metric]) -> String {
    let line = |metric: &Metric| {
        format!(
            "| {} | {} | {} |\n",
            text::markdown_cell(metric.name.name()),
            text::number(metric.name, metric.value),
            direction(metric.name)
        )
    };
    let head = "| metric | value | |\n| --- | ---: | --- |\n".to_owned();
    std::iter::once(head).chain(metrics.iter().map(line)).collect()
}

/// What was scored, by the beginnings of metrics' names; a longer beginning comes before its own beginning.
const GROUPS: [(&str, &str); 6] = [
    ("latent_kmeans_", "kmeans"),
    ("latent_leiden_", "leiden"),
    ("latent_knn_", "knn"),
    ("tsne2d_kmeans_", "tsne2d_kmeans"),
    ("tsne2d_", "tsne2d"),
    ("tsne3d_", "tsne3d"),
];

fn in_json(table: &EmbeddingTable, labels: &Labels, metrics: &[Metric]) -> Value {
    let mut groups: Map<String, Value> = Map::new();
    for metric in metrics {
        let name = metric.name.name();
        let grouped = GROUPS.iter().find_map(|(prefix, group)| Some((*group, name.strip_prefix(prefix)?)));
        match grouped {
            Some((group, score)) => {
                let group = groups.entry(group).or_insert_with(|| json!({}));
                group[score] = json!(metric.value);
            }
            None => {
                let name = name.strip_prefix("latent_").unwrap_or(name);
                groups.insert(name.to_owned(), json!(metric.value));
            }
        }
    }
    groups.insert("schema".to_owned(), json!(SCHEMA));
    groups.insert("cells".to_owned(), json!(table.cells.len()));
    groups.insert("dimensions".to_owned(), json!(table.dim));
    groups.insert("labels".to_owned(), json!(labels.classes));
    Value::Object(groups)
}

#[cfg(test)]
mod tests {
    use super::{Args, in_json, join};
    use cells::labels::Labels;
    use cells::read::embedding::EmbeddingTable;
    use cells::read::labels::LabelTable;
    use domain::metric::{Metric, MetricName};
    use serde_json::json;

    fn table(header: &str, cells: &[&str]) -> EmbeddingTable {
        EmbeddingTable {
            path: "e.csv".into(),
            header: header.to_owned(),
            cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
            dim: 1,
            values: vec![0.0; cells.len()],
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> LabelTable {
        LabelTable {
            path: "l.csv".into(),
            column: "cell_type".to_owned(),
            first_barcode: pairs.first().map(|pair| pair.0.to_owned()),
            label_of: pairs.iter().map(|&(cell, label)| (cell.to_owned(), label.to_owned())).collect(),
        }
    }

    #[test]
    fn labels_follow_the_order_of_the_embedding() {
        let labels = labels(&[("A", "x"), ("B", "y"), ("C", "y"), ("gone", "z")]);
        let found = join(&table("cell", &["C", "A", "B"]), &labels).unwrap();
        assert_eq!((found.classes, found.of_cell), (vec!["y".to_owned(), "x".to_owned()], vec![0, 1, 0]));
    }

    #[test]
    fn cells_that_do_not_meet_are_named() {
        let message = join(&table("", &["A", "B-1"]), &labels(&[("A-1", "x"), ("B-1", "x")])).unwrap_err();
        let message = message.to_string();
        for words in ["e.csv", "l.csv", "1 of the 2 cells", "e.g. A;", "named like A-1", "cell_type"] {
            assert!(message.contains(words), "{message}");
        }
        let message = join(&table("A", &["B"]), &labels(&[("A", "x"), ("B", "x")])).unwrap_err().to_string();
        assert!(message.contains("header"), "{message}");
    }

    #[test]
    fn json_is_grouped_by_what_was_scored() {
        let metric = |name, value| Metric { name, value };
        let metrics = [
            metric(MetricName::LatentKmeansNmi, 0.5),
            metric(MetricName::LatentLeidenResolution, 0.8),
            metric(MetricName::LatentSilhouette, 0.1),
            metric(MetricName::Tsne2dKmeansAri, 0.25),
            metric(MetricName::Tsne2dTrustworthiness, 0.75),
        ];
        let labels = Labels { classes: vec!["x".to_owned()], of_cell: vec![0] };
        let expected = json!({
            "schema": 1, "cells": 1, "dimensions": 1, "labels": ["x"],
            "kmeans": {"nmi": 0.5}, "leiden": {"resolution": 0.8}, "silhouette": 0.1,
            "tsne2d_kmeans": {"ari": 0.25}, "tsne2d": {"trustworthiness": 0.75},
        });
        assert_eq!(in_json(&table("", &["A"]), &labels, &metrics), expected);
    }

    #[test]
    fn a_perplexity_has_a_range() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let read = |perplexity: &str| {
            let line = ["x", "--embedding", "e", "--labels", "l", "--perplexity", perplexity];
            <Line as clap::Parser>::try_parse_from(line).map(|line| line.args.perplexity)
        };
        assert_eq!(read("30").unwrap(), 30.0);
        for wrong in ["1", "NaN", "2000", "many"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
