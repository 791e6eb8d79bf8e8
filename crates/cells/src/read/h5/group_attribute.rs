//! Attributes of numbers on groups, which the library does not hand out: `shape` of a sparse matrix is one. The path
//! from the superblock to the group's header is walked here, through groups as h5py writes them: symbol tables, and
//! links in the header. Any other layout is answered with "not known", and nothing here is believed: every read is
//! bounded, and so is the number of reads.
//!
//! Format: <https://docs.hdfgroup.org/hdf5/develop/_f_m_t3.html>.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rust_hdf5::DatatypeMessage;
use rust_hdf5::format::FormatContext;
use rust_hdf5::format::messages::attribute::AttributeMessage;
use rust_hdf5::format::messages::link::{LinkMessage, LinkTarget};
use rust_hdf5::format::superblock::{SuperblockV0V1, SuperblockV2V3};

/// Most bytes of one header, node or heap.
const MOST_BYTES: u64 = 1 << 20;
/// Most reads for one attribute.
const MOST_READS: u32 = 500;

// Types of header messages.
const LINK: u16 = 0x06;
const ATTRIBUTE: u16 = 0x0c;
const CONTINUATION: u16 = 0x10;
const SYMBOL_TABLE: u16 = 0x11;

/// The numbers of the attribute `name` of `group`; `None` when it is not there or can't be found this way.
pub(super) fn read(path: &Path, base: u64, group: &str, name: &str) -> Option<Vec<i64>> {
    let mut walk = Walk { file: File::open(path).ok()?, base, reads_left: MOST_READS };
    let mut header = walk.root()?;
    for part in group.split('/') {
        header = walk.child(header, part)?;
    }
    let context = FormatContext::default_v3();
    let attributes = walk.messages(header)?.into_iter().filter(|message| message.kind == ATTRIBUTE);
    let mut decoded =
        attributes.filter_map(|message| Some(AttributeMessage::decode(&message.data, &context).ok()?.0));
    numbers(&decoded.find(|attribute| attribute.name == name)?)
}

fn numbers(attribute: &AttributeMessage) -> Option<Vec<i64>> {
    let DatatypeMessage::FixedPoint { size, byte_order, .. } = &attribute.datatype else { return None };
    let is_little = *byte_order == rust_hdf5::ByteOrder::LittleEndian;
    match size {
        4 if is_little => Some(
            attribute.data.as_chunks().0.iter().map(|&bytes| i64::from(i32::from_le_bytes(bytes))).collect(),
        ),
        8 if is_little => {
            Some(attribute.data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
        }
        _ => None,
    }
}

struct Message {
    kind: u16,
    data: Vec<u8>,
}

struct Walk {
    file: File,
    /// Where the file's addresses start to count.
    base: u64,
    reads_left: u32,
}

/// A little-endian number of `N` bytes at `place`.
fn number<const N: usize>(bytes: &[u8], place: usize) -> Option<u64> {
    let field = bytes.get(place..place.checked_add(N)?)?;
    Some(field.iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
}

impl Walk {
    /// At most `length` bytes from `address`.
    fn read(&mut self, address: u64, length: u64) -> Option<Vec<u8>> {
        self.reads_left = self.reads_left.checked_sub(1)?;
        self.file.seek(SeekFrom::Start(self.base.checked_add(address)?)).ok()?;
        let mut bytes = Vec::new();
        (&self.file).take(length.min(MOST_BYTES)).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Address of the root group's header.
    fn root(&mut self) -> Option<u64> {
        let bytes = self.read(0, 256)?;
        let (address, offsets, lengths) = match bytes.get(8)? {
            0 | 1 => {
                let block = SuperblockV0V1::decode(&bytes).ok()?;
                (block.root_symbol_table_entry.obj_header_addr, block.sizeof_offsets, block.sizeof_lengths)
            }
            _ => {
                let block = SuperblockV2V3::decode(&bytes).ok()?;
                (block.root_group_object_header_address, block.sizeof_offsets, block.sizeof_lengths)
            }
        };
        ((offsets, lengths) == (8, 8)).then_some(address)
    }

    /// All messages of a header, those in its continuations included.
    fn messages(&mut self, header: u64) -> Option<Vec<Message>> {
        let start = self.read(header, 64)?;
        let mut all = Vec::new();
        let mut open = Vec::new();
        let is_new = start.starts_with(b"OHDR");
        if is_new {
            let flags = *start.get(5)?;
            let skipped = 6 + if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
            let width = 1_usize << (flags & 3);
            let field = start.get(skipped..skipped + width)?;
            let length = field.iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte));
            let bytes = self.read(header.checked_add((skipped + width) as u64)?, length)?;
            let has_order = flags & 4 != 0;
            new_messages(&bytes, has_order, &mut all)?;
            self.follow(&mut all, &mut open, |bytes, all| {
                let inner = bytes.strip_prefix(b"OCHK")?;
                new_messages(inner.get(..inner.len().checked_sub(4)?)?, has_order, all)
            })?;
        } else {
            if *start.first()? != 1 {
                return None;
            }
            let length = number::<4>(&start, 8)?;
            let bytes = self.read(header.checked_add(16)?, length)?;
            old_messages(&bytes, &mut all)?;
            self.follow(&mut all, &mut open, old_messages)?;
        }
        Some(all)
    }

    /// Reads the continuations that `all` names, and those that they name.
    fn follow(
        &mut self,
        all: &mut Vec<Message>,
        seen: &mut Vec<u64>,
        parse: impl Fn(&[u8], &mut Vec<Message>) -> Option<()>,
    ) -> Option<()> {
        let mut next = 0;
        while next < all.len() {
            if all[next].kind == CONTINUATION {
                let (address, length) = (number::<8>(&all[next].data, 0)?, number::<8>(&all[next].data, 8)?);
                if seen.contains(&address) {
                    return None;
                }
                seen.push(address);
                let bytes = self.read(address, length)?;
                parse(&bytes, all)?;
            }
            next += 1;
        }
        Some(())
    }

    /// Address of the header of the entry `name` in the group of this header.
    fn child(&mut self, header: u64, name: &str) -> Option<u64> {
        let context = FormatContext::default_v3();
        for message in self.messages(header)? {
            match message.kind {
                LINK => {
                    let (link, _) = LinkMessage::decode(&message.data, &context).ok()?;
                    if let (true, LinkTarget::Hard { address }) = (link.name == name, &link.target) {
                        return Some(*address);
                    }
                }
                SYMBOL_TABLE => {
                    let (tree, heap) = (number::<8>(&message.data, 0)?, number::<8>(&message.data, 8)?);
                    let heap_header = self.read(heap, 32)?;
                    let length = number::<8>(&heap_header, 8)?;
                    let names = self.read(number::<8>(&heap_header, 24)?, length)?;
                    return self.in_tree(tree, &names, name, 0);
                }
                _ => {}
            }
        }
        None
    }

    /// Looks through a tree of symbol table nodes.
    fn in_tree(&mut self, address: u64, names: &[u8], name: &str, depth: u32) -> Option<u64> {
        const DEEPEST: u32 = 8;
        let node = self.read(address, 64 << 10)?;
        if depth > DEEPEST {
            return None;
        }
        if node.starts_with(b"SNOD") {
            let entries = number::<2>(&node, 6)? as usize;
            return (0..entries).find_map(|entry| {
                let place = 8 + 40 * entry;
                let found = names.get(number::<8>(&node, place)? as usize..)?;
                let end = found.iter().position(|&byte| byte == 0)?;
                (found[..end] == *name.as_bytes()).then(|| number::<8>(&node, place + 8))?
            });
        }
        if !node.starts_with(b"TREE") {
            return None;
        }
        let entries = number::<2>(&node, 6)? as usize;
        (0..entries).find_map(|entry| {
            let child = number::<8>(&node, 24 + 8 + 16 * entry)?;
            self.in_tree(child, names, name, depth + 1)
        })
    }
}

/// Messages of version 1: type, size, flags, three unused bytes, content.
fn old_messages(bytes: &[u8], all: &mut Vec<Message>) -> Option<()> {
    let mut rest = bytes;
    while rest.len() >= 8 {
        let (kind, length) = (number::<2>(rest, 0)? as u16, number::<2>(rest, 2)? as usize);
        all.push(Message { kind, data: rest.get(8..8 + length)?.to_vec() });
        rest = rest.get(8 + length..)?;
    }
    Some(())
}

/// Messages of version 2: type, size, flags, an order where the header says so, content.
fn new_messages(bytes: &[u8], has_order: bool, all: &mut Vec<Message>) -> Option<()> {
    let prefix = if has_order { 6 } else { 4 };
    let mut rest = bytes;
    while rest.len() >= prefix {
        let (kind, length) = (number::<1>(rest, 0)? as u16, number::<2>(rest, 1)? as usize);
        all.push(Message { kind, data: rest.get(prefix..prefix + length)?.to_vec() });
        rest = rest.get(prefix + length..)?;
    }
    Some(())
}
