//! Small 10x folders, written for a test. Expectations must not live here.

use std::fs;
use std::io::Write;
use std::path::Path;

use domain::DataSpec;
use domain::data::QualityControl;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// Version of a 10x folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V2,
    V3,
}

/// Writes `text` as `dir/name`, or gzipped as `dir/name.gz`.
pub(crate) fn write(dir: &Path, name: &str, text: &[u8], gzip: bool) {
    if gzip {
        fs::write(dir.join(format!("{name}.gz")), compress(text)).unwrap();
    } else {
        fs::write(dir.join(name), text).unwrap();
    }
}

pub(crate) fn compress(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Entries (gene, cell, count), from 0, as Matrix Market text.
pub(crate) fn matrix_text(n_genes: usize, n_cells: usize, entries: &[(usize, usize, u32)]) -> String {
    let mut text = "%%MatrixMarket matrix coordinate integer general\n% a comment\n".to_owned();
    text += &format!("{n_genes} {n_cells} {}\n", entries.len());
    for (gene, cell, count) in entries {
        text += &format!("{} {} {count}\n", gene + 1, cell + 1);
    }
    text
}

/// A 10x folder of `genes` × cells C0, C1, ….
pub(crate) fn folder(
    version: Version,
    gzip: bool,
    genes: &[String],
    n_cells: usize,
    entries: &[(usize, usize, u32)],
) -> TempDir {
    let dir = TempDir::new().unwrap();
    let (name, kind) = match version {
        Version::V2 => ("genes.tsv", ""),
        Version::V3 => ("features.tsv", "\tGene Expression"),
    };
    let features: String =
        genes.iter().enumerate().map(|(id, gene)| format!("ENSG{id}\t{gene}{kind}\n")).collect();
    let barcodes: String = (0..n_cells).map(|cell| format!("C{cell}\n")).collect();
    write(dir.path(), name, features.as_bytes(), gzip);
    write(dir.path(), "barcodes.tsv", barcodes.as_bytes(), gzip);
    write(dir.path(), "matrix.mtx", matrix_text(genes.len(), n_cells, entries).as_bytes(), gzip);
    dir
}

/// Three genes × four cells; every test that breaks something starts from it.
pub(crate) fn small_folder() -> TempDir {
    let genes = ["A", "B", "MT-X"].map(str::to_owned);
    folder(Version::V2, false, &genes, 4, &[(0, 0, 1), (1, 0, 2), (1, 1, 3), (0, 2, 4), (2, 2, 5), (1, 3, 6)])
}

/// A spec for the folder `path` that keeps every cell with a count.
pub(crate) fn lenient(path: &Path) -> DataSpec {
    DataSpec {
        qc: QualityControl {
            min_cells: 0,
            min_genes: 0,
            max_genes: u32::MAX,
            max_mito_percent: 100.0,
            ..QualityControl::default()
        },
        ..DataSpec::of_path(path.to_str().unwrap())
    }
}
