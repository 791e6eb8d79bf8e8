//! The trait of [`super`] by the crate `rust-hdf5`. Nothing else in this crate knows that library.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rust_hdf5::format::messages::datatype::CompoundMember;
use rust_hdf5::{ByteOrder, DatatypeMessage, H5Dataset, H5File, Hdf5Error, StorageLayout};

use super::heap::Heaps;
use super::{Container, Element, Facts, Kind, MAX_RATIO, group_attribute};
use crate::error::H5Problem;

/// An open file. It is only read, and not locked: data often lies where locks are not to be had.
pub(super) struct Library {
    path: PathBuf,
    file: H5File,
    stored_bytes: u64,
}

impl Library {
    pub(super) fn open(path: &Path) -> Result<Self, H5Problem> {
        let not_readable = |why: String| H5Problem::NotReadable { why };
        let stored_bytes = std::fs::metadata(path).map_err(|error| not_readable(error.to_string()))?.len();
        let file =
            H5File::options().no_locking().open(path).map_err(|error| not_readable(error.to_string()))?;
        Ok(Self { path: path.to_owned(), file, stored_bytes })
    }

    fn dataset(&self, entry: &str) -> Result<H5Dataset, H5Problem> {
        self.file.dataset(entry).map_err(unreadable)
    }

    /// The outside of a data set, without a look at its type.
    fn check_size(&self, dataset: &H5Dataset) -> Result<(), H5Problem> {
        match dataset.storage_layout().map_err(unreadable)? {
            StorageLayout::Virtual => return Err(unsupported("values in other files (a virtual data set)")),
            StorageLayout::Contiguous if !dataset.external_files().map_err(unreadable)?.is_empty() => {
                return Err(unsupported("values in other files (external storage)"));
            }
            _ => {}
        }
        let stored = self.stored_bytes;
        let bytes_of = |shape: &[usize]| {
            shape
                .iter()
                .try_fold(dataset.element_size() as u64, |bytes, &side| bytes.checked_mul(side as u64))
        };
        // A chunk is unpacked as a whole; a data set in one piece lies in the file as it is.
        let (claimed, possible) = match dataset.chunk_dims() {
            Some(chunk) => (bytes_of(&chunk), stored.saturating_mul(MAX_RATIO)),
            None => (bytes_of(&dataset.shape()), stored),
        };
        match claimed {
            Some(claimed) if claimed <= possible => Ok(()),
            claimed => Err(H5Problem::TooLarge { claimed: claimed.unwrap_or(u64::MAX), stored }),
        }
    }

    /// Raw bytes of a whole list of records, and its fields.
    fn records(&self, entry: &str) -> Result<(Vec<u8>, usize, Vec<CompoundMember>), H5Problem> {
        let dataset = self.dataset(entry)?;
        self.check_size(&dataset)?;
        let DatatypeMessage::Compound { size, members } = dataset.datatype().map_err(unreadable)? else {
            return Err(H5Problem::WrongType {
                wanted: "a table of records",
                found: "something else".to_owned(),
            });
        };
        let claimed = (dataset.total_elements() as u64).saturating_mul(u64::from(size));
        let stored = self.stored_bytes;
        if size == 0 || claimed > stored.saturating_mul(MAX_RATIO) {
            return Err(H5Problem::TooLarge { claimed, stored });
        }
        let bytes = dataset.read_raw_bytes().map_err(unreadable)?;
        Ok((bytes, size as usize, members))
    }

    /// The bytes of one field in every record.
    fn field(&self, entry: &str, field: &str) -> Result<(DatatypeMessage, Vec<Vec<u8>>), H5Problem> {
        let (bytes, size, members) = self.records(entry)?;
        let member = members
            .into_iter()
            .find(|member| member.name == field)
            .ok_or_else(|| H5Problem::Missing { found: format!("; the table has no field {field:?}") })?;
        let start = member.offset as usize;
        let end = start.saturating_add(member.datatype.element_size() as usize);
        let values: Option<Vec<Vec<u8>>> =
            bytes.chunks_exact(size).map(|record| record.get(start..end).map(<[u8]>::to_vec)).collect();
        match values {
            Some(values) => Ok((member.datatype, values)),
            None => Err(H5Problem::Entry { why: format!("the field {field:?} reaches beyond its record") }),
        }
    }
}

impl Container for Library {
    fn kind(&self, entry: &str) -> Kind {
        if self.file.root_group().group(entry).is_ok() {
            return Kind::Group;
        }
        match self.file.dataset(entry) {
            Err(Hdf5Error::NotFound(_)) => Kind::Missing,
            _ => Kind::Dataset, // even one that can't be read: `facts` says why
        }
    }

    fn children(&self, group: &str) -> Vec<String> {
        let root = self.file.root_group();
        let group = if group.is_empty() { Ok(root) } else { root.group(group) };
        let mut names = group.and_then(|group| group.link_names()).unwrap_or_default();
        names.sort_unstable();
        names
    }

    fn attribute(&self, entry: &str, name: &str) -> Option<String> {
        if let Ok(group) = self.file.root_group().group(entry) {
            return group.attr_string(name).ok();
        }
        self.file.dataset(entry).ok()?.attr(name).ok()?.read_string().ok()
    }

    fn group_numbers(&self, group: &str, name: &str) -> Option<Vec<i64>> {
        group_attribute::read(&self.path, self.file.userblock_size(), group, name)
    }

    fn facts(&self, entry: &str) -> Result<Facts, H5Problem> {
        let dataset = self.dataset(entry)?;
        self.check_size(&dataset)?;
        let element = element_of(&dataset.datatype().map_err(unreadable)?);
        if dataset.is_null() {
            return Err(H5Problem::WrongType { wanted: "values", found: "nothing".to_owned() });
        }
        let wide = |sides: Vec<usize>| sides.into_iter().map(|side| side as u64).collect();
        Ok(Facts { shape: wide(dataset.shape()), element, chunk: dataset.chunk_dims().map(wide) })
    }

    fn integers(&self, entry: &str, block: &[Range<u64>]) -> Result<Vec<i64>, H5Problem> {
        let dataset = self.dataset(entry)?;
        let (starts, counts) = sides(block)?;
        match dataset.datatype().map_err(unreadable)? {
            DatatypeMessage::FixedPoint { .. } | DatatypeMessage::BitField { .. } => {
                dataset.read_numeric_slice_as::<i64>(&starts, &counts).map_err(unreadable)
            }
            DatatypeMessage::Enum { .. } if dataset.element_size() == 1 => {
                let bytes = dataset.read_slice::<u8>(&starts, &counts).map_err(unreadable)?;
                Ok(bytes.into_iter().map(i64::from).collect())
            }
            other => {
                let found = element_of(&other).describe();
                Err(H5Problem::WrongType { wanted: "integers", found })
            }
        }
    }

    fn numbers(&self, entry: &str, block: &[Range<u64>]) -> Result<Vec<f64>, H5Problem> {
        let dataset = self.dataset(entry)?;
        match dataset.datatype().map_err(unreadable)? {
            DatatypeMessage::FloatingPoint { .. } => {
                let (starts, counts) = sides(block)?;
                dataset.read_numeric_slice_as::<f64>(&starts, &counts).map_err(unreadable)
            }
            DatatypeMessage::FixedPoint { .. }
            | DatatypeMessage::BitField { .. }
            | DatatypeMessage::Enum { .. } => {
                Ok(self.integers(entry, block)?.into_iter().map(|integer| integer as f64).collect())
            }
            other => {
                let found = element_of(&other).describe();
                Err(H5Problem::WrongType { wanted: "numbers", found })
            }
        }
    }

    fn texts(&self, entry: &str, field: Option<&str>) -> Result<Vec<String>, H5Problem> {
        let (datatype, values) = match field {
            Some(field) => self.field(entry, field)?,
            None => {
                let dataset = self.dataset(entry)?;
                let datatype = dataset.datatype().map_err(unreadable)?;
                if let DatatypeMessage::VarLenString { .. } = datatype {
                    let values = dataset.read_vlen_bytes().map_err(unreadable)?;
                    return values
                        .into_iter()
                        .zip(0..)
                        .map(|(bytes, position)| utf8(bytes, position))
                        .collect();
                }
                let width = datatype.element_size() as usize;
                let claimed = (dataset.total_elements() as u64).saturating_mul(width as u64);
                if width == 0 || claimed > self.stored_bytes.saturating_mul(MAX_RATIO) {
                    return Err(H5Problem::TooLarge { claimed, stored: self.stored_bytes });
                }
                let bytes = dataset.read_raw_bytes().map_err(unreadable)?;
                (datatype, bytes.chunks_exact(width).map(<[u8]>::to_vec).collect())
            }
        };
        match datatype {
            DatatypeMessage::FixedString { padding, .. } => values
                .into_iter()
                .zip(0..)
                .map(|(bytes, position)| utf8(without_padding(bytes, padding), position))
                .collect(),
            DatatypeMessage::VarLenString { .. } => {
                let mut heaps = Heaps::new(&self.path, self.file.userblock_size(), self.stored_bytes);
                let texts = values.into_iter().zip(0..);
                texts.map(|(reference, position)| utf8(heaps.resolve(&reference)?, position)).collect()
            }
            other => {
                let found = element_of(&other).describe();
                Err(H5Problem::WrongType { wanted: "texts", found })
            }
        }
    }

    fn field_numbers(&self, entry: &str, field: &str) -> Result<Option<Vec<f64>>, H5Problem> {
        let (datatype, values) = self.field(entry, field)?;
        Ok(values.into_iter().map(|bytes| number(&datatype, bytes)).collect())
    }

    fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }
}

fn element_of(datatype: &DatatypeMessage) -> Element {
    match datatype {
        DatatypeMessage::FixedPoint { .. } | DatatypeMessage::BitField { .. } => Element::Integer,
        DatatypeMessage::FloatingPoint { .. } => Element::Float,
        DatatypeMessage::Enum { base, .. } if base.element_size() == 1 => Element::Boolean,
        DatatypeMessage::FixedString { .. } | DatatypeMessage::VarLenString { .. } => Element::Text,
        DatatypeMessage::Compound { members, .. } => {
            Element::Record(members.iter().map(|member| member.name.clone()).collect())
        }
        other => Element::Other(format!("values of the type {other}")),
    }
}

/// One number of a record; `None` where it is none.
fn number(datatype: &DatatypeMessage, mut bytes: Vec<u8>) -> Option<f64> {
    let (order, is_float, is_signed) = match datatype {
        DatatypeMessage::FixedPoint { byte_order, signed, .. } => (*byte_order, false, *signed),
        DatatypeMessage::FloatingPoint { byte_order, .. } => (*byte_order, true, true),
        DatatypeMessage::Enum { .. } => (ByteOrder::LittleEndian, false, false),
        _ => return None,
    };
    if order == ByteOrder::BigEndian {
        bytes.reverse();
    }
    match (bytes.len(), is_float) {
        (4, true) => Some(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        (8, true) => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
        (width @ 1..=8, false) => {
            let is_negative = is_signed && bytes[width - 1] >= 0x80;
            bytes.resize(8, if is_negative { 0xff } else { 0 });
            Some(i64::from_le_bytes(bytes.try_into().ok()?) as f64)
        }
        _ => None,
    }
}

fn sides(block: &[Range<u64>]) -> Result<(Vec<usize>, Vec<usize>), H5Problem> {
    let narrow = |side: u64| {
        usize::try_from(side).map_err(|_| unsupported("more values than this machine can address"))
    };
    let starts = block.iter().map(|side| narrow(side.start)).collect::<Result<_, _>>()?;
    let counts = block.iter().map(|side| narrow(side.end - side.start)).collect::<Result<_, _>>()?;
    Ok((starts, counts))
}

/// HDF5's rules of padding: 0 and 1 end at the first NUL, 2 with the last character that is no space.
fn without_padding(mut bytes: Vec<u8>, padding: u8) -> Vec<u8> {
    let length = if padding == 2 {
        bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1)
    } else {
        bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len())
    };
    bytes.truncate(length);
    bytes
}

fn utf8(bytes: Vec<u8>, position: u64) -> Result<String, H5Problem> {
    String::from_utf8(bytes).map_err(|_| H5Problem::NotUtf8 { position })
}

fn unsupported(what: &str) -> H5Problem {
    H5Problem::Unsupported { what: what.to_owned() }
}

fn unreadable(error: Hdf5Error) -> H5Problem {
    match error {
        Hdf5Error::Unsupported(what) => H5Problem::Unsupported { what },
        other => H5Problem::Entry { why: other.to_string() },
    }
}
