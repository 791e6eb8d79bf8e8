//! The order of the steps: from the `[data]` table of a grid file to a data set. The steps themselves must not live
//! here, nor the reading of files.

use std::collections::HashSet;
use std::path::Path;

use domain::data::{DataSpec, Genes, Input, LabelSource};

use crate::cluster::cluster_labels;
use crate::csr::{Csr, CsrView};
use crate::dataset::{Dataset, Parts};
use crate::error::CellsError;
use crate::labels::{self, Labels};
use crate::provenance::{CellsDropped, Choices, Clustering, Provenance};
use crate::read::RawCounts;
use crate::read::labels::LabelTable;
use crate::read::source::{self, ReadData};
use crate::step::first_not_whole::{Fraction, first_not_whole};
use crate::step::keep_cells::{KeptCells, keep_cells};
use crate::step::vst::{GeneVariability, vst};
use crate::step::{genes_seen::genes_seen, log_normalise::log_normalise, measure_cells::measure_cells};
use crate::step::{most_variable::most_variable, scale_data::scale_data};

/// Makes the data set that `spec` describes: reads the counts, filters genes and then cells, normalises, and gives
/// every kept cell its label. Relative paths start at `base_dir`. Equal files and choices give equal fingerprints.
///
/// # Errors
/// Whatever is wrong with the choices or the files, see [`CellsError`].
pub fn prepare(spec: &DataSpec, base_dir: &Path) -> Result<Dataset, CellsError> {
    check_choices(spec)?;
    make(source::read(spec, base_dir)?, spec)
}

/// Makes the data set of what was read.
pub(crate) fn make(read: ReadData, spec: &DataSpec) -> Result<Dataset, CellsError> {
    let ReadData { path, mut raw, labels: label_table } = read;
    let (layer, orientation) = (raw.layer.take(), raw.orientation);
    let cells_read = raw.barcodes.len() as u64;
    let genes_read = raw.genes.len() as u64;
    let (reader, other_features_read, entries_read) = (raw.reader, raw.other_features, raw.entries_read);

    let mut filtered = filter(raw, spec, &path)?;
    let labels_there = label_table.as_ref().map(|table| label(table, &mut filtered, spec)).transpose()?;
    let variability = measure_variability(spec, filtered.counts.view())?;
    let clustering = clustering(spec.labels.as_ref(), &filtered.genes)?;
    let labels = match (&clustering, &variability) {
        (Some(how), Some(variability)) => {
            let Filtered { counts, genes, .. } = &filtered;
            Some(cluster_labels(counts, genes, variability, spec.scale_factor, how)?)
        }
        _ => labels_there,
    };

    let choices = Choices {
        input: spec.input,
        genes: spec.genes,
        scale_factor: spec.scale_factor,
        qc: spec.qc.clone(),
        unlabelled: if label_table.is_some() { spec.unlabelled } else { Default::default() },
        label_column: label_table.map(|table| table.column),
        clustering,
        layer,
        gene_names: spec.gene_names.clone(),
        orientation,
    };
    let cells_dropped = filtered.dropped;
    let provenance = Provenance {
        reader,
        cells_read,
        genes_read,
        other_features_read,
        entries_read,
        cells_dropped,
        choices,
    };
    let (matrix, barcodes, genes) = input_matrix(spec, filtered, variability.as_deref())?;
    Dataset::from_parts(Parts { matrix, barcodes, genes, labels, provenance })
}

/// Counts after quality control.
struct Filtered {
    counts: Csr,
    barcodes: Vec<String>,
    genes: Vec<String>,
    dropped: CellsDropped,
}

fn filter(raw: RawCounts, spec: &DataSpec, dir: &Path) -> Result<Filtered, CellsError> {
    let (cells_read, genes_read) = (raw.barcodes.len() as u64, raw.genes.len() as u64);
    let nothing_left = |what, report| CellsError::NothingLeft {
        what,
        dir: dir.to_owned(),
        cells: cells_read,
        genes: genes_read,
        report,
    };

    let kept_genes = genes_seen(raw.counts.view(), spec.qc.min_cells);
    if kept_genes.is_empty() {
        let report = format!("none is seen in at least min_cells = {} cells", spec.qc.min_cells);
        return Err(nothing_left("genes", report));
    }
    let genes = pick(raw.genes, &kept_genes);
    let counts = raw.counts.select_columns(&kept_genes);

    let quality = measure_cells(counts.view(), &genes, &spec.qc.mito_prefix);
    let KeptCells { cells: kept_cells, dropped } = keep_cells(&quality, &spec.qc);
    if kept_cells.is_empty() {
        return Err(nothing_left("cells", describe(dropped, spec)));
    }
    let barcodes = pick(raw.barcodes, &kept_cells);
    Ok(Filtered { counts: counts.select_rows(&kept_cells), barcodes, genes, dropped })
}

/// Labels of the cells; those without one go, when the user says so.
fn label(table: &LabelTable, filtered: &mut Filtered, spec: &DataSpec) -> Result<Labels, CellsError> {
    let assigned = labels::assign(table, &filtered.barcodes, spec.unlabelled)?;
    if let Some(kept) = assigned.kept {
        filtered.dropped.unlabelled = (filtered.barcodes.len() - kept.len()) as u64;
        filtered.barcodes = pick(std::mem::take(&mut filtered.barcodes), &kept);
        filtered.counts = filtered.counts.take().select_rows(&kept);
    }
    Ok(assigned.labels)
}

/// How variable each gene is, when a choice depends on it.
fn measure_variability(
    spec: &DataSpec,
    counts: CsrView<'_>,
) -> Result<Option<Vec<GeneVariability>>, CellsError> {
    let has_clusters = matches!(spec.labels, Some(LabelSource::Clusters { .. }));
    if spec.genes == Genes::All && !has_clusters {
        return Ok(None);
    }
    let too_few = |why| CellsError::Variability { genes: counts.n_cols, cells: counts.n_rows, why };
    vst(counts).map(Some).map_err(too_few)
}

/// How labels are made from the counts, if they are.
fn clustering(source: Option<&LabelSource>, genes: &[String]) -> Result<Option<Clustering>, CellsError> {
    let markers = match source {
        Some(LabelSource::Clusters { markers }) => markers,
        _ => return Ok(None),
    };
    let Some(markers) = markers else { return Ok(Some(Clustering::default())) };
    let known: HashSet<&String> = genes.iter().collect();
    for (cell_type, genes) in markers {
        if let Some(gene) = genes.iter().find(|gene| !known.contains(gene)) {
            return Err(CellsError::UnknownMarker { cell_type: cell_type.clone(), gene: gene.clone() });
        }
    }
    Ok(Some(Clustering { markers: markers.clone(), ..Clustering::default() }))
}

/// What the nets see, and the names of its cells and genes. Normalisation sees all genes: a cell's sum is over them.
fn input_matrix(
    spec: &DataSpec,
    filtered: Filtered,
    variability: Option<&[GeneVariability]>,
) -> Result<(Csr, Vec<String>, Vec<String>), CellsError> {
    let Filtered { counts, barcodes, genes, .. } = filtered;
    let chosen = match (spec.genes, variability) {
        (Genes::Hvg(count), Some(variability)) => {
            let mut chosen = most_variable(variability, count as usize);
            chosen.sort_unstable();
            chosen
        }
        _ => (0..genes.len() as u32).collect(),
    };
    let genes = pick(genes, &chosen);
    let lognorm = |counts| log_normalise(counts, spec.scale_factor).select_columns(&chosen);
    let matrix = match spec.input {
        Input::Lognorm => lognorm(counts),
        Input::Scaled => {
            check_dense_size(barcodes.len(), genes.len())?;
            scale_data(lognorm(counts).view()).to_csr()
        }
        Input::Counts => {
            let counts = counts.select_columns(&chosen);
            if let Some(Fraction { cell, gene, value }) = first_not_whole(counts.view()) {
                let (barcode, gene) = (barcodes[cell].clone(), genes[gene].clone());
                return Err(CellsError::NotCounts { value, barcode, gene });
            }
            counts
        }
    };
    Ok((matrix, barcodes, genes))
}

/// A dense matrix of 2^30 numbers takes 8 GiB while it is made.
fn check_dense_size(cells: usize, genes: usize) -> Result<(), CellsError> {
    const MOST: usize = 1 << 30;
    let entries = cells.saturating_mul(genes);
    if entries > MOST { Err(CellsError::TooDense { cells, genes, entries, most: MOST }) } else { Ok(()) }
}

fn describe(dropped: CellsDropped, spec: &DataSpec) -> String {
    format!(
        "{} had not more than min_genes = {}, {} not fewer than max_genes = {}, {} not under max_mito_percent = {}",
        dropped.few_genes,
        spec.qc.min_genes,
        dropped.many_genes,
        spec.qc.max_genes,
        dropped.mitochondrial,
        spec.qc.max_mito_percent
    )
}

/// The names at `kept` (ascending positions).
fn pick(names: Vec<String>, kept: &[u32]) -> Vec<String> {
    let mut wanted = kept.iter().map(|&position| position as usize).peekable();
    let is_wanted = |(position, name)| wanted.next_if_eq(&position).map(|_| name);
    names.into_iter().enumerate().filter_map(is_wanted).collect()
}

pub(crate) fn check_choices(spec: &DataSpec) -> Result<(), CellsError> {
    let refuse = |field, problem| Err(CellsError::Spec { field, problem });
    let qc = &spec.qc;
    if spec.path.is_empty() {
        return refuse("path", "it is empty; name a file or folder of counts".to_owned());
    }
    if !(spec.scale_factor.is_finite() && spec.scale_factor > 0.0) {
        return refuse("scale_factor", format!("must be a number above 0, found {}", spec.scale_factor));
    }
    if !(qc.max_mito_percent > 0.0 && qc.max_mito_percent <= 100.0) {
        let found = qc.max_mito_percent;
        return refuse("qc.max_mito_percent", format!("must be above 0 and at most 100, found {found}"));
    }
    if qc.mito_prefix.is_empty() && qc.max_mito_percent < 100.0 {
        let problem = "it is empty, so every gene would be mitochondrial; to switch the rule off, set \
                       qc.max_mito_percent = 100";
        return refuse("qc.mito_prefix", problem.to_owned());
    }
    if u64::from(qc.max_genes) < u64::from(qc.min_genes) + 2 {
        let problem =
            format!("no cell can have more than {} and fewer than {} genes", qc.min_genes, qc.max_genes);
        return refuse("qc.max_genes", problem);
    }
    Ok(())
}
