//! The numbers that training itself gives: losses, epochs, times. What each is called and means stands in
//! [`domain::metric`].

use domain::{EpochRecord, Metric, MetricName, Reconstruction};

use crate::penalty::Objective;

/// Metrics by name, in no order.
pub(crate) type Metrics = Vec<(MetricName, f64)>;

/// What is known of every run, whatever its losses.
pub(crate) fn run_metrics(records: &[EpochRecord], parameters: u64) -> Metrics {
    let mut seconds: Vec<f64> = records.iter().map(|record| record.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let mut metrics = vec![
        (MetricName::Epochs, records.len() as f64),
        (MetricName::Parameters, parameters as f64),
        (MetricName::TrainSeconds, seconds.iter().sum()),
    ];
    if !seconds.is_empty() {
        metrics.push((MetricName::SecondsPerEpoch, median(&seconds)));
    }
    metrics
}

/// Losses as the optimiser saw them, and the best epoch: `kept`, or else the one with the lowest loss.
pub(crate) fn loss_metrics(
    records: &[EpochRecord],
    objective: &Objective,
    has_kl: bool,
    term: Term,
    kept: Option<u32>,
) -> Metrics {
    let Some(last) = records.last() else {
        return Vec::new();
    };
    let lowest = records.iter().min_by(|a, b| judged(a, objective).total_cmp(&judged(b, objective)));
    let best = kept.unwrap_or(lowest.unwrap_or(last).epoch);
    let mut metrics = term.of_training(last.sse_per_cell);
    metrics.push((MetricName::BestEpoch, f64::from(best)));
    if has_kl {
        metrics.push((MetricName::KlPerCell, last.kl_per_cell));
        if term.reconstruction == Reconstruction::NegativeBinomial {
            metrics.push((MetricName::TrainElboPerCell, -(last.sse_per_cell + last.kl_per_cell)));
        }
    }
    metrics
}

/// Whose loss it is: the names of a reconstruction term differ by what it measures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) reconstruction: Reconstruction,
    pub(crate) n_genes: usize,
}

impl Term {
    /// As the optimiser saw it in the last epoch, a mean over its cells.
    fn of_training(self, per_cell: f64) -> Metrics {
        match self.reconstruction {
            Reconstruction::SquaredError => vec![
                (MetricName::TrainSsePerCell, per_cell),
                (MetricName::TrainSsePerEntry, per_cell / self.n_genes as f64),
            ],
            Reconstruction::NegativeBinomial => vec![(MetricName::TrainNllPerCell, per_cell)],
        }
    }

    /// With the deterministic code, a mean over all cells.
    pub(crate) fn of_all(self, per_cell: f64) -> Metrics {
        match self.reconstruction {
            Reconstruction::SquaredError => vec![
                (MetricName::SsePerCell, per_cell),
                (MetricName::SsePerEntry, per_cell / self.n_genes as f64),
            ],
            Reconstruction::NegativeBinomial => vec![(MetricName::NllPerCell, per_cell)],
        }
    }

    /// With the deterministic code, a mean over the held-out cells; `loss` has the KL terms too.
    pub(crate) fn of_held_out(self, per_cell: f64, loss: f64) -> Metrics {
        let mut metrics = match self.reconstruction {
            Reconstruction::SquaredError => vec![
                (MetricName::ValidationSsePerCell, per_cell),
                (MetricName::ValidationSsePerEntry, per_cell / self.n_genes as f64),
            ],
            Reconstruction::NegativeBinomial => vec![(MetricName::ValidationNllPerCell, per_cell)],
        };
        metrics.push((MetricName::ValidationLossPerCell, loss));
        metrics
    }
}

/// The loss by which epochs are compared: that of held-out cells where there are any, else training's; with the full β
/// at every epoch, since a loss whose β still grows says nothing about the model.
fn judged(record: &EpochRecord, objective: &Objective) -> f64 {
    record.validation_loss_per_cell.unwrap_or(if objective.is_plain() {
        record.loss_per_cell
    } else {
        record.sse_per_cell + objective.full_penalty(record.kl_per_cell)
    })
}

/// The finite ones, in the order of the table of metrics.
pub(crate) fn in_order(metrics: Metrics) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = metrics
        .into_iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(name, value)| Metric { name, value })
        .collect();
    metrics.sort_by_key(|metric| metric.name);
    metrics
}

/// Median of sorted values, at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
