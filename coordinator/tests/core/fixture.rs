//! Trials, sweeps and outcomes that the tests speak of.

use coordinator::store::records::{DatasetFacts, SweepRecord};
use domain::config::{Config, EvaluationSpec, ModelSpec, PcaSpec};
use domain::ids::{ArtifactHash, Fingerprint};
use domain::outcome::{ArtifactKind, ArtifactRef, Diagnostics, Environment};
use domain::{EpochRecord, Metric, MetricName, Outcome, OutcomeStatus, Trial};

/// Bytes of the one data set.
pub(crate) const DATA: &[u8] = b"the bytes of a data set";
/// Bytes of the one artifact.
pub(crate) const ARTIFACT: &[u8] = b"the bytes of an artifact";

pub(crate) fn trial(seed: u64) -> Trial {
    let model = ModelSpec::Pca(PcaSpec { latent_dim: 2 });
    let config = Config { model, train: None, evaluation: EvaluationSpec::default() };
    Trial::new(config, seed, Fingerprint::of(DATA))
}

pub(crate) fn record(name: &str, created_ms: i64) -> SweepRecord {
    SweepRecord {
        name: name.parse().unwrap(),
        grid_toml: "name = \"x\"".to_owned(),
        dataset: DatasetFacts {
            fingerprint: Fingerprint::of(DATA),
            path: "data".to_owned(),
            cells: 3,
            genes: 2,
            input: Default::default(),
            gene_choice: Default::default(),
            clustering: None,
            nonzeros: 4,
            cells_read: 5,
            genes_read: 6,
            label_classes: vec!["B".to_owned()],
            label_counts: vec![3],
        },
        created_ms,
        folded: 0,
    }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        status: OutcomeStatus::Done,
        metrics: vec![Metric { name: MetricName::SsePerCell, value: 1758.25 }],
        epochs: vec![EpochRecord {
            epoch: 1,
            loss_per_cell: 0.1,
            sse_per_cell: 0.2,
            kl_per_cell: 0.3,
            seconds: 0.4,
            ..EpochRecord::default()
        }],
        diagnostics: Diagnostics::default(),
        artifacts: vec![ArtifactRef {
            kind: ArtifactKind::Embedding,
            hash: ArtifactHash::of(ARTIFACT),
            bytes: ARTIFACT.len() as u64,
        }],
        environment: Environment::default(),
    }
}
