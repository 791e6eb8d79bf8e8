//! What lies at a data path, and which reader is for it: told by what a file holds, and by its name only where that
//! says nothing. A gzipped HDF5 file is unpacked into a temporary one. What the readers do must not live here.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use domain::data::{DataSpec, LabelSource, SourceKind};
use tempfile::NamedTempFile;

use super::h5::{H5, Kind, SIGNATURE};
use super::labels::LabelTable;
use super::{MatrixFacts, RawCounts, h5ad, table, tenx, tenx_h5, text};
use crate::error::{CellsError, H5Problem};

/// What a data path names.
enum Source {
    TenxFolder(PathBuf),
    Table(PathBuf),
    Hdf5(PathBuf),
}

/// Everything that was read for one `[data]` table.
#[derive(Debug)]
pub struct ReadData {
    /// Where it was.
    pub path: PathBuf,
    /// The counts.
    pub raw: RawCounts,
    /// The labels, if some were asked for.
    pub labels: Option<LabelTable>,
}

/// Reads the counts and the labels that `spec` names. Relative paths start at `base_dir`.
///
/// # Errors
/// Whatever is wrong with the files, or with a choice that the file at hand does not offer.
pub fn read(spec: &DataSpec, base_dir: &Path) -> Result<ReadData, CellsError> {
    let source = find(&spec.path, base_dir)?;
    let labels_of_file = read_labels(spec.labels.as_ref(), base_dir)?; // before the long work: it may be wrong
    let (path, raw, labels) = match source {
        Source::TenxFolder(path) => {
            refuse_choices_of_h5ad(spec, "a 10x folder")?;
            let raw = tenx::read(&path)?;
            (path, raw, None)
        }
        Source::Table(path) => {
            refuse_choices_of_h5ad(spec, "a table")?;
            let mito_prefix = &spec.qc.mito_prefix;
            let hints =
                table::Hints { orientation: spec.orientation, mito_prefix, labels: labels_of_file.as_ref() };
            let raw = table::read(&path, hints)?;
            (path, raw, None)
        }
        Source::Hdf5(path) => {
            let opened = Opened::open(&path)?;
            let (raw, labels) = read_hdf5(&opened.file, spec)?;
            (path, raw, labels)
        }
    };
    Ok(ReadData { path, raw, labels: labels.or(labels_of_file) })
}

/// What an HDF5 file offers besides what is read of it: matrices and columns of `obs`. Empty for other files.
///
/// # Errors
/// When the file can't be opened.
pub fn offers(spec: &DataSpec, base_dir: &Path) -> Result<(Vec<MatrixFacts>, Vec<String>), CellsError> {
    let Source::Hdf5(path) = find(&spec.path, base_dir)? else {
        return Ok((Vec::new(), Vec::new()));
    };
    let opened = Opened::open(&path)?;
    if tenx_h5::is_one(&opened.file) {
        return Ok((Vec::new(), Vec::new()));
    }
    Ok((h5ad::matrices(&opened.file), h5ad::obs_columns(&opened.file)))
}

fn read_hdf5(file: &H5, spec: &DataSpec) -> Result<(RawCounts, Option<LabelTable>), CellsError> {
    if file.kind("obs") != Kind::Missing && file.kind("var") != Kind::Missing {
        let labels = match &spec.labels {
            Some(LabelSource::Obs { obs }) => Some(obs.as_str()),
            _ => None,
        };
        let (layer, gene_names) = (spec.layer.as_deref(), spec.gene_names.as_deref());
        return h5ad::read(file, h5ad::Request { layer, gene_names, labels });
    }
    if tenx_h5::is_one(file) {
        refuse_choices_of_h5ad(spec, "a 10x .h5 file")?;
        return Ok((tenx_h5::read(file)?, None));
    }
    let found = super::h5::quoted(&file.children(""));
    let found = if found.is_empty() { "nothing".to_owned() } else { found };
    Err(file.error("/", H5Problem::UnknownContent { found }))
}

/// Keys that only an `.h5ad` can answer; the grid file's reader refuses them where the path's ending says enough.
fn refuse_choices_of_h5ad(spec: &DataSpec, what: &str) -> Result<(), CellsError> {
    let refuse = |field| {
        let problem = format!("it speaks of an .h5ad file, and path names {what}. Remove it");
        Err(CellsError::Spec { field, problem })
    };
    match spec {
        DataSpec { layer: Some(_), .. } => refuse("layer"),
        DataSpec { gene_names: Some(_), .. } => refuse("gene_names"),
        DataSpec { labels: Some(LabelSource::Obs { .. }), .. } => refuse("labels.obs"),
        _ => Ok(()),
    }
}

/// An open HDF5 file, and the temporary file that it was unpacked to.
struct Opened {
    file: H5,
    _unpacked: Option<NamedTempFile>,
}

impl Opened {
    fn open(path: &Path) -> Result<Self, CellsError> {
        let source = text::open(path)?;
        if !source.is_gzip {
            drop(source);
            return Ok(Self { file: H5::open(path, path)?, _unpacked: None });
        }
        let unpacked = unpack(path, source)?;
        Ok(Self { file: H5::open(unpacked.path(), path)?, _unpacked: Some(unpacked) })
    }
}

fn unpack(path: &Path, mut source: text::TextSource) -> Result<NamedTempFile, CellsError> {
    let no_room = |error| CellsError::io("unpack into a temporary file", path, error);
    let mut unpacked = NamedTempFile::new().map_err(no_room)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = match source.reader.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(|error| text::read_error(path, true, 0, error))?,
        };
        if length == 0 {
            return Ok(unpacked);
        }
        io::Write::write_all(&mut unpacked, &buffer[..length]).map_err(no_room)?;
    }
}

fn find(written: &str, base_dir: &Path) -> Result<Source, CellsError> {
    let path = base_dir.join(written);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Ok(Source::TenxFolder(path)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(CellsError::NoSuchPath { path, written: written.to_owned() });
        }
        Err(error) => return Err(CellsError::io("open", &path, error)),
    }
    let begins_as_hdf5 = first_bytes(&path)?.starts_with(&SIGNATURE);
    match SourceKind::of_path(written) {
        _ if begins_as_hdf5 => Ok(Source::Hdf5(path)),
        SourceKind::Anndata | SourceKind::Hdf5 => Ok(Source::Hdf5(path)),
        SourceKind::Table if !is_part_of_tenx(&path) => Ok(Source::Table(path)),
        SourceKind::Table | SourceKind::Folder => {
            Err(CellsError::UnknownFile { advice: advice_for_file(&path), path })
        }
    }
}

/// The first bytes, unpacked if the file is gzip; fewer when it is shorter or damaged (its reader says so).
fn first_bytes(path: &Path) -> Result<Vec<u8>, CellsError> {
    let length = SIGNATURE.len() as u64;
    let mut bytes = Vec::new();
    File::open(path).map_err(|error| CellsError::io("open", path, error))?;
    let _ = text::open(path)?.reader.take(length).read_to_end(&mut bytes);
    Ok(bytes)
}

/// One of the files of a 10x folder, named instead of the folder.
fn is_part_of_tenx(path: &Path) -> bool {
    let name = lower_name(path);
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    ["genes.tsv", "features.tsv", "barcodes.tsv"].iter().any(|part| bare.ends_with(part))
}

fn lower_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn advice_for_file(path: &Path) -> String {
    let name = lower_name(path);
    let bare_name = name.strip_suffix(".gz").unwrap_or(&name);
    let (_, extension) = bare_name.rsplit_once('.').unwrap_or((bare_name, ""));
    match extension {
        "mtx" | "tsv" => "Set `path` to the folder that holds this file",
        "rds" | "rdata" => {
            "R objects can't be read; export the raw counts as a 10x folder (DropletUtils::write10xCounts)"
        }
        "loom" => "Loom files can't be read; write the counts as .h5ad (scanpy.read_loom(…).write(…))",
        "zarr" => "Zarr stores can't be read; write the counts as .h5ad (anndata.read_zarr(…).write(…))",
        "tar" | "tgz" | "zip" => "Unpack the archive, and set `path` to what is in it",
        "xls" | "xlsx" => "Save the sheet as .csv",
        _ => "If it is one of these, give it its ending",
    }
    .to_owned()
}

fn read_labels(source: Option<&LabelSource>, base_dir: &Path) -> Result<Option<LabelTable>, CellsError> {
    let (file, column) = match source {
        None | Some(LabelSource::Obs { .. } | LabelSource::Clusters { .. }) => return Ok(None),
        Some(LabelSource::File(file)) => (file, None),
        Some(LabelSource::Column { file, column }) => (file, Some(column.as_str())),
    };
    super::labels::read(&base_dir.join(file), column).map(Some)
}
