//! Keys of `[data]` that contradict each other or the kind of file that `path` names.

use domain::data::{LabelSource, Orientation, Unlabelled};

use crate::assert_refused;

fn grid(data: &str) -> String {
    format!("name = \"x\"\n[data]\n{data}\n[grid]\nmodel = \"ae\"\n")
}

#[track_caller]
fn refused(data: &str, rendered: &str) {
    assert_refused(&grid(data), rendered);
}

#[test]
fn a_layer_of_a_folder() {
    refused(
        "path = \"cells\"\nlayer = \"counts\"",
        r#"grid.toml:4:9: layer speaks of an .h5ad file, but path names a 10x directory (path at 3:8)
4 | layer = "counts"
  |         ^^^^^^^^
help: remove layer: there is only one matrix"#,
    );
}

#[test]
fn an_orientation_of_what_has_none() {
    refused(
        "path = \"cells.h5ad\"\norientation = \"genes-by-cells\"",
        r#"grid.toml:4:15: orientation speaks of a .csv or .tsv, but path names an .h5ad file (path at 3:8)
4 | orientation = "genes-by-cells"
  |               ^^^^^^^^^^^^^^^^
help: remove orientation: this kind of file says itself which axis is which"#,
    );
}

#[test]
fn another_word_for_an_orientation() {
    refused(
        "path = \"cells.csv\"\norientation = \"python\"",
        r#"grid.toml:4:15: unknown orientation "python"
4 | orientation = "python"
  |               ^^^^^^^^
help: did you mean "cells-by-genes"? orientation is one of "auto", "genes-by-cells" or "cells-by-genes""#,
    );
}

#[test]
fn labels_from_the_obs_of_a_table() {
    refused(
        "path = \"cells.tsv.gz\"\nlabels = { obs = \"cell_type\" }",
        r#"grid.toml:4:18: obs speaks of an .h5ad file, but path names a table of text (path at 3:8)
4 | labels = { obs = "cell_type" }
  |                  ^^^^^^^^^^^
help: name a CSV: labels = { file = "labels.csv", column = "cell_type" }"#,
    );
}

#[test]
fn gene_names_of_a_folder() {
    refused(
        "path = \"cells\"\ngene_names = \"feature_name\"",
        r#"grid.toml:4:14: gene_names speaks of an .h5ad file, but path names a 10x directory (path at 3:8)
4 | gene_names = "feature_name"
  |              ^^^^^^^^^^^^^^
help: remove gene_names: the names are taken from the file's own place for them"#,
    );
}

#[test]
fn labels_from_two_places() {
    refused(
        "path = \"cells.h5ad\"\nlabels = { file = \"l.csv\", obs = \"cell_type\" }",
        r#"grid.toml:4:34: labels come from a file or from obs, not both (the file at 4:19)
4 | labels = { file = "l.csv", obs = "cell_type" }
  |                                  ^^^^^^^^^^^
help: keep one of them"#,
    );
}

#[test]
fn a_label_column_without_its_file() {
    refused(
        "path = \"cells.h5ad\"\nlabels = { column = \"cell_type\" }",
        r#"grid.toml:4:21: column names a column of a file, and there is none
4 | labels = { column = "cell_type" }
  |                     ^^^^^^^^^^^
help: write labels = { file = "labels.csv", column = "…" }, or { obs = "…" } for a column of an .h5ad"#,
    );
}

#[test]
fn labels_from_nowhere() {
    refused(
        "path = \"cells.h5ad\"\nlabels = {}",
        r#"grid.toml:4:10: labels names no file and no column
4 | labels = {}
  |          ^^
help: write labels = "labels.csv", { file = "labels.csv", column = "cell_type" } or { obs = "cell_type" }"#,
    );
}

#[test]
fn a_word_about_labels_without_labels() {
    refused(
        "path = \"cells\"\nunlabelled = \"drop\"",
        r#"grid.toml:4:14: unlabelled speaks of labels, and there are none
4 | unlabelled = "drop"
  |              ^^^^^^
help: add labels, or remove unlabelled"#,
    );
}

#[test]
fn what_fits_together_is_read() {
    let text = grid(
        "path = \"a.h5ad.gz\"\nlayer = \"raw/X\"\ngene_names = \"feature_name\"\nlabels = { obs = \"t\" }\nunlabelled = \"keep\"",
    );
    let data = domain::grid::parse(&text).unwrap().data;
    assert_eq!(data.layer.as_deref(), Some("raw/X"));
    assert_eq!(data.gene_names.as_deref(), Some("feature_name"));
    assert_eq!(data.labels, Some(LabelSource::Obs { obs: "t".to_owned() }));
    assert_eq!(data.unlabelled, Unlabelled::Keep);
    let text = grid("path = \"a.csv\"\norientation = \"cells-by-genes\"\nlabels = { file = \"l.csv\" }");
    let data = domain::grid::parse(&text).unwrap().data;
    assert_eq!(data.orientation, Orientation::CellsByGenes);
    assert_eq!(data.labels, Some(LabelSource::File("l.csv".to_owned())));
}
