//! `.h5ad` and `.h5` files that contradict themselves: every refusal names the entry, what is there and what should be.

use std::path::Path;

use cells::prepare;
use rust_hdf5::H5Group;

use crate::fixture::lenient;
use crate::h5_writer::{Anndata, dense, frame, list, sparse};

fn refusal_of(path: &Path) -> String {
    prepare(&lenient(path), Path::new("/")).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Anndata), parts: &[&str]) {
    let mut file = Anndata::default();
    change(&mut file);
    let (_dir, path) = file.write();
    assert_says(&refusal_of(&path), &[&["counts.h5ad"], parts].concat());
}

#[track_caller]
fn refused_with(more: impl FnOnce(&H5Group), layer: &str, parts: &[&str]) {
    let (_dir, path) = Anndata::default().write_and(more);
    let mut spec = lenient(&path);
    spec.layer = Some(layer.to_owned());
    assert_says(&prepare(&spec, Path::new("/")).unwrap_err().to_string(), parts);
}

fn dense_rows(path: &Path, spec_path: &Path) -> Vec<Vec<f32>> {
    assert!(path == spec_path);
    let read = cells::read::source::read(&lenient(path), Path::new("/")).unwrap();
    let view = read.raw.counts.view();
    let mut rows = vec![vec![0.0; view.n_cols]; view.n_rows];
    for (row, (genes, counts)) in rows.iter_mut().zip(view.rows()) {
        genes.iter().zip(counts).for_each(|(&gene, &count)| row[gene as usize] = count);
    }
    rows
}

#[test]
fn the_file_that_the_lies_are_made_of_is_sound() {
    let expected = [[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 3.0], [0.0, 4.0, 0.0, 5.0]];
    let (_dir, path) = Anndata::default().write();
    assert_eq!(dense_rows(&path, &path), expected);
    let by_genes = Anndata {
        encoding: "csc_matrix",
        indptr: vec![0, 1, 2, 3, 5],
        indices: vec![0, 2, 0, 1, 2],
        data: vec![1.0, 4.0, 2.0, 3.0, 5.0],
        ..Anndata::default()
    };
    let (_dir, path) = by_genes.write();
    assert_eq!(dense_rows(&path, &path), expected);
    let unsorted =
        Anndata { indices: vec![2, 0, 3, 3, 1], data: vec![2.0, 1.0, 3.0, 5.0, 4.0], ..Anndata::default() };
    let (_dir, path) = unsorted.write();
    assert_eq!(dense_rows(&path, &path), expected);
}

#[test]
fn features_that_are_no_genes_are_left_out_of_sparse_and_dense_matrices() {
    let (_dir, path) = Anndata::default().write_and(|root| {
        let types = ["Gene Expression", "Antibody Capture", "Gene Expression", "Gene Expression"];
        // Over again: the writer has no way to a group that is there already.
        let raw = root.create_group("raw").unwrap();
        let var = frame(&raw, "var", &["A", "CD3", "C", "MT-D"]);
        var.write_vlen_strings("feature_types", &types).unwrap();
        let values = [1.0_f32, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 4.0, 0.0, 5.0];
        raw.new_dataset::<f32>().shape([3, 4]).create("X").unwrap().write_raw(&values).unwrap();
    });
    let mut spec = lenient(&path);
    spec.layer = Some("raw".to_owned());
    let raw = cells::read::source::read(&spec, Path::new("/")).unwrap().raw;
    assert_eq!((raw.genes, raw.other_features), (["A", "C", "MT-D"].map(str::to_owned).to_vec(), 1));
    assert_eq!(raw.counts.view().indices, [0, 1, 2, 2]);
    assert_eq!(raw.counts.view().values, [1.0, 2.0, 3.0, 5.0]);
}

#[test]
fn pointers_that_lie() {
    refused(|file| file.indptr = vec![1, 2, 3, 5], &["X/indptr", "first pointer is 1"]);
    refused(|file| file.indptr = vec![0, 3, 2, 5], &["X/indptr", "fall from 3 to 2 at position 2"]);
    refused(|file| file.indptr = vec![0, -1, 3, 5], &["X/indptr", "fall from 0 to -1"]);
    refused(|file| file.indptr = vec![0, 2, 3, 6], &["X/indptr", "last pointer is 6", "X/indices has 5"]);
    refused(|file| file.indptr = vec![0, 2, 5], &["X/indptr", "(4)", "(3)", "3 cells"]);
    refused(|file| file.data = vec![1.0; 4], &["X/indptr", "X/data has 4 values"]);
    refused(|file| file.cells.push("c3"), &["X/indptr", "there are 4 cells"]);
}

#[test]
fn indices_that_lie() {
    refused(|file| file.indices[1] = 4, &["X/indices", "index 4 at position 1", "outside 0 to 3"]);
    refused(|file| file.indices[1] = -1, &["X/indices", "index -1 at position 1"]);
    refused(|file| file.indices[4] = 1, &["X/indices", "cell 2 names the index 1 twice"]);
    let by_genes = |file: &mut Anndata| {
        file.encoding = "csc_matrix";
        (file.indptr, file.indices) = (vec![0, 1, 2, 3, 5], vec![0, 2, 0, 1, 2]);
    };
    refused(|file| (by_genes(file), file.indices[3] = 2).1, &["X/indices", "gene 3 names the index 2 twice"]);
    refused(|file| (by_genes(file), file.indices[0] = 3).1, &["X/indices", "outside 0 to 2"]);
    refused(|file| file.encoding = "coo_matrix", &["X", "\"coo_matrix\"", "csr_matrix"]);
}

#[test]
fn values_that_are_no_counts() {
    refused(|file| file.data[2] = 0.25, &["X/data", "0.25 at position 2", "no other matrix"]);
    refused(|file| file.data[2] = -1.0, &["X/data", "-1 at position 2"]);
    refused(|file| file.data[2] = f32::NAN, &["X/data", "NaN"]);
    refused(|file| file.data[2] = f32::INFINITY, &["X/data", "inf"]);
}

#[test]
fn names_that_lie() {
    refused(|file| file.cells[2] = "c0", &["obs/_index", "\"c0\"", "position 0 and again at 2"]);
    refused(|file| file.cells[1] = "", &["obs/_index", "position 1 is empty"]);
    refused(|file| file.genes[1] = "", &["var/_index", "gene name at position 1 is empty"]);
    let mut twins = Anndata::default();
    twins.genes[1] = "A";
    let (_dir, path) = twins.write();
    let genes = cells::read::source::read(&lenient(&path), Path::new("/")).unwrap().raw.genes;
    assert_eq!(genes, ["A", "A.1", "C", "MT-D"]);
}

#[test]
fn labels_that_lie() {
    let refused = |change: fn(&mut Anndata), parts: &[&str]| {
        let mut file = Anndata::default();
        change(&mut file);
        let (_dir, path) = file.write();
        let mut spec = lenient(&path);
        spec.labels = Some(domain::data::LabelSource::Obs { obs: "cell_type".to_owned() });
        assert_says(&prepare(&spec, Path::new("/")).unwrap_err().to_string(), parts);
    };
    refused(|file| file.codes[1] = 2, &["obs/cell_type/codes", "code 2 at position 1", "2 categories"]);
    refused(|file| file.codes.truncate(2), &["obs/cell_type", "(3)", "(2)", "3 rows"]);
    refused(|file| file.codes[1] = -1, &["obs/cell_type", "1 of the 3 cells", "unlabelled"]);
}

#[test]
fn types_and_shapes_that_do_not_fit() {
    let words = |root: &H5Group| {
        let layers = root.create_group("layers").unwrap();
        layers.write_vlen_strings("words", &["a", "b"]).unwrap();
        list(&layers, "flat", &[1.0_f32, 2.0]);
        layers.new_dataset::<f32>().shape([3, 5]).create("wide").unwrap().write_raw(&[0.0_f32; 15]).unwrap();
        let odd = layers.create_group("odd").unwrap();
        odd.set_attr_string("encoding-type", "csr_matrix").unwrap();
        list(&odd, "indptr", &[0.0_f64, 2.0, 3.0, 5.0]);
        list(&odd, "indices", &[0_i32; 5]);
        list(&odd, "data", &[0_i32; 5]);
        sparse(&layers, "bare", "", (&[0, 0, 0, 0], &[], &[]));
    };
    refused_with(words, "words", &["layers/words", "(3, 4)", "(2)"]);
    refused_with(words, "flat", &["layers/flat", "(3, 4)", "3 cells and 4 genes"]);
    refused_with(words, "wide", &["layers/wide", "(3, 4)", "(3, 5)"]);
    refused_with(words, "odd", &["layers/odd/indptr", "integers", "floating-point"]);
    refused_with(words, "bare", &["layers/bare", "encoding"]);
}

#[test]
fn a_size_that_the_file_can_not_hold_is_refused_before_it_is_allocated() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files");
    for name in ["endless_old.h5ad.gz", "endless_new.h5ad.gz"] {
        assert_says(&refusal_of(&golden.join(name)), &[name, "obs/_index", "claims", "the whole file has"]);
    }
}

#[test]
fn a_shape_that_contradicts_the_names_is_refused_in_old_and_new_layouts() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files");
    for name in ["shape_old.h5ad.gz", "shape_new.h5ad.gz"] {
        let parts = [name, "X (attribute shape)", "(2, 2)", "(2, 5)", "2 cells and 2 genes"];
        assert_says(&refusal_of(&golden.join(name)), &parts);
    }
}

#[test]
fn files_that_are_something_else_say_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5ad");
    std::fs::write(&path, "not HDF5").unwrap();
    assert_says(&refusal_of(&path), &["a.h5ad", "cannot be read as HDF5", "again"]);
    std::fs::write(&path, "").unwrap();
    assert_says(&refusal_of(&path), &["a.h5ad", "cannot be read as HDF5"]);

    let file = rust_hdf5::H5File::create(&path).unwrap();
    list(&file.root_group(), "weights", &[1.0_f32]);
    file.close().unwrap();
    assert_says(&refusal_of(&path), &["a.h5ad", "no file of counts", "\"weights\""]);

    let path = dir.path().join("b.h5");
    let file = rust_hdf5::H5File::create(&path).unwrap();
    for genome in ["hg19", "mm10"] {
        file.root_group().create_group(genome).unwrap().write_vlen_strings("gene_names", &["A"]).unwrap();
    }
    file.close().unwrap();
    assert_says(&refusal_of(&path), &["b.h5", "several genomes", "\"hg19\", \"mm10\""]);

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files/tenx_v2.h5");
    let mut spec = lenient(&golden);
    spec.layer = Some("counts".to_owned());
    assert_says(
        &prepare(&spec, Path::new("/")).unwrap_err().to_string(),
        &["[data] layer", "10x .h5", "Remove"],
    );
}

#[test]
fn a_file_cut_short_is_refused_wherever_it_ends() {
    let (dir, path) = Anndata::default().write();
    let whole = std::fs::read(&path).unwrap();
    let cut = dir.path().join("cut.h5ad");
    let mut refused = 0;
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let result = prepare(&lenient(&cut), Path::new("/"));
        refused += usize::from(result.is_err_and(|error| error.to_string().contains("cut.h5ad")));
    }
    assert_eq!(refused, whole.len().div_ceil(97));
}

#[test]
fn dense_matrices_in_chunks_of_any_shape_come_out_whole() {
    let row = |cell: usize| {
        (0..50)
            .map(|gene| if (cell + gene).is_multiple_of(7) { (cell * 50 + gene) as f32 } else { 0.0 })
            .collect()
    };
    let dir = tempfile::tempdir().unwrap();
    for chunk in [[1, 50], [7, 50], [40, 11], [40, 50]] {
        let path = dir.path().join(format!("{}x{}.h5ad", chunk[0], chunk[1]));
        dense(&path, 40, 50, chunk, row);
        let expected: Vec<Vec<f32>> = (0..40).map(row).collect();
        assert_eq!(dense_rows(&path, &path), expected, "{chunk:?}");
    }
}
