//! How long trials will take, by the epochs of those that ran: the same config, else the same model on the same data.
//!
//! Must not live here: reading the store, words.

use std::collections::BTreeMap;

use domain::metric::MetricName;
use domain::{Config, ModelKind};

use crate::leaderboard::metric_of;
use crate::store::records::{SweepData, TrialRecord};

/// What trials that have not run would take.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Forecast {
    /// Seconds of one core, for the trials that anything is known of.
    pub(super) core_seconds: f64,
    /// The longest of them: with any number of cores it takes as long.
    pub(super) longest_seconds: f64,
    /// Trials that something is known of.
    pub(super) known: usize,
    /// Trials of models that never ran on this data.
    pub(super) unknown: usize,
    /// Trials that were measured.
    pub(super) measured: usize,
}

impl Forecast {
    /// Wall time with so many trials at once: never less than the longest trial.
    pub(super) fn wall_seconds(&self, at_once: usize) -> f64 {
        (self.core_seconds / at_once.max(1) as f64).max(self.longest_seconds)
    }
}

/// Sums over some trials.
#[derive(Clone, Copy, Default)]
struct Measured {
    trials: f64,
    seconds_per_epoch: f64,
    evaluation: f64,
    /// Training of a model without epochs.
    training: f64,
}

impl Measured {
    fn add(&mut self, record: &TrialRecord) {
        let value = |name| metric_of(record, name).unwrap_or(0.0);
        let training = value(MetricName::TrainSeconds);
        let epochs = record.trial.config.train.as_ref().map(|train| f64::from(train.epochs));
        self.trials += 1.0;
        self.evaluation += value(MetricName::EvaluationSeconds);
        match epochs {
            // all of training over its epochs: the median epoch would leave out what only some pay for
            Some(epochs) if epochs > 0.0 => self.seconds_per_epoch += training / epochs,
            _ => self.training += training,
        }
    }

    fn seconds_of(&self, config: &Config) -> f64 {
        let epochs = config.train.as_ref().map_or(0.0, |train| f64::from(train.epochs));
        (self.seconds_per_epoch * epochs + self.training + self.evaluation) / self.trials
    }
}

/// The forecast for `open` trials' configs, on the data at `data_path`, by every trial on it that is done in `sweeps`.
pub(super) fn forecast<'c>(
    open: impl IntoIterator<Item = &'c Config>,
    sweeps: &[SweepData],
    data_path: &str,
) -> Forecast {
    let on_this_data = sweeps.iter().filter(|data| data.sweep.dataset.path == data_path);
    let records: BTreeMap<_, &TrialRecord> = on_this_data
        .flat_map(|data| &data.trials)
        .filter(|record| metric_of(record, MetricName::TrainSeconds).is_some())
        .map(|record| (record.trial.id, record))
        .collect();
    let mut of_model: BTreeMap<ModelKind, Measured> = BTreeMap::new();
    let mut of_config: BTreeMap<String, Measured> = BTreeMap::new();
    for record in records.values() {
        let config = &record.trial.config;
        of_model.entry(config.model.kind()).or_default().add(record);
        of_config.entry(config.canonical_json()).or_default().add(record);
    }
    let mut found = Forecast { measured: records.len(), ..Forecast::default() };
    for config in open {
        let measured = of_config.get(&config.canonical_json()).or_else(|| of_model.get(&config.model.kind()));
        match measured {
            Some(measured) => {
                let seconds = measured.seconds_of(config);
                found.core_seconds += seconds;
                found.longest_seconds = found.longest_seconds.max(seconds);
                found.known += 1;
            }
            None => found.unknown += 1,
        }
    }
    found
}

/// `40 s`, `12 min`, `3 h 20 min`: as rough as a forecast is.
pub(super) fn rough_time(seconds: f64) -> String {
    if seconds < 90.0 {
        return format!("{:.0} s", seconds.max(1.0));
    }
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0..=89 => format!("{minutes} min"),
        90..=2879 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{:.1} days", minutes as f64 / 1440.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{forecast, rough_time};
    use crate::leaderboard::fixture::{beta_vae, sweep};
    use domain::TrainSpec;

    #[test]
    fn a_longer_training_of_a_measured_model_takes_longer() {
        let data = [sweep()];
        // the fixture's trials train 3 epochs in 12.5 s and do not say how long scoring took
        let mut long = beta_vae(9.0);
        long.train = Some(TrainSpec { epochs: 30, ..long.train.unwrap() });
        let path = data[0].sweep.dataset.path.clone();
        let found = forecast([&beta_vae(1.0), &long], &data, &path);
        assert!((found.core_seconds - 137.5).abs() < 1e-9, "{found:?}");
        assert_eq!((found.known, found.unknown, found.measured), (2, 0, 5));
        assert!((found.wall_seconds(2) - 125.0).abs() < 1e-9 && (found.wall_seconds(1) - 137.5).abs() < 1e-9);
    }

    #[test]
    fn other_data_say_nothing() {
        let found = forecast([&beta_vae(1.0)], &[sweep()], "elsewhere");
        assert_eq!((found.known, found.unknown, found.measured), (0, 1, 0));
    }

    #[test]
    fn times_are_rough() {
        let words = [0.2, 40.0, 720.0, 12_000.0, 300_000.0].map(rough_time);
        assert_eq!(words, ["1 s", "40 s", "12 min", "3 h 20 min", "3.5 days"]);
    }
}
