//! The data set file: what its check refuses, how it is written, and that old files stay readable.

use std::path::{Path, PathBuf};

use cells::{CellsError, Dataset, prepare};
use domain::data::{Input, LabelSource};
use tempfile::TempDir;

use crate::fixture::{lenient, small_folder};

/// The data set of `tiny()` as it was written when format version 1 was new.
const VERSION_1: &str = "tests/golden/version-1.lsds";
/// That of `tiny_counts()` and version 2.
const VERSION_2: &str = "tests/golden/version-2.lsds";

fn tiny() -> Dataset {
    tiny_with(Input::Lognorm)
}

fn tiny_counts() -> Dataset {
    tiny_with(Input::Counts)
}

fn tiny_with(input: Input) -> Dataset {
    let source = small_folder();
    std::fs::write(source.path().join("l.csv"), "id,t\nC0,a\nC1,b\nC2,a\nC3,b\n").unwrap();
    let mut spec = lenient(source.path());
    spec.labels = Some(LabelSource::File("l.csv".to_owned()));
    spec.input = input;
    prepare(&spec, source.path()).unwrap()
}

fn written() -> (TempDir, PathBuf, Dataset) {
    let dir = tempfile::tempdir().unwrap();
    let dataset = tiny();
    let path = dataset.write_to_dir(dir.path()).unwrap();
    (dir, path, dataset)
}

/// A file like it may lie in anybody's cache.
#[test]
fn the_file_of_version_1_is_read_and_still_written_so() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(VERSION_1);
    let opened = Dataset::open(&golden).unwrap();
    assert_eq!(opened.genes(), ["A", "B", "MT-X"]);
    assert_eq!(opened.barcodes(), ["C0", "C1", "C2", "C3"]);
    assert_eq!(opened.matrix().indptr, [0, 2, 3, 5, 6]);
    assert_eq!(opened.matrix().indices, [0, 1, 1, 0, 2, 1]);
    assert_eq!(opened.labels().unwrap().of_cell, [0, 1, 0, 1]);
    assert_eq!(opened.fingerprint(), tiny().fingerprint());
}

#[test]
fn the_file_of_version_2_is_read_and_still_written_so() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(VERSION_2);
    assert_eq!(std::fs::read(&golden).unwrap()[8], 2);
    let opened = Dataset::open(&golden).unwrap();
    assert_eq!(opened.provenance().choices.input, Input::Counts);
    assert_eq!(opened.matrix().values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!((0..4).map(|cell| opened.matrix().row_sum(cell)).collect::<Vec<_>>(), [3.0, 3.0, 9.0, 6.0]);
    assert_eq!(opened.fingerprint(), tiny_counts().fingerprint());
}

/// Or else one data set could be two files.
#[test]
fn what_version_1_cannot_say_is_not_read_from_it() {
    for (dataset, other_version) in [(tiny(), 2), (tiny_counts(), 1)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dataset.write_to_dir(dir.path()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = other_version;
        std::fs::write(&path, bytes).unwrap();
        let message = Dataset::open(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("format version {other_version}")), "{message}");
    }
}

#[test]
fn counts_that_are_none_are_refused_by_name() {
    let source = small_folder();
    let matrix = "%%MatrixMarket matrix coordinate real general\n3 4 2\n1 1 2.0\n2 3 0.5\n";
    std::fs::write(source.path().join("matrix.mtx"), matrix).unwrap();
    let mut spec = lenient(source.path());
    spec.input = Input::Counts;
    let message = prepare(&spec, source.path()).unwrap_err().to_string();
    for part in ["gene B of cell C2 has 0.5", "input = \"lognorm\""] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
#[ignore = "writes the golden file of a new format version; run by hand, once"]
fn write_the_golden_file() {
    let dir = tempfile::tempdir().unwrap();
    let written = tiny_counts().write_to_dir(dir.path()).unwrap();
    std::fs::copy(written, Path::new(env!("CARGO_MANIFEST_DIR")).join(VERSION_2)).unwrap();
}

#[test]
fn the_place_of_the_data_is_not_part_of_its_fingerprint_but_every_choice_is() {
    let (first, second) = (small_folder(), small_folder());
    let fingerprint = |spec| prepare(&spec, Path::new("/")).unwrap().fingerprint();
    let original = fingerprint(lenient(first.path()));
    assert_eq!(original, fingerprint(lenient(second.path())));

    let mut other_scale = lenient(first.path());
    other_scale.scale_factor = 1e3;
    assert_ne!(original, fingerprint(other_scale));
    let mut other_threshold = lenient(first.path()); // same matrix, another rule
    other_threshold.qc.max_genes = 1000;
    assert_ne!(original, fingerprint(other_threshold));
}

#[test]
fn writing_again_changes_nothing_and_repairs_a_damaged_file() {
    let (dir, path, dataset) = written();
    let original = std::fs::read(&path).unwrap();
    assert_eq!(dataset.write_to_dir(dir.path()).unwrap(), path);

    let mut damaged = original.clone();
    damaged[100] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let error = Dataset::open_verified(&path, dataset.fingerprint()).unwrap_err();
    assert!(matches!(error, CellsError::WrongFingerprint { .. }), "{error}");
    assert_eq!(dataset.write_to_dir(dir.path()).unwrap(), path);
    assert_eq!(std::fs::read(&path).unwrap(), original);

    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names, [path], "no temporary file is left behind");
}

#[test]
fn a_mapped_file_outlives_its_name() {
    let (dir, path, dataset) = written();
    let opened = Dataset::open(&path).unwrap();
    drop(dir);
    assert!(!path.exists());
    assert_eq!(opened.matrix().values, dataset.matrix().values);
}

/// Offsets: see the table in `dataset::layout`.
#[test]
fn a_file_whose_structure_lies_is_refused_with_the_reason() {
    let (_dir, path, dataset) = written();
    let original = std::fs::read(&path).unwrap();
    let header_bytes = u64::from_le_bytes(original[16..24].try_into().unwrap()) as usize;
    let aligned = |offset: usize| offset.next_multiple_of(64);
    let indptr = aligned(64 + header_bytes);
    let indices = aligned(indptr + 8 * (dataset.n_cells() + 1));
    let values = aligned(indices + 4 * dataset.nnz());
    let classes = aligned(values + 4 * dataset.nnz());

    let refused = |offset: usize, bytes: &[u8], reason: &str| {
        let mut changed = original.clone();
        changed[offset..offset + bytes.len()].copy_from_slice(bytes);
        std::fs::write(&path, changed).unwrap();
        let message = Dataset::open(&path).unwrap_err().to_string();
        assert!(
            message.contains(reason) && message.contains(path.to_str().unwrap()),
            "{reason:?}: {message}"
        );
    };
    refused(0, b"x", "does not start");
    refused(8, &[9], "format version 9");
    refused(12, &[1], "must be zero");
    refused(16, &u64::MAX.to_le_bytes(), "sizes contradict");
    refused(24, &u64::MAX.to_le_bytes(), "sizes contradict");
    refused(24, &5u64.to_le_bytes(), "4 barcodes, but has 5");
    refused(32, &0u64.to_le_bytes(), "no genes");
    refused(40, &(1u64 << 62).to_le_bytes(), "sizes contradict");
    refused(48, &1u64.to_le_bytes(), "should have 1 bytes");
    refused(64, b"[", "header cannot be read");
    refused(indptr, &1u64.to_le_bytes(), "row starts");
    refused(indptr + 8, &u64::MAX.to_le_bytes(), "row starts are wrong at cell 1");
    refused(indices, &3u32.to_le_bytes(), "genes of cell 0");
    refused(indices + 8, &3u32.to_le_bytes(), "genes of cell 1 are out of range");
    refused(values, &f32::NAN.to_le_bytes(), "value of cell 0 is not finite");
    refused(values - 1, &[1], "must be zero");
    refused(classes + 2, &[2, 0], "label of cell 1");
    refused(original.len() - 1, &[1], "must be zero");

    std::fs::write(&path, b"").unwrap();
    assert!(matches!(Dataset::open(&path), Err(CellsError::DatasetFile { .. })));
    std::fs::write(&path, &original[..original.len() - 64]).unwrap();
    assert!(matches!(Dataset::open(&path), Err(CellsError::DatasetFile { .. })));
    assert!(matches!(Dataset::open(path.parent().unwrap()), Err(CellsError::DatasetFile { .. })));
    assert!(matches!(Dataset::open(&path.join("x")), Err(CellsError::Io { .. })));
}

#[test]
fn data_sets_go_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Dataset>();
}
