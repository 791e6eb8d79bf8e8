//! Data sets on disk, `datasets/<fingerprint>.lsds`, as workers fetch them. The fingerprint is the BLAKE3 hash of the
//! file's bytes.
//!
//! Must not live here: reading a data set's content (that is `cells`'), the wire.

use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};

use domain::Fingerprint;
use tokio::fs::File;
use tokio::io::AsyncSeekExt;

/// Why a data set cannot be handed out.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// It is not there.
    #[error("no data set {fingerprint} is stored: submit its sweep again")]
    Absent {
        /// Who it is.
        fingerprint: Fingerprint,
    },
    /// The offset lies behind its end.
    #[error("the data set has {total} bytes, {offset} lies behind its end")]
    BehindEnd {
        /// As asked for.
        offset: u64,
        /// Its length.
        total: u64,
    },
    /// The disk says no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The data sets of one state folder.
#[derive(Debug, Clone)]
pub struct DatasetStore {
    root: PathBuf,
}

impl DatasetStore {
    /// Those of `<state folder>/datasets`.
    #[must_use]
    pub fn of_state_dir(state_dir: &Path) -> Self {
        Self { root: state_dir.join("datasets") }
    }

    /// The folder that they lie in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// Where the data set of this fingerprint is or would be.
    #[must_use]
    pub fn path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.root.join(format!("{fingerprint}.lsds"))
    }

    /// The file, set to `offset`, and its length.
    ///
    /// # Errors
    /// When it is absent or shorter than `offset`.
    pub async fn open_at(&self, fingerprint: &Fingerprint, offset: u64) -> Result<(File, u64), DatasetError> {
        let path = self.path(fingerprint);
        let wrong = |source| DatasetError::Io { path: path.clone(), source };
        let mut file = File::open(&path).await.map_err(|source| match source.kind() {
            ErrorKind::NotFound => DatasetError::Absent { fingerprint: *fingerprint },
            _ => wrong(source),
        })?;
        let total = file.metadata().await.map_err(wrong)?.len();
        if offset > total {
            return Err(DatasetError::BehindEnd { offset, total });
        }
        file.seek(SeekFrom::Start(offset)).await.map_err(wrong)?;
        Ok((file, total))
    }
}
