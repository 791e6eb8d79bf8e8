//! A file that holds some space for the hour in which the disk is full. SQLite needs room even to move its log into the
//! database or to delete a row; with the reserve given up, results that workers have finished still find a place,
//! while nothing new is begun. It is made again as soon as the disk has room.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Its size: room for some thousand outcomes and for SQLite to put its log away.
pub(super) const RESERVE_BYTES: u64 = 16 << 20;
/// Space beside the reserve without which it is not made: making it must not fill the disk.
const SPARE_BYTES: u64 = 4 << 20;

/// Room below which nothing new is begun: what runs will bring artifacts.
const LOW_BYTES: u64 = 8 << 20;

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// That of a state folder; it may not be there yet.
    pub(super) fn of_state_dir(state_dir: &Path) -> Self {
        Self { path: state_dir.join("reserve") }
    }

    /// Whether the disk has less room than work needs that is under way.
    pub(super) fn is_short(&self) -> bool {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // A file system that does not say is taken to have room: a write will tell.
        free_bytes(folder).is_some_and(|free| free < LOW_BYTES)
    }

    /// Whether it is there, whole.
    pub(super) fn is_kept(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == RESERVE_BYTES)
    }

    /// Makes it if there is room for it and a little more.
    ///
    /// # Errors
    /// When there is not.
    pub(super) fn keep(&self) -> io::Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let part = self.path.with_extension("part");
        let made = allocate(&part, RESERVE_BYTES + SPARE_BYTES).and_then(|file| {
            file.set_len(RESERVE_BYTES)?;
            file.sync_all()?;
            fs::rename(&part, &self.path)?;
            File::open(folder)?.sync_all()
        });
        if made.is_err() {
            // Half a reserve would hold the very space that is missing.
            let _ = fs::remove_file(&part);
        }
        made
    }

    /// Gives the space up.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(super) fn give_up(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// What a program without privileges may still write there.
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    #[allow(clippy::useless_conversion, reason = "the fields' width depends on the target")]
    Some(u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size())))
}

/// A file of real blocks, not a hole.
#[cfg(target_os = "linux")]
fn allocate(path: &Path, bytes: u64) -> io::Result<File> {
    let file = File::create(path)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    nix::fcntl::posix_fallocate(&file, 0, length)?;
    Ok(file)
}

/// A file of real blocks, not a hole.
#[cfg(not(target_os = "linux"))]
fn allocate(path: &Path, bytes: u64) -> io::Result<File> {
    use std::io::Write;
    const BLOCK: [u8; 1 << 16] = [0; 1 << 16];
    let mut file = File::create(path)?;
    for _ in 0..bytes / BLOCK.len() as u64 {
        file.write_all(&BLOCK)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{RESERVE_BYTES, Reserve};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn it_holds_real_blocks_and_gives_them_up() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::of_state_dir(folder.path());
        assert!(!reserve.is_kept());
        for _ in 0..2 {
            reserve.keep().unwrap();
            let file = std::fs::metadata(folder.path().join("reserve")).unwrap();
            assert_eq!(file.len(), RESERVE_BYTES);
            assert!(file.blocks() * 512 >= RESERVE_BYTES, "not a hole: {} blocks", file.blocks());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the reserve");
        for _ in 0..2 {
            reserve.give_up().unwrap();
            assert!(!reserve.is_kept());
        }
    }
}
