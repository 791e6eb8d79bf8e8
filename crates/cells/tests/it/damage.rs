//! Files with random bytes changed, cut or lengthened: every reader ends with a result or an error, never with a panic,
//! and not after minutes. The seeds of past failures are kept by proptest beside this file.

use std::path::Path;
use std::sync::LazyLock;

use domain::data::{LabelSource, Orientation};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::lenient;
use crate::h5_writer::Anndata;

/// Files to damage: name and bytes, unpacked.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files");
    let mut files = Vec::new();
    for name in [
        "csr.h5ad.gz",
        "csc.h5ad.gz",
        "dense.h5ad.gz",
        "old_0_6.h5ad.gz",
        "old_0_7.h5ad.gz",
        "tenx_v2.h5",
        "tenx_v3.h5.gz",
        "genes_by_cells.csv.gz",
        "cells_by_genes.csv.gz",
        "no_corner.tsv.gz",
        "shape_old.h5ad.gz",
        "shape_new.h5ad.gz",
    ] {
        let mut bytes = std::fs::read(golden.join(name)).unwrap();
        if name.ends_with(".gz") {
            let mut unpacked = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut unpacked)
                .unwrap();
            files.push((name.to_owned(), std::mem::take(&mut bytes))); // the packed form is damaged too
            bytes = unpacked;
        }
        files.push((name.trim_end_matches(".gz").to_owned(), bytes));
    }
    let (_dir, path) = Anndata::default().write();
    files.push(("small.h5ad".to_owned(), std::fs::read(path).unwrap()));
    files
});

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    /// Eight bytes become a number: sizes and addresses have that width.
    Number(Index, u64),
    Cut(Index),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![Just(u64::MAX), Just(1 << 40), Just(1 << 31), Just(0), any::<u64>()];
    prop_oneof![
        4 => (any::<Index>(), 1u8..).prop_map(|(place, mask)| Change::Flip(place, mask)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Change::Set(place, byte)),
        3 => (any::<Index>(), number).prop_map(|(place, number)| Change::Number(place, number)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(first, second)| Change::Swap(first, second)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    match change {
        Change::Flip(place, mask) => bytes[place.index(length)] ^= mask,
        Change::Set(place, byte) => bytes[place.index(length)] = *byte,
        Change::Number(place, number) => {
            let start = place.index(length);
            let end = (start + 8).min(length);
            bytes[start..end].copy_from_slice(&number.to_le_bytes()[..end - start]);
        }
        Change::Cut(place) => bytes.truncate(place.index(length)),
        Change::Swap(first, second) => bytes.swap(first.index(length), second.index(length)),
    }
}

fn cases() -> u32 {
    std::env::var("LATENTSWEEP_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_read_or_refused(file: Index, changes in prop::collection::vec(change(), 1..6), labels: bool) {
        let (name, original) = file.get(&FILES);
        let mut bytes = original.clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let mut spec = lenient(&path);
        if labels && name.contains("h5ad") {
            spec.labels = Some(LabelSource::Obs { obs: "cell_type".to_owned() });
        }
        if labels && name.contains("sv") {
            spec.orientation = Orientation::CellsByGenes;
        }
        match cells::inspect(&spec, Path::new("/")) {
            Ok(facts) => prop_assert!(facts.cells > 0 && facts.genes > 0),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
