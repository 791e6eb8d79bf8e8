//! The bytes of a data set, owned or mapped, and their reading as numbers. All of the crate's unsafe code is here;
//! what the bytes mean must not be known here.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// The bytes of one data set file, starting at an address that is a multiple of 8.
pub(super) enum Image {
    Memory(Vec<u64>),
    Mapped(Mmap),
}

impl Image {
    /// Maps a file.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is only read. Data set files are never changed in place: `write_to_dir` makes a new
        // file and renames it, so a mapped file keeps its bytes even when its name goes to another.
        unsafe { Mmap::map(file) }.map(Self::Mapped)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory(words) => as_bytes(words),
            Self::Mapped(map) => map,
        }
    }
}

/// Numbers for which every pattern of bits is a value and which have no padding.
///
/// # Safety
/// Only for such types.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: primitive numbers; every pattern of bits is a value, and there is no padding.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above (some patterns are NaN, which is a value).
unsafe impl Plain for f32 {}

/// The bytes of `numbers`, as this (little-endian) machine keeps them.
pub(super) fn as_bytes<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: `T` has no padding, so all its bytes are initialised; the length is the slice's own in bytes.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The bytes of `words`, to be written.
pub(super) fn as_bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as in `as_bytes`; whatever is written makes a valid `u64`, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// `bytes` as numbers; `None` unless they start at a multiple of the number's size and hold whole numbers.
pub(super) fn as_numbers<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: every pattern of bits is a value of `T`.
    let (before, numbers, after) = unsafe { bytes.align_to::<T>() };
    (before.is_empty() && after.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::{as_bytes, as_numbers};

    #[test]
    fn numbers_go_to_bytes_and_back_and_misfits_are_refused() {
        let words = [1u64, u64::MAX];
        let bytes = as_bytes(&words);
        assert_eq!(bytes[..9], [1, 0, 0, 0, 0, 0, 0, 0, 255]);
        assert_eq!(as_numbers::<u64>(bytes), Some(&words[..]));
        assert_eq!(as_numbers::<u32>(&bytes[4..]), Some(&[0, u32::MAX, u32::MAX][..]));
        assert_eq!(as_numbers::<u32>(&bytes[..6]), None);
        assert_eq!(as_numbers::<u32>(&bytes[2..6]), None);
    }
}
