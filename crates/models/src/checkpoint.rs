//! What a trial needs to go on after an interruption as if there had been none: weights, moments and counters. Random
//! numbers need no state of their own, since every draw follows from the seed and the counters.
//!
//! Must not live here: a file format (the state is plain data with serde) and the decision when to take one.

use domain::EpochRecord;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// A trial at the end of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Epochs done, with their records; the next epoch's number follows from their count.
    pub records: Vec<EpochRecord>,
    /// Steps of the optimiser done.
    pub steps: u64,
    /// Every trained tensor with its moments, and the running statistics without.
    pub tensors: Vec<TensorState>,
    /// With early stopping: the best epoch so far.
    #[serde(default)]
    pub kept: Option<KeptEpoch>,
}

/// The best epoch so far by its held-out loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptEpoch {
    /// From 1.
    pub epoch: u32,
    /// Its held-out loss.
    pub loss_per_cell: f64,
    /// Every trained tensor as it was then.
    pub weights: Vec<KeptTensor>,
}

/// A trained tensor without its moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptTensor {
    /// As [`TensorState::name`].
    pub name: String,
    /// As [`TensorState::weight`].
    pub weight: Vec<f32>,
}

/// One trained tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorState {
    /// Where it stands in the net.
    pub name: String,
    /// Its values; the gene layers gene-major, the others as in PyTorch (outputs × inputs).
    pub weight: Vec<f32>,
    /// Adam's running mean of the gradient.
    pub first_moment: Vec<f32>,
    /// Adam's running mean of the squared gradient.
    pub second_moment: Vec<f32>,
}

impl TrainState {
    /// Whether its counters are those of a trial with so many steps an epoch.
    pub(crate) fn check(&self, steps_an_epoch: u64, epochs: u32, may_keep: bool) -> Result<(), TrainError> {
        let expected_steps = steps_an_epoch * self.records.len() as u64;
        if self.steps != expected_steps {
            let problem = format!("{} steps, expected {expected_steps} for its epochs", self.steps);
            return Err(TrainError::bad_checkpoint(problem));
        }
        if self.records.len() > epochs as usize {
            let problem = format!("{} epochs, the config has {epochs}", self.records.len());
            return Err(TrainError::bad_checkpoint(problem));
        }
        // The first epoch is the best so far until another one is.
        if self.kept.is_some() != (may_keep && !self.records.is_empty()) {
            let problem = "it keeps an epoch and the config stops none early, or the other way round";
            return Err(TrainError::bad_checkpoint(problem));
        }
        Ok(())
    }
}

impl KeptEpoch {
    /// Whether it has the tensors of `tensors`.
    pub(crate) fn check(&self, tensors: &[TensorState]) -> Result<(), TrainError> {
        let is_same = |(kept, tensor): (&KeptTensor, &TensorState)| {
            kept.name == tensor.name && kept.weight.len() == tensor.weight.len()
        };
        if self.weights.len() == tensors.len() && self.weights.iter().zip(tensors).all(is_same) {
            return Ok(());
        }
        Err(TrainError::bad_checkpoint(format!(
            "the weights kept of epoch {} are of another net",
            self.epoch
        )))
    }
}

impl From<TensorState> for KeptTensor {
    fn from(state: TensorState) -> Self {
        Self { name: state.name, weight: state.weight }
    }
}

impl From<KeptTensor> for TensorState {
    /// With moments 0: nothing will be trained from it.
    fn from(kept: KeptTensor) -> Self {
        let zeros = vec![0.0; kept.weight.len()];
        Self { name: kept.name, weight: kept.weight, first_moment: zeros.clone(), second_moment: zeros }
    }
}

impl TensorState {
    /// Values that are not trained: running statistics. They have no moments.
    pub(crate) fn buffer(name: &str, values: Vec<f32>) -> Self {
        let name = name.to_owned();
        Self { name, weight: values, first_moment: Vec::new(), second_moment: Vec::new() }
    }

    /// The buffer `name` of `len` values among `tensors`; its moments, if any, mean nothing.
    pub(crate) fn find_buffer<'a>(
        tensors: &'a [Self],
        name: &str,
        len: usize,
    ) -> Result<&'a Self, TrainError> {
        let state = Self::named(tensors, name)?;
        if state.weight.len() == len {
            return Ok(state);
        }
        Err(TrainError::bad_checkpoint(format!(
            "{name:?} has {} values, {len} were expected",
            state.weight.len()
        )))
    }

    fn named<'a>(tensors: &'a [Self], name: &str) -> Result<&'a Self, TrainError> {
        tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .ok_or_else(|| TrainError::bad_checkpoint(format!("it has no tensor {name:?}")))
    }

    /// The tensor `name` of `len` values among `tensors`.
    pub(crate) fn find<'a>(tensors: &'a [Self], name: &str, len: usize) -> Result<&'a Self, TrainError> {
        let state = Self::named(tensors, name)?;
        let lengths = [state.weight.len(), state.first_moment.len(), state.second_moment.len()];
        if lengths != [len; 3] {
            return Err(TrainError::bad_checkpoint(format!(
                "{name:?} has {lengths:?} values, {len} were expected of each"
            )));
        }
        Ok(state)
    }
}
