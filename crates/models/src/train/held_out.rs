//! Held-out cells: which they are, and what their loss says about when to stop.
//!
//! The split follows from the seed alone: at one seed every config holds out the same cells, and a larger share holds
//! out those of a smaller one and more. Early stopping as people know it: after `patience` epochs in a row whose
//! held-out loss is not lower than the best one by more than `min_delta`, training ends, and the best epoch's weights
//! are the trial's. A warm-up does not count against the patience: the loss under the full β may rise while β does.
//!
//! Must not live here: how a loss is computed.

use domain::{EpochRecord, TrainSpec};

use crate::checkpoint::{KeptEpoch, KeptTensor};
use crate::error::TrainError;
use crate::streams::Streams;

/// The cells of a trial by what they are for, each list ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) training: Vec<u32>,
    /// Empty where every cell trains.
    pub(crate) held_out: Vec<u32>,
}

impl Split {
    /// Holds out `fraction` of `cells`, rounded to whole cells, at least one unless it is 0.
    pub(crate) fn new(streams: Streams, cells: usize, fraction: f64) -> Result<Self, TrainError> {
        if fraction == 0.0 {
            return Ok(Self { training: (0..cells as u32).collect(), held_out: Vec::new() });
        }
        let held_out = ((fraction * cells as f64).round() as usize).max(1);
        if held_out >= cells {
            let problem = format!("{fraction} of {cells} cells leaves none to train on");
            return Err(TrainError::bad_config("validation_fraction", problem));
        }
        let mut order = streams.open("validation split", 0).permutation(cells as u32);
        let mut training = order.split_off(held_out);
        training.sort_unstable();
        order.sort_unstable();
        Ok(Self { training, held_out: order })
    }
}

/// Decides which epoch to keep and when to stop.
#[derive(Debug)]
pub(crate) struct EarlyStopping {
    patience: u32,
    min_delta: f64,
    /// Epochs that the longest warm-up touches.
    warmup_epochs: u32,
    /// The best epoch so far.
    pub(crate) kept: Option<KeptEpoch>,
}

impl EarlyStopping {
    /// `None` where the config has no patience; `warmup_share` is that of the run.
    pub(crate) fn new(spec: &TrainSpec, warmup_share: f64) -> Option<Self> {
        let warmup_epochs = (warmup_share * f64::from(spec.epochs)).ceil() as u32;
        let patience = spec.patience?;
        Some(Self { patience, min_delta: spec.min_delta, warmup_epochs, kept: None })
    }

    /// Whether `loss` beats the best one so far.
    pub(crate) fn is_better(&self, loss: f64) -> bool {
        self.kept.as_ref().is_none_or(|kept| loss < kept.loss_per_cell - self.min_delta)
    }

    /// Keeps the weights of an epoch.
    pub(crate) fn keep(&mut self, epoch: u32, loss_per_cell: f64, weights: Vec<KeptTensor>) {
        self.kept = Some(KeptEpoch { epoch, loss_per_cell, weights });
    }

    /// Whether patience has run out after the epochs of `records`.
    pub(crate) fn has_ended(&self, records: &[EpochRecord]) -> bool {
        let best = self.kept.as_ref().map_or(0, |kept| kept.epoch);
        let since = best.max(self.warmup_epochs);
        (records.len() as u32).saturating_sub(since) >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use domain::{EpochRecord, TrainSpec};

    use super::{EarlyStopping, Split};
    use crate::streams::Streams;

    #[test]
    fn a_split_takes_every_cell_once_and_a_larger_share_holds_the_smaller_one() {
        let split = |fraction| Split::new(Streams::new(5), 101, fraction).unwrap();
        let (tenth, half) = (split(0.1), split(0.5));
        assert_eq!((tenth.held_out.len(), half.held_out.len()), (10, 51));
        assert!(tenth.held_out.iter().all(|cell| half.held_out.contains(cell)));
        let mut all = [tenth.training.clone(), tenth.held_out.clone()].concat();
        assert!(tenth.training.is_sorted() && tenth.held_out.is_sorted());
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<u32>>());
        assert_ne!(tenth, Split::new(Streams::new(6), 101, 0.1).unwrap());
        assert_eq!(split(0.0), Split { training: (0..101).collect(), held_out: vec![] });
        assert_eq!(split(1e-9).held_out.len(), 1);
        assert!(Split::new(Streams::new(5), 1, 0.5).is_err());
    }

    fn epochs_until_stop(losses: &[f64], patience: u32, min_delta: f64, warmup: f64) -> (usize, u32) {
        let epochs = losses.len() as u32;
        let spec = TrainSpec { epochs, patience: Some(patience), min_delta, ..TrainSpec::default() };
        let mut stopping = EarlyStopping::new(&spec, warmup).unwrap();
        let mut records = Vec::new();
        for (epoch, loss) in (1..).zip(losses) {
            if stopping.has_ended(&records) {
                break;
            }
            if stopping.is_better(*loss) {
                stopping.keep(epoch, *loss, Vec::new());
            }
            records.push(EpochRecord { epoch, ..EpochRecord::default() });
        }
        (records.len(), stopping.kept.unwrap().epoch)
    }

    #[test]
    fn patience_counts_epochs_without_a_better_loss() {
        let losses = [9.0, 5.0, 6.0, 5.0, 4.9, 7.0, 7.0, 7.0, 1.0];
        assert_eq!(epochs_until_stop(&losses, 3, 0.0, 0.0), (8, 5));
        assert_eq!(epochs_until_stop(&losses, 2, 0.0, 0.0), (4, 2));
        assert_eq!(epochs_until_stop(&losses, 4, 0.0, 0.0), (9, 9));
        // 4.9 is not better than 5.0 by more than a half
        assert_eq!(epochs_until_stop(&losses, 3, 0.5, 0.0), (5, 2));
        // the first four of nine epochs are warm-up
        assert_eq!(epochs_until_stop(&[1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 2, 0.0, 0.4), (6, 1));
        assert!(EarlyStopping::new(&TrainSpec::default(), 0.0).is_none());
    }
}
