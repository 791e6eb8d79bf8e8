//! The evaluation of one trial: clusters of the codes and of their 2-D map, scores against the labels, and both maps.
//! How each is computed lives in its own file; what the metrics mean stands in `domain::metric`.

use domain::EvaluationSpec;
use domain::embedding::Embedding;
use domain::metric::{Metric, MetricName};

use crate::agreement::{Agreement, Contingency};
use crate::brake::{Brake, beside};
use crate::chance::{Chance, Purpose};
use crate::error::EvalError;
use crate::kmeans::{Partition, kmeans};
use crate::leiden::{NeighbourGraph, RESOLUTIONS};
use crate::nearby::nearby_labels;
use crate::neighbours::Neighbours;
use crate::points::Points;
use crate::silhouette::silhouette;
use crate::trustworthiness::trustworthiness;
use crate::tsne::{Cartographer, FEWEST_CELLS, Map, MapSettings};

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

/// How an evaluation runs; no number depends on it.
pub struct Conduct<'a> {
    /// Stops it within a fraction of a second.
    pub brake: Brake<'a>,
    /// Whether a second core has nothing else to do: the 3-D map is then drawn there, beside everything else.
    pub has_second_core: bool,
}

impl Conduct<'_> {
    /// On this thread, to the end.
    #[must_use]
    pub fn plain() -> Self {
        Self { brake: Brake::none(), has_second_core: false }
    }
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

const LATENT_LEIDEN: ScoreNames = [
    MetricName::LatentLeidenNmi,
    MetricName::LatentLeidenAri,
    MetricName::LatentLeidenAmi,
    MetricName::LatentLeidenHomogeneity,
    MetricName::LatentLeidenCompleteness,
];

const TSNE2D_KMEANS: ScoreNames = [
    MetricName::Tsne2dKmeansNmi,
    MetricName::Tsne2dKmeansAri,
    MetricName::Tsne2dKmeansAmi,
    MetricName::Tsne2dKmeansHomogeneity,
    MetricName::Tsne2dKmeansCompleteness,
];

/// Scores codes; equal input gives equal bits on one kind of CPU, whatever the trial's seed and however it runs.
///
/// k-means needs a number of clusters: the spec's, else the number of label classes, else it is skipped. Everything that
/// speaks of labels is skipped without them. Maps are skipped where the spec asks for no iterations or there are fewer
/// than four cells.
///
/// # Errors
/// When codes are no finite matrix, labels do not fit the cells, a setting is out of range, or the brake is pulled.
pub fn evaluate(input: &EvaluationInput<'_>, conduct: Conduct<'_>) -> Result<Evaluation, EvalError> {
    let Conduct { mut brake, has_second_core } = conduct;
    let codes = Points::new(input.codes, input.n_cells, input.dim)?;
    check_labels(input)?;
    let scaled = codes.to_unit_scale();
    let scaled = Points::new(&scaled, input.n_cells, input.dim)?;
    let settings = map_settings(input);
    let reach = settings.map_or(0, |settings| settings.reach(input.n_cells));
    let neighbours = Neighbours::exact(&scaled, reach.max(input.spec.neighbours as usize), &mut brake)?;
    let cartographer = match settings {
        Some(settings) => Cartographer::of_neighbours(&scaled, &neighbours, settings, &mut brake)?,
        None => None,
    };
    let subject = Subject { input, codes, scaled, neighbours };
    let (mut evaluation, deep) = match &cartographer {
        None => (subject.evaluate(None, &mut brake)?, None),
        Some(cartographer) => {
            let here = |brake: &mut Brake<'_>| subject.evaluate(Some(cartographer), brake);
            let there = |brake: &mut Brake<'_>| cartographer.map_3d(brake);
            let (evaluation, deep) = beside(has_second_core, &mut brake, here, there)?;
            (evaluation, Some(deep))
        }
    };
    if let Some(deep) = deep {
        evaluation.note(MetricName::Tsne3dKlDivergence, deep.kl_divergence);
        evaluation.embedding.tsne3d = deep.positions;
    }
    Ok(evaluation)
}

/// `None` where no map is asked for or there are too few cells for one.
fn map_settings(input: &EvaluationInput<'_>) -> Option<MapSettings> {
    let iterations = input.spec.tsne_iterations as usize;
    let is_drawn = iterations > 0 && input.n_cells >= FEWEST_CELLS;
    is_drawn.then_some(MapSettings { perplexity: input.spec.perplexity, iterations })
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

impl Evaluation {
    fn note(&mut self, name: MetricName, value: f64) {
        self.metrics.push(Metric { name, value });
    }

    fn note_agreement(&mut self, names: ScoreNames, scores: &Agreement) {
        let values = [scores.nmi, scores.ari, scores.ami, scores.homogeneity, scores.completeness];
        self.metrics.extend(names.into_iter().zip(values).map(|(name, value)| Metric { name, value }));
    }
}

/// Checked codes and what is known of them from the start.
struct Subject<'a> {
    input: &'a EvaluationInput<'a>,
    codes: Points<'a>,
    /// The codes at unit scale: what has to do with nearness alone looks at these.
    scaled: Points<'a>,
    neighbours: Neighbours,
}

impl Subject<'_> {
    /// Everything but the 3-D map.
    fn evaluate(
        &self,
        cartographer: Option<&Cartographer>,
        brake: &mut Brake<'_>,
    ) -> Result<Evaluation, EvalError> {
        let mut evaluation = Evaluation {
            metrics: vec![],
            embedding: Embedding {
                n_cells: self.input.n_cells,
                latent_dim: self.input.dim,
                latent: self.input.codes.to_vec(),
                ..Embedding::default()
            },
        };
        let latent = self.partition(&self.codes, Purpose::LatentKmeans, brake)?;
        self.score(latent.as_ref(), LATENT_KMEANS, &mut evaluation)?;
        evaluation.embedding.latent_kmeans = latent.map(|latent| latent.clusters).unwrap_or_default();
        if let Some((labels, classes)) = self.input.labels {
            self.find_communities(labels, &mut evaluation, brake)?;
            self.compare_with_neighbours(labels, classes, &mut evaluation, brake)?;
        }
        if let Some(cartographer) = cartographer {
            let flat = cartographer.map_2d(brake)?;
            self.judge_map(flat, &mut evaluation, brake)?;
        }
        Ok(evaluation)
    }

    /// k-means on codes or on a map, where the number of clusters is known.
    fn partition(
        &self,
        points: &Points<'_>,
        purpose: Purpose,
        brake: &mut Brake<'_>,
    ) -> Result<Option<Partition>, EvalError> {
        let clusters = match (self.input.spec.clusters, self.input.labels) {
            (Some(clusters), _) => clusters as usize,
            (None, Some((_, classes))) => classes,
            (None, None) => return Ok(None),
        };
        if points.count() == 0 {
            return Ok(None);
        }
        let starts = self.input.spec.kmeans_starts as usize;
        kmeans(points, clusters, starts, &mut Chance::new(purpose), brake).map(Some)
    }

    /// Adds the scores of a partition against the labels, where there are both.
    fn score(
        &self,
        partition: Option<&Partition>,
        names: ScoreNames,
        evaluation: &mut Evaluation,
    ) -> Result<(), EvalError> {
        let (Some((labels, _)), Some(partition)) = (self.input.labels, partition) else { return Ok(()) };
        let agreement = Contingency::new(labels, &partition.clusters)?.agreement(self.input.spec.nmi);
        evaluation.note_agreement(names, &agreement);
        Ok(())
    }

    /// Leiden at every resolution; the one whose NMI with the labels is highest counts, the lowest of equals.
    fn find_communities(
        &self,
        labels: &[u16],
        evaluation: &mut Evaluation,
        brake: &mut Brake<'_>,
    ) -> Result<(), EvalError> {
        if self.input.n_cells == 0 {
            return Ok(());
        }
        let graph = NeighbourGraph::new(&self.neighbours, self.input.spec.neighbours as usize)?;
        let mut best: Option<(f64, Agreement, Vec<u16>)> = None;
        for resolution in RESOLUTIONS {
            brake.check()?;
            let communities = match graph.communities(resolution) {
                Err(EvalError::TooManyClusters { .. }) => continue,
                communities => communities?,
            };
            let agreement = Contingency::new(labels, &communities)?.agreement(self.input.spec.nmi);
            if best.as_ref().is_none_or(|(_, best, _)| agreement.nmi > best.nmi) {
                best = Some((resolution, agreement, communities));
            }
        }
        let Some((resolution, agreement, communities)) = best else { return Ok(()) };
        evaluation.note_agreement(LATENT_LEIDEN, &agreement);
        evaluation.note(MetricName::LatentLeidenResolution, resolution);
        let clusters = communities.iter().max().map_or(0.0, |&last| f64::from(last) + 1.0);
        evaluation.note(MetricName::LatentLeidenClusters, clusters);
        evaluation.embedding.latent_leiden = communities;
        Ok(())
    }

    /// What nearness in the codes says about the labels, without any clusters.
    fn compare_with_neighbours(
        &self,
        labels: &[u16],
        classes: usize,
        evaluation: &mut Evaluation,
        brake: &mut Brake<'_>,
    ) -> Result<(), EvalError> {
        let k = self.input.spec.neighbours as usize;
        if let Some(nearby) = nearby_labels(&self.neighbours, k, labels, classes) {
            evaluation.note(MetricName::LatentKnnPurity, nearby.purity);
            evaluation.note(MetricName::LatentKnnBalancedAccuracy, nearby.balanced_accuracy);
        }
        if self.input.spec.silhouette
            && let Some(silhouette) = silhouette(&self.codes, labels, classes, brake)?
        {
            evaluation.note(MetricName::LatentSilhouette, silhouette);
        }
        Ok(())
    }

    /// Clusters and scores the 2-D map.
    fn judge_map(
        &self,
        flat: Map,
        evaluation: &mut Evaluation,
        brake: &mut Brake<'_>,
    ) -> Result<(), EvalError> {
        let map = Points::new(&flat.positions, self.input.n_cells, 2)?;
        let clustered = self.partition(&map, Purpose::MapKmeans, brake)?;
        self.score(clustered.as_ref(), TSNE2D_KMEANS, evaluation)?;
        evaluation.note(MetricName::Tsne2dKlDivergence, flat.kl_divergence);
        let k = self.input.spec.neighbours as usize;
        if let Some(trust) = trustworthiness(&self.scaled, &map, k, brake)? {
            evaluation.note(MetricName::Tsne2dTrustworthiness, trust);
        }
        if let Some(clustered) = clustered {
            evaluation.embedding.tsne2d_centroids =
                clustered.centroids.iter().map(|&value| value as f32).collect();
            evaluation.embedding.tsne2d_kmeans = clustered.clusters;
        }
        evaluation.embedding.tsne2d = flat.positions;
        Ok(())
    }
}
