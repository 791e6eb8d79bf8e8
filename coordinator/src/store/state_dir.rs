//! The state folder: what lies where in it, and the lock that lets only one coordinator write there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::file_system;

/// Longest holder's name that is read back from the lock file.
const MAX_HOLDER_BYTES: u64 = 512;

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another coordinator holds it.
    #[error("the state folder {} is in use by {holder}: stop it first, or use another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// It lies where a database may be damaged.
    #[error(
        "the state folder {} lies on {file_system}, a network file system, where a database may be damaged: keep it on a \
         local disk (--state DIR)", path.display()
    )]
    Network {
        /// The folder.
        path: PathBuf,
        /// The file system's name.
        file_system: &'static str,
    },
    /// It cannot be made, read or written.
    #[error("cannot use the state folder: {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A state folder held by this process alone, until it is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Holds the lock; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl StateDir {
    /// Makes the folder if need be and takes its lock. `holder` is what a second coordinator is told, for instance
    /// `coordinator, pid 123 on host`.
    ///
    /// # Errors
    /// When another process holds the folder, or it cannot be written.
    pub fn lock(path: &Path, holder: &str) -> Result<Self, StateDirError> {
        Self::lock_on(path, holder, file_system::magic_of)
    }

    fn lock_on(path: &Path, holder: &str, magic_of: fn(&Path) -> Option<i64>) -> Result<Self, StateDirError> {
        for folder in [path.to_owned(), datasets_dir(path), artifacts_dir(path), path.join("checkpoints")] {
            std::fs::create_dir_all(&folder).map_err(|source| StateDirError::Io { path: folder, source })?;
        }
        // Before the lock: on such file systems it would not hold either.
        if let Some(file_system) = magic_of(path).and_then(file_system::network_name) {
            return Err(StateDirError::Network { path: path.to_owned(), file_system });
        }
        let lock_path = path.join("coordinator.lock");
        let at_lock = |source| StateDirError::Io { path: lock_path.clone(), source };
        let mut options = OpenOptions::new();
        let mut lock =
            options.read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(at_lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut lock).unwrap_or_else(|| "another process".to_owned());
                return Err(StateDirError::InUse { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(at_lock(source)),
        }
        lock.set_len(0).and_then(|()| lock.write_all(holder.as_bytes())).map_err(at_lock)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database_file(&self.path)
    }

    /// Its data sets, `<fingerprint>.lsds`.
    #[must_use]
    pub fn datasets(&self) -> PathBuf {
        datasets_dir(&self.path)
    }

    /// Its artifacts, by hash.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        artifacts_dir(&self.path)
    }
}

fn read_holder(lock: &mut File) -> Option<String> {
    let mut text = String::new();
    lock.seek(SeekFrom::Start(0)).ok()?;
    lock.take(MAX_HOLDER_BYTES).read_to_string(&mut text).ok()?;
    let words = text.trim();
    (!words.is_empty()).then(|| words.to_owned())
}

/// The database of a state folder.
pub(super) fn database_file(state_dir: &Path) -> PathBuf {
    state_dir.join("coordinator.db")
}

fn datasets_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("datasets")
}

fn artifacts_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("artifacts")
}

#[cfg(test)]
mod tests {
    use super::{StateDir, StateDirError};

    #[test]
    fn a_network_file_system_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = StateDir::lock_on(folder.path(), "coordinator", |_| Some(0x6969)).unwrap_err();
        assert!(matches!(&refused, StateDirError::Network { file_system: "NFS", .. }), "{refused}");
        assert!(!folder.path().join("coordinator.lock").exists());
        assert!(StateDir::lock_on(folder.path(), "coordinator", |_| Some(0xEF53)).is_ok());
        assert!(StateDir::lock_on(folder.path(), "coordinator", |_| None).is_ok(), "no reason to refuse");
    }

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_name() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDir::lock(folder.path(), "coordinator, pid 7 on a").unwrap();
        let refused = StateDir::lock(folder.path(), "coordinator, pid 8 on a").unwrap_err();
        assert!(
            matches!(&refused, StateDirError::InUse { holder, .. } if holder == "coordinator, pid 7 on a")
        );
        drop(first);
        assert!(StateDir::lock(folder.path(), "coordinator, pid 8 on a").is_ok());
    }
}
