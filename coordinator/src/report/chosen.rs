//! One trial a config to draw: the one in the middle, never the best. Its maps, its partition, and how the partition
//! meets the labels.

use domain::embedding::Embedding;
use domain::metric::MetricName;
use domain::outcome::ArtifactKind;
use serde_json::{Value, json};

use super::ReportInput;
use super::round::decimals;
use crate::leaderboard::{ConfigRow, Leaderboard, metric_of};
use crate::store::records::TrialRecord;

/// Cells drawn of one map at most: every n-th cell of a larger data set.
const MAX_CELLS_DRAWN: usize = 10_000;

/// Maps of so many configs at most, the best by rank, less where the data set is large (about 8 MB in all).
const MAX_POINTS_IN_PAGE: usize = 200_000;

/// The trial that stands for a config.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    /// Its config.
    pub(super) row: &'a ConfigRow,
    /// The trial.
    pub(super) record: &'a TrialRecord,
    /// Done trials that it was chosen from.
    pub(super) of: usize,
}

/// For each config the done trial whose `metric` is the (lower) median over seeds; of equal ones the first.
pub(super) fn choose<'a>(input: &ReportInput<'a>, board: &'a Leaderboard) -> Vec<Chosen<'a>> {
    let choose_one = |row: &'a ConfigRow| {
        let mut done: Vec<(&TrialRecord, f64)> = row
            .trials
            .iter()
            .map(|&position| &input.data.trials[position])
            .filter_map(|record| metric_of(record, board.metric).map(|value| (record, value)))
            .collect();
        done.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.ordinal.cmp(&b.0.ordinal)));
        let of = done.len();
        done.get(of.saturating_sub(1) / 2).map(|(record, _)| Chosen { row, record, of })
    };
    board.rows.iter().filter_map(choose_one).collect()
}

/// A chosen trial's maps, ready for the page.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    /// `{"x":[…],"y":[…],"cluster":[…],"centroids":[[x,y],…],"clusters":[name,…],"colour":[palette index,…],"counts":[[cells of each
    /// class],…],"x3":…}`.
    pub(super) json: Value,
    /// Cells of each class in each cluster, clusters × classes; empty without labels.
    pub(super) contingency: Vec<Vec<u64>>,
    /// Names of the clusters.
    pub(super) clusters: Vec<String>,
}

/// The maps of all chosen trials, or why one has none; after the page's budget of points is spent, `None`.
pub(super) fn maps_of(input: &ReportInput<'_>, chosen: &[Chosen<'_>]) -> Vec<Option<Result<Maps, String>>> {
    let cells = usize::try_from(input.data.sweep.dataset.cells).unwrap_or(usize::MAX);
    let drawn = cells.clamp(1, MAX_CELLS_DRAWN);
    let most = (MAX_POINTS_IN_PAGE / drawn).max(1);
    let one =
        |(index, chosen): (usize, &Chosen<'_>)| (index < most).then(|| maps_of_one(input, chosen.record));
    chosen.iter().enumerate().map(one).collect()
}

/// Positions of the cells that are drawn: all, or every n-th.
pub(super) fn drawn_cells(n_cells: usize) -> impl Iterator<Item = usize> + Clone {
    (0..n_cells).step_by(n_cells.div_ceil(MAX_CELLS_DRAWN).max(1))
}

fn maps_of_one(input: &ReportInput<'_>, record: &TrialRecord) -> Result<Maps, String> {
    let artifacts = record.outcome.as_ref().map(|outcome| outcome.artifacts.as_slice()).unwrap_or_default();
    let artifact = artifacts
        .iter()
        .find(|artifact| artifact.kind == ArtifactKind::Embedding)
        .ok_or_else(|| "the trial sent no embedding".to_owned())?;
    let embedding = (input.embedding)(artifact)?;
    if u64::try_from(embedding.n_cells) != Ok(input.data.sweep.dataset.cells) {
        return Err("its embedding has another number of cells than the data set".to_owned());
    }
    if embedding.tsne2d.is_empty() && embedding.tsne3d.is_empty() {
        return Err("its evaluation drew no maps".to_owned());
    }
    Ok(to_maps(input, &embedding))
}

fn to_maps(input: &ReportInput<'_>, embedding: &Embedding) -> Maps {
    let facts = &input.data.sweep.dataset;
    let cells = drawn_cells(embedding.n_cells);
    let column = |values: &[f32], width: usize, offset: usize| -> Vec<Value> {
        if values.is_empty() {
            return Vec::new();
        }
        cells.clone().map(|cell| decimals(f64::from(values[cell * width + offset]), 3)).collect()
    };
    let k = embedding.tsne2d_centroids.len() / 2;
    let largest = embedding.tsne2d_kmeans.iter().map(|cluster| usize::from(*cluster) + 1).max().unwrap_or(0);
    let k = k.max(largest);
    let classes = facts.label_classes.len();
    let contingency = match input.cell_classes {
        Some(of_cell) if of_cell.len() == embedding.n_cells => {
            count_pairs(&embedding.tsne2d_kmeans, of_cell, k, classes)
        }
        _ => Vec::new(),
    };
    let mut sizes = vec![0_u64; k];
    embedding.tsne2d_kmeans.iter().for_each(|cluster| sizes[usize::from(*cluster)] += 1);
    let clusters: Vec<String> = (0..k)
        .map(|cluster| cluster_name(cluster, sizes[cluster], contingency.get(cluster), &facts.label_classes))
        .collect();
    let drawn_clusters: Vec<u16> = if embedding.tsne2d_kmeans.is_empty() {
        Vec::new()
    } else {
        cells.clone().map(|cell| embedding.tsne2d_kmeans[cell]).collect()
    };
    let centroids: Vec<[Value; 2]> = embedding
        .tsne2d_centroids
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[x, y]| [decimals(f64::from(*x), 3), decimals(f64::from(*y), 3)])
        .collect();
    let json = json!({
        "x": column(&embedding.tsne2d, 2, 0), "y": column(&embedding.tsne2d, 2, 1),
        "x3": column(&embedding.tsne3d, 3, 0), "y3": column(&embedding.tsne3d, 3, 1), "z3": column(&embedding.tsne3d, 3, 2),
        "cluster": drawn_clusters, "centroids": centroids, "clusters": clusters,
        "colour": cluster_colours(&contingency, k, classes), "counts": contingency,
    });
    Maps { json, contingency, clusters }
}

fn count_pairs(clusters: &[u16], classes: &[u16], k: usize, class_count: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0_u64; class_count]; k];
    for (cluster, class) in clusters.iter().zip(classes) {
        if let Some(count) =
            counts.get_mut(usize::from(*cluster)).and_then(|row| row.get_mut(usize::from(*class)))
        {
            *count += 1;
        }
    }
    counts
}

/// `3: 480 cells, 97 % CD14+ Mono`.
fn cluster_name(cluster: usize, size: u64, classes: Option<&Vec<u64>>, names: &[String]) -> String {
    let head = format!("{}: {size} cells", cluster + 1);
    let largest =
        classes.and_then(|row| row.iter().enumerate().max_by_key(|(class, n)| (**n, usize::MAX - class)));
    match largest {
        Some((class, n)) if size > 0 && *n > 0 => {
            let share = 100.0 * *n as f64 / size as f64;
            format!("{head}, {share:.0} % {}", names.get(class).map_or("", String::as_str))
        }
        _ => head,
    }
}

/// A colour for each cluster: that of the class with which it shares the most cells, each class's colour given once,
/// largest overlap first; clusters left over take the colours after the classes'.
fn cluster_colours(contingency: &[Vec<u64>], k: usize, classes: usize) -> Vec<usize> {
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (cluster, row) in contingency.iter().enumerate() {
        pairs.extend(row.iter().enumerate().map(|(class, n)| (*n, cluster, class)));
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut colour_of: Vec<Option<usize>> = vec![None; k];
    let mut is_taken = vec![false; classes];
    for (n, cluster, class) in pairs {
        if n > 0 && colour_of[cluster].is_none() && !is_taken[class] {
            colour_of[cluster] = Some(class);
            is_taken[class] = true;
        }
    }
    let mut free = (0..classes).filter(|class| !is_taken[*class]).chain(classes..);
    colour_of.into_iter().map(|colour| colour.or_else(|| free.next()).unwrap_or(0)).collect()
}

/// Values of one diagnostic of the chosen trials, where they have it.
pub(super) fn diagnostic(
    chosen: &[Chosen<'_>],
    values: fn(&domain::outcome::Diagnostics) -> &[f64],
) -> Vec<(String, Vec<f64>)> {
    let one = |chosen: &Chosen<'_>| {
        let outcome = chosen.record.outcome.as_ref()?;
        let values = values(&outcome.diagnostics);
        (!values.is_empty()).then(|| (chosen.row.label.clone(), values.to_vec()))
    };
    chosen.iter().filter_map(one).collect()
}

/// Why this trial was chosen, in words.
pub(super) fn reason(chosen: &Chosen<'_>, metric: MetricName) -> String {
    let trial = &chosen.record.trial;
    let (id, seed, of) = (trial.id.short(), trial.seed, chosen.of);
    if chosen.row.deterministic {
        format!("Trial {id}; the model has no seed.")
    } else if of == 1 {
        format!("Trial {id}, seed {seed}: the only one with a {metric}.")
    } else {
        format!(
            "Trial {id}, seed {seed}: its {metric} is the median of {of} seeds (of an even number, the lower one)."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{cluster_colours, cluster_name, count_pairs, drawn_cells};

    #[test]
    fn a_cluster_takes_the_colour_of_the_class_it_mostly_holds() {
        let contingency = count_pairs(&[0, 0, 0, 1, 1, 2], &[1, 1, 0, 0, 0, 1], 3, 2);
        assert_eq!(contingency, [[1, 2], [2, 0], [0, 1]]);
        assert_eq!(cluster_colours(&contingency, 3, 2), [1, 0, 2]);
        assert_eq!(cluster_colours(&[], 2, 0), [0, 1]);
    }

    #[test]
    fn a_cluster_is_named_by_its_size_and_largest_class() {
        let names = ["B".to_owned(), "NK".to_owned()];
        assert_eq!(cluster_name(0, 4, Some(&vec![1, 3]), &names), "1: 4 cells, 75 % NK");
        assert_eq!(cluster_name(0, 4, None, &names), "1: 4 cells");
    }

    #[test]
    fn a_large_data_set_is_drawn_in_part() {
        assert_eq!(drawn_cells(2638).count(), 2638);
        assert!(drawn_cells(1_000_001).count() <= 10_000);
        assert_eq!(drawn_cells(0).count(), 0);
    }
}
