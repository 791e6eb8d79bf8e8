//! Checkpoints on this host's disk, for the case that the worker is killed before it can hand one over: one file a trial
//! under `<cache>/checkpoints`, named by trial, epoch and content. Knows files, not what is in them.
//!
//! Nothing is lost with such a file but time, so none is forced to the disk: a torn one shows by its name.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use domain::TrialId;
use domain::outcome::MAX_CHECKPOINT_BYTES;

use crate::runner::Saved;

/// Files kept: more than a machine has slots, few enough that what killed workers left behind does not fill a disk.
const MAX_FILES: usize = 64;
const ENDING: &str = "checkpoint";

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

/// What a file's name says.
struct Label {
    trial: TrialId,
    epoch: u32,
    hash: String,
}

impl Label {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?.strip_suffix('.')?;
        let mut parts = name.splitn(3, '-');
        let trial = parts.next()?.parse().ok()?;
        let epoch = parts.next()?.parse().ok()?;
        Some(Self { trial, epoch, hash: parts.next()?.to_owned() })
    }
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

impl Shelf {
    /// The shelf of a cache; makes its folder and drops the oldest files where there are too many.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(cache: &Path) -> io::Result<Self> {
        let folder = cache.join("checkpoints");
        fs::create_dir_all(&folder)?;
        let shelf = Self { folder };
        shelf.drop_oldest()?;
        Ok(shelf)
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let paths = fs::read_dir(&self.folder)?.map(|entry| entry.map(|entry| entry.path()));
        paths.filter(|path| path.as_ref().map_or(true, |path| Label::of(path).is_some())).collect()
    }

    fn files_of(&self, trial: TrialId) -> Vec<PathBuf> {
        let mut files = self.files().unwrap_or_default();
        files.retain(|path| Label::of(path).is_some_and(|label| label.trial == trial));
        files
    }

    fn drop_oldest(&self) -> io::Result<()> {
        let age = |path: &PathBuf| {
            path.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut files = self.files()?;
        files.sort_by_cached_key(age);
        let surplus = files.len().saturating_sub(MAX_FILES);
        files[..surplus].iter().for_each(|path| remove(path));
        Ok(())
    }

    /// Puts a checkpoint there in place of the trial's older one.
    ///
    /// # Errors
    /// When the disk takes it not.
    pub(crate) fn put(&self, trial: TrialId, saved: &Saved) -> io::Result<()> {
        let name = format!("{trial}-{}-{}.{ENDING}", saved.epoch, hash_of(&saved.bytes));
        let path = self.folder.join(name);
        let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(&self.folder)?;
        file.write_all(&saved.bytes)?;
        file.persist(&path).map_err(|error| error.error)?;
        self.files_of(trial).iter().filter(|older| **older != path).for_each(|older| remove(older));
        self.drop_oldest()
    }

    /// Takes the trial's newest whole checkpoint away: it is used once, so that one that kills its worker does not do
    /// so for ever.
    pub(crate) fn take(&self, trial: TrialId) -> Option<Saved> {
        let whole = self.files_of(trial).into_iter().filter_map(|path| {
            let saved = read(&path);
            remove(&path);
            saved
        });
        whole.max_by_key(|saved| saved.epoch)
    }

    /// Forgets what there is of a trial.
    pub(crate) fn forget(&self, trial: TrialId) {
        self.files_of(trial).iter().for_each(|path| remove(path));
    }
}

/// The checkpoint in a file, if its bytes are those that its name tells of.
fn read(path: &Path) -> Option<Saved> {
    let label = Label::of(path)?;
    let mut bytes = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(MAX_CHECKPOINT_BYTES + 1).read_to_end(&mut bytes));
    if read.is_ok() && hash_of(&bytes) == label.hash {
        return Some(Saved { epoch: label.epoch, bytes: bytes.into() });
    }
    tracing::warn!(path = %path.display(), "a checkpoint on this host is damaged and left out");
    None
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        // Another worker of this cache was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a checkpoint of this host stays"),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_FILES, Shelf};
    use crate::runner::Saved;
    use domain::TrialId;
    use std::fs;

    fn saved(epoch: u32) -> Saved {
        Saved { epoch, bytes: format!("after {epoch}").into_bytes().into() }
    }

    #[test]
    fn the_newest_is_taken_once() {
        let cache = tempfile::tempdir().unwrap();
        let (trial, other) = (TrialId::of(b"t"), TrialId::of(b"o"));
        let shelf = Shelf::open(cache.path()).unwrap();
        assert_eq!(shelf.take(trial), None);
        for epoch in [3, 7] {
            shelf.put(trial, &saved(epoch)).unwrap();
            shelf.put(other, &saved(epoch + 1)).unwrap();
        }
        assert_eq!(shelf.files().unwrap().len(), 2, "one a trial");
        let shelf = Shelf::open(cache.path()).unwrap();
        assert_eq!(shelf.take(trial), Some(saved(7)));
        assert_eq!(shelf.take(trial), None);
        shelf.forget(other);
        assert_eq!(shelf.take(other), None);
    }

    #[test]
    fn a_torn_file_is_no_checkpoint() {
        let cache = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(cache.path()).unwrap();
        let trial = TrialId::of(b"t");
        shelf.put(trial, &saved(3)).unwrap();
        let path = shelf.files().unwrap().remove(0);
        fs::write(&path, b"aft").unwrap();
        assert_eq!(shelf.take(trial), None);
        assert!(!path.exists());
        fs::write(cache.path().join("checkpoints/notes.txt"), b"a person's").unwrap();
        shelf.forget(trial);
        assert!(cache.path().join("checkpoints/notes.txt").exists(), "what is not ours is left alone");
    }

    #[test]
    fn it_does_not_fill_the_disk() {
        let cache = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(cache.path()).unwrap();
        for number in 0..MAX_FILES + 3 {
            shelf.put(TrialId::of(&number.to_le_bytes()), &saved(1)).unwrap();
        }
        assert_eq!(shelf.files().unwrap().len(), MAX_FILES);
        assert!(shelf.take(TrialId::of(&(MAX_FILES + 2).to_le_bytes())).is_some(), "the newest stay");
    }
}
