//! Tables of counts: what is read however it is written, and the refusal of the rest with line and column.

use std::path::Path;

use cells::read::source;
use cells::{CellsError, prepare};
use domain::data::{LabelSource, Orientation};

use crate::fixture::{compress, lenient};

/// Three genes × two cells.
const PLAIN: &str = "gene,AAACATACAACCAC-1,AAACATTGAGCTAC-1\nIL7R,1,0\nMT-ND1,0,2\nCD14,3,4\n";

fn read(
    name: &str,
    text: impl AsRef<[u8]>,
    orientation: Orientation,
) -> Result<source::ReadData, CellsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut spec = lenient(&path);
    spec.orientation = orientation;
    source::read(&spec, Path::new("/"))
}

#[track_caller]
fn assert_is_plain(name: &str, text: impl AsRef<[u8]>) {
    let raw = read(name, text, Orientation::Auto).unwrap().raw;
    assert_eq!(raw.barcodes, ["AAACATACAACCAC-1", "AAACATTGAGCTAC-1"]);
    assert_eq!(raw.genes, ["IL7R", "MT-ND1", "CD14"]);
    assert_eq!(raw.counts.view().indptr, [0, 2, 4]);
    assert_eq!(raw.counts.view().indices, [0, 2, 1, 2]);
    assert_eq!(raw.counts.view().values, [1.0, 3.0, 2.0, 4.0]);
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, orientation: Orientation, parts: &[&str]) {
    let message = read("t.csv", text, orientation).unwrap_err().to_string();
    for part in [&["t.csv"], parts].concat() {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn both_orientations_every_delimiter_and_quotes() {
    assert_is_plain("t.csv", PLAIN);
    assert_is_plain("t.csv.gz", compress(PLAIN.as_bytes()));
    assert_is_plain("t.tsv", PLAIN.replace(',', "\t"));
    assert_is_plain("t.csv", PLAIN.replace(',', ";"));
    assert_is_plain("t.txt", PLAIN.replace(',', "\t"));
    assert_is_plain("t.txt", PLAIN.replace(',', " "));
    assert_is_plain("t.csv", PLAIN.replace('\n', "\r\n"));
    assert_is_plain("t.csv", format!("\u{feff}{}\n\n", PLAIN.trim_end()));
    assert_is_plain("t.csv", PLAIN.replace("gene,", ""));
    assert_is_plain("t.csv", PLAIN.replace("gene,", "\"\","));
    assert_is_plain("t.csv", PLAIN.replace("IL7R", "\"IL7R\"").replace(",3,", ",\"3\","));
    assert_is_plain("t.csv", PLAIN.replace(",3,4", ",3.0,4e0"));
    let across = "barcode,IL7R,MT-ND1,CD14\nAAACATACAACCAC-1,1,0,3\nAAACATTGAGCTAC-1,0,2,4\n";
    assert_is_plain("t.csv", across);
    assert_is_plain("t.tsv.gz", compress(across.replace(',', "\t").as_bytes()));
    assert_is_plain("t.csv", across.replace("barcode,", ""));
}

#[test]
fn the_orientation_that_is_said_counts_and_labels_tell_it_too() {
    let text = "x,s1,s2\na,1,2\nb,0,3\n";
    let raw = read("t.csv", text, Orientation::CellsByGenes).unwrap().raw;
    assert_eq!(
        (raw.barcodes, raw.orientation),
        (vec!["a".to_owned(), "b".to_owned()], Some(Orientation::CellsByGenes))
    );
    let raw = read("t.csv", text, Orientation::GenesByCells).unwrap().raw;
    assert_eq!(raw.barcodes, ["s1", "s2"]);
    refused(text, Orientation::Auto, &["line 1", "\"s1\"", "\"a\"", "orientation = \"genes-by-cells\""]);

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.csv"), text).unwrap();
    std::fs::write(dir.path().join("l.csv"), "id,t\ns1,x\ns2,y\n").unwrap();
    let mut spec = lenient(&dir.path().join("t.csv"));
    spec.labels = Some(LabelSource::File("l.csv".to_owned()));
    assert_eq!(prepare(&spec, dir.path()).unwrap().barcodes(), ["s1", "s2"]);
}

#[test]
fn lines_that_lie_are_named() {
    let by_genes = Orientation::GenesByCells;
    refused("", by_genes, &["line 1", "empty"]);
    refused("\n\n", by_genes, &["empty"]);
    refused("gene,c1,c2\n", by_genes, &["line 1", "no lines of counts"]);
    refused("gene\nA\n", by_genes, &["line 2", "one column"]);
    refused(
        "gene,c1,c2\nA,1\n",
        by_genes,
        &["line 2", "line of names has 3 fields", "first line of counts 2"],
    );
    refused("gene,c1,c2\nA,1,2\nB,1\n", by_genes, &["line 3", "2 fields"]);
    refused("gene,c1,c2\nA,1,2\nB,1,2,3\n", by_genes, &["line 3", "4 fields"]);
    refused(
        "gene,c1,c2\nA,1,2\nB,1,0.5\n",
        by_genes,
        &["line 3", "column 2", "\"c2\"", "\"0.5\"", "Normalised"],
    );
    refused("gene,c1,c2\nA,1,2\nB,-1,0\n", by_genes, &["line 3", "column 1", "\"-1\""]);
    refused("gene,c1,c2\nA,1,2\nB,NA,0\n", by_genes, &["line 3", "\"NA\""]);
    refused("gene,c1,c2\nA,1,2\nB,,0\n", by_genes, &["line 3", "Write 0"]);
    refused("gene,c1,c2\nA,1,2\n,1,0\n", by_genes, &["line 3", "name of this row is empty"]);
    refused("gene,c1,\nA,1,2\n", by_genes, &["line 1", "name of column 2 is empty"]);
    refused("gene,c1,c1\nA,1,2\n", by_genes, &["line 1", "\"c1\"", "column 1"]);
    refused("gene,c1,c2\nA,1,2\nB,\"1,2\n", by_genes, &["line 3", "quotation mark"]);
    refused(b"gene,c1,c\xff\nA,1,2\n", by_genes, &["line 1", "UTF-8"]);
    refused(b"gene,c1,c2\nA\xff,1,2\n", by_genes, &["line 2", "UTF-8"]);
    refused(
        "cell,A,B\nc1,1,2\nc2,1,2\nc1,1,2\n",
        Orientation::CellsByGenes,
        &["line 4", "\"c1\"", "on line 2"],
    );
    let cut = compress(PLAIN.as_bytes());
    refused(&cut[..cut.len() - 10], Orientation::Auto, &["cut short"]);
}

#[test]
fn a_part_of_a_10x_folder_is_no_table() {
    let message = read("barcodes.tsv", "AAACATACAACCAC-1\n", Orientation::Auto).unwrap_err().to_string();
    assert!(message.contains("folder that holds this file"), "{message}");
}
