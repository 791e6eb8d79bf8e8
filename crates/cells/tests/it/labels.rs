//! Labels from CSV files of every shape that the grid file's documentation promises, and the refusal of the rest.

use std::path::Path;

use cells::{CellsError, Dataset};
use domain::data::LabelSource;
use tempfile::TempDir;

use crate::fixture::{compress, lenient, small_folder};

fn labelled(csv: &[u8], column: Option<&str>) -> Result<Dataset, CellsError> {
    let dir = small_folder();
    std::fs::write(dir.path().join("labels.csv"), csv).unwrap();
    prepare(&dir, column)
}

fn prepare(dir: &TempDir, column: Option<&str>) -> Result<Dataset, CellsError> {
    let file = "labels.csv".to_owned(); // relative: found from the base folder
    let mut spec = lenient(dir.path());
    spec.labels = Some(match column {
        None => LabelSource::File(file),
        Some(column) => LabelSource::Column { file, column: column.to_owned() },
    });
    cells::prepare(&spec, dir.path())
}

fn names_of_cells(dataset: &Dataset) -> Vec<&str> {
    let labels = dataset.labels().unwrap();
    labels.of_cell.iter().map(|&class| labels.classes[usize::from(class)].as_str()).collect()
}

fn assert_refused(csv: &[u8], column: Option<&str>, parts: &[&str]) {
    let message = labelled(csv, column).unwrap_err().to_string();
    assert!(message.contains("labels.csv"), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn the_column_is_cell_type_or_the_second_or_the_named_one() {
    let csv = b"id,cluster,cell_type\nC3,1,x\nC0,2,y\nC1,1,x\nC2,1,z\nC9,7,other\n";
    assert_eq!(names_of_cells(&labelled(csv, None).unwrap()), ["y", "x", "z", "x"]);
    assert_eq!(names_of_cells(&labelled(csv, Some("cluster")).unwrap()), ["2", "1", "1", "1"]);
    let without = b"id,kind,note\nC0,p,1\nC1,q,2\nC2,q,3\nC3,q,4\n";
    assert_eq!(names_of_cells(&labelled(without, None).unwrap()), ["p", "q", "q", "q"]);
}

#[test]
fn quotes_byte_order_marks_windows_lines_and_gzip_are_fine() {
    let csv =
        "\u{feff}\"\",\"cell_type\"\r\n\"C0\",\"T, \"\"naive\"\"\"\r\nC1,B\r\nC2,B\r\nC3,B\r\n".as_bytes();
    let expected = ["T, \"naive\"", "B", "B", "B"];
    assert_eq!(names_of_cells(&labelled(csv, None).unwrap()), expected);
    let compressed = compress(csv);
    assert_eq!(names_of_cells(&labelled(&compressed, None).unwrap()), expected);
    let cut_short = &compressed[..compressed.len() - 10];
    assert_refused(cut_short, None, &["cut short"]);
}

#[test]
fn the_choice_of_column_is_part_of_the_fingerprint() {
    let csv = b"id,a,b\nC0,x,x\nC1,x,x\nC2,x,x\nC3,x,x\n";
    let a = labelled(csv, Some("a")).unwrap();
    let b = labelled(csv, Some("b")).unwrap();
    assert_ne!(a.fingerprint(), b.fingerprint());
    assert_eq!(a.fingerprint(), labelled(csv, Some("a")).unwrap().fingerprint());
}

#[test]
fn tables_that_do_not_fit_are_refused_in_words() {
    assert_refused(b"id,t\nC0,x\nC1,\n", None, &["3 of the 4 cells", "C1, C2, C3", "looks like C0"]);
    assert_refused(b"id,t\nC0-1,x\n", None, &["4 of the 4 cells", "looks like C0-1"]);
    assert_refused(b"id,t\nC0,x\nC1,x\nC0,y\n", None, &["line 4", "\"C0\" was already on line 2"]);
    assert_refused(b"id,t\nC0,x,9\n", None, &["line 2", "3 columns", "has 2"]);
    assert_refused(b"id,t\nC0,x\n", Some("kind"), &["\"kind\"", "\"t\"", "`column`"]);
    assert_refused(b"id,t,t\nC0,x,y\n", Some("t"), &["\"t\" twice"]);
    assert_refused(b"id;t\nC0;x\n", None, &["two columns", "commas"]);
    assert_refused(b"", None, &["two columns"]);
    assert_refused(b"id,t\n\xff,x\n", None, &["line 2", "UTF-8"]);
    assert_refused(b"id,t\n,x\n", None, &["line 2", "barcode is empty"]);
}

#[test]
fn a_missing_file_is_named() {
    let dir = small_folder();
    let error = prepare(&dir, None).unwrap_err();
    assert!(
        matches!(&error, CellsError::Io { path, .. } if path == Path::new(&dir.path().join("labels.csv")))
    );
    assert!(error.to_string().contains("labels.csv"), "{error}");
}
