//! Small `.h5ad` files, written for a test, with a place for every lie. Expectations must not live here.

use std::path::{Path, PathBuf};

use rust_hdf5::{H5File, H5Group};
use tempfile::TempDir;

/// An AnnData file of three cells × four genes: [[1 0 2 0] [0 0 0 3] [0 4 0 5]].
#[derive(Debug, Clone)]
pub(crate) struct Anndata {
    pub(crate) cells: Vec<&'static str>,
    pub(crate) genes: Vec<&'static str>,
    pub(crate) encoding: &'static str,
    pub(crate) indptr: Vec<i64>,
    pub(crate) indices: Vec<i32>,
    pub(crate) data: Vec<f32>,
    /// Codes and categories of the column `cell_type`.
    pub(crate) codes: Vec<i8>,
    pub(crate) categories: Vec<&'static str>,
}

impl Default for Anndata {
    fn default() -> Self {
        Self {
            cells: vec!["c0", "c1", "c2"],
            genes: vec!["A", "B", "C", "MT-D"],
            encoding: "csr_matrix",
            indptr: vec![0, 2, 3, 5],
            indices: vec![0, 2, 3, 1, 3],
            data: vec![1.0, 2.0, 3.0, 4.0, 5.0],
            codes: vec![0, 1, 0],
            categories: vec!["T", "B"],
        }
    }
}

impl Anndata {
    /// Writes it as `counts.h5ad` into a folder of its own; `more` adds to the file before it is closed.
    pub(crate) fn write_and(&self, more: impl FnOnce(&H5Group)) -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("counts.h5ad");
        let file = H5File::create(&path).unwrap();
        let root = file.root_group();
        sparse(&root, "X", self.encoding, (&self.indptr, &self.indices, &self.data));
        let obs = frame(&root, "obs", &self.cells);
        let column = obs.create_group("cell_type").unwrap();
        column.set_attr_string("encoding-type", "categorical").unwrap();
        list(&column, "codes", &self.codes);
        column.write_vlen_strings("categories", &self.categories).unwrap();
        frame(&root, "var", &self.genes);
        more(&root);
        drop(root);
        file.close().unwrap();
        (dir, path)
    }

    pub(crate) fn write(&self) -> (TempDir, PathBuf) {
        self.write_and(|_| {})
    }
}

pub(crate) fn sparse(
    parent: &H5Group,
    name: &str,
    encoding: &str,
    (indptr, indices, data): (&[i64], &[i32], &[f32]),
) {
    let group = parent.create_group(name).unwrap();
    group.set_attr_string("encoding-type", encoding).unwrap();
    list(&group, "indptr", indptr);
    list(&group, "indices", indices);
    list(&group, "data", data);
}

pub(crate) fn list<T: rust_hdf5::H5Type>(group: &H5Group, name: &str, values: &[T]) {
    let dataset = group.new_dataset::<T>().shape([values.len()]).create(name).unwrap();
    if !values.is_empty() {
        dataset.write_raw(values).unwrap();
    }
}

pub(crate) fn frame(root: &H5Group, name: &str, index: &[&str]) -> H5Group {
    let group = root.create_group(name).unwrap();
    group.set_attr_string("encoding-type", "dataframe").unwrap();
    group.set_attr_string("_index", "_index").unwrap();
    group.write_vlen_strings("_index", index).unwrap();
    group
}

/// A dense matrix in chunks of whole rows, deflated.
pub(crate) fn dense(
    path: &Path,
    n_cells: usize,
    n_genes: usize,
    chunk: [usize; 2],
    row: impl Fn(usize) -> Vec<f32>,
) {
    let file = H5File::create(path).unwrap();
    let x = file.new_dataset::<f32>().shape([n_cells, n_genes]).chunk(&chunk).deflate(1).create("X").unwrap();
    for band in 0..n_cells.div_ceil(chunk[0]) {
        let rows: Vec<Vec<f32>> = (band * chunk[0]..((band + 1) * chunk[0]).min(n_cells)).map(&row).collect();
        for tile in 0..n_genes.div_ceil(chunk[1]) {
            let columns = tile * chunk[1]..((tile + 1) * chunk[1]).min(n_genes);
            let values: Vec<f32> = rows.iter().flat_map(|row| row[columns.clone()].to_vec()).collect();
            x.write_slice(&[band * chunk[0], columns.start], &[rows.len(), columns.len()], &values).unwrap();
        }
    }
    let root = file.root_group();
    let names = |letter: char, count: usize| (0..count).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    for (name, names) in [("obs", names('c', n_cells)), ("var", names('G', n_genes))] {
        frame(&root, name, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    drop((x, root));
    file.close().unwrap();
}
