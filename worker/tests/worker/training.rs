//! Real training through a real session: numbers do not depend on how many trials run at once, nor on the session.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use cells::Dataset;
use domain::config::{AeSpec, BetaVaeSpec, BetaVscSpec, PcaSpec};
use domain::data::{DataSpec, LabelSource, QualityControl};
use domain::metric::Reproducibility;
use domain::{Config, EvaluationSpec, MetricName, ModelSpec, NetSpec, Outcome, TrainSpec, Trial};
use sweep_proto::v1;
use worker::config::EngineChoice;
use worker::ending::Ending;
use worker::orders::{DrainCause, Order, OrderBoard};
use worker::runner::{GoOn, Hardware, Observer, RunEnd, Saved, TrialRunner};
use worker::training::Trainer;
use worker::{Phase, Progress};

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
        ModelSpec::BetaVae(BetaVaeSpec { beta: 0.1, ..BetaVaeSpec::new(net.clone()) }),
        ModelSpec::BetaVsc(BetaVscSpec { beta: 0.1, c: 5.0, ..BetaVscSpec::new(net) }),
    ];
    let evaluation =
        EvaluationSpec { perplexity: 10.0, tsne_iterations: 60, kmeans_starts: 5, ..Default::default() };
    let config = |model: ModelSpec| {
        let train = TrainSpec { epochs: 4, batch_size: 32, ..TrainSpec::default() };
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
    let trainer = Arc::new(Trainer::new(EngineChoice::Sparse, NonZeroUsize::new(slots).unwrap()).unwrap());
    assert_eq!(world.start(slots, &trainer).ending(), Ending::Finished);
    world.shared().with(|memory| {
        assert!(memory.failures.is_empty(), "{:?}", memory.failures);
        trials.iter().map(|trial| memory.outcomes_of(trial.id)[0].clone()).collect()
    })
}

/// Its maps alone would take hours: only a stop in the midst of them ends it.
#[test]
fn a_trial_that_is_told_to_stop_stops_while_it_is_scored() {
    let dataset = dataset();
    let pca = trials(&dataset).remove(0);
    let evaluation = EvaluationSpec { tsne_iterations: u32::MAX, ..pca.config.evaluation };
    let trial = Trial::new(Config { evaluation, ..pca.config }, pca.seed, pca.data);
    for slots in [1, 2] {
        let trainer = Trainer::new(EngineChoice::Sparse, NonZeroUsize::new(slots).unwrap()).unwrap();
        let mut stopper = Stopper { asked: 0 };
        assert_eq!(trainer.run(&trial, &dataset, None, &mut stopper), RunEnd::Stopped(None));
    }
}

/// Stops a trial once it has been asked often enough while the trial is scored.
struct Stopper {
    asked: u32,
}

impl Observer for Stopper {
    fn progress(&mut self, progress: Progress) -> GoOn {
        self.asked += u32::from(progress.phase == Phase::Evaluate);
        if self.asked < 300 { GoOn::Yes } else { GoOn::No }
    }

    fn resumed(&mut self, _epochs: Result<u32, String>) {}

    fn keep(&mut self, _saved: Saved) {}
}

/// A worker that trains really and is drained after some epochs.
struct Interrupted {
    trainer: Trainer,
    /// The worker's orders.
    orders: Mutex<Option<Arc<OrderBoard>>>,
    /// Drains after so many epochs.
    after: u32,
    trained: AtomicU32,
}

struct Counting<'a> {
    inner: &'a mut dyn Observer,
    of: &'a Interrupted,
    /// The last epoch that was trained, here or before: while a trial is scored, it is told again and again.
    last_epoch: u32,
}

impl Observer for Counting<'_> {
    fn progress(&mut self, progress: Progress) -> GoOn {
        let is_epoch = progress.epoch > self.last_epoch;
        self.last_epoch = progress.epoch.max(self.last_epoch);
        if is_epoch && self.of.trained.fetch_add(1, Ordering::SeqCst) + 1 == self.of.after {
            let orders = loop {
                // The worker may have begun before its orders were written down.
                if let Some(orders) = self.of.orders.lock().unwrap().clone() {
                    break orders;
                }
                std::thread::yield_now();
            };
            orders.give(Order::Drain(DrainCause::Signal));
            // The order is on its way to this trial.
            while self.inner.progress(progress) == GoOn::Yes {
                std::thread::yield_now();
            }
        }
        self.inner.progress(progress)
    }

    fn resumed(&mut self, epochs: Result<u32, String>) {
        self.last_epoch = epochs.as_ref().copied().unwrap_or(0);
        self.inner.resumed(epochs);
    }

    fn keep(&mut self, saved: Saved) {
        self.inner.keep(saved);
    }
}

impl TrialRunner for Interrupted {
    type Data = Dataset;

    fn hardware(&self) -> Hardware {
        self.trainer.hardware()
    }

    fn open(&self, path: &Path, fingerprint: domain::Fingerprint) -> Result<Dataset, String> {
        self.trainer.open(path, fingerprint)
    }

    fn run(
        &self,
        trial: &Trial,
        data: &Dataset,
        saved: Option<Saved>,
        observer: &mut dyn Observer,
    ) -> RunEnd {
        self.trainer.run(trial, data, saved, &mut Counting { inner: observer, of: self, last_epoch: 0 })
    }
}

/// Runs one worker; answers how many epochs it trained.
fn run_one(world: &World, after: u32, ending: &Ending) -> u32 {
    let trainer = Trainer::new(EngineChoice::Sparse, NonZeroUsize::MIN).unwrap();
    let runner = Interrupted { trainer, orders: Mutex::default(), after, trained: AtomicU32::new(0) };
    let runner = Arc::new(runner);
    let worker = world.start(1, &runner);
    *runner.orders.lock().unwrap() = Some(Arc::clone(&worker.orders));
    assert_eq!(worker.ending(), *ending);
    runner.trained.load(Ordering::SeqCst)
}

#[test]
fn a_trial_that_moved_twice_ends_with_the_bits_of_one_that_stayed() {
    let dataset = dataset();
    let undisturbed = sweep(&dataset, 1);
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::read(dataset.write_to_dir(folder.path()).unwrap()).unwrap();
    for (trial, expected) in trials(&dataset).iter().zip(&undisturbed).skip(1) {
        let world = World::new();
        world.shared().with(|memory| {
            memory.datasets.insert(dataset.fingerprint().as_bytes().to_vec(), file.clone());
            memory.pending.push_back(lease_of(trial, 1));
        });
        let mut trained = Vec::new();
        let drained = Ending::Drained(DrainCause::Signal);
        // After the first of four epochs, then when everything is trained and nothing scored.
        for (attempt, after) in [(2, 1), (3, 3)] {
            trained.push(run_one(&world, after, &drained));
            world.shared().with(|memory| {
                let checkpoint = memory.failures.last().unwrap().checkpoint.clone();
                assert!(checkpoint.is_some());
                memory.pending.push_back(v1::Lease { checkpoint, ..lease_of(trial, attempt) });
            });
        }
        trained.push(run_one(&world, u32::MAX, &Ending::Finished));
        assert_eq!(trained, [1, 3, 0], "no epoch is trained twice");
        world.shared().with(|memory| {
            let outcome = memory.outcomes_of(trial.id)[0];
            assert_eq!(numbers(outcome), numbers(expected));
        });
    }
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
