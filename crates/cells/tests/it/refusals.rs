//! Broken, incomplete and contradictory input: every refusal names the file and the place, and says what to do.

use std::fs;
use std::path::Path;

use cells::{CellsError, prepare};
use domain::DataSpec;

use crate::fixture::{Version, compress, folder, lenient, small_folder, write};

fn refusal(dir: &Path) -> String {
    prepare(&lenient(dir), Path::new("/")).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// The small folder with another file `name`.
#[track_caller]
fn assert_refused(name: &str, content: impl AsRef<[u8]>, parts: &[&str]) {
    let dir = small_folder();
    fs::write(dir.path().join(name), content).unwrap();
    let message = refusal(dir.path());
    assert_says(&message, &[name]);
    assert_says(&message, parts);
}

#[test]
fn a_path_that_is_no_10x_folder_gets_advice() {
    let dir = tempfile::tempdir().unwrap();
    assert_says(
        &refusal(&dir.path().join("nowhere")),
        &["no such file or folder", "nowhere", "working directory"],
    );
    assert_says(
        &refusal(dir.path()),
        &["matrix.mtx, barcodes.tsv, features.tsv", "is empty", "filtered_feature_bc_matrix"],
    );

    for (name, advice) in [
        ("a.rds", "write10xCounts"),
        ("a.loom", ".h5ad"),
        ("matrix.mtx.gz", "the folder"),
        ("genes.tsv", "the folder"),
        ("a", "its ending"),
    ] {
        fs::write(dir.path().join(name), "x").unwrap();
        assert_says(&refusal(&dir.path().join(name)), &["is a file", name, advice]);
    }

    let nested = dir.path().join("filtered_gene_bc_matrices/hg19");
    fs::create_dir_all(&nested).unwrap();
    fs::write(nested.join("matrix.mtx"), "").unwrap();
    fs::remove_file(dir.path().join("matrix.mtx.gz")).unwrap();
    assert_says(&refusal(dir.path()), &["set `path` to that folder", "filtered_gene_bc_matrices/hg19"]);
}

#[test]
fn missing_and_ambiguous_files_are_named() {
    let dir = small_folder();
    fs::remove_file(dir.path().join("barcodes.tsv")).unwrap();
    assert_says(&refusal(dir.path()), &["barcodes.tsv is missing", "it has genes.tsv, matrix.mtx"]);

    let dir = small_folder();
    write(dir.path(), "matrix.mtx", b"", true);
    assert_says(&refusal(dir.path()), &["both matrix.mtx and matrix.mtx.gz"]);

    let dir = small_folder();
    fs::write(dir.path().join("features.tsv"), "").unwrap();
    assert_says(&refusal(dir.path()), &["both genes.tsv and features.tsv"]);
}

#[test]
fn a_matrix_that_breaks_its_format_is_refused_with_the_line() {
    let general = "%%MatrixMarket matrix coordinate integer general\n";
    let refused =
        |rest: &str, parts: &[&str]| assert_refused("matrix.mtx", format!("{general}{rest}"), parts);
    assert_refused("matrix.mtx", "", &["empty"]);
    assert_refused("matrix.mtx", "3 4 1\n1 1 1\n", &["line 1", "%%MatrixMarket"]);
    assert_refused("matrix.mtx", general.replace("integer", "pattern"), &["line 1", "pattern"]);
    assert_refused("matrix.mtx", general.replace("coordinate", "array"), &["line 1", "sparse"]);
    assert_refused("matrix.mtx", general.replace("general", "symmetric"), &["line 1", "symmetric"]);
    refused("%\n", &["line 2", "ends before"]);
    refused("%\n3 4\n", &["line 3", "\"3 4\""]);
    refused("4 3 0\n", &["line 2", "lies on its side"]);
    refused("5 4 0\n", &["5 × 4", "3 features", "4 barcodes"]);
    refused("3 4 13\n", &["13 entries do not fit"]);
    refused("3 4 12\n1 1 1\n", &["line 2", "can't hold them"]);
    refused("3 4 2\n1 1 1\n% not an entry\n", &["line 4", "row, column and count"]);
    refused("3 4 2\n1 1 100000\n", &["line 3", "1 of 2 entries"]);
    refused("3 4 1\n1 1 1\n\n2 1 1\n", &["line 5", "there are more"]);
    refused("3 4 1\n0 1 1\n", &["line 3", "outside the 3 × 4", "start at 1"]);
    refused("3 4 1\n4 1 1\n", &["line 3", "outside"]);
    refused("3 4 1\n1 5 1\n", &["line 3", "outside"]);
    refused("3 4 1\n1 1 -1\n", &["line 3", "negative"]);
    refused("3 4 1\n1 1 0.5\n", &["line 3", "not whole"]);
    refused("3 4 1\n1 1 NaN\n", &["line 3", "not a finite number"]);
    refused("3 4 1\n1 1 x\n", &["line 3", "not a number"]);
    refused("3 4 3\n2 3 1\n1 1 1\n2 3 1\n", &["row 2, column 3", "two entries"]);
}

#[test]
fn a_header_cannot_claim_more_than_the_file_holds() {
    let dir = small_folder();
    let claims = "%%MatrixMarket matrix coordinate integer general\n3 4 12\n1 1 1\n";
    fs::remove_file(dir.path().join("matrix.mtx")).unwrap();
    write(dir.path(), "matrix.mtx", claims.as_bytes(), true);
    assert_says(&refusal(dir.path()), &["1 of 12 entries"]);
    let claims = claims.replace("3 4 12", "999999999999 999999999999 999999999999999999");
    write(dir.path(), "matrix.mtx", claims.as_bytes(), true);
    assert_says(&refusal(dir.path()), &["999999999999 × 999999999999", "3 features"]);
}

#[test]
fn damaged_gzip_files_are_recognised_wherever_they_break() {
    let dir = small_folder();
    let matrix = fs::read(dir.path().join("matrix.mtx")).unwrap();
    fs::remove_file(dir.path().join("matrix.mtx")).unwrap();
    let compressed = compress(&matrix);
    for length in 2..compressed.len() {
        fs::write(dir.path().join("matrix.mtx.gz"), &compressed[..length]).unwrap();
        assert_says(&refusal(dir.path()), &["matrix.mtx.gz", "gzip file is cut short", "again"]);
    }
    let mut garbled = compressed.clone();
    let crc_byte = garbled.len() - 6;
    garbled[crc_byte] ^= 0x10;
    fs::write(dir.path().join("matrix.mtx.gz"), garbled).unwrap();
    assert_says(&refusal(dir.path()), &["damaged"]);
    fs::write(dir.path().join("matrix.mtx.gz"), compressed).unwrap();
    assert_eq!(prepare(&lenient(dir.path()), Path::new("/")).unwrap().nnz(), 6);
}

#[test]
fn name_files_are_checked_line_by_line() {
    assert_refused("barcodes.tsv", "C0\nC1\n\nC3\n", &["line 3", "barcode is empty"]);
    assert_refused("barcodes.tsv", "C0\nC1\nC0\nC3\n", &["line 3", "\"C0\" was already on line 1"]);
    assert_refused("barcodes.tsv", "", &["empty", "barcodes are expected"]);
    assert_refused("genes.tsv", "E1\tA\nE2\nE3\tC\n", &["line 2", "1 columns", "has 2"]);
    assert_refused("genes.tsv", b"E1\tA\nE2\t\xff\nE3\tC\n", &["line 2", "UTF-8"]);
    assert_refused("genes.tsv", "E1\tA\nE2\t\nE3\tC\n", &["line 2", "gene name is empty"]);

    let dir = folder(Version::V3, false, &["A".to_owned()], 1, &[(0, 0, 1)]);
    fs::write(dir.path().join("features.tsv"), "E\tA\tAntibody Capture\n").unwrap();
    assert_says(&refusal(dir.path()), &["Gene Expression", "\"Antibody Capture\""]);
}

#[test]
fn quality_control_that_leaves_nothing_says_which_rule_did_it() {
    let dir = small_folder();
    let mut spec = lenient(dir.path());
    spec.qc.min_cells = 5;
    let message = prepare(&spec, Path::new("/")).unwrap_err().to_string();
    assert_says(&message, &["no genes", "min_cells = 5", "4 cells and 3 genes", "[data.qc]"]);

    let mut spec = lenient(dir.path());
    spec.qc.min_genes = 1;
    spec.qc.max_mito_percent = 5.0;
    spec.qc.mito_prefix = "A".to_owned();
    let message = prepare(&spec, Path::new("/")).unwrap_err().to_string();
    assert_says(
        &message,
        &["no cells", "2 had not more than min_genes = 1", "2 not under max_mito_percent = 5"],
    );
}

#[test]
fn choices_that_no_data_can_meet_are_refused_before_reading() {
    type Change = fn(&mut DataSpec);
    let cases: [(Change, &str); 8] = [
        (|spec| spec.scale_factor = 0.0, "scale_factor"),
        (|spec| spec.scale_factor = f64::NAN, "scale_factor"),
        (|spec| spec.qc.max_mito_percent = 0.0, "max_mito_percent"),
        (|spec| spec.qc.max_mito_percent = 101.0, "max_mito_percent"),
        (|spec| spec.qc.max_mito_percent = f64::NAN, "max_mito_percent"),
        (|spec| (spec.qc.mito_prefix.clear(), spec.qc.max_mito_percent = 5.0).1, "mito_prefix"),
        (|spec| (spec.qc.min_genes, spec.qc.max_genes) = (5, 6), "max_genes"),
        (|spec| spec.path.clear(), "path"),
    ];
    for (change, field) in cases {
        let mut spec = lenient(Path::new("/nowhere"));
        change(&mut spec);
        let error = prepare(&spec, Path::new("/")).unwrap_err();
        assert!(matches!(error, CellsError::Spec { .. }), "{error}");
        assert_says(&error.to_string(), &["[data]", field]);
    }
}
