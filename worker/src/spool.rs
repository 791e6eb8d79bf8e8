//! Finished outcomes on disk, waiting for the coordinator: one file an outcome under `<cache>/spool`, with its
//! artifacts, complete or not there at all. Knows files, not calls.
//!
//! Layout: `LSSPOOL1`, length of the body (u64 LE), body (protobuf), BLAKE3 of the body (32 bytes).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;
use sweep_proto::convert::LeaseKey;
use sweep_proto::v1;

const MAGIC: &[u8; 8] = b"LSSPOOL1";
const HASH_BYTES: usize = blake3::OUT_LEN;
/// Largest spool file that is read: a million cells with codes and maps take 150 MB.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// How a waiting outcome's file ends.
const WAITING: &str = "outcome";
/// How a file ends that could not be read.
const DAMAGED: &str = "damaged";
/// How a file ends that the coordinator will never take.
const REFUSED: &str = "refused";

/// A finished outcome and the lease under which it was made.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpooledOutcome {
    /// Its lease.
    #[prost(message, optional, tag = "1")]
    pub(crate) lease: Option<v1::LeaseKey>,
    /// What is reported.
    #[prost(message, optional, tag = "2")]
    pub(crate) outcome: Option<v1::Outcome>,
    /// Contents of its artifacts, in the order of `outcome.artifacts`.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub(crate) artifacts: Vec<Bytes>,
}

/// A file that holds no whole outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// It could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its bytes are not those that were written.
    #[error("{path}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool of a cache; makes its folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(cache: &Path) -> io::Result<Self> {
        let folder = cache.join("spool");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Puts an outcome on disk; it is durable when this returns. Writing it again does nothing.
    ///
    /// # Errors
    /// When the disk takes it not.
    pub(crate) fn put(&self, key: &LeaseKey, outcome: &SpooledOutcome) -> Result<PathBuf, SpoolError> {
        let name = format!("{}-{}-{}.{WAITING}", key.trial, key.attempt, key.nonce.short());
        let path = self.folder.join(name);
        self.write(&path, outcome).map_err(|source| SpoolError::Io { path: path.clone(), source })?;
        Ok(path)
    }

    fn write(&self, path: &Path, outcome: &SpooledOutcome) -> io::Result<()> {
        let body = outcome.encode_to_vec();
        let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&(body.len() as u64).to_le_bytes())?;
        file.write_all(&body)?;
        file.write_all(blake3::hash(&body).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Files of waiting outcomes, in the order of their names.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn waiting(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == WAITING) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Reads one waiting outcome. A file whose bytes are not those that were written is set aside under another
    /// ending, for a person to look at.
    ///
    /// # Errors
    /// When the file cannot be read (another worker may have handed it over) or is damaged.
    pub(crate) fn take_up(&self, path: &Path) -> Result<(LeaseKey, SpooledOutcome), SpoolError> {
        let bytes = read_bounded(path).map_err(|source| SpoolError::Io { path: path.to_owned(), source })?;
        decode(bytes).map_err(|problem| {
            set_aside(path, DAMAGED);
            SpoolError::Damaged { path: path.to_owned(), problem }
        })
    }

    /// Forgets a waiting outcome: it was accepted, or nobody wants it.
    pub(crate) fn remove(&self, path: &Path) {
        match fs::remove_file(path) {
            Ok(()) => {}
            // Another worker of this cache handed it over as well; the coordinator took it once.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a delivered outcome stays in the spool")
            }
        }
    }

    /// Sets an outcome aside that the coordinator will never take.
    pub(crate) fn refuse(&self, path: &Path) {
        set_aside(path, REFUSED);
    }
}

fn set_aside(path: &Path, ending: &str) {
    if let Err(error) = fs::rename(path, path.with_extension(ending)) {
        tracing::warn!(path = %path.display(), %error, "cannot set a spool file aside");
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(bytes: Vec<u8>) -> Result<(LeaseKey, SpooledOutcome), &'static str> {
    const HEAD_BYTES: usize = MAGIC.len() + size_of::<u64>();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("it is larger than any outcome");
    }
    let bytes = Bytes::from(bytes);
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not start with its magic bytes")?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or("it ends before its body")?;
    let (body, hash) =
        rest.split_at_checked(rest.len().saturating_sub(HASH_BYTES)).ok_or("it ends before its hash")?;
    if u64::from_le_bytes(*length) != body.len() as u64 {
        return Err("it is shorter or longer than it says");
    }
    if blake3::hash(body).as_bytes().as_slice() != hash {
        return Err("its bytes are not those that were written");
    }
    let body = bytes.slice(HEAD_BYTES..HEAD_BYTES + body.len());
    let outcome = SpooledOutcome::decode(body).map_err(|_| "its body is not an outcome")?;
    let key = LeaseKey::from_wire(outcome.lease.as_ref()).map_err(|_| "it names no lease")?;
    let named = outcome.outcome.as_ref().map(|outcome| outcome.artifacts.len());
    if named != Some(outcome.artifacts.len()) {
        return Err("its outcome and its artifacts do not fit together");
    }
    Ok((key, outcome))
}

#[cfg(test)]
mod tests {
    use super::{Spool, SpoolError, SpooledOutcome};
    use domain::TrialId;
    use domain::ids::LeaseNonce;
    use proptest::prelude::*;
    use std::fs;
    use sweep_proto::convert::LeaseKey;
    use sweep_proto::v1;

    fn example() -> (LeaseKey, SpooledOutcome) {
        let key = LeaseKey { trial: TrialId::of(b"t"), attempt: 2, nonce: LeaseNonce::of(b"n") };
        let artifact = v1::ArtifactRef { kind: "embedding".into(), hash: vec![1; 32].into(), bytes: 3 };
        let metric = v1::Metric { name: "sse_per_cell".into(), value: 0.1 + 0.2 };
        let outcome = v1::Outcome { metrics: vec![metric], artifacts: vec![artifact], ..Default::default() };
        let artifacts = vec![vec![1, 2, 3].into()];
        (key, SpooledOutcome { lease: Some(key.to_wire()), outcome: Some(outcome), artifacts })
    }

    #[test]
    fn an_outcome_waits_on_disk_until_it_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let (key, outcome) = example();
        let path = Spool::open(cache.path()).unwrap().put(&key, &outcome).unwrap();
        let spool = Spool::open(cache.path()).unwrap();
        assert_eq!(spool.put(&key, &outcome).unwrap(), path);
        assert_eq!(spool.waiting().unwrap(), vec![path.clone()]);
        assert_eq!(spool.take_up(&path).unwrap(), (key, outcome));
        spool.remove(&path);
        spool.remove(&path);
        assert_eq!(spool.waiting().unwrap(), Vec::<std::path::PathBuf>::new());
    }

    #[test]
    fn a_file_cut_anywhere_is_set_aside() {
        let cache = tempfile::tempdir().unwrap();
        let spool = Spool::open(cache.path()).unwrap();
        let (key, outcome) = example();
        let path = spool.put(&key, &outcome).unwrap();
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(spool.take_up(&path), Err(SpoolError::Damaged { .. })), "cut at {length}");
            assert!(spool.waiting().unwrap().is_empty());
            assert!(path.with_extension("damaged").exists());
        }
        assert!(matches!(spool.take_up(&path), Err(SpoolError::Io { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in proptest::collection::vec((0usize..400, any::<u8>()), 1..8)) {
            let cache = tempfile::tempdir().unwrap();
            let spool = Spool::open(cache.path()).unwrap();
            let (key, outcome) = example();
            let path = spool.put(&key, &outcome).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            for (position, value) in flips {
                let length = bytes.len();
                bytes[position % length] ^= value;
            }
            fs::write(&path, &bytes).unwrap();
            if let Ok(read) = spool.take_up(&path) {
                prop_assert_eq!(read, (key, outcome));
            }
        }
    }
}
