//! Files as anndata, Cell Ranger, pandas and R write them (see `../golden/files/make.py`): all hold the same counts, and
//! so all must come out as the 10x reader's slice of PBMC3k does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cells::read::RawCounts;
use cells::read::source::{self, ReadData};
use cells::{CountsReader, prepare, read};
use domain::DataSpec;
use domain::data::{LabelSource, Orientation, Unlabelled};

use crate::fixture::lenient;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)
}

/// Cell, gene, count.
type Entries = Vec<(String, String, f32)>;

static EXPECTED: LazyLock<Entries> = LazyLock::new(|| {
    let mut rows = csv::Reader::from_path(golden("expected.csv")).unwrap();
    rows.records()
        .map(|row| {
            let row = row.unwrap();
            (row[0].to_owned(), row[1].to_owned(), row[2].parse().unwrap())
        })
        .collect()
});

fn entries(raw: &RawCounts) -> Entries {
    let rows = raw.counts.view().rows().zip(&raw.barcodes);
    rows.flat_map(|((genes, counts), barcode)| {
        let named =
            move |(&gene, &count): (&u32, &f32)| (barcode.clone(), raw.genes[gene as usize].clone(), count);
        genes.iter().zip(counts).map(named).collect::<Vec<_>>()
    })
    .collect()
}

fn spec(name: &str) -> DataSpec {
    lenient(&golden(name))
}

fn read_with(spec: &DataSpec) -> ReadData {
    source::read(spec, Path::new("/")).unwrap_or_else(|error| panic!("{}: {error}", spec.path))
}

fn obs(column: &str) -> Option<LabelSource> {
    Some(LabelSource::Obs { obs: column.to_owned() })
}

#[test]
fn the_slice_of_pbmc3k_is_what_the_10x_reader_says_it_is() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/pbmc3k");
    let raw = read::tenx::read(&data).unwrap();
    let slice = read_with(&spec("csr.h5ad.gz")).raw;
    let all: BTreeMap<(String, String), f32> =
        entries(&raw).into_iter().map(|(cell, gene, count)| ((cell, gene), count)).collect();
    let mut places = 0;
    for cell in &slice.barcodes {
        for gene in &slice.genes {
            let place = (cell.clone(), gene.clone());
            let found = EXPECTED.iter().find(|entry| (&entry.0, &entry.1) == (&place.0, &place.1));
            assert_eq!(found.map(|entry| entry.2), all.get(&place).copied(), "{place:?}");
            places += 1;
        }
    }
    assert_eq!(places, 24 * 30);
}

#[test]
fn every_kind_of_file_holds_the_same_counts() {
    for (name, reader) in [
        ("csr.h5ad.gz", CountsReader::H5ad),
        ("csc.h5ad.gz", CountsReader::H5ad),
        ("dense.h5ad.gz", CountsReader::H5ad),
        ("dense_int.h5ad.gz", CountsReader::H5ad),
        ("old_0_7.h5ad.gz", CountsReader::H5ad),
        ("tenx_v2.h5", CountsReader::TenxH5V2),
        ("tenx_v3.h5.gz", CountsReader::TenxH5V3),
        ("cells_by_genes.csv.gz", CountsReader::Table),
        ("genes_by_cells.csv.gz", CountsReader::Table),
        ("no_corner.tsv.gz", CountsReader::Table),
    ] {
        let raw = read_with(&spec(name)).raw;
        assert_eq!((raw.reader, raw.barcodes.len(), raw.genes.len()), (reader, 24, 30), "{name}");
        assert_eq!(entries(&raw), *EXPECTED, "{name}");
        assert_eq!(raw.counts.view().nnz(), EXPECTED.len(), "{name}");
        assert_eq!(raw.other_features, if name.starts_with("tenx_v3") { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn unpacked_files_are_the_same_as_packed_ones() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["csc.h5ad", "tenx_v3.h5", "no_corner.tsv", "cells_by_genes.csv"] {
        let mut packed =
            flate2::read::GzDecoder::new(std::fs::File::open(golden(&format!("{name}.gz"))).unwrap());
        std::io::copy(&mut packed, &mut std::fs::File::create(dir.path().join(name)).unwrap()).unwrap();
        assert_eq!(entries(&read_with(&lenient(&dir.path().join(name))).raw), *EXPECTED, "{name}");
    }
}

#[test]
fn counts_are_found_in_layers_and_in_raw_under_each_of_their_names() {
    for layer in ["counts", "layers/counts", "raw", "raw/X"] {
        let mut spec = spec("layers.h5ad.gz");
        spec.layer = Some(layer.to_owned());
        let raw = read_with(&spec).raw;
        let mut found = entries(&raw);
        found.sort_by_key(|(cell, gene, _)| {
            EXPECTED.iter().position(|entry| (&entry.0, &entry.1) == (cell, gene)).unwrap()
        });
        assert_eq!(found, *EXPECTED, "{layer}");
        let canonical = if layer.contains("raw") { "raw/X" } else { "layers/counts" };
        assert_eq!(raw.layer.as_deref(), Some(canonical));
    }
    let mut old = spec("old_0_6.h5ad.gz");
    old.layer = Some("raw/X".to_owned());
    assert_eq!(entries(&read_with(&old).raw), *EXPECTED);
}

#[test]
fn normalised_values_are_refused_with_the_key_that_helps() {
    let refusal = |name: &str, layer: Option<&str>| {
        let mut spec = spec(name);
        spec.layer = layer.map(str::to_owned);
        prepare(&spec, Path::new("/")).unwrap_err().to_string()
    };
    let message = refusal("layers.h5ad.gz", None);
    for part in ["layers.h5ad.gz", "X/data", "no count", "layer = \"raw/X\" or layer = \"layers/counts\""] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains("scaled"), "{message}");
    let message = refusal("layers.h5ad.gz", Some("scaled"));
    assert!(message.contains("layers/scaled") && message.contains("row 0, column"), "{message}");
    let message = refusal("old_0_6.h5ad.gz", None);
    assert!(message.contains("layer = \"raw/X\"") && message.contains("7.5"), "{message}");
    let message = refusal("layers.h5ad.gz", Some("nothing"));
    assert!(message.contains("layers/nothing") && message.contains("layer = \"layers/counts\""), "{message}");
}

#[test]
fn genes_are_named_by_the_column_that_is_asked_for() {
    let raw = read_with(&spec("ids.h5ad.gz")).raw;
    assert!(raw.genes.iter().all(|gene| gene.starts_with("ENSG")), "{:?}", raw.genes);
    let mut named = spec("ids.h5ad.gz");
    named.gene_names = Some("feature_name".to_owned());
    assert_eq!(entries(&read_with(&named).raw), *EXPECTED);
    named.gene_names = Some("symbol".to_owned());
    let message = prepare(&named, Path::new("/")).unwrap_err().to_string();
    assert!(message.contains("var/symbol") && message.contains("\"feature_name\""), "{message}");
}

/// The labels of the first five cells: what pandas shows for the file's obs.
#[test]
fn labels_come_from_columns_of_every_kind() {
    let first_labels = |name: &str, column: &str| {
        let mut spec = spec(name);
        spec.layer = match name {
            "old_0_6.h5ad.gz" => Some("raw".to_owned()),
            "layers.h5ad.gz" => Some("counts".to_owned()),
            _ => None,
        };
        spec.labels = obs(column);
        let read = read_with(&spec);
        let labels = read.labels.unwrap();
        let of = |cell: &String| labels.label_of.get(cell).cloned().unwrap_or_else(|| "-".to_owned());
        read.raw.barcodes.iter().take(5).map(of).collect::<Vec<_>>().join(" | ")
    };
    let types = "Memory CD4 T | B | Memory CD4 T | CD14+ Mono | NK";
    for name in ["csr.h5ad.gz", "csc.h5ad.gz", "layers.h5ad.gz", "old_0_7.h5ad.gz"] {
        assert_eq!(first_labels(name, "cell_type"), types, "{name}");
    }
    assert_eq!(first_labels("csr.h5ad.gz", "some_types"), types.replace("| B |", "| - |"));
    assert_eq!(first_labels("csr.h5ad.gz", "plain"), "y | x | y | x | y");
    assert_eq!(first_labels("csr.h5ad.gz", "batch"), "0 | 1 | 2 | 0 | 1");
    assert_eq!(first_labels("csr.h5ad.gz", "is_even"), "True | False | True | True | False");
    assert_eq!(first_labels("csr.h5ad.gz", "score"), "- | 1.5 | 2.5 | - | 1.5");
    assert_eq!(first_labels("csr.h5ad.gz", "depth"), "0 | 1 | - | 0 | 1");
    assert_eq!(first_labels("old_0_6.h5ad.gz", "cell_type"), "B | T | T | B | T");
    assert_eq!(first_labels("old_0_6.h5ad.gz", "plain"), "c0 | c1 | c2 | c3 | c4");
    assert_eq!(first_labels("old_0_6.h5ad.gz", "batch"), "0 | 1 | 2 | 0 | 1");
}

#[test]
fn cells_without_a_label_are_a_mistake_left_out_or_a_class() {
    let mut spec = spec("csr.h5ad.gz");
    spec.labels = obs("some_types");
    let b_cells = 6; // of the 24, by `labels.csv`
    let message = prepare(&spec, Path::new("/")).unwrap_err().to_string();
    for part in ["6 of the 24 cells", "obs/some_types", "unlabelled = \"drop\"", "unlabelled = \"keep\""] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    spec.unlabelled = Unlabelled::Drop;
    let dropped = prepare(&spec, Path::new("/")).unwrap();
    assert_eq!(
        (dropped.n_cells(), dropped.provenance().cells_dropped.unlabelled),
        (24 - b_cells, b_cells as u64)
    );
    spec.unlabelled = Unlabelled::Keep;
    let kept = prepare(&spec, Path::new("/")).unwrap();
    assert!(kept.n_cells() == 24 && kept.labels().unwrap().classes.contains(&"unlabelled".to_owned()));
    assert_ne!(kept.fingerprint(), dropped.fingerprint());

    spec.labels = obs("celltype");
    let message = prepare(&spec, Path::new("/")).unwrap_err().to_string();
    assert!(message.contains("obs/celltype") && message.contains("\"cell_type\", "), "{message}");
}

#[test]
fn what_was_read_is_part_of_the_fingerprint_but_how_it_was_said_is_not() {
    let fingerprint = |spec: &DataSpec| prepare(spec, Path::new("/")).unwrap().fingerprint();
    let mut layer = spec("layers.h5ad.gz");
    layer.layer = Some("counts".to_owned());
    let counts = fingerprint(&layer);
    layer.layer = Some("layers/counts".to_owned());
    assert_eq!(counts, fingerprint(&layer));
    layer.layer = Some("raw".to_owned());
    assert_ne!(counts, fingerprint(&layer));

    let mut table = spec("no_corner.tsv.gz");
    let told = fingerprint(&table);
    table.orientation = Orientation::GenesByCells;
    assert_eq!(told, fingerprint(&table));
    let provenance = prepare(&table, Path::new("/")).unwrap().provenance().clone();
    assert_eq!(provenance.choices.orientation, Some(Orientation::GenesByCells));
}

#[test]
fn an_inspection_of_each_kind_says_the_same_numbers() {
    let mut seen = Vec::new();
    for name in
        ["csr.h5ad.gz", "tenx_v3.h5.gz", "tenx_v2.h5", "genes_by_cells.csv.gz", "cells_by_genes.csv.gz"]
    {
        let facts = cells::inspect(&spec(name), Path::new("/")).unwrap();
        let prepared = facts.prepared.unwrap();
        let numbers = (facts.cells, facts.genes, facts.nnz, facts.total_counts, facts.mitochondrial_genes);
        seen.push((
            numbers,
            prepared.n_cells(),
            prepared.n_genes(),
            prepared.nnz(),
            prepared.matrix().values.to_vec(),
        ));
    }
    assert_eq!(seen[0].0.4, 6); // five were picked, one more is among the frequent genes
    assert!(seen.iter().all(|other| *other == seen[0]));

    let mut layers = spec("layers.h5ad.gz");
    layers.layer = Some("counts".to_owned());
    let offered = cells::inspect(&layers, Path::new("/")).unwrap();
    let matrices: Vec<(&str, bool)> =
        offered.matrices.iter().map(|matrix| (matrix.name.as_str(), matrix.holds_counts)).collect();
    assert_eq!(matrices, [("X", false), ("raw/X", true), ("layers/counts", true), ("layers/scaled", false)]);
    assert_eq!(offered.obs_columns, ["cell_type"]);
}

/// A second library, of other authors, reads the same lists from the same bytes.
#[test]
fn another_library_reads_the_same_lists() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("csr.h5ad");
    let mut packed = flate2::read::GzDecoder::new(std::fs::File::open(golden("csr.h5ad.gz")).unwrap());
    std::io::copy(&mut packed, &mut std::fs::File::create(&path).unwrap()).unwrap();
    let file = hdf5_pure::File::open(&path).unwrap();
    let values: Vec<f32> = file.dataset("X/data").unwrap().read().unwrap();
    let indices: Vec<i32> = file.dataset("X/indices").unwrap().read().unwrap();
    let raw = read_with(&lenient(&path)).raw;
    assert_eq!(raw.counts.view().values, values);
    assert!(
        raw.counts
            .view()
            .indices
            .iter()
            .map(|&index| i64::from(index))
            .eq(indices.into_iter().map(i64::from))
    );
    assert_eq!(file.dataset("obs/_index").unwrap().read_string().unwrap(), raw.barcodes);
}
