//! The evaluation of one trial: k-means on the codes and on their 2-D map, scores against the labels, and both maps.
//! How each is computed lives in its own file; what the metrics mean stands in `domain::metric`.

use domain::EvaluationSpec;
use domain::embedding::Embedding;
use domain::metric::{Metric, MetricName};

use crate::agreement::Contingency;
use crate::chance::{Chance, Purpose};
use crate::error::EvalError;
use crate::kmeans::{Partition, kmeans};
use crate::points::Points;
use crate::tsne::{Cartographer, MapSettings};

/// What is scored.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationInput<'a> {
    /// Codes, `n_cells × dim`, row-major, finite.
    pub codes: &'a [f32],
    /// Cells.
    pub n_cells: usize,
    /// Dimensions of a code.
    pub dim: usize,
    /// Class of each cell and the number of classes, where the data set has labels.
    pub labels: Option<(&'a [u16], usize)>,
    /// How to score.
    pub spec: &'a EvaluationSpec,
}

/// Scores, maps and partitions of one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Every score that could be computed, each finite.
    pub metrics: Vec<Metric>,
    /// Codes, maps and partitions.
    pub embedding: Embedding,
}

/// Names of the five scores of one partition, in the order nmi, ari, ami, homogeneity, completeness.
type ScoreNames = [MetricName; 5];

const LATENT_KMEANS: ScoreNames = [
    MetricName::LatentKmeansNmi,
    MetricName::LatentKmeansAri,
    MetricName::LatentKmeansAmi,
    MetricName::LatentKmeansHomogeneity,
    MetricName::LatentKmeansCompleteness,
];

const TSNE2D_KMEANS: ScoreNames = [
    MetricName::Tsne2dKmeansNmi,
    MetricName::Tsne2dKmeansAri,
    MetricName::Tsne2dKmeansAmi,
    MetricName::Tsne2dKmeansHomogeneity,
    MetricName::Tsne2dKmeansCompleteness,
];

/// Scores codes on one thread; equal input gives equal bits on one kind of CPU, whatever the trial's seed.
///
/// k-means needs a number of clusters: the spec's, else the number of label classes, else it is skipped. Maps are
/// skipped where the spec asks for no iterations or there are fewer than four cells.
///
/// # Errors
/// When codes are no finite matrix, labels do not fit the cells, or a setting is out of range.
pub fn evaluate(input: &EvaluationInput<'_>) -> Result<Evaluation, EvalError> {
    let codes = Points::new(input.codes, input.n_cells, input.dim)?;
    check_labels(input)?;
    let mut evaluation = Evaluation {
        metrics: vec![],
        embedding: Embedding {
            n_cells: input.n_cells,
            latent_dim: input.dim,
            latent: input.codes.to_vec(),
            ..Embedding::default()
        },
    };
    let latent = partition(input, &codes, Purpose::LatentKmeans)?;
    score(input, latent.as_ref(), LATENT_KMEANS, &mut evaluation.metrics)?;
    evaluation.embedding.latent_kmeans = latent.map(|latent| latent.clusters).unwrap_or_default();
    draw_maps(input, &codes, &mut evaluation)?;
    Ok(evaluation)
}

fn check_labels(input: &EvaluationInput<'_>) -> Result<(), EvalError> {
    let Some((labels, classes)) = input.labels else { return Ok(()) };
    if labels.len() != input.n_cells {
        return Err(EvalError::LabelCount { first: labels.len(), second: input.n_cells });
    }
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(cell) => Err(EvalError::UnknownClass { cell, label: labels[cell], classes }),
        None => Ok(()),
    }
}

/// k-means on codes or on a map, where the number of clusters is known.
fn partition(
    input: &EvaluationInput<'_>,
    points: &Points<'_>,
    purpose: Purpose,
) -> Result<Option<Partition>, EvalError> {
    let clusters = match (input.spec.clusters, input.labels) {
        (Some(clusters), _) => clusters as usize,
        (None, Some((_, classes))) => classes,
        (None, None) => return Ok(None),
    };
    if points.count() == 0 {
        return Ok(None);
    }
    let starts = input.spec.kmeans_starts as usize;
    kmeans(points, clusters, starts, &mut Chance::new(purpose)).map(Some)
}

/// Adds the scores of a partition against the labels, where there are both.
fn score(
    input: &EvaluationInput<'_>,
    partition: Option<&Partition>,
    names: ScoreNames,
    metrics: &mut Vec<Metric>,
) -> Result<(), EvalError> {
    let (Some((labels, _)), Some(partition)) = (input.labels, partition) else { return Ok(()) };
    let agreement = Contingency::new(labels, &partition.clusters)?.agreement(input.spec.nmi);
    let values = [agreement.nmi, agreement.ari, agreement.ami, agreement.homogeneity, agreement.completeness];
    metrics.extend(names.into_iter().zip(values).map(|(name, value)| Metric { name, value }));
    Ok(())
}

/// Draws both maps, clusters and scores the 2-D one.
fn draw_maps(
    input: &EvaluationInput<'_>,
    codes: &Points<'_>,
    evaluation: &mut Evaluation,
) -> Result<(), EvalError> {
    let iterations = input.spec.tsne_iterations as usize;
    if iterations == 0 {
        return Ok(());
    }
    let settings = MapSettings { perplexity: input.spec.perplexity, iterations };
    let Some(cartographer) = Cartographer::new(codes, settings)? else { return Ok(()) };
    let (flat, deep) = (cartographer.map_2d()?, cartographer.map_3d()?);

    let clustered = partition(input, &Points::new(&flat.positions, input.n_cells, 2)?, Purpose::MapKmeans)?;
    score(input, clustered.as_ref(), TSNE2D_KMEANS, &mut evaluation.metrics)?;
    let divergences = [
        (MetricName::Tsne2dKlDivergence, flat.kl_divergence),
        (MetricName::Tsne3dKlDivergence, deep.kl_divergence),
    ];
    evaluation.metrics.extend(divergences.map(|(name, value)| Metric { name, value }));
    if let Some(clustered) = clustered {
        evaluation.embedding.tsne2d_centroids =
            clustered.centroids.iter().map(|&value| value as f32).collect();
        evaluation.embedding.tsne2d_kmeans = clustered.clusters;
    }
    evaluation.embedding.tsne2d = flat.positions;
    evaluation.embedding.tsne3d = deep.positions;
    Ok(())
}
