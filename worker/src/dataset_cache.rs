//! Data sets on this host: fetched once by whichever worker comes first, verified by content, opened once a process and
//! shared by its trials. Files live under `<cache>/datasets/<fingerprint>.lsds`. Must not know what is inside one.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Fingerprint;
use sweep_proto::v1;
use tonic::Status;

use crate::link::{Client, Link, call};
use crate::verdict::{self, Verdict};

/// Data sets that one process keeps open: mapped files cost address space, not memory.
const MAX_OPEN: usize = 8;
/// Largest data set that is fetched.
const MAX_FILE_BYTES: u64 = 1 << 40;
/// Whole fetches that may end with wrong bytes before the data set counts as unavailable.
const MAX_WRONG_FETCHES: u32 = 3;
/// Longest silence in the middle of a fetch.
const CHUNK_LIMIT: Duration = Duration::from_secs(60);
/// How often a worker looks whether another one of this host has finished its fetch.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes hashed at a time.
const HASH_BLOCK_BYTES: usize = 1 << 20;

/// Why a data set is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatasetError {
    /// This host's disk.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The coordinator sends other bytes than it was asked for.
    #[error("the coordinator sends other bytes than those of data set {fingerprint}: {problem}")]
    WrongBytes {
        /// What was asked for.
        fingerprint: Fingerprint,
        /// What came.
        problem: String,
    },
    /// The coordinator does not give it.
    #[error("the coordinator does not give data set {fingerprint}: {why}")]
    Refused {
        /// What was asked for.
        fingerprint: Fingerprint,
        /// Its words.
        why: String,
    },
    /// The right bytes do not open.
    #[error("data set {fingerprint} cannot be opened: {why}")]
    Unreadable {
        /// What was fetched.
        fingerprint: Fingerprint,
        /// The reader's words.
        why: String,
    },
}

/// What went wrong in one fetch.
enum FetchFailure {
    /// The coordinator is away; what came so far stays.
    Away(Status),
    /// For good.
    Final(DatasetError),
    /// The bytes are not those of the fingerprint; nothing of them stays.
    Wrong(String),
}

/// Opens a verified file.
pub(crate) type Opener<D> = Box<dyn Fn(&Path, Fingerprint) -> Result<D, String> + Send + Sync>;

/// The cache of one process, holding opened data sets of type `D`.
pub(crate) struct DatasetCache<D> {
    folder: PathBuf,
    link: Arc<Link>,
    open: Opener<D>,
    opened: Mutex<VecDeque<(Fingerprint, Arc<D>)>>,
    /// One fetch or opening at a time in this process.
    turn: tokio::sync::Mutex<()>,
}

impl<D: Send + Sync + 'static> DatasetCache<D> {
    /// The data sets of a cache folder; makes its sub-folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn new(cache: &Path, link: Arc<Link>, open: Opener<D>) -> io::Result<Self> {
        let folder = cache.join("datasets");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, link, open, opened: Mutex::default(), turn: tokio::sync::Mutex::default() })
    }

    fn opened(&self, fingerprint: Fingerprint) -> Option<Arc<D>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().find(|(id, _)| *id == fingerprint).map(|(_, data)| Arc::clone(data))
    }

    fn remember(&self, fingerprint: Fingerprint, data: &Arc<D>) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() == MAX_OPEN {
            opened.pop_front();
        }
        opened.push_back((fingerprint, Arc::clone(data)));
    }

    /// The data set `fingerprint`: shared if this process has it open, opened if this host has it, else fetched.
    /// Waits for an absent coordinator; may be dropped at any await and goes on from there the next time.
    ///
    /// # Errors
    /// When the disk fails, or the coordinator does not give the right bytes.
    pub(crate) async fn get(
        &self,
        client: &mut Client,
        fingerprint: Fingerprint,
    ) -> Result<Arc<D>, DatasetError> {
        if let Some(data) = self.opened(fingerprint) {
            return Ok(data);
        }
        let _turn = self.turn.lock().await;
        if let Some(data) = self.opened(fingerprint) {
            return Ok(data);
        }
        let lock = self.lock_file(fingerprint).await?;
        let data = Arc::new(self.open_or_fetch(client, fingerprint).await?);
        drop(lock);
        self.remember(fingerprint, &data);
        Ok(data)
    }

    /// An exclusive lock among the workers of this host: the others wait and find the file.
    async fn lock_file(&self, fingerprint: Fingerprint) -> Result<File, DatasetError> {
        let path = self.folder.join(format!("{fingerprint}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error(&path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_INTERVAL).await,
                Err(fs::TryLockError::Error(source)) => return Err(DatasetError::Io { path, source }),
            }
        }
    }

    async fn open_or_fetch(&self, client: &mut Client, fingerprint: Fingerprint) -> Result<D, DatasetError> {
        let path = self.folder.join(format!("{fingerprint}.lsds"));
        if path.exists() {
            match (self.open)(&path, fingerprint) {
                Ok(data) => return Ok(data),
                Err(why) => {
                    tracing::warn!(path = %path.display(), why, "a cached data set is damaged; it is fetched again");
                    fs::remove_file(&path).map_err(io_error(&path))?;
                }
            }
        }
        self.fetch(client, fingerprint, &path).await?;
        (self.open)(&path, fingerprint).map_err(|why| DatasetError::Unreadable { fingerprint, why })
    }

    async fn fetch(
        &self,
        client: &mut Client,
        fingerprint: Fingerprint,
        path: &Path,
    ) -> Result<(), DatasetError> {
        let mut back_off = self.link.back_off();
        let mut wrong_fetches = 0;
        loop {
            let session = self.link.session().await;
            let part = Part { path: path.with_extension("part"), fingerprint };
            match part.fetch_rest(client, session.id.as_bytes()).await {
                Ok(()) => return part.finish(path),
                Err(FetchFailure::Final(error)) => return Err(error),
                Err(FetchFailure::Wrong(problem)) => {
                    wrong_fetches += 1;
                    part.discard();
                    if wrong_fetches == MAX_WRONG_FETCHES {
                        return Err(DatasetError::WrongBytes { fingerprint, problem });
                    }
                }
                Err(FetchFailure::Away(status)) => {
                    match verdict::judge(&status) {
                        Verdict::UnknownSession => self.link.note_lost(session.id),
                        _ => self.link.note_trouble(verdict::words(&status)),
                    }
                    tokio::time::sleep(back_off.next_delay()).await;
                }
            }
        }
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DatasetError + '_ {
    move |source| DatasetError::Io { path: path.to_owned(), source }
}

/// A file on its way.
struct Part {
    path: PathBuf,
    fingerprint: Fingerprint,
}

impl Part {
    fn io(&self, source: io::Error) -> FetchFailure {
        FetchFailure::Final(DatasetError::Io { path: self.path.clone(), source })
    }

    /// Fetches what is still missing and checks the whole.
    async fn fetch_rest(&self, client: &mut Client, session: &[u8]) -> Result<(), FetchFailure> {
        let (mut file, mut hasher, mut have) = self.begin().map_err(|error| self.io(error))?;
        if hasher.finalize().as_bytes() == self.fingerprint.as_bytes() {
            return file.sync_all().map_err(|error| self.io(error));
        }
        let request = v1::FetchDatasetRequest {
            session: session.to_vec().into(),
            fingerprint: self.fingerprint.as_bytes().to_vec().into(),
            offset: have,
        };
        let mut chunks =
            call(CHUNK_LIMIT, client.fetch_dataset(request)).await.map_err(|status| self.failed(status))?;
        let mut total = None;
        while let Some(message) = next_chunk(&mut chunks).await.map_err(|status| self.failed(status))? {
            self.check(&message, have, total)?;
            total = Some(message.total);
            file.write_all(&message.chunk).map_err(|error| self.io(error))?;
            hasher.update(&message.chunk);
            have += message.chunk.len() as u64;
        }
        match total {
            None => return Err(FetchFailure::Wrong("nothing came".to_owned())),
            Some(total) if have < total => {
                return Err(FetchFailure::Away(Status::unavailable("the data set ended before its end")));
            }
            Some(_) => {}
        }
        let found = hasher.finalize();
        if found.as_bytes() != self.fingerprint.as_bytes() {
            return Err(FetchFailure::Wrong(format!("their hash is {found}")));
        }
        file.sync_all().map_err(|error| self.io(error))
    }

    /// What an earlier fetch left: the file at its end, the hash so far, and its length.
    fn begin(&self) -> io::Result<(File, blake3::Hasher, u64)> {
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&self.path)?;
        let mut hasher = blake3::Hasher::new();
        let mut block = vec![0; HASH_BLOCK_BYTES];
        let mut have = 0;
        loop {
            let read = file.read(&mut block)?;
            if read == 0 {
                break;
            }
            hasher.update(&block[..read]);
            have += read as u64;
        }
        file.seek(SeekFrom::Start(have))?;
        Ok((file, hasher, have))
    }

    fn check(
        &self,
        message: &v1::FetchDatasetResponse,
        have: u64,
        total: Option<u64>,
    ) -> Result<(), FetchFailure> {
        let wrong = |problem: String| Err(FetchFailure::Wrong(problem));
        if !message.file_hash.is_empty() && message.file_hash.as_ref() != self.fingerprint.as_bytes() {
            return wrong("it names another hash".to_owned());
        }
        if message.offset != have {
            return wrong(format!("byte {have} was due, byte {} came", message.offset));
        }
        if total.is_some_and(|total| total != message.total) || message.total > MAX_FILE_BYTES {
            return wrong(format!("it says that it has {} bytes", message.total));
        }
        if have + message.chunk.len() as u64 > message.total {
            return wrong("more came than there is".to_owned());
        }
        Ok(())
    }

    fn failed(&self, status: Status) -> FetchFailure {
        match verdict::judge(&status) {
            Verdict::Retry | Verdict::UnknownSession => FetchFailure::Away(status),
            // Also what an offset past the end comes to: the part is of another file, or it is whole but wrong.
            Verdict::Refused if status.code() == tonic::Code::OutOfRange => {
                FetchFailure::Wrong(verdict::words(&status))
            }
            Verdict::Refused | Verdict::Superseded => FetchFailure::Final(DatasetError::Refused {
                fingerprint: self.fingerprint,
                why: verdict::words(&status),
            }),
        }
    }

    fn discard(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a wrong part of a data set stays");
        }
    }

    /// Gives the checked file its name.
    fn finish(&self, path: &Path) -> Result<(), DatasetError> {
        fs::rename(&self.path, path).map_err(io_error(path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))
    }
}

async fn next_chunk(
    chunks: &mut tonic::Streaming<v1::FetchDatasetResponse>,
) -> Result<Option<v1::FetchDatasetResponse>, Status> {
    match tokio::time::timeout(CHUNK_LIMIT, chunks.message()).await {
        Ok(message) => message,
        Err(_) => Err(Status::deadline_exceeded("the data set stopped on its way")),
    }
}
