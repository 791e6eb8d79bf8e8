//! Artifacts on disk: `artifacts/ab/<hash>`, named by their content, written whole or not at all.
//!
//! Must not live here: what an artifact means, the wire.

use std::collections::BTreeSet;
use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};

use domain::ids::ArtifactHash;
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// Largest artifact: codes and maps of five million cells.
pub const MAX_ARTIFACT_BYTES: u64 = 1 << 30;

/// Why an artifact cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is announced larger than allowed.
    #[error("an artifact has at most {MAX_ARTIFACT_BYTES} bytes, this one {found}")]
    TooLarge {
        /// Its announced length.
        found: u64,
    },
    /// More or fewer bytes came than were announced.
    #[error("the artifact was announced with {announced} bytes, {found} came")]
    WrongLength {
        /// As announced.
        announced: u64,
        /// As counted.
        found: u64,
    },
    /// Its bytes are others than announced.
    #[error("the artifact was announced as {announced}, its bytes are {found}")]
    WrongHash {
        /// As announced.
        announced: ArtifactHash,
        /// As computed.
        found: ArtifactHash,
    },
    /// The offset lies behind its end.
    #[error("it has {total} bytes, {offset} lies behind its end")]
    BehindEnd {
        /// As asked for.
        offset: u64,
        /// Its length.
        total: u64,
    },
    /// It is not there.
    #[error("no artifact {hash} is stored")]
    Absent {
        /// Its name.
        hash: ArtifactHash,
    },
    /// The disk says no.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The artifacts of one state folder.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    root: PathBuf,
}

impl ArtifactStore {
    /// Those of `<state folder>/artifacts`.
    #[must_use]
    pub fn of_state_dir(state_dir: &Path) -> Self {
        Self { root: state_dir.join("artifacts") }
    }

    /// The checkpoints of `<state folder>/checkpoints`: apart from artifacts, so that forgetting one can never take a
    /// part of an outcome away, whatever hash a worker names.
    #[must_use]
    pub fn of_checkpoints(state_dir: &Path) -> Self {
        Self { root: state_dir.join("checkpoints") }
    }

    /// The checkpoints of the same state folder.
    #[must_use]
    pub fn checkpoints_beside(&self) -> Self {
        Self { root: self.root.with_file_name("checkpoints") }
    }

    /// Deletes the artifact of this hash. One that is not there is fine; one that cannot be deleted is told to the log.
    pub async fn remove(&self, hash: &ArtifactHash) {
        remove_file(&self.path(hash)).await;
    }

    /// Deletes everything but the artifacts of these hashes, what was left half received included.
    pub async fn keep_only(&self, needed: &BTreeSet<ArtifactHash>) {
        let needed: BTreeSet<PathBuf> = needed.iter().map(|hash| self.path(hash)).collect();
        let folders = entries_of(&self.root).await;
        for folder in folders {
            for file in entries_of(&folder).await {
                if !needed.contains(&file) {
                    remove_file(&file).await;
                }
            }
        }
    }

    /// The file of an artifact, set to `offset`, and its length.
    ///
    /// # Errors
    /// When it is absent, unreadable or shorter than `offset`.
    pub async fn open_at(&self, hash: &ArtifactHash, offset: u64) -> Result<(File, u64), ArtifactError> {
        let path = self.path(hash);
        let wrong = |source| ArtifactError::Io { path: path.clone(), source };
        let mut file = File::open(&path).await.map_err(|source| match source.kind() {
            ErrorKind::NotFound => ArtifactError::Absent { hash: *hash },
            _ => wrong(source),
        })?;
        let total = file.metadata().await.map_err(wrong)?.len();
        if offset > total {
            return Err(ArtifactError::BehindEnd { offset, total });
        }
        file.seek(SeekFrom::Start(offset)).await.map_err(wrong)?;
        Ok((file, total))
    }

    /// Where the artifact of this hash is or would be.
    #[must_use]
    pub fn path(&self, hash: &ArtifactHash) -> PathBuf {
        let name = hash.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// Whether the artifact is stored with this length; files are complete by construction.
    pub async fn contains(&self, hash: &ArtifactHash, bytes: u64) -> bool {
        let found = tokio::fs::metadata(self.path(hash)).await;
        found.is_ok_and(|file| file.is_file() && file.len() == bytes)
    }

    /// The bytes of an artifact, checked against its name.
    ///
    /// # Errors
    /// When it is absent, unreadable or no longer what its name says.
    pub async fn read(&self, hash: &ArtifactHash) -> Result<Vec<u8>, ArtifactError> {
        let path = self.path(hash);
        let bytes = tokio::fs::read(&path).await.map_err(|source| match source.kind() {
            ErrorKind::NotFound => ArtifactError::Absent { hash: *hash },
            _ => ArtifactError::Io { path, source },
        })?;
        let found = ArtifactHash::of(&bytes);
        if found == *hash { Ok(bytes) } else { Err(ArtifactError::WrongHash { announced: *hash, found }) }
    }

    /// Begins to receive an artifact.
    ///
    /// # Errors
    /// When it is too large or the disk says no.
    pub async fn receive(&self, hash: ArtifactHash, total: u64) -> Result<Incoming, ArtifactError> {
        if total > MAX_ARTIFACT_BYTES {
            return Err(ArtifactError::TooLarge { found: total });
        }
        let target = self.path(&hash);
        let folder = target.parent().unwrap_or(&self.root).to_owned();
        let at_folder = |source| ArtifactError::Io { path: folder.clone(), source };
        tokio::fs::create_dir_all(&folder).await.map_err(at_folder)?;
        let (file, temporary) =
            NamedTempFile::with_prefix_in(".incoming-", &folder).map_err(at_folder)?.into_parts();
        Ok(Incoming {
            announced: hash,
            total,
            received: 0,
            hasher: blake3::Hasher::new(),
            file: File::from_std(file),
            temporary,
            folder,
            target,
        })
    }
}

/// An artifact on its way in; dropped before [`Incoming::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    announced: ArtifactHash,
    total: u64,
    received: u64,
    hasher: blake3::Hasher,
    file: File,
    temporary: TempPath,
    folder: PathBuf,
    target: PathBuf,
}

impl Incoming {
    /// Adds bytes.
    ///
    /// # Errors
    /// When there are more than announced or the disk says no.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), ArtifactError> {
        let received = self.received.saturating_add(chunk.len() as u64);
        if received > self.total {
            return Err(ArtifactError::WrongLength { announced: self.total, found: received });
        }
        self.received = received;
        self.hasher.update(chunk);
        self.file
            .write_all(chunk)
            .await
            .map_err(|source| ArtifactError::Io { path: self.temporary.to_path_buf(), source })
    }

    /// Checks length and hash, then puts the file in place; it is on disk when this returns.
    ///
    /// # Errors
    /// When the bytes are not the announced ones or the disk says no.
    pub async fn commit(mut self) -> Result<(), ArtifactError> {
        if self.received != self.total {
            return Err(ArtifactError::WrongLength { announced: self.total, found: self.received });
        }
        let found = ArtifactHash::from_bytes(*self.hasher.finalize().as_bytes());
        if found != self.announced {
            return Err(ArtifactError::WrongHash { announced: self.announced, found });
        }
        let target = self.target.clone();
        let wrong = |source| ArtifactError::Io { path: target.clone(), source };
        self.file.flush().await.map_err(wrong)?;
        self.file.sync_all().await.map_err(wrong)?;
        self.temporary.persist(&self.target).map_err(|error| wrong(error.error))?;
        // The name is durable only when its folder, and that folder's own name, are.
        sync_folder(&self.folder).await.map_err(wrong)?;
        match self.folder.parent() {
            Some(root) => sync_folder(root).await.map_err(wrong),
            None => Ok(()),
        }
    }
}

async fn remove_file(path: &Path) {
    match tokio::fs::remove_file(path).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a file that is no longer needed stays"),
    }
}

/// What lies in a folder; nothing where there is none.
async fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return paths };
    while let Ok(Some(entry)) = entries.next_entry().await {
        paths.push(entry.path());
    }
    paths
}

async fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::{ArtifactError, ArtifactStore};
    use std::collections::BTreeSet;

    use domain::ids::ArtifactHash;

    #[tokio::test]
    async fn an_artifact_is_kept_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::of_state_dir(folder.path());
        let hash = ArtifactHash::of(b"hello");

        let mut short = store.receive(hash, 5).await.unwrap();
        short.write(b"hell").await.unwrap();
        assert!(matches!(short.commit().await, Err(ArtifactError::WrongLength { announced: 5, found: 4 })));
        let mut other = store.receive(hash, 5).await.unwrap();
        other.write(b"jello").await.unwrap();
        assert!(matches!(other.commit().await, Err(ArtifactError::WrongHash { .. })));
        let mut long = store.receive(hash, 5).await.unwrap();
        assert!(long.write(b"hello!").await.is_err());
        drop(long);
        assert!(store.receive(hash, u64::MAX).await.is_err());
        assert!(!store.contains(&hash, 5).await);
        assert!(matches!(store.read(&hash).await, Err(ArtifactError::Absent { .. })));

        for _ in 0..2 {
            let mut good = store.receive(hash, 5).await.unwrap();
            good.write(b"he").await.unwrap();
            good.write(b"llo").await.unwrap();
            good.commit().await.unwrap();
        }
        assert!(store.contains(&hash, 5).await && !store.contains(&hash, 4).await);
        assert_eq!(store.read(&hash).await.unwrap(), b"hello");
        let left = std::fs::read_dir(store.path(&hash).parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing unfinished stays behind");
    }

    #[tokio::test]
    async fn forgotten_checkpoints_go_and_artifacts_stay() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::of_state_dir(folder.path());
        let checkpoints = ArtifactStore::of_checkpoints(folder.path());
        checkpoints.keep_only(&BTreeSet::new()).await;
        let (kept, forgotten) = (ArtifactHash::of(b"kept"), ArtifactHash::of(b"forgotten"));
        for store in [&artifacts, &checkpoints] {
            for (hash, content) in [(kept, &b"kept"[..]), (forgotten, &b"forgotten"[..])] {
                let mut incoming = store.receive(hash, content.len() as u64).await.unwrap();
                incoming.write(content).await.unwrap();
                incoming.commit().await.unwrap();
            }
        }
        let half = checkpoints.path(&kept).with_file_name(".incoming-half");
        std::fs::write(&half, b"ha").unwrap();
        checkpoints.keep_only(&BTreeSet::from([kept])).await;
        assert!(checkpoints.contains(&kept, 4).await && !half.exists());
        assert!(matches!(checkpoints.read(&forgotten).await, Err(ArtifactError::Absent { .. })));
        checkpoints.remove(&kept).await;
        checkpoints.remove(&kept).await;
        assert!(matches!(checkpoints.open_at(&kept, 0).await, Err(ArtifactError::Absent { .. })));
        assert!(artifacts.contains(&kept, 4).await && artifacts.contains(&forgotten, 9).await);
        assert!(matches!(artifacts.open_at(&kept, 5).await, Err(ArtifactError::BehindEnd { .. })));
    }
}
