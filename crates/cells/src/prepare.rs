//! The order of the steps: from the `[data]` table of a grid file to a data set. The steps themselves must not live
//! here, nor the reading of files.

use std::path::{Path, PathBuf};

use domain::data::{DataSpec, Genes, Input, LabelSource};

use crate::csr::Csr;
use crate::dataset::{Dataset, Parts};
use crate::error::CellsError;
use crate::labels;
use crate::provenance::{CellsDropped, Choices, Provenance};
use crate::read::labels::LabelTable;
use crate::read::{self, tenx::RawCounts};
use crate::step::{genes_seen::genes_seen, keep_cells::keep_cells, log_normalise::log_normalise};
use crate::step::{keep_cells::KeptCells, measure_cells::measure_cells};

/// Makes the data set that `spec` describes: reads the counts, filters genes and then cells, normalises, and gives
/// every kept cell its label. Relative paths start at `base_dir`. Equal files and choices give equal fingerprints.
///
/// # Errors
/// Whatever is wrong with the choices or the files, see [`CellsError`].
pub fn prepare(spec: &DataSpec, base_dir: &Path) -> Result<Dataset, CellsError> {
    check_choices(spec)?;
    let dir = find_folder(&spec.path, base_dir)?;
    let label_table = read_labels(spec.labels.as_ref(), base_dir)?; // before the long work: it may be wrong
    let raw = read::tenx::read(&dir)?;
    let cells_read = raw.barcodes.len() as u64;
    let genes_read = raw.genes.len() as u64;
    let (reader, other_features_read, entries_read) = (raw.reader, raw.other_features, raw.entries_read);

    let filtered = filter(raw, spec, &dir)?;
    let labels = label_table.as_ref().map(|table| labels::assign(table, &filtered.barcodes)).transpose()?;
    let Input::Lognorm = spec.input;
    let Genes::All = spec.genes;
    let matrix = log_normalise(filtered.counts, spec.scale_factor);

    let choices = Choices {
        input: spec.input,
        genes: spec.genes,
        scale_factor: spec.scale_factor,
        qc: spec.qc.clone(),
        label_column: label_table.map(|table| table.column),
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
    let Filtered { barcodes, genes, .. } = filtered;
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

fn check_choices(spec: &DataSpec) -> Result<(), CellsError> {
    let refuse = |field, problem| Err(CellsError::Spec { field, problem });
    let qc = &spec.qc;
    if spec.path.is_empty() {
        return refuse("path", "it is empty; name a 10x folder".to_owned());
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

fn find_folder(written: &str, base_dir: &Path) -> Result<PathBuf, CellsError> {
    let path = base_dir.join(written);
    if path.is_dir() {
        return Ok(path);
    }
    match std::fs::metadata(&path) {
        Ok(_) => Err(CellsError::NotAFolder { advice: advice_for_file(&path), path }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CellsError::NoSuchPath { path, written: written.to_owned() })
        }
        Err(error) => Err(CellsError::io("open", &path, error)),
    }
}

fn advice_for_file(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let bare_name = name.strip_suffix(".gz").unwrap_or(&name);
    let (_, extension) = bare_name.rsplit_once('.').unwrap_or((bare_name, ""));
    match extension {
        "mtx" | "tsv" => "Set `path` to the folder that holds this file",
        "h5" => "10x's .h5 files can't be read; use the folder that Cell Ranger writes beside it (…_feature_bc_matrix)",
        "h5ad" => "AnnData files can't be read; export the raw counts as a 10x folder",
        "rds" | "rdata" => "R objects can't be read; export the raw counts as a 10x folder (DropletUtils::write10xCounts)",
        "csv" | "txt" => "Tables of counts can't be read; export the raw counts as a 10x folder",
        "tar" | "tgz" | "zip" => "Unpack the archive, and set `path` to the folder with matrix.mtx in it",
        _ => "Set `path` to such a folder",
    }
    .to_owned()
}

fn read_labels(source: Option<&LabelSource>, base_dir: &Path) -> Result<Option<LabelTable>, CellsError> {
    let (file, column) = match source {
        None => return Ok(None),
        Some(LabelSource::File(file)) => (file, None),
        Some(LabelSource::Column { file, column }) => (file, Some(column.as_str())),
    };
    read::labels::read(&base_dir.join(file), column).map(Some)
}
