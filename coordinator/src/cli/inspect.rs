//! `coordinator inspect`: what a data set is and what preprocessing makes of it, for people and as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use cells::{Dataset, Inspection};
use domain::DataSpec;
use domain::data::{LabelSource, Orientation};
use serde_json::{Value, json};

use super::{intake, put};
use crate::error::{CliError, Ending};
use crate::leaderboard::text::terminal;

/// Version of the JSON.
const SCHEMA: u64 = 1;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// Schema 1
    Json,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum TableOrientation {
    /// What the names in the table say
    Auto,
    /// A row a gene
    GenesByCells,
    /// A row a cell
    CellsByGenes,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The counts: a 10x directory, .h5ad, 10x .h5, .csv or .tsv; or a grid file, whose [data] then counts
    path: PathBuf,
    /// Which matrix of an .h5ad: X, raw/X or layers/NAME
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Column of an .h5ad's var with the genes' names
    #[arg(long, value_name = "COLUMN")]
    gene_names: Option<String>,
    /// Which axis of a .csv or .tsv is which
    #[arg(long, value_enum, value_name = "WAY")]
    orientation: Option<TableOrientation>,
    /// CSV of barcode and label
    #[arg(long, value_name = "FILE", conflicts_with = "obs")]
    labels: Option<String>,
    /// Column of an .h5ad's obs with labels
    #[arg(long, value_name = "COLUMN")]
    obs: Option<String>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<Ending, CliError> {
    let spec = spec_of(args)?;
    let base_dir = std::env::current_dir()
        .map_err(|source| CliError::Process { action: "find the working directory", source })?;
    let facts = cells::inspect(&spec, &base_dir)?;
    put(&match args.format {
        Format::Text => in_words(&spec, &facts),
        Format::Json => format!("{:#}\n", as_json(&spec, &facts)),
    });
    Ok(Ending::Ok)
}

/// The `[data]` of a grid file, or the defaults for a path; options change either.
fn spec_of(args: &Args) -> Result<DataSpec, CliError> {
    let is_grid_file = args.path.extension().is_some_and(|ending| ending == "toml");
    let mut spec = if is_grid_file {
        intake::read_grid(&args.path)?.file.data
    } else {
        DataSpec::of_path(args.path.to_string_lossy())
    };
    if args.layer.is_some() {
        spec.layer.clone_from(&args.layer);
    }
    if args.gene_names.is_some() {
        spec.gene_names.clone_from(&args.gene_names);
    }
    if let Some(orientation) = args.orientation {
        spec.orientation = match orientation {
            TableOrientation::Auto => Orientation::Auto,
            TableOrientation::GenesByCells => Orientation::GenesByCells,
            TableOrientation::CellsByGenes => Orientation::CellsByGenes,
        };
    }
    if let Some(file) = &args.labels {
        spec.labels = Some(LabelSource::File(file.clone()));
    }
    if let Some(obs) = &args.obs {
        spec.labels = Some(LabelSource::Obs { obs: obs.clone() });
    }
    Ok(spec)
}

/// How many cells each class has.
fn class_sizes(data: &Dataset) -> Vec<(String, u64)> {
    let Some(labels) = data.labels() else { return Vec::new() };
    let mut sizes: Vec<(String, u64)> = labels.classes.iter().map(|name| (name.clone(), 0)).collect();
    for class in &labels.of_cell {
        sizes[usize::from(*class)].1 += 1;
    }
    sizes
}

fn as_json(spec: &DataSpec, facts: &Inspection) -> Value {
    let after_qc = facts.prepared.as_ref().ok().map(|data| {
        let provenance = data.provenance();
        let classes: Vec<Value> = class_sizes(data)
            .into_iter()
            .map(|(name, cells)| json!({ "name": name, "cells": cells }))
            .collect();
        json!({
            "cells": data.n_cells(),
            "genes": data.n_genes(),
            "nnz": data.nnz(),
            "cells_dropped": provenance.cells_dropped,
            "choices": provenance.choices,
            "classes": classes,
            "fingerprint": data.fingerprint().to_string(),
        })
    });
    json!({
        "schema": SCHEMA,
        "path": spec.path,
        "reader": facts.reader,
        "cells": facts.cells,
        "genes": facts.genes,
        "nnz": facts.nnz,
        "total_counts": facts.total_counts,
        "other_features": facts.other_features,
        "mitochondrial_genes": facts.mitochondrial_genes,
        "first_cells": facts.first_cells,
        "first_genes": facts.first_genes,
        "matrices": facts.matrices.iter()
            .map(|matrix| json!({ "layer": matrix.name, "holds_counts": matrix.holds_counts }))
            .collect::<Vec<_>>(),
        "obs": facts.obs_columns,
        "after_qc": after_qc,
        "problem": facts.prepared.as_ref().err().map(ToString::to_string),
    })
}

fn in_words(spec: &DataSpec, facts: &Inspection) -> String {
    let mut out = String::new();
    let mut say = |name: &str, words: String| {
        let _ = writeln!(out, "{name:<14}{}", terminal(&words));
    };
    let reader = json!(facts.reader).as_str().unwrap_or_default().to_owned();
    say("data", format!("{} ({reader})", spec.path));
    let places = facts.cells as f64 * facts.genes as f64;
    let filled = if places > 0.0 { 100.0 * facts.nnz as f64 / places } else { 0.0 };
    say(
        "counts",
        format!("{} cells × {} genes, {} above zero ({filled:.1} %)", facts.cells, facts.genes, facts.nnz),
    );
    say("sum", format!("{}", facts.total_counts));
    say("cells", format!("{}, …", facts.first_cells.join(", ")));
    say("genes", format!("{}, …", facts.first_genes.join(", ")));
    if facts.other_features > 0 {
        say(
            "left out",
            format!("{} features that are no genes (antibodies, guides, peaks)", facts.other_features),
        );
    }
    if !facts.matrices.is_empty() {
        let matrices = facts.matrices.iter();
        let named = matrices.map(|matrix| match matrix.holds_counts {
            true => format!("{} (counts)", matrix.name),
            false => matrix.name.clone(),
        });
        say("layers", named.collect::<Vec<_>>().join(", "));
    }
    if !facts.obs_columns.is_empty() {
        say("obs", facts.obs_columns.join(", "));
    }
    match &facts.prepared {
        Err(problem) => say("after QC", format!("nothing: {problem}")),
        Ok(data) => {
            say(
                "after QC",
                format!("{} cells × {} genes, {} above zero", data.n_cells(), data.n_genes(), data.nnz()),
            );
            let dropped = data.provenance().cells_dropped;
            let qc = &spec.qc;
            say(
                "dropped",
                format!(
                    "{} cells with at most {} genes, {} with at least {}, {} with at least {} % mitochondrial counts \
                     ({} genes {}…)",
                    dropped.few_genes,
                    qc.min_genes,
                    dropped.many_genes,
                    qc.max_genes,
                    dropped.mitochondrial,
                    qc.max_mito_percent,
                    facts.mitochondrial_genes,
                    qc.mito_prefix,
                ),
            );
            if dropped.unlabelled > 0 {
                say("unlabelled", format!("{} cells without a label are left out", dropped.unlabelled));
            }
            if data.labels().is_some() {
                let column =
                    data.provenance().choices.label_column.as_deref().unwrap_or("of the counts themselves");
                let sizes = class_sizes(data).into_iter().map(|(name, cells)| format!("{name} {cells}"));
                say("labels", format!("{column}: {}", sizes.collect::<Vec<_>>().join(", ")));
            }
            say("fingerprint", data.fingerprint().to_string());
        }
    }
    if facts.mitochondrial_genes == 0 && spec.qc.max_mito_percent < 100.0 {
        let prefix = &spec.qc.mito_prefix;
        say(
            "mind",
            format!(
                "no gene is named {prefix}…: the mitochondrial rule drops nothing (qc.mito_prefix, gene_names)"
            ),
        );
    }
    out
}
