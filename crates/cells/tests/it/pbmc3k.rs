//! PBMC3k must come out as Seurat 4.3.0 makes it (see `../golden/README.md` for the scripts).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cells::step::measure_cells::measure_cells;
use cells::{CountsReader, Dataset, read};
use domain::DataSpec;
use domain::data::LabelSource;
use flate2::read::GzDecoder;

fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data")
}

static PBMC3K: LazyLock<Dataset> = LazyLock::new(|| {
    let spec = DataSpec {
        labels: Some(LabelSource::File("pbmc3k/labels.csv".to_owned())),
        ..DataSpec::of_path("pbmc3k")
    };
    cells::prepare(&spec, &data_dir()).unwrap()
});

pub(crate) fn golden(name: &str) -> csv::Reader<GzDecoder<std::fs::File>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    csv::Reader::from_reader(GzDecoder::new(std::fs::File::open(path).unwrap()))
}

pub(crate) fn position_of(names: &[String]) -> HashMap<String, usize> {
    names.iter().enumerate().map(|(position, name)| (name.replace('_', "-"), position)).collect()
}

/// True when `found` is what was printed with `digits` digits as `printed`.
fn agrees(found: f64, printed: f64, digits: i32) -> bool {
    (found - printed).abs() <= printed.abs() * 10f64.powi(1 - digits)
}

#[test]
fn sizes_and_provenance_are_seurats() {
    assert_eq!((PBMC3K.n_cells(), PBMC3K.n_genes(), PBMC3K.nnz()), (2638, 13_714, 2_238_732));
    let provenance = PBMC3K.provenance();
    assert_eq!(provenance.reader, CountsReader::TenxV2);
    assert_eq!((provenance.cells_read, provenance.genes_read), (2700, 32_738));
    assert_eq!((provenance.entries_read, provenance.other_features_read), (2_286_884, 0));
    let dropped = provenance.cells_dropped;
    assert_eq!(dropped.few_genes + dropped.many_genes + dropped.mitochondrial, 2700 - 2638);
    assert_eq!(provenance.choices.label_column.as_deref(), Some("cell_type"));
}

#[test]
fn every_kept_cell_has_seurats_quality() {
    let raw = read::tenx::read(&data_dir().join("pbmc3k")).unwrap();
    let kept_genes = cells::step::genes_seen::genes_seen(raw.counts.view(), 3);
    let genes: Vec<String> = kept_genes.iter().map(|&gene| raw.genes[gene as usize].clone()).collect();
    let quality = measure_cells(raw.counts.select_columns(&kept_genes).view(), &genes, "MT-");
    let raw_position = position_of(&raw.barcodes);

    let mut rows = 0;
    for (row, barcode) in golden("cell_qc.csv.gz").records().zip(PBMC3K.barcodes()) {
        let row = row.unwrap();
        assert_eq!(&row[0], barcode);
        let measured = quality[raw_position[barcode]];
        assert_eq!(measured.counts, row[2].parse::<f64>().unwrap(), "{barcode}");
        assert_eq!(measured.genes, row[3].parse::<u32>().unwrap(), "{barcode}");
        assert!(agrees(measured.mito_percent, row[4].parse().unwrap(), 9), "{barcode}: {measured:?}");
        rows += 1;
    }
    assert_eq!(rows, 2638);
}

#[test]
fn every_gene_has_seurats_name_place_and_sums() {
    let matrix = PBMC3K.matrix();
    let mut sums = vec![(0.0f64, 0.0f64); matrix.n_cols];
    for (&gene, &value) in matrix.indices.iter().zip(matrix.values) {
        sums[gene as usize].0 += f64::from(value);
        sums[gene as usize].1 += f64::from(value) * f64::from(value);
    }
    let mut rows = 0;
    for ((row, name), (sum, squares)) in
        golden("gene_checksums.csv.gz").records().zip(PBMC3K.genes()).zip(sums)
    {
        let row = row.unwrap();
        assert_eq!(row[0], name.replace('_', "-"));
        assert!(agrees(sum, row[1].parse().unwrap(), 10), "{name}: {sum} for {}", &row[1]);
        assert!(agrees(squares, row[2].parse().unwrap(), 10), "{name}: {squares} for {}", &row[2]);
        rows += 1;
    }
    assert_eq!(rows, 13_714);
}

#[test]
fn single_entries_equal_seurats_as_f32() {
    let cell_of = position_of(PBMC3K.barcodes());
    let gene_of = position_of(PBMC3K.genes());
    let mut rows = 0;
    for row in golden("entries.csv.gz").records() {
        let row = row.unwrap();
        let (columns, values) = PBMC3K.matrix().row(cell_of[&row[0]]);
        let found = columns.binary_search(&(gene_of[&row[1]] as u32)).map_or(0.0, |entry| values[entry]);
        assert_eq!(found, row[2].parse::<f32>().unwrap(), "{} {}", &row[0], &row[1]);
        rows += 1;
    }
    assert_eq!(rows, 4000);
}

/// Maximum and mean square per cell of Seurat's matrix, from the same run.
#[test]
fn the_matrix_as_a_whole_is_seurats() {
    let values = PBMC3K.matrix().values;
    let maximum = values.iter().copied().fold(0.0, f32::max);
    let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    assert!(agrees(f64::from(maximum), 7.469_599, 7), "{maximum}");
    assert!(agrees(squares / 2638.0, 4033.1532, 8), "{}", squares / 2638.0);
}

/// Sizes: those of Seurat's clusters; markers: `data/pbmc3k/README.md`.
#[test]
fn labels_are_the_nine_types_and_express_their_markers() {
    let labels = PBMC3K.labels().unwrap();
    let expected = [
        ("Naive CD4 T", 684, "CCR7"),
        ("CD14+ Mono", 481, "CD14"),
        ("Memory CD4 T", 476, "IL7R"),
        ("B", 344, "MS4A1"),
        ("CD8 T", 291, "CD8A"),
        ("FCGR3A+ Mono", 162, "MS4A7"),
        ("NK", 155, "GNLY"),
        ("DC", 32, "FCER1A"),
        ("Platelet", 13, "PPBP"),
    ];
    assert_eq!(labels.classes, expected.map(|(name, ..)| name));
    let gene_of = position_of(PBMC3K.genes());
    for (class, (name, size, marker)) in expected.into_iter().enumerate() {
        let marker = gene_of[marker] as u32;
        let (mut inside, mut outside, mut cells) = (0.0, 0.0, 0);
        for (cell, &label) in labels.of_cell.iter().enumerate() {
            let (columns, values) = PBMC3K.matrix().row(cell);
            let value = columns.binary_search(&marker).map_or(0.0, |entry| f64::from(values[entry]));
            if usize::from(label) == class {
                (inside, cells) = (inside + value, cells + 1);
            } else {
                outside += value;
            }
        }
        assert_eq!(cells, size, "{name}");
        assert!(inside / f64::from(cells) > outside / f64::from(2638 - cells), "{name}");
    }
}

#[test]
fn what_is_written_opens_as_the_same_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let path = PBMC3K.write_to_dir(dir.path()).unwrap();
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{}.lsds", PBMC3K.fingerprint()));
    let opened = Dataset::open_verified(&path, PBMC3K.fingerprint()).unwrap();
    assert_eq!(opened.matrix().values, PBMC3K.matrix().values);
    assert_eq!(opened.genes(), PBMC3K.genes());
    assert_eq!(opened.labels(), PBMC3K.labels());
    assert_eq!(opened.provenance(), PBMC3K.provenance());
}
