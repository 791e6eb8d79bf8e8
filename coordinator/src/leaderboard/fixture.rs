//! A made-up sweep for the tests of leaderboard and report: two configs over three seeds, PCA, one trial diverged, one
//! failed with hostile words, one still pending.

use domain::config::{BetaVaeSpec, PcaSpec};
use domain::embedding::Embedding;
use domain::ids::{ArtifactHash, Fingerprint};
use domain::metric::{Metric, MetricName};
use domain::outcome::{ArtifactKind, ArtifactRef, Diagnostics, Environment};
use domain::{
    Config, EpochRecord, EvaluationSpec, FailureKind, ModelKind, ModelSpec, NetSpec, Outcome, OutcomeStatus,
    Preset, TrainSpec, Trial, TrialState,
};

use crate::store::records::{AttemptFailure, DatasetFacts, SweepData, SweepRecord, TrialRecord};

/// Cells of the made-up data set.
pub(crate) const CELLS: usize = 60;

/// Words that a hostile worker might send.
pub(crate) const HOSTILE: &str = "=HYPERLINK(\"x\")</script><img src=x onerror=alert(1)>\u{1b}[31m";

/// A β-VAE.
pub(crate) fn beta_vae(beta: f64) -> Config {
    let net = NetSpec::of_preset(Preset::Report, ModelKind::BetaVae, 6);
    Config {
        model: ModelSpec::BetaVae(BetaVaeSpec { beta, ..BetaVaeSpec::new(net) }),
        train: Some(TrainSpec { epochs: 3, ..TrainSpec::default() }),
        evaluation: EvaluationSpec::default(),
    }
}

fn pca() -> Config {
    Config {
        model: ModelSpec::Pca(PcaSpec { latent_dim: 6 }),
        train: None,
        evaluation: EvaluationSpec::default(),
    }
}

/// An outcome with these scores; `None` for one that diverged.
pub(crate) fn outcome(scores: Option<(f64, f64)>, epochs: u32) -> Outcome {
    let metric = |name, value| Metric { name, value };
    let metrics = scores.map_or_else(Vec::new, |(ari, sse)| {
        vec![
            metric(MetricName::SsePerCell, sse),
            metric(MetricName::TrainSeconds, 12.5),
            metric(MetricName::LatentKmeansAri, ari),
            metric(MetricName::LatentKmeansNmi, ari + 0.1),
        ]
    });
    let epoch = |epoch: u32| EpochRecord {
        epoch,
        loss_per_cell: 2000.0 / f64::from(epoch),
        sse_per_cell: 1900.0 / f64::from(epoch),
        kl_per_cell: 3.0,
        seconds: 0.1,
        ..EpochRecord::default()
    };
    Outcome {
        status: if scores.is_some() { OutcomeStatus::Done } else { OutcomeStatus::Diverged },
        metrics,
        epochs: (1..=epochs).map(epoch).collect(),
        diagnostics: Diagnostics {
            kl_per_dim: vec![0.1, 2.0],
            code_variance: vec![1.0, 0.5],
            ..Diagnostics::default()
        },
        artifacts: vec![ArtifactRef {
            kind: ArtifactKind::Embedding,
            hash: ArtifactHash::of(b"x"),
            bytes: 1,
        }],
        environment: Environment {
            worker: HOSTILE.to_owned(),
            isa: "avx2".to_owned(),
            ..Environment::default()
        },
    }
}

/// One trial, `end` being its scores (`Ok(None)`: diverged) or its state without an outcome.
pub(crate) fn record(
    ordinal: u64,
    config: Config,
    seed: u64,
    end: Result<Option<(f64, f64)>, TrialState>,
) -> TrialRecord {
    let epochs = if config.train.is_some() { 3 } else { 0 };
    let state = match end {
        Ok(Some(_)) => TrialState::Done,
        Ok(None) => TrialState::Diverged,
        Err(state) => state,
    };
    let failure = AttemptFailure {
        attempt: 1,
        kind: FailureKind::Panic,
        message: HOSTILE.to_owned(),
        worker: "w".to_owned(),
    };
    TrialRecord {
        ordinal,
        trial: Trial::new(config, seed, Fingerprint::of(b"data")),
        state,
        attempts: u32::from(state != TrialState::Pending),
        outcome: end.ok().map(|scores| outcome(scores, epochs)),
        failures: if state == TrialState::Failed { vec![failure] } else { Vec::new() },
    }
}

/// The whole sweep.
pub(crate) fn sweep() -> SweepData {
    let trials = vec![
        record(0, pca(), 0, Ok(Some((0.62, 1776.74)))),
        record(1, beta_vae(1.0), 0, Ok(Some((0.5, 1760.0)))),
        record(2, beta_vae(1.0), 1, Ok(Some((0.7, 1761.0)))),
        record(3, beta_vae(1.0), 2, Ok(Some((0.6, 1762.0)))),
        record(4, beta_vae(2.0), 0, Ok(Some((0.6, 1771.0)))),
        record(5, beta_vae(2.0), 1, Ok(None)),
        record(6, beta_vae(2.0), 2, Err(TrialState::Failed)),
        record(7, beta_vae(4.0), 0, Err(TrialState::Pending)),
    ];
    let dataset = DatasetFacts {
        fingerprint: Fingerprint::of(b"data"),
        path: "data/<b>pbmc3k</b>".to_owned(),
        cells: CELLS as u64,
        genes: 200,
        input: domain::data::Input::Lognorm,
        gene_choice: domain::data::Genes::All,
        clustering: None,
        nonzeros: 5000,
        cells_read: 70,
        genes_read: 300,
        label_classes: vec!["B & co".to_owned(), "NK</script>".to_owned(), "T".to_owned()],
        label_counts: vec![20, 20, 20],
    };
    let sweep = SweepRecord {
        name: "made-up".parse().unwrap(),
        grid_toml: "name = \"made-up\" # </pre><script>".to_owned(),
        dataset,
        created_ms: 0,
        folded: 2,
    };
    SweepData { sweep, trials }
}

/// Label class of each cell.
pub(crate) fn classes() -> Vec<u16> {
    (0..CELLS).map(|cell| (cell % 3) as u16).collect()
}

/// Maps in which each class is a clump.
pub(crate) fn embedding() -> Embedding {
    let place = |cell: usize, axis: usize| {
        (cell % 3) as f32 * 10.0 * if axis == 1 { -1.0 } else { 1.0 } + (cell * (axis + 3) % 7) as f32
    };
    let map = |width: usize| (0..CELLS * width).map(|at| place(at / width, at % width)).collect::<Vec<f32>>();
    Embedding {
        n_cells: CELLS,
        latent_dim: 2,
        latent: map(2),
        tsne2d: map(2),
        tsne3d: map(3),
        latent_kmeans: classes(),
        tsne2d_kmeans: (0..CELLS).map(|cell| ((cell + 1) % 3) as u16).collect(),
        tsne2d_centroids: vec![13.0, -7.0, 23.0, -17.0, 3.0, 3.0],
        latent_leiden: classes(),
    }
}
