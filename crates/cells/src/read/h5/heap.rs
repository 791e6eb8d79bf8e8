//! Texts of variable length inside tables of records, as anndata wrote them before version 0.7: the record holds the
//! address of a heap in the file, and the heap holds the text. The library resolves such references only outside
//! of records; its decoder of heaps is used here.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rust_hdf5::format::FormatContext;
use rust_hdf5::format::global_heap::{GlobalHeapCollection, decode_vlen_reference};

use crate::error::H5Problem;

/// Bytes of a heap's header, with the usual sizes of addresses and lengths.
const HEADER_BYTES: usize = 16;

/// The heaps of a file, read when first asked for.
pub(super) struct Heaps {
    path: PathBuf,
    /// Where the file's addresses start to count.
    base: u64,
    stored_bytes: u64,
    read: HashMap<u64, GlobalHeapCollection>,
}

impl Heaps {
    pub(super) fn new(path: &Path, base: u64, stored_bytes: u64) -> Self {
        Self { path: path.to_owned(), base, stored_bytes, read: HashMap::new() }
    }

    /// The bytes that `reference` names; a null reference names none.
    pub(super) fn resolve(&mut self, reference: &[u8]) -> Result<Vec<u8>, H5Problem> {
        let context = FormatContext::default_v3();
        let (_, address, index) = decode_vlen_reference(reference, &context).map_err(broken)?;
        if address == 0 || address == u64::MAX {
            return Ok(Vec::new());
        }
        if !self.read.contains_key(&address) {
            let heap = self.read_heap(address, &context)?;
            self.read.insert(address, heap);
        }
        let object = u16::try_from(index).ok().and_then(|index| self.read.get(&address)?.get_object(index));
        object.map(<[u8]>::to_vec).ok_or_else(|| broken(format!("the heap at {address} has no text {index}")))
    }

    fn read_heap(&self, address: u64, context: &FormatContext) -> Result<GlobalHeapCollection, H5Problem> {
        let mut file = File::open(&self.path).map_err(broken)?;
        let start = self.base.checked_add(address).ok_or_else(|| broken("an address beyond all files"))?;
        file.seek(SeekFrom::Start(start)).map_err(broken)?;
        let mut bytes = vec![0; HEADER_BYTES];
        file.read_exact(&mut bytes).map_err(broken)?;
        let size = GlobalHeapCollection::decode_size(&bytes, context).map_err(broken)?;
        if size < HEADER_BYTES || (size as u64) > self.stored_bytes {
            return Err(broken(format!("the heap at {address} claims {size} bytes")));
        }
        bytes.resize(size, 0);
        file.read_exact(&mut bytes[HEADER_BYTES..]).map_err(broken)?;
        GlobalHeapCollection::decode(&bytes, context).map(|(heap, _)| heap).map_err(broken)
    }
}

fn broken(why: impl ToString) -> H5Problem {
    H5Problem::Entry { why: why.to_string() }
}
