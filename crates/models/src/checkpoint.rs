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
    /// Every trained tensor with its moments.
    pub tensors: Vec<TensorState>,
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

impl TensorState {
    /// The tensor `name` of `len` values among `tensors`.
    pub(crate) fn find<'a>(tensors: &'a [Self], name: &str, len: usize) -> Result<&'a Self, TrainError> {
        let state = tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .ok_or_else(|| TrainError::bad_checkpoint(format!("it has no tensor {name:?}")))?;
        let lengths = [state.weight.len(), state.first_moment.len(), state.second_moment.len()];
        if lengths != [len; 3] {
            return Err(TrainError::bad_checkpoint(format!(
                "{name:?} has {lengths:?} values, {len} were expected of each"
            )));
        }
        Ok(state)
    }
}
