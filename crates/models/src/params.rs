//! The trained tensors that candle owns, each with its name and Adam's two moments.
//!
//! Must not live here: what the tensors are for, and the gene layers of the sparse engine (`kernels` owns those).

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, Var, bail};
use kernels::{Adam, Isa};

use crate::checkpoint::TensorState;
use crate::error::TrainError;
use crate::net::{read, values};
use crate::normed::Buffer;

/// One step of the optimiser: hyperparameters, L2 penalty (PyTorch's `weight_decay`), number of the step (from 1),
/// instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    pub(crate) adam: Adam,
    pub(crate) decay: f64,
    pub(crate) number: u64,
    pub(crate) isa: Isa,
}

/// Named parameters in a fixed order.
#[derive(Default)]
pub(crate) struct Params {
    entries: Vec<Param>,
    /// Name and values of what a checkpoint holds and no gradient changes.
    buffers: Vec<(String, Buffer)>,
}

struct Param {
    name: String,
    var: Var,
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
}

impl Params {
    /// Adds a parameter with moments 0.
    pub(crate) fn push(&mut self, name: &str, var: Var) {
        let len = var.elem_count();
        self.entries.push(Param {
            name: name.to_owned(),
            var,
            first_moment: vec![0.0; len],
            second_moment: vec![0.0; len],
        });
    }

    /// Adds values that are not trained.
    pub(crate) fn push_buffer(&mut self, name: &str, buffer: Buffer) {
        self.buffers.push((name.to_owned(), buffer));
    }

    /// Number of trained values.
    pub(crate) fn count(&self) -> u64 {
        self.entries.iter().map(|param| param.var.elem_count() as u64).sum()
    }

    /// Updates every parameter in place. One that the loss does not reach has gradient 0.
    pub(crate) fn update(&mut self, grads: &GradStore, step: &AdamStep) -> Result<()> {
        for param in &mut self.entries {
            match grads.get(&param.var) {
                Some(grad) => read(grad, |grad| param.update(grad, step))??,
                None => param.update(&vec![0.0; param.first_moment.len()], step)?,
            }
        }
        Ok(())
    }

    /// Name and gradient of every parameter.
    pub(crate) fn gradients(&self, grads: &GradStore) -> Result<Vec<(String, Vec<f32>)>> {
        self.entries
            .iter()
            .map(|param| {
                let grad = match grads.get(&param.var) {
                    Some(grad) => values(grad)?,
                    None => vec![0.0; param.first_moment.len()],
                };
                Ok((param.name.clone(), grad))
            })
            .collect()
    }

    /// A copy of everything, for a checkpoint.
    pub(crate) fn export(&self) -> Result<Vec<TensorState>> {
        let learned = self.entries.iter().map(|param| {
            Ok(TensorState {
                name: param.name.clone(),
                weight: values(&param.var)?,
                first_moment: param.first_moment.clone(),
                second_moment: param.second_moment.clone(),
            })
        });
        let buffers =
            self.buffers.iter().map(|(name, buffer)| Ok(TensorState::buffer(name, buffer.borrow().clone())));
        learned.chain(buffers).collect()
    }

    /// Takes over what [`Params::export`] gave, looked up by name.
    pub(crate) fn import(&mut self, tensors: &[TensorState]) -> std::result::Result<(), TrainError> {
        for param in &mut self.entries {
            let state = TensorState::find(tensors, &param.name, param.first_moment.len())?;
            let weight = Tensor::from_slice(&state.weight, param.var.shape(), param.var.device())?;
            param.var.set(&weight)?;
            param.first_moment.copy_from_slice(&state.first_moment);
            param.second_moment.copy_from_slice(&state.second_moment);
        }
        for (name, buffer) in &self.buffers {
            let len = buffer.borrow().len();
            let state = TensorState::find_buffer(tensors, name, len)?;
            buffer.borrow_mut().copy_from_slice(&state.weight);
        }
        Ok(())
    }
}

impl Param {
    fn update(&mut self, grad: &[f32], step: &AdamStep) -> Result<()> {
        let moments = RefCell::new((self.first_moment.as_mut_slice(), self.second_moment.as_mut_slice()));
        self.var.inplace_op1(&UpdateInPlace { grad, moments, step })
    }
}

/// Adam on a variable's own storage: `Var::set` would copy every parameter once more a step.
struct UpdateInPlace<'a> {
    grad: &'a [f32],
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
    step: &'a AdamStep,
}

impl InplaceOp1 for UpdateInPlace<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let CpuStorage::F32(weights) = storage else { bail!("adam: parameters are f32") };
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("adam: parameters are contiguous")
        };
        if end - start != self.grad.len() {
            bail!("adam: {} weights, {} gradients", end - start, self.grad.len());
        }
        let mut moments = self.moments.borrow_mut();
        let (first, second) = &mut *moments;
        let AdamStep { adam, decay, number, isa } = self.step;
        let weights = &mut weights[start..end];
        if *decay == 0.0 {
            kernels::adam_update(weights, self.grad, first, second, adam, *number, *isa);
            return Ok(());
        }
        let decayed = self.grad.iter().zip(&*weights).map(|(grad, weight)| grad + *decay as f32 * weight);
        let decayed: Vec<f32> = decayed.collect();
        kernels::adam_update(weights, &decayed, first, second, adam, *number, *isa);
        Ok(())
    }
}
