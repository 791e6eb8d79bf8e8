//! One data set, ready to train on: immutable, fingerprinted, cheap to share. Made in memory from its parts or
//! mapped from its file, it is the same bytes behind the same checks. The byte layout must not live here (see
//! [`layout`]), nor does preprocessing.

mod image;
pub mod layout;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use domain::Fingerprint;

use self::image::Image;
use self::layout::{Contents, encode};
use crate::csr::{Csr, CsrView};
use crate::error::{CellsError, DatasetProblem};
use crate::labels::Labels;
use crate::provenance::Provenance;

/// Ending of a data set's file name; the rest is its fingerprint.
pub const FILE_EXTENSION: &str = "lsds";

/// Everything a data set is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Values, cells × genes.
    pub matrix: Csr,
    /// One name a cell, unique.
    pub barcodes: Vec<String>,
    /// One name a gene, unique.
    pub genes: Vec<String>,
    /// What the cells are, if somebody said so.
    pub labels: Option<Labels>,
    /// Where it all came from.
    pub provenance: Provenance,
}

/// A data set. `Send + Sync`; share it by `Arc`. It either owns its bytes or maps its file, which must then not be
/// changed in place by anyone (this crate never does: it replaces files as a whole).
pub struct Dataset {
    image: Image,
    contents: Contents,
    fingerprint: OnceLock<Fingerprint>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = (self.n_cells(), self.n_genes(), self.nnz());
        f.debug_struct("Dataset").field("cells, genes, entries", &size).finish_non_exhaustive()
    }
}

impl Dataset {
    /// The data set of these parts, in memory.
    ///
    /// # Errors
    /// [`CellsError::DatasetParts`] when the parts contradict each other.
    pub fn from_parts(parts: Parts) -> Result<Self, CellsError> {
        let image = Image::Memory(encode(&parts).map_err(CellsError::DatasetParts)?);
        drop(parts); // the image replaces the matrix: never three copies at a time
        Self::from_image(image).map_err(CellsError::DatasetParts)
    }

    /// Maps the file at `path` and checks its structure in full: whatever the file holds, no later use of the data
    /// set can go wrong. Its content is not compared with a fingerprint; see [`Dataset::open_verified`].
    ///
    /// # Errors
    /// [`CellsError::Io`] or [`CellsError::DatasetFile`].
    pub fn open(path: &Path) -> Result<Self, CellsError> {
        Self::from_image(map(path)?).map_err(|problem| not_usable(path, problem))
    }

    /// As [`Dataset::open`], and the file's BLAKE3 hash must be `expected`. The hash comes first, so a damaged file
    /// is always [`CellsError::WrongFingerprint`].
    ///
    /// # Errors
    /// As [`Dataset::open`], and [`CellsError::WrongFingerprint`].
    pub fn open_verified(path: &Path, expected: Fingerprint) -> Result<Self, CellsError> {
        let image = map(path)?;
        let found = Fingerprint::of(image.bytes());
        if found != expected {
            return Err(CellsError::WrongFingerprint { path: path.to_owned(), expected, found });
        }
        let dataset = Self::from_image(image).map_err(|problem| not_usable(path, problem))?;
        dataset.fingerprint.get_or_init(|| found);
        Ok(dataset)
    }

    fn from_image(image: Image) -> Result<Self, DatasetProblem> {
        let contents = layout::check(image.bytes())?;
        Ok(Self { image, contents, fingerprint: OnceLock::new() })
    }

    /// BLAKE3 of the bytes of the data set's file. Computed once, when first asked for.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| Fingerprint::of(self.image.bytes()))
    }

    /// The values, cells × genes.
    #[must_use]
    pub fn matrix(&self) -> CsrView<'_> {
        layout::matrix(self.image.bytes(), &self.contents)
    }

    /// Number of cells, at least 1.
    #[must_use]
    pub fn n_cells(&self) -> usize {
        self.contents.barcodes.len()
    }

    /// Number of genes, at least 1.
    #[must_use]
    pub fn n_genes(&self) -> usize {
        self.contents.genes.len()
    }

    /// Number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.matrix().nnz()
    }

    /// What the cells are, if somebody said so.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.contents.labels.as_ref()
    }

    /// One name a cell, unique.
    #[must_use]
    pub fn barcodes(&self) -> &[String] {
        &self.contents.barcodes
    }

    /// One name a gene, unique.
    #[must_use]
    pub fn genes(&self) -> &[String] {
        &self.contents.genes
    }

    /// What was read, dropped and chosen.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.contents.provenance
    }

    /// Writes the data set into `dir` (made if need be) as `<fingerprint>.lsds` and returns the file's path. Atomic
    /// and durable: the name appears only once all bytes are on disk. A sound file of that name is left alone, a
    /// damaged one replaced. Several processes may do this at once.
    ///
    /// # Errors
    /// [`CellsError::Io`].
    pub fn write_to_dir(&self, dir: &Path) -> Result<PathBuf, CellsError> {
        let fingerprint = self.fingerprint();
        let path = dir.join(format!("{fingerprint}.{FILE_EXTENSION}"));
        if Self::open_verified(&path, fingerprint).is_ok() {
            return Ok(path);
        }
        fs::create_dir_all(dir).map_err(|source| CellsError::io("make the folder", dir, source))?;
        let cannot_write = |source| CellsError::io("write", &path, source);
        let mut temporary = temporary_file(dir).map_err(cannot_write)?;
        temporary.write_all(self.image.bytes()).map_err(cannot_write)?;
        temporary.as_file().sync_all().map_err(cannot_write)?;
        temporary.persist(&path).map_err(|error| cannot_write(error.error))?;
        sync_folder(dir).map_err(cannot_write)?;
        Ok(path)
    }
}

fn not_usable(path: &Path, problem: DatasetProblem) -> CellsError {
    CellsError::DatasetFile { path: path.to_owned(), problem }
}

fn map(path: &Path) -> Result<Image, CellsError> {
    let cannot_open = |source| CellsError::io("open", path, source);
    let file = File::open(path).map_err(cannot_open)?;
    let metadata = file.metadata().map_err(cannot_open)?;
    if !metadata.is_file() || metadata.len() < layout::PREAMBLE_BYTES as u64 {
        return Err(not_usable(path, DatasetProblem::NotADataset));
    }
    Image::map(&file).map_err(cannot_open)
}

/// A file beside its final name, with the permissions that an ordinary new file gets: other users' workers read it.
fn temporary_file(dir: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder.tempfile_in(dir)
}

/// Makes the new name durable too.
fn sync_folder(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
