//! Variable genes, z-scores, principal components and clusters of PBMC3k must be those of Seurat 4.3.0 (see
//! `../golden/README.md` for the scripts).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cells::Dataset;
use cells::step::genes_seen::genes_seen;
use cells::step::louvain::louvain;
use cells::step::most_variable::most_variable;
use cells::step::nearest_neighbours::nearest_neighbours;
use cells::step::pca::pca;
use cells::step::scale_data::{Scaled, scale_data};
use cells::step::shared_neighbours::shared_neighbours;
use cells::step::vst::{GeneVariability, vst};
use domain::DataSpec;
use domain::data::{Genes, Input, LabelSource};

use crate::pbmc3k::{golden, position_of};

fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data")
}

fn prepare(change: impl FnOnce(&mut DataSpec)) -> Dataset {
    let mut spec = DataSpec { path: "pbmc3k".to_owned(), ..crate::fixture::lenient(Path::new("")) };
    spec.qc = Default::default();
    change(&mut spec);
    cells::prepare(&spec, &data_dir()).unwrap()
}

static COUNTS: LazyLock<Dataset> = LazyLock::new(|| prepare(|spec| spec.input = Input::Counts));
static LOGNORM: LazyLock<Dataset> = LazyLock::new(|| prepare(|_| {}));
static VARIABILITY: LazyLock<Vec<GeneVariability>> = LazyLock::new(|| vst(COUNTS.matrix()).unwrap());

/// Largest relative difference seen, and where.
#[derive(Default)]
struct Worst {
    difference: f64,
    place: String,
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:e} at {}", self.difference, self.place)
    }
}

impl Worst {
    fn see(&mut self, found: f64, expected: f64, scale: f64, place: &str) {
        let difference = (found - expected).abs() / scale;
        if difference.is_nan() || difference > self.difference {
            *self = Self { difference, place: format!("{place}: {found} for {expected}") };
        }
    }
}

#[test]
fn variability_and_the_variable_genes_are_seurats() {
    let mut ranked = vec![None; 2000];
    let (mut moments, mut standardised) = (Worst::default(), Worst::default());
    let mut rows = 0;
    for ((row, gene), name) in golden("hvg_vst.csv.gz").records().zip(VARIABILITY.iter()).zip(COUNTS.genes())
    {
        let row = row.unwrap();
        assert_eq!(row[3], name.replace('_', "-"));
        let expected = |column: usize| row[column].parse::<f64>().unwrap();
        moments.see(gene.mean, expected(0), expected(0).max(1e-300), name);
        moments.see(gene.variance, expected(1), expected(1).max(1e-300), name);
        standardised.see(gene.standardised, expected(2), expected(2).max(1e-300), name);
        if !row[4].is_empty() {
            ranked[row[4].parse::<usize>().unwrap() - 1] = Some(rows);
        }
        rows += 1;
    }
    assert_eq!(rows, 13_714);
    println!("moments {moments}; standardised {standardised}");
    // nine digits are printed
    assert!(moments.difference < 5e-9, "{moments}");
    assert!(standardised.difference < 5e-9, "{standardised}");

    // Seurat's order within equals follows the last bits of sums that it forms in another order
    let found = most_variable(&VARIABILITY, 2000);
    let value = |gene: u32| VARIABILITY[gene as usize].standardised;
    let mut out_of_place = 0;
    for (rank, (&found, expected)) in found.iter().zip(&ranked).enumerate() {
        let expected = expected.expect("every rank has its gene");
        let difference = (value(found) - value(expected)).abs();
        assert!(difference < 1e-12 * value(expected), "rank {}: {found}, not {expected}", rank + 1);
        out_of_place += usize::from(found != expected);
    }
    println!("{out_of_place} of 2,000 ranks differ, all between equals");
    let both = |ranked: Vec<u32>| ranked.into_iter().collect::<BTreeSet<u32>>();
    assert_eq!(both(found), both(ranked.into_iter().flatten().collect()), "the 2,000 genes");
}

fn variable_genes() -> Vec<u32> {
    let mut genes = most_variable(&VARIABILITY, 2000);
    genes.sort_unstable();
    genes
}

/// z-score of one entry.
fn score(scaled: &Scaled<'_>, cell: usize, gene: usize) -> f64 {
    let (genes, scores) = scaled.row(cell);
    genes.binary_search(&(gene as u32)).map_or(scaled.of_zero()[gene], |entry| scores[entry])
}

#[test]
fn z_scores_are_seurats_entry_by_entry_and_gene_by_gene() {
    let scaled = scale_data(LOGNORM.matrix());
    let cell_of = position_of(LOGNORM.barcodes());
    let gene_of = position_of(LOGNORM.genes());
    let mut entries = Worst::default();
    for row in golden("entries.csv.gz").records() {
        let row = row.unwrap();
        let expected: f64 = row[3].parse().unwrap();
        let place = format!("{} {}", &row[0], &row[1]);
        entries.see(score(&scaled, cell_of[&row[0]], gene_of[&row[1]]), expected, 1.0, &place);
    }
    assert!(entries.difference < 1e-6, "{entries}");

    let n_cells = scaled.n_rows() as f64;
    let of_zero = scaled.of_zero();
    let mut genes: Vec<(f64, f64, f64, f64)> =
        of_zero.iter().map(|_| (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0)).collect();
    for cell in 0..scaled.n_rows() {
        let (columns, scores) = scaled.row(cell);
        for (&gene, &score) in columns.iter().zip(scores) {
            let (least, most, squares, stored) = genes[gene as usize];
            genes[gene as usize] = (least.min(score), most.max(score), squares + score * score, stored + 1.0);
        }
    }
    let (mut ends, mut sums, mut rows) = (Worst::default(), Worst::default(), 0);
    let (mut all_squares, mut least_of_all) = (0.0, 0.0_f64);
    for ((row, gene), zero) in golden("gene_checksums.csv.gz").records().zip(genes).zip(of_zero) {
        let row = row.unwrap();
        let (mut least, mut most, mut squares, stored) = gene;
        if stored < n_cells {
            (least, most) = (least.min(*zero), most.max(*zero));
            squares += zero * zero * (n_cells - stored);
        }
        let expected = |column: usize| row[column].parse::<f64>().unwrap();
        ends.see(least, expected(3), 1.0, &row[0]);
        ends.see(most, expected(4), 1.0, &row[0]);
        sums.see(squares, expected(5), expected(5).max(1.0), &row[0]);
        (all_squares, least_of_all) = (all_squares + squares, least_of_all.min(least));
        rows += 1;
    }
    assert_eq!(rows, 13_714);
    println!("entries {entries}; ends {ends}; sums {sums}");
    assert!(ends.difference < 2e-6, "{ends}");
    assert!(sums.difference < 1e-6, "{sums}");
    // the same run
    assert!((all_squares / n_cells - 10603.4014).abs() < 1e-4, "{}", all_squares / n_cells);
    assert!((least_of_all - -10.9003).abs() < 5e-5, "{least_of_all}");
}

#[test]
fn principal_components_are_seurats_up_to_sign() {
    let lognorm = prepare(|spec| spec.genes = Genes::Hvg(2000));
    assert_eq!(lognorm.n_genes(), 2000);
    let components = pca(&scale_data(lognorm.matrix()), 50);
    assert_eq!((components.count, components.scores.len()), (50, 50 * 2638));
    let mut expected: Vec<Vec<f64>> = vec![Vec::new(); 10];
    for (row, barcode) in golden("pca.csv.gz").records().zip(LOGNORM.barcodes()) {
        let row = row.unwrap();
        assert_eq!(&row[0], barcode);
        (0..10).for_each(|component| expected[component].push(row[component + 1].parse().unwrap()));
    }
    for (component, expected) in expected.iter().enumerate() {
        let found: Vec<f64> = components.scores.iter().skip(component).step_by(50).copied().collect();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let size = (product(expected, expected) * product(&found, &found)).sqrt();
        let correlation = product(expected, &found).abs() / size;
        println!("component {}: 1 - |correlation| = {:e}", component + 1, 1.0 - correlation);
        assert!(correlation > 1.0 - 1e-6, "component {}: {correlation}", component + 1);
        let ratio = (product(&found, &found) / product(expected, expected)).sqrt();
        assert!((ratio - 1.0).abs() < 1e-6, "component {}: scores {ratio} times as large", component + 1);
    }
    let sizes: Vec<f64> = (0..50)
        .map(|component| {
            components.scores.iter().skip(component).step_by(50).map(|score| score * score).sum()
        })
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "largest first: {sizes:?}");
}

/// Hubert and Arabie 1985: pairs of cells on which two labellings agree, corrected for chance.
fn adjusted_rand_index(a: &[u16], b: &[u16]) -> f64 {
    let pairs = |counts: Vec<f64>| counts.into_iter().map(|count| count * (count - 1.0) / 2.0).sum::<f64>();
    let count = |keys: Vec<(u16, u16)>| {
        let mut counts: BTreeMap<(u16, u16), f64> = BTreeMap::new();
        keys.into_iter().for_each(|key| *counts.entry(key).or_default() += 1.0);
        counts.into_values().collect::<Vec<f64>>()
    };
    let both = pairs(count(a.iter().copied().zip(b.iter().copied()).collect()));
    let (of_a, of_b) = (
        pairs(count(a.iter().map(|&label| (label, 0)).collect())),
        pairs(count(b.iter().map(|&label| (label, 0)).collect())),
    );
    let chance = of_a * of_b / pairs(vec![a.len() as f64]);
    (both - chance) / ((of_a + of_b) / 2.0 - chance)
}

/// With exact neighbours on both sides the clusters are equal, cell by cell, number by number.
#[test]
fn clusters_of_exact_neighbours_are_seurats() {
    let lognorm = prepare(|spec| spec.genes = Genes::Hvg(2000));
    let components = pca(&scale_data(lognorm.matrix()), 10);
    let graph = shared_neighbours(&nearest_neighbours(&components.scores, 10, 10, 20), 20);
    let mut expected: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
    for (row, barcode) in golden("exact_clusters.csv.gz").records().zip(lognorm.barcodes()) {
        let row = row.unwrap();
        assert_eq!(&row[0], barcode);
        (0..2).for_each(|column| expected[column].push(row[column + 1].parse().unwrap()));
    }
    for (resolution, expected) in [0.5, 1.2].into_iter().zip(expected) {
        assert_eq!(expected.len(), 2638);
        let found = louvain(&graph, resolution);
        let differing = found.iter().zip(&expected).filter(|(found, expected)| found != expected).count();
        assert_eq!(differing, 0, "at resolution {resolution}");
    }
}

/// `labels.csv` was made with Seurat's default, approximate neighbours; Seurat's own clusters of exact ones have the same ARI
/// with it, 0.960986.
#[test]
fn clusters_and_their_names_are_seurats() {
    let clustered = prepare(|spec| spec.labels = Some(LabelSource::Clusters { markers: None }));
    let named = prepare(|spec| spec.labels = Some(LabelSource::File("pbmc3k/labels.csv".to_owned())));
    let (found, expected) = (clustered.labels().unwrap(), named.labels().unwrap());
    let agreement = adjusted_rand_index(&found.of_cell, &expected.of_cell);
    println!("ARI {agreement:.6}");
    assert!(agreement >= 0.95, "{agreement}");
    let mut names = [found.classes.clone(), expected.classes.clone()];
    names.iter_mut().for_each(|names| names.sort());
    assert_eq!(names[0], names[1]);
    let same = found
        .of_cell
        .iter()
        .zip(&expected.of_cell)
        .filter(|(found_class, expected_class)| {
            found.classes[usize::from(**found_class)] == expected.classes[usize::from(**expected_class)]
        })
        .count();
    println!("{same} of 2638 cells have Seurat's name, ARI {agreement:.6}");
    assert!(same >= 2560, "{same} of 2638 cells have the same name");

    let clustering = clustered.provenance().choices.clustering.as_ref().unwrap();
    assert_eq!((clustering.variable_genes, clustering.resolution), (2000, 0.5));
    assert_eq!(clustered.matrix().values, named.matrix().values, "the nets see the same");
}

#[test]
fn markers_of_ones_own_name_the_clusters() {
    let markers = |table: &[(&str, &[&str])]| {
        let owned = table.iter().map(|(name, genes)| {
            ((*name).to_owned(), genes.iter().map(|&gene| gene.to_owned()).collect::<Vec<String>>())
        });
        Some(LabelSource::Clusters { markers: Some(owned.collect()) })
    };
    let classes = |source| prepare(|spec| spec.labels = source).labels().unwrap().classes.clone();
    let found = classes(markers(&[("lymphoid B", &["CD79A"]), ("myeloid", &["LYZ"])]));
    assert!(found.contains(&"lymphoid B".to_owned()), "{found:?}");
    let count = |start: &str| found.iter().filter(|name| name.starts_with(start)).count();
    assert!(count("myeloid") >= 2, "monocytes and dendritic cells are two and more clusters: {found:?}");
    assert!(count("cluster ") >= 3, "{found:?}");

    let mut spec = crate::fixture::lenient(&data_dir().join("pbmc3k"));
    spec.labels = markers(&[("B", &["MS4A1", "CD79Z"])]);
    let message = cells::prepare(&spec, Path::new("/")).unwrap_err().to_string();
    assert!(message.contains("\"B\" names the gene CD79Z"), "{message}");
}

/// The matrices of the three inputs hold what they say, on the genes that were chosen.
#[test]
fn every_input_reaches_the_data_set() {
    let of = |input, genes| prepare(|spec| (spec.input, spec.genes) = (input, genes));
    let chosen = variable_genes();
    let names: Vec<&String> = chosen.iter().map(|&gene| &COUNTS.genes()[gene as usize]).collect();

    let counts = of(Input::Counts, Genes::Hvg(2000));
    assert_eq!(counts.genes().iter().collect::<Vec<_>>(), names);
    assert!(counts.matrix().values.iter().all(|value| value.fract() == 0.0 && *value > 0.0));
    // normalisation saw all genes
    let lognorm = of(Input::Lognorm, Genes::Hvg(2000));
    let all: HashMap<u32, f32> = row_of(LOGNORM.matrix().row(7));
    let (columns, values) = lognorm.matrix().row(7);
    assert!(columns.len() > 50);
    for (&column, value) in columns.iter().zip(values) {
        assert_eq!(Some(value), all.get(&chosen[column as usize]));
    }
    // ScaleData does not look beyond a gene: the same scores as among all genes
    let scaled = of(Input::Scaled, Genes::Hvg(2000));
    assert_eq!((scaled.n_cells(), scaled.n_genes(), scaled.nnz()), (2638, 2000, 2638 * 2000));
    let among_all = scale_data(LOGNORM.matrix());
    for (column, &value) in scaled.matrix().row(7).1.iter().enumerate() {
        assert_eq!(value, score(&among_all, 7, chosen[column] as usize) as f32);
    }
    let fingerprints =
        [&counts, &lognorm, &scaled, &LOGNORM, &COUNTS].map(|dataset: &Dataset| dataset.fingerprint());
    assert!((0..5).all(|one| !fingerprints[..one].contains(&fingerprints[one])));
}

fn row_of((columns, values): (&[u32], &[f32])) -> HashMap<u32, f32> {
    columns.iter().copied().zip(values.iter().copied()).collect()
}

#[test]
fn more_variable_genes_than_vary_are_all_that_vary() {
    let dataset = prepare(|spec| spec.genes = Genes::Hvg(1_000_000));
    assert_eq!(dataset.n_genes(), 13_713, "one of 13,714 is seen in dropped cells only");
    // `min_cells` counts all cells that were read: counted after the cells are filtered, fewer genes would pass
    let (before, after) = (COUNTS.n_genes(), genes_seen(COUNTS.matrix(), 3).len());
    assert!(before == 13_714 && after < 13_714, "{before} {after}");
}

#[test]
fn data_without_variable_genes_says_so() {
    let dir = crate::fixture::small_folder();
    let mut spec = crate::fixture::lenient(dir.path());
    spec.genes = Genes::Hvg(2);
    let message = cells::prepare(&spec, Path::new("/")).unwrap_err().to_string();
    for part in ["3 genes of 4 cells", "too few", "genes = \"all\""] {
        assert!(message.contains(part), "{message}");
    }
}
