//! Random matrices through 10x folders of both versions, plain and gzip, and through the data set file.

use std::path::Path;

use cells::{Dataset, prepare, read};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::{Version, folder, lenient, matrix_text, write};

/// A dense matrix of counts, cells × genes, mostly zeros.
#[derive(Debug, Clone)]
struct Counts {
    n_genes: usize,
    cells: Vec<Vec<u32>>,
}

impl Counts {
    fn entries(&self) -> Vec<(usize, usize, u32)> {
        let of_cell = |(cell, counts): (usize, &Vec<u32>)| {
            let positive = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            positive.map(|(gene, &count)| (gene, cell, count)).collect::<Vec<_>>()
        };
        self.cells.iter().enumerate().flat_map(of_cell).collect()
    }

    fn gene_names(&self) -> Vec<String> {
        (0..self.n_genes).map(|gene| format!("G{gene}")).collect()
    }
}

fn counts() -> impl Strategy<Value = Counts> {
    (1usize..12, 1usize..12).prop_flat_map(|(n_genes, n_cells)| {
        let count = prop_oneof![3 => Just(0u32), 2 => 1u32..50, 1 => 1u32..10_000_000];
        let cell = prop::collection::vec(count, n_genes);
        prop::collection::vec(cell, n_cells).prop_map(move |cells| Counts { n_genes, cells })
    })
}

fn dense(view: cells::CsrView<'_>) -> Vec<Vec<u32>> {
    let mut dense = vec![vec![0; view.n_cols]; view.n_rows];
    for (row, (columns, values)) in dense.iter_mut().zip(view.rows()) {
        columns.iter().zip(values).for_each(|(&column, &value)| row[column as usize] = value as u32);
    }
    dense
}

/// A small data set with labels, and its file.
fn written(dir: &Path) -> (Dataset, std::path::PathBuf) {
    let source = crate::fixture::small_folder();
    std::fs::write(source.path().join("l.csv"), "id,t\nC0,a\nC1,b\nC2,a\nC3,b\n").unwrap();
    let mut spec = lenient(source.path());
    spec.labels = Some(domain::data::LabelSource::File("l.csv".to_owned()));
    let dataset = prepare(&spec, source.path()).unwrap();
    let path = dataset.write_to_dir(dir).unwrap();
    (dataset, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counts_survive_both_versions_plain_and_gzip_in_any_order(
        counts in counts(), gzip: bool, v3: bool, seed: [Index; 8],
    ) {
        let mut entries = counts.entries();
        let length = entries.len();
        if length > 0 {
            seed.chunks(2).for_each(|pair| entries.swap(pair[0].index(length), pair[1].index(length)));
        }
        let version = if v3 { Version::V3 } else { Version::V2 };
        let dir = folder(version, gzip, &counts.gene_names(), counts.cells.len(), &entries);
        let raw = read::tenx::read(dir.path()).unwrap();
        prop_assert_eq!(dense(raw.counts.view()), counts.cells.clone());
        prop_assert_eq!(raw.genes, counts.gene_names());
        prop_assert_eq!(raw.entries_read, length as u64);
    }

    #[test]
    fn other_features_are_left_out(counts in counts(), is_gene in prop::collection::vec(any::<bool>(), 12)) {
        let dir = folder(Version::V3, false, &counts.gene_names(), counts.cells.len(), &counts.entries());
        let kind = |gene: usize| if gene == 0 || is_gene[gene] { "Gene Expression" } else { "Antibody Capture" };
        let features: String = (0..counts.n_genes).map(|gene| format!("E\tG{gene}\t{}\n", kind(gene))).collect();
        write(dir.path(), "features.tsv", features.as_bytes(), false);
        let text = matrix_text(counts.n_genes, counts.cells.len(), &counts.entries());
        write(dir.path(), "matrix.mtx", text.replace("integer", "real").as_bytes(), false);

        let raw = read::tenx::read(dir.path()).unwrap();
        let kept: Vec<usize> = (0..counts.n_genes).filter(|&gene| kind(gene) == "Gene Expression").collect();
        let expected: Vec<Vec<u32>> =
            counts.cells.iter().map(|cell| kept.iter().map(|&gene| cell[gene]).collect()).collect();
        prop_assert_eq!(dense(raw.counts.view()), expected);
        prop_assert_eq!(raw.other_features as usize, counts.n_genes - kept.len());
    }

    #[test]
    fn a_data_set_in_memory_and_its_file_are_one(mut counts in counts()) {
        counts.cells[0][0] = 1; // at least one cell passes
        let source = folder(Version::V2, false, &counts.gene_names(), counts.cells.len(), &counts.entries());
        let made = prepare(&lenient(source.path()), Path::new("/")).unwrap();
        let target = tempfile::tempdir().unwrap();
        let path = made.write_to_dir(target.path()).unwrap();
        for opened in [Dataset::open(&path).unwrap(), Dataset::open_verified(&path, made.fingerprint()).unwrap()] {
            prop_assert_eq!(opened.fingerprint(), made.fingerprint());
            prop_assert_eq!(opened.matrix().indptr, made.matrix().indptr);
            prop_assert_eq!(opened.matrix().indices, made.matrix().indices);
            prop_assert_eq!(opened.matrix().values, made.matrix().values);
            prop_assert_eq!((opened.n_cells(), opened.n_genes()), (made.n_cells(), made.n_genes()));
            prop_assert_eq!((opened.barcodes(), opened.genes()), (made.barcodes(), made.genes()));
            prop_assert_eq!((opened.labels(), opened.provenance()), (made.labels(), made.provenance()));
            prop_assert_eq!(opened.write_to_dir(target.path()).unwrap(), path.clone());
        }
    }

    #[test]
    fn any_change_of_the_file_is_noticed_and_none_panics(
        flips in prop::collection::vec((any::<Index>(), 1u8..), 1..4), cut: Option<Index>,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (dataset, path) = written(dir.path());
        let original = std::fs::read(&path).unwrap();
        let mut bytes = original.clone();
        flips.iter().for_each(|(place, mask)| bytes[place.index(original.len())] ^= mask);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(original.len()));
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(opened) = Dataset::open(&path) {
            let entries: usize = opened.matrix().rows().map(|(columns, _)| columns.len()).sum();
            prop_assert_eq!(entries, opened.nnz());
        }
        prop_assert_eq!(
            Dataset::open_verified(&path, dataset.fingerprint()).is_ok(),
            bytes == original
        );
    }
}
