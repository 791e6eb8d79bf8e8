//! Real training through a real session: numbers do not depend on how many trials run at once, nor on the session.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use cells::Dataset;
use domain::config::{AeSpec, BetaVaeSpec, BetaVscSpec, Encode, Gate, PcaSpec};
use domain::data::{DataSpec, LabelSource, QualityControl};
use domain::metric::Reproducibility;
use domain::{Config, EvaluationSpec, MetricName, ModelSpec, NetSpec, Outcome, TrainSpec, Trial};
use worker::config::EngineChoice;
use worker::ending::Ending;
use worker::training::Trainer;

use crate::world::{World, lease_of};

const CELLS: usize = 90;
const GENES: usize = 40;

/// Cells of three types, each with genes of its own.
fn write_cells(folder: &Path) {
    let mut entries = String::new();
    let mut count = 0;
    for cell in 0..CELLS {
        for gene in 0..GENES {
            let is_marker = gene % 3 == cell % 3;
            if is_marker || (cell * 7 + gene * 13) % 5 == 0 {
                let molecules = 1 + (cell * 31 + gene * 17) % if is_marker { 9 } else { 2 };
                writeln!(entries, "{} {} {molecules}", gene + 1, cell + 1).unwrap();
                count += 1;
            }
        }
    }
    let matrix =
        format!("%%MatrixMarket matrix coordinate integer general\n{GENES} {CELLS} {count}\n{entries}");
    let genes: String = (0..GENES).map(|gene| format!("ENSG{gene:03}\tG{gene}\n")).collect();
    let barcodes: String = (0..CELLS).map(|cell| format!("CELL{cell:03}-1\n")).collect();
    let labels: String = (0..CELLS).map(|cell| format!("CELL{cell:03}-1,type {}\n", cell % 3)).collect();
    let labels = format!("barcode,cell_type\n{labels}");
    for (name, text) in
        [("matrix.mtx", matrix), ("genes.tsv", genes), ("barcodes.tsv", barcodes), ("labels.csv", labels)]
    {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn dataset() -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    write_cells(folder.path());
    let path = folder.path().to_str().unwrap().to_owned();
    let qc = QualityControl {
        min_cells: 1,
        min_genes: 1,
        max_genes: 10_000,
        max_mito_percent: 100.0,
        ..Default::default()
    };
    let labels = Some(LabelSource::File(format!("{path}/labels.csv")));
    let spec = DataSpec { labels, qc, ..DataSpec::of_path(path) };
    cells::prepare(&spec, folder.path()).unwrap()
}

fn trials(dataset: &Dataset) -> Vec<Trial> {
    let net = NetSpec {
        latent_dim: 3,
        encoder: vec![12, 8],
        branch: vec![],
        decoder: vec![8, 12],
        first_activation: Default::default(),
    };
    let models = [
        ModelSpec::Pca(PcaSpec { latent_dim: 3 }),
        ModelSpec::Ae(AeSpec { net: net.clone(), latent_activation: Default::default() }),
        ModelSpec::BetaVae(BetaVaeSpec { net: net.clone(), beta: 0.1, encode: Encode::Mean }),
        ModelSpec::BetaVsc(BetaVscSpec {
            net,
            beta: 0.1,
            alpha: 0.5,
            c: 5.0,
            gate: Gate::default(),
            encode: Encode::Mean,
        }),
    ];
    let evaluation =
        EvaluationSpec { perplexity: 10.0, tsne_iterations: 60, kmeans_starts: 5, ..Default::default() };
    let config = |model: ModelSpec| {
        let train = TrainSpec { epochs: 4, batch_size: 32, learning_rate: 1e-3 };
        let train = (!matches!(model, ModelSpec::Pca(_))).then_some(train);
        Config { model, train, evaluation: evaluation.clone() }
    };
    models.into_iter().map(|model| Trial::new(config(model), 11, dataset.fingerprint())).collect()
}

/// What must not depend on the machine's load.
fn numbers(outcome: &Outcome) -> String {
    let exact =
        outcome.metrics.iter().filter(|metric| metric.name.reproducibility() == Reproducibility::Exact);
    let metrics: Vec<_> = exact.map(|metric| (metric.name, metric.value.to_bits())).collect();
    let epochs: Vec<_> = outcome.epochs.iter().map(|epoch| epoch.loss_per_cell.to_bits()).collect();
    format!("{metrics:?} {epochs:?} {:?} {:?}", outcome.diagnostics, outcome.artifacts)
}

fn sweep(dataset: &Dataset, slots: usize) -> Vec<Outcome> {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::read(dataset.write_to_dir(folder.path()).unwrap()).unwrap();
    let trials = trials(dataset);
    world.shared().with(|memory| {
        memory.datasets.insert(dataset.fingerprint().as_bytes().to_vec(), file);
        memory.pending.extend(trials.iter().map(|trial| lease_of(trial, 1)));
    });
    let trainer = Arc::new(Trainer::new(EngineChoice::Sparse).unwrap());
    assert_eq!(world.start(slots, &trainer).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert!(memory.failures.is_empty(), "{:?}", memory.failures);
        trials.iter().map(|trial| memory.outcomes_of(trial.id)[0].clone()).collect()
    })
}

#[test]
fn trials_give_the_same_bits_alone_and_beside_each_other() {
    let dataset = dataset();
    let alone = sweep(&dataset, 1);
    let together = sweep(&dataset, 4);
    for (first, second) in alone.iter().zip(&together) {
        assert_eq!(numbers(first), numbers(second));
    }
    for outcome in &alone {
        for name in
            [MetricName::EvaluationSeconds, MetricName::LatentKmeansAri, MetricName::Tsne3dKlDivergence]
        {
            assert!(outcome.metric(name).is_some(), "{name}");
        }
        assert!(outcome.metrics.is_sorted_by_key(|metric| metric.name));
        assert_eq!(outcome.artifacts.len(), 1);
        assert_eq!(outcome.environment.engine, "sparse");
        #[cfg(target_os = "linux")]
        assert!(outcome.metric(MetricName::PeakMemoryBytes).unwrap() > 1e6);
    }
}
