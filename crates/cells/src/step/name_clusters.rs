//! Names of clusters by the marker genes that they express. Finding clusters must not live here. A cluster is never named by
//! its number: numbers move with every change of the pipeline.

use std::collections::{HashMap, HashSet};

use domain::data::Markers;

use crate::csr::CsrView;

/// Least mean excess at which a cluster counts as matched, in standard deviations.
const LEAST_EXCESS: f64 = 0.25;

/// The cell types of human peripheral blood: Seurat's own table for PBMC3k (Satija lab, "Guided Clustering Tutorial"), with
/// CD8A for CD8 T cells.
#[must_use]
pub fn blood_markers() -> Markers {
    const TABLE: &[(&str, &[&str])] = &[
        ("Naive CD4 T", &["IL7R", "CCR7"]),
        ("CD14+ Mono", &["CD14", "LYZ"]),
        ("Memory CD4 T", &["IL7R", "S100A4"]),
        ("B", &["MS4A1"]),
        ("CD8 T", &["CD8A"]),
        ("FCGR3A+ Mono", &["FCGR3A", "MS4A7"]),
        ("NK", &["GNLY", "NKG7"]),
        ("DC", &["FCER1A", "CST3"]),
        ("Platelet", &["PPBP"]),
    ];
    let owned = |genes: &[&str]| genes.iter().map(|&gene| gene.to_owned()).collect();
    TABLE.iter().map(|&(name, genes)| (name.to_owned(), owned(genes))).collect()
}

/// The name of each cluster. The excess of a gene in a cluster is the mean of its log-normalised values there less the mean
/// elsewhere, over its standard deviation. A cluster gets the type with the largest mean excess among those whose every
/// marker has a positive one, if that mean is at least a quarter. A second cluster of one type is "B (2)"; one without a type
/// is "cluster 7 (unnamed)". Types with a marker that is not among `genes` are left out.
#[must_use]
pub fn name_clusters(
    lognorm: CsrView<'_>,
    genes: &[String],
    cluster_of_cell: &[u32],
    markers: &Markers,
) -> Vec<String> {
    let excess = Excess::measure(lognorm, genes, cluster_of_cell, markers);
    let mut clusters_of: HashMap<&str, usize> = HashMap::new();
    (0..excess.clusters)
        .map(|cluster| {
            let Some(name) = best_type(markers, &excess, cluster) else {
                return format!("cluster {} (unnamed)", cluster + 1);
            };
            let number = clusters_of.entry(name).or_default();
            *number += 1;
            if *number == 1 { name.to_owned() } else { format!("{name} ({number})") }
        })
        .collect()
}

fn best_type<'m>(markers: &'m Markers, excess: &Excess, cluster: usize) -> Option<&'m str> {
    let mut best: Option<(f64, &str)> = None;
    for (name, genes) in markers {
        let found: Option<Vec<f64>> = genes.iter().map(|gene| excess.of(gene, cluster)).collect();
        let Some(found) = found.filter(|found| !found.is_empty() && found.iter().all(|&one| one > 0.0))
        else {
            continue;
        };
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        if mean >= LEAST_EXCESS && best.is_none_or(|(most, _)| mean > most) {
            best = Some((mean, name));
        }
    }
    best.map(|(_, name)| name)
}

/// The excess of each marker in each cluster.
struct Excess {
    clusters: usize,
    of_gene: HashMap<String, Vec<f64>>,
}

impl Excess {
    fn measure(lognorm: CsrView<'_>, genes: &[String], cluster_of_cell: &[u32], markers: &Markers) -> Self {
        let clusters = cluster_of_cell.iter().max().map_or(0, |&last| last as usize + 1);
        let mut sizes = vec![0.0; clusters];
        cluster_of_cell.iter().for_each(|&cluster| sizes[cluster as usize] += 1.0);

        let wanted: HashSet<&str> = markers.values().flatten().map(String::as_str).collect();
        let mut slot_of = vec![None; genes.len()];
        let mut names = Vec::new();
        for (gene, name) in genes.iter().enumerate().filter(|(_, name)| wanted.contains(name.as_str())) {
            slot_of[gene] = Some(names.len());
            names.push(name.clone());
        }
        let mut sums = vec![vec![0.0; clusters]; names.len()];
        let mut squares = vec![0.0; names.len()];
        for ((columns, values), &cluster) in lognorm.rows().zip(cluster_of_cell) {
            for (&column, &value) in columns.iter().zip(values) {
                if let Some(slot) = slot_of[column as usize] {
                    sums[slot][cluster as usize] += f64::from(value);
                    squares[slot] += f64::from(value) * f64::from(value);
                }
            }
        }
        let excess = names.into_iter().zip(sums).zip(squares);
        let of_gene = excess.map(|((name, sums), square)| (name, excesses(&sums, square, &sizes))).collect();
        Self { clusters, of_gene }
    }

    fn of(&self, gene: &str, cluster: usize) -> Option<f64> {
        Some(self.of_gene.get(gene)?[cluster])
    }
}

fn excesses(sums: &[f64], square: f64, sizes: &[f64]) -> Vec<f64> {
    let (all, cells): (f64, f64) = (sums.iter().sum(), sizes.iter().sum());
    let deviation = (square / cells - (all / cells).powi(2)).max(0.0).sqrt();
    let of_cluster = |(sum, size): (&f64, &f64)| {
        // a lone cluster has no elsewhere, and so no excess
        let elsewhere = if cells > *size { (all - sum) / (cells - size) } else { sum / size };
        if deviation > 0.0 { (sum / size - elsewhere) / deviation } else { 0.0 }
    };
    sums.iter().zip(sizes).map(of_cluster).collect()
}

#[cfg(test)]
mod tests {
    use domain::data::Markers;

    use super::{blood_markers, name_clusters};
    use crate::Csr;

    /// Cells × the genes A, B, C.
    fn names(cells: &[[f32; 3]], clusters: &[u32], markers: &[(&str, &[&str])]) -> Vec<String> {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for cell in cells {
            for (gene, &value) in (0..).zip(cell).filter(|entry| *entry.1 != 0.0) {
                indices.push(gene);
                values.push(value);
            }
            indptr.push(values.len() as u64);
        }
        let lognorm = Csr::from_arrays(3, indptr, indices, values);
        let markers: Markers = markers
            .iter()
            .map(|(name, genes)| ((*name).to_owned(), genes.iter().map(|&gene| gene.to_owned()).collect()))
            .collect();
        name_clusters(lognorm.view(), &["A", "B", "C"].map(str::to_owned), clusters, &markers)
    }

    const CELLS: &[[f32; 3]] = &[
        [3.0, 0.0, 1.0],
        [3.0, 1.0, 1.0],
        [3.0, 2.0, 1.0],
        [3.0, 2.0, 1.0],
        [0.0, 0.0, 1.0],
        [0.0, 1.0, 1.0],
    ];
    const CLUSTERS: &[u32] = &[0, 0, 1, 1, 2, 2];

    #[test]
    fn every_marker_must_be_up_and_the_largest_excess_wins() {
        let markers: &[(&str, &[&str])] = &[("a", &["A"]), ("ab", &["A", "B"]), ("c", &["C"])];
        assert_eq!(names(CELLS, CLUSTERS, markers), ["a", "ab", "cluster 3 (unnamed)"]);
    }

    #[test]
    fn two_clusters_of_one_type_stay_two_and_unknown_genes_mark_nothing() {
        let markers: &[(&str, &[&str])] = &[("a", &["A"]), ("x", &["A", "XYZ"])];
        assert_eq!(names(CELLS, CLUSTERS, markers), ["a", "a (2)", "cluster 3 (unnamed)"]);
        assert_eq!(names(CELLS, &[0; 6], markers), ["cluster 1 (unnamed)"], "nothing to stand out from");
    }

    #[test]
    fn the_default_table_has_the_nine_types() {
        assert_eq!(blood_markers().len(), 9);
    }
}
