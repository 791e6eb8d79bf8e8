//! The closed table of metrics: names, direction, unit and definition stand here and nowhere else. The wire, the
//! store, the leaderboard, the report and every export use these names.

use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
    /// A fact, not a merit.
    Neither,
}

/// How reproducible a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reproducibility {
    /// Equal trials give equal bits on one kind of CPU.
    Exact,
    /// Depends on the machine and on what else it did: times and memory.
    Machine,
}

macro_rules! metrics {
    ($( $variant:ident = $name:literal, $direction:ident, $repro:ident, $unit:literal, $definition:literal; )*) => {
        /// One metric of a trial.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum MetricName {
            $( #[doc = $definition] #[serde(rename = $name)] $variant, )*
        }

        impl MetricName {
            /// Every metric, in the order in which people see them.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Its name in code, wire, store, CLI and files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Which way is better.
            #[must_use]
            pub const fn direction(self) -> Direction {
                match self { $( Self::$variant => Direction::$direction, )* }
            }

            /// Whether equal trials must agree on it.
            #[must_use]
            pub const fn reproducibility(self) -> Reproducibility {
                match self { $( Self::$variant => Reproducibility::$repro, )* }
            }

            /// Its unit, empty for a pure number.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $( Self::$variant => $unit, )* }
            }

            /// What it is, in one sentence.
            #[must_use]
            pub const fn definition(self) -> &'static str {
                match self { $( Self::$variant => $definition, )* }
            }
        }
    };
}

metrics! {
    TrainSsePerCell = "train_sse_per_cell", Lower, Exact, "", "Squared error summed over genes, mean over cells, of the last epoch as the optimiser saw it (noise included).";
    TrainSsePerEntry = "train_sse_per_entry", Lower, Exact, "", "train_sse_per_cell divided by the number of genes.";
    SsePerCell = "sse_per_cell", Lower, Exact, "", "Squared error summed over genes, mean over all cells, after training, with the deterministic encoding; absent where cells were held out.";
    SsePerEntry = "sse_per_entry", Lower, Exact, "", "sse_per_cell divided by the number of genes.";
    ValidationSsePerCell = "validation_sse_per_cell", Lower, Exact, "", "Squared error summed over genes, mean over the held-out cells, after training, with the deterministic encoding.";
    ValidationSsePerEntry = "validation_sse_per_entry", Lower, Exact, "", "validation_sse_per_cell divided by the number of genes.";
    ValidationLossPerCell = "validation_loss_per_cell", Lower, Exact, "", "validation_sse_per_cell or validation_nll_per_cell plus beta times the Kullback-Leibler terms of the held-out cells: what early stopping watches.";
    TrainNllPerCell = "train_nll_per_cell", Lower, Exact, "nat", "Models of counts: -log likelihood summed over genes, mean over cells, of the last epoch as the optimiser saw it (noise included).";
    TrainElboPerCell = "train_elbo_per_cell", Higher, Exact, "nat", "scVI and LDVAE: evidence lower bound, -(train_nll_per_cell + kl_per_cell), whatever beta is.";
    NllPerCell = "nll_per_cell", Lower, Exact, "nat", "Models of counts: -log likelihood summed over genes, mean over all cells, after training, with the deterministic encoding; absent where cells were held out.";
    ValidationNllPerCell = "validation_nll_per_cell", Lower, Exact, "nat", "nll_per_cell of the held-out cells.";
    KlPerCell = "kl_per_cell", Neither, Exact, "nat", "Kullback-Leibler terms of the last epoch (not multiplied by beta), mean over cells.";
    BestEpoch = "best_epoch", Neither, Exact, "epoch", "Epoch (from 1) with the lowest loss at the full beta: of the held-out cells where there are any, else of training. With early stopping, the epoch whose weights were kept.";
    Epochs = "epochs", Neither, Exact, "epoch", "Epochs trained.";
    Parameters = "parameters", Neither, Exact, "", "Trained numbers: weights and biases.";
    ActiveUnits = "active_units", Neither, Exact, "", "Latent dimensions whose posterior mean has a variance over cells above 0.01 (Burda et al. 2016).";
    TrainSeconds = "train_seconds", Lower, Machine, "s", "Wall time of training alone, without loading and evaluation.";
    SecondsPerEpoch = "seconds_per_epoch", Lower, Machine, "s", "Median wall time of one epoch.";
    EvaluationSeconds = "evaluation_seconds", Neither, Machine, "s", "Wall time of neighbours, clusters, t-SNE and scores.";
    PeakMemoryBytes = "peak_memory_bytes", Neither, Machine, "B", "Largest resident memory of the worker process up to the trial's end.";
    LatentKmeansNmi = "latent_kmeans_nmi", Higher, Exact, "", "Normalised mutual information of labels and k-means on the latent codes.";
    LatentKmeansAri = "latent_kmeans_ari", Higher, Exact, "", "Adjusted Rand index of labels and k-means on the latent codes.";
    LatentKmeansAmi = "latent_kmeans_ami", Higher, Exact, "", "Adjusted mutual information of labels and k-means on the latent codes.";
    LatentKmeansHomogeneity = "latent_kmeans_homogeneity", Higher, Exact, "", "Homogeneity of k-means on the latent codes: each cluster holds one label.";
    LatentKmeansCompleteness = "latent_kmeans_completeness", Higher, Exact, "", "Completeness of k-means on the latent codes: each label lies in one cluster.";
    LatentLeidenNmi = "latent_leiden_nmi", Higher, Exact, "", "Normalised mutual information of labels and Leiden clusters of the codes' neighbour graph, at the resolution (0.2, 0.4 to 2.0) where it is highest: the labels choose the resolution.";
    LatentLeidenAri = "latent_leiden_ari", Higher, Exact, "", "Adjusted Rand index of labels and Leiden clusters of the codes' neighbour graph, at the resolution with the highest latent_leiden_nmi.";
    LatentLeidenAmi = "latent_leiden_ami", Higher, Exact, "", "Adjusted mutual information of labels and Leiden clusters of the codes' neighbour graph, at the resolution with the highest latent_leiden_nmi.";
    LatentLeidenHomogeneity = "latent_leiden_homogeneity", Higher, Exact, "", "Homogeneity of Leiden clusters of the codes' neighbour graph, at the resolution with the highest latent_leiden_nmi.";
    LatentLeidenCompleteness = "latent_leiden_completeness", Higher, Exact, "", "Completeness of Leiden clusters of the codes' neighbour graph, at the resolution with the highest latent_leiden_nmi.";
    LatentLeidenResolution = "latent_leiden_resolution", Neither, Exact, "", "Resolution of the modularity with the highest latent_leiden_nmi; the lowest of equals.";
    LatentLeidenClusters = "latent_leiden_clusters", Neither, Exact, "", "Leiden clusters at that resolution.";
    LatentKnnPurity = "latent_knn_purity", Higher, Exact, "", "Share of a cell's nearest neighbours by latent code (15 by default, itself left out) that carry its label, mean over cells.";
    LatentKnnBalancedAccuracy = "latent_knn_balanced_accuracy", Higher, Exact, "", "Share of a label's cells to which the majority of the same neighbours gives that label, mean over labels; a tied vote goes to the larger class.";
    LatentSilhouette = "latent_silhouette", Higher, Exact, "", "Silhouette of the labels by Euclidean distance between latent codes, mean over cells (Rousseeuw 1987); only where the evaluation asks for it.";
    Tsne2dKmeansNmi = "tsne2d_kmeans_nmi", Higher, Exact, "", "Normalised mutual information of labels and k-means on the 2-D t-SNE map.";
    Tsne2dKmeansAri = "tsne2d_kmeans_ari", Higher, Exact, "", "Adjusted Rand index of labels and k-means on the 2-D t-SNE map.";
    Tsne2dKmeansAmi = "tsne2d_kmeans_ami", Higher, Exact, "", "Adjusted mutual information of labels and k-means on the 2-D t-SNE map.";
    Tsne2dKmeansHomogeneity = "tsne2d_kmeans_homogeneity", Higher, Exact, "", "Homogeneity of k-means on the 2-D t-SNE map: each cluster holds one label.";
    Tsne2dKmeansCompleteness = "tsne2d_kmeans_completeness", Higher, Exact, "", "Completeness of k-means on the 2-D t-SNE map: each label lies in one cluster.";
    Tsne2dKlDivergence = "tsne2d_kl_divergence", Lower, Exact, "nat", "Kullback-Leibler divergence that the 2-D t-SNE map reached.";
    Tsne2dTrustworthiness = "tsne2d_trustworthiness", Higher, Exact, "", "Trustworthiness of the 2-D t-SNE map: how few of a cell's nearest neighbours on the map (15 by default) are far away by latent code (Venna and Kaski 2001).";
    Tsne3dKlDivergence = "tsne3d_kl_divergence", Lower, Exact, "nat", "Kullback-Leibler divergence that the 3-D t-SNE map reached.";
}

impl MetricName {
    /// Whether it is a reconstruction loss: comparable only between models whose loss measures the same
    /// ([`crate::ModelKind::loss`]).
    #[must_use]
    pub const fn is_loss(self) -> bool {
        matches!(
            self,
            Self::TrainSsePerCell
                | Self::TrainSsePerEntry
                | Self::SsePerCell
                | Self::SsePerEntry
                | Self::ValidationSsePerCell
                | Self::ValidationSsePerEntry
                | Self::ValidationLossPerCell
                | Self::TrainNllPerCell
                | Self::TrainElboPerCell
                | Self::NllPerCell
                | Self::ValidationNllPerCell
        )
    }

    /// The metric of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }
}

impl std::fmt::Display for MetricName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One measured number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Which.
    pub name: MetricName,
    /// How much; always finite (a number that is not finite is left out and the trial is `diverged`).
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::MetricName;

    #[test]
    fn names_are_unique_and_read_back() {
        for metric in MetricName::ALL {
            assert_eq!(MetricName::from_name(metric.name()), Some(*metric));
            assert_eq!(serde_json::to_string(metric).unwrap(), format!("{:?}", metric.name()));
        }
        assert_eq!(MetricName::from_name("accuracy"), None);
    }
}
