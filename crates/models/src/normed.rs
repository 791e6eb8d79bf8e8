//! Batch normalisation (Ioffe & Szegedy 2015) as PyTorch's `BatchNorm1d`, dropout (Srivastava et al. 2014), and the layers
//! that models of counts build from them: linear → norm → ReLU → dropout.
//!
//! ```text
//! training      x̂ = (x − mean) / √(var + eps)      mean and biased variance over the batch
//! evaluation    the same with running statistics   r ← r + momentum · (batch − r), of the unbiased variance
//! layer         y = dropout(max(0, scale·x̂ + shift))
//! ```
//!
//! A batch of one cell has no variance (PyTorch refuses it); it is normalised by the running statistics, which it
//! leaves alone.
//!
//! Must not live here: the norm over genes (`kernels` owns it), what a model does with its layers.

use std::cell::RefCell;
use std::rc::Rc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, Var};
use domain::config::Activation;

use crate::latent::Noise;
use crate::net::{Linear, NetBuilder, contiguous, read, relu, values};

/// Whether a net trains or encodes: which statistics normalise, and whether units drop out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Train,
    Evaluate,
}

/// Added to a variance, and the share of the newest batch in the running statistics: scVI's and DCA's.
const EPS: f32 = 1e-3;
const MOMENTUM: f32 = 0.01;

/// Values that a checkpoint holds and no gradient changes.
pub(crate) type Buffer = Rc<RefCell<Vec<f32>>>;

/// Mean and biased variance of a batch of so many cells.
struct Statistics {
    cells: usize,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// Normalises each unit over the cells.
pub(crate) struct BatchNorm {
    scale: Tensor,
    shift: Var,
    running_mean: Buffer,
    running_variance: Buffer,
    /// Of the last training pass, until the step is done.
    pending: RefCell<Option<Statistics>>,
}

/// Whether a norm learns a scale, or only a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Learned,
    One,
}

impl BatchNorm {
    pub(crate) fn new(name: &str, width: usize, scale: Scale, builder: &mut NetBuilder) -> Result<Self> {
        let scale = match scale {
            Scale::Learned => builder.constant(&format!("{name}.scale"), width, 1.0)?.as_tensor().clone(),
            Scale::One => Tensor::ones(width, candle_core::DType::F32, &Device::Cpu)?,
        };
        Ok(Self {
            scale,
            shift: builder.constant(&format!("{name}.shift"), width, 0.0)?,
            running_mean: builder.buffer(&format!("{name}.running_mean"), vec![0.0; width]),
            running_variance: builder.buffer(&format!("{name}.running_variance"), vec![1.0; width]),
            pending: RefCell::new(None),
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let (cells, width) = x.dims2()?;
        let has_own = pass == Pass::Train && cells > 1;
        let statistics = if has_own {
            read(x, |values| statistics(values, width))?
        } else {
            let (mean, variance) =
                (self.running_mean.borrow().clone(), self.running_variance.borrow().clone());
            Statistics { cells, mean, variance }
        };
        let inverse = statistics.variance.iter().map(|variance| 1.0 / (variance + EPS).sqrt()).collect();
        let op = NormOp { mean: statistics.mean.clone(), inverse, has_own };
        if pass == Pass::Train {
            self.pending.replace(has_own.then_some(statistics));
        }
        x.contiguous()?.apply_op3(&self.scale, &self.shift, op)
    }

    /// The step is done: the running statistics follow those of its batch.
    pub(crate) fn remember(&self) {
        let Some(Statistics { cells, mean, variance }) = self.pending.take() else { return };
        let unbiased = cells as f32 / (cells as f32 - 1.0);
        let follow = |running: &Buffer, batch: &[f32], factor: f32| {
            for (running, batch) in running.borrow_mut().iter_mut().zip(batch) {
                *running += MOMENTUM * (batch * factor - *running);
            }
        };
        follow(&self.running_mean, &mean, 1.0);
        follow(&self.running_variance, &variance, unbiased);
    }
}

/// Over the rows, in f64.
fn statistics(values: &[f32], width: usize) -> Statistics {
    let cells = values.len() / width;
    let of_cells = |sums: Vec<f64>| sums.into_iter().map(|sum| sum / cells as f64).collect::<Vec<f64>>();
    let mut sums = vec![0.0_f64; width];
    for row in values.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mean = of_cells(sums);
    let mut squares = vec![0.0_f64; width];
    for row in values.chunks_exact(width) {
        for ((square, value), mean) in squares.iter_mut().zip(row).zip(&mean) {
            *square += (f64::from(*value) - mean).powi(2);
        }
    }
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Statistics { cells, variance: narrow(of_cells(squares)), mean: narrow(mean) }
}

/// scale · (x − mean) · inverse + shift as one operation with its gradient.
struct NormOp {
    mean: Vec<f32>,
    inverse: Vec<f32>,
    /// Whether `mean` and `inverse` are functions of x.
    has_own: bool,
}

impl CustomOp3 for NormOp {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut out = contiguous(x, x_layout)?.to_vec();
        let (scale, shift) = (contiguous(scale, scale_layout)?, contiguous(shift, shift_layout)?);
        for row in out.chunks_exact_mut(self.mean.len()) {
            for (j, value) in row.iter_mut().enumerate() {
                *value = (*value - self.mean[j]) * self.inverse[j] * scale[j] + shift[j];
            }
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _shift: &Tensor,
        _out: &Tensor,
        grad_out: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (cells, width) = x.dims2()?;
        let mut grad = values(grad_out)?;
        let mut standard = values(x)?;
        let (mut by_scale, mut by_shift) = (vec![0.0_f64; width], vec![0.0_f64; width]);
        for (grad, standard) in grad.chunks_exact(width).zip(standard.chunks_exact_mut(width)) {
            for j in 0..width {
                standard[j] = (standard[j] - self.mean[j]) * self.inverse[j];
                by_scale[j] += f64::from(grad[j]) * f64::from(standard[j]);
                by_shift[j] += f64::from(grad[j]);
            }
        }
        let per_cell = if self.has_own { 1.0 / cells as f64 } else { 0.0 };
        let scale = values(scale)?;
        for (grad, standard) in grad.chunks_exact_mut(width).zip(standard.chunks_exact(width)) {
            for j in 0..width {
                let mean_product = (by_scale[j] * per_cell) as f32;
                let mean_grad = (by_shift[j] * per_cell) as f32;
                let centred = grad[j] - mean_grad - standard[j] * mean_product;
                grad[j] = scale[j] * self.inverse[j] * centred;
            }
        }
        let narrow = |sums: Vec<f64>| {
            let sums = sums.into_iter().map(|sum| sum as f32).collect::<Vec<f32>>();
            Tensor::from_vec(sums, width, &Device::Cpu)
        };
        let grad = Tensor::from_vec(grad, (cells, width), &Device::Cpu)?;
        Ok((Some(grad), Some(narrow(by_scale)?), Some(narrow(by_shift)?)))
    }
}

/// What follows a linear layer: norm, ReLU, dropout.
pub(crate) struct Tail {
    name: String,
    norm: BatchNorm,
    dropout: f64,
}

impl Tail {
    /// Of the layer `name`; each unit is 0 with probability `dropout` in training.
    pub(crate) fn new(
        name: &str,
        width: usize,
        scale: Scale,
        dropout: f64,
        builder: &mut NetBuilder,
    ) -> Result<Self> {
        let norm = BatchNorm::new(&format!("{name}.norm"), width, scale, builder)?;
        Ok(Self { name: name.to_owned(), norm, dropout })
    }

    pub(crate) fn forward(&self, x: &Tensor, noise: &dyn Noise, pass: Pass) -> Result<Tensor> {
        let h = relu(&self.norm.forward(x, pass)?)?;
        if pass == Pass::Evaluate || self.dropout == 0.0 {
            return Ok(h);
        }
        let (cells, width) = h.dims2()?;
        h * noise.keep(&self.name, cells, width, self.dropout)?
    }

    pub(crate) fn remember(&self) {
        self.norm.remember();
    }
}

/// Linear layers, each with a tail.
pub(crate) struct NormedStack {
    layers: Vec<(Linear, Tail)>,
}

impl NormedStack {
    /// Between consecutive `widths`, named `name.first`, `name.first+1` …
    pub(crate) fn new(
        name: &str,
        first: usize,
        widths: &[usize],
        scale: Scale,
        dropout: f64,
        builder: &mut NetBuilder,
    ) -> Result<Self> {
        let layer = |(position, pair): (usize, &[usize])| {
            let name = format!("{name}.{}", first + position);
            let linear = builder.linear(&name, pair[0], pair[1], Activation::None)?;
            Ok((linear, Tail::new(&name, pair[1], scale, dropout, builder)?))
        };
        let layers = widths.windows(2).enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    pub(crate) fn forward(&self, x: &Tensor, noise: &dyn Noise, pass: Pass) -> Result<Tensor> {
        self.layers
            .iter()
            .try_fold(x.clone(), |h, (linear, tail)| tail.forward(&linear.forward(&h)?, noise, pass))
    }

    pub(crate) fn remember(&self) {
        self.layers.iter().for_each(|(_, tail)| tail.remember());
    }
}

/// No noise: for passes that draw none.
pub(crate) struct NoNoise;

impl Noise for NoNoise {
    fn epsilon(&self, cells: usize, dims: usize) -> Result<Tensor> {
        Tensor::zeros((cells, dims), candle_core::DType::F32, &Device::Cpu)
    }

    fn eta(&self, cells: usize, dims: usize) -> Result<Tensor> {
        self.epsilon(cells, dims)
    }

    fn keep(&self, _layer: &str, cells: usize, width: usize, _dropout: f64) -> Result<Tensor> {
        Tensor::ones((cells, width), candle_core::DType::F32, &Device::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor, Var};

    use super::{BatchNorm, Pass, Scale};
    use crate::net::{NetBuilder, values};
    use crate::streams::Streams;

    fn ramp(len: usize, seed: u64) -> Vec<f32> {
        Streams::new(seed).open("test", 0).symmetric(len, 2.0)
    }

    #[test]
    fn the_gradient_is_that_of_the_plain_form() -> Result<()> {
        let (cells, width) = (9, 5);
        let mut builder = NetBuilder::new(Streams::new(1));
        let norm = BatchNorm::new("norm", width, Scale::Learned, &mut builder)?;
        let x = Var::from_vec(ramp(cells * width, 1), (cells, width), &Device::Cpu)?;
        let weigh = Tensor::from_vec(ramp(cells * width, 2), (cells, width), &Device::Cpu)?;

        let mean = x.mean_keepdim(0)?;
        let centred = x.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean_keepdim(0)?;
        let plain = centred.broadcast_div(&(variance + f64::from(super::EPS))?.sqrt()?)?;
        let fused = norm.forward(&x, Pass::Train)?;
        for (fused, plain) in values(&fused)?.iter().zip(values(&plain)?) {
            assert!((fused - plain).abs() < 1e-5, "{fused} {plain}");
        }
        let fused_grads = fused.mul(&weigh)?.sum_all()?.backward()?;
        let plain_grads = plain.mul(&weigh)?.sum_all()?.backward()?;
        let (fused_grad, plain_grad) = (fused_grads.get(&x).unwrap(), plain_grads.get(&x).unwrap());
        for (fused, plain) in values(fused_grad)?.iter().zip(values(plain_grad)?) {
            assert!((fused - plain).abs() < 1e-4, "{fused} {plain}");
        }
        // scale is 1 and shift 0: their gradients are Σ grad·x̂ and Σ grad
        let by_shift = values(&weigh.sum(0)?)?;
        for (found, expected) in values(fused_grads.get(&norm.shift).unwrap())?.iter().zip(by_shift) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
        Ok(())
    }

    #[test]
    fn running_statistics_follow_a_step_and_normalise_the_evaluation() -> Result<()> {
        let mut builder = NetBuilder::new(Streams::new(1));
        let norm = BatchNorm::new("norm", 1, Scale::One, &mut builder)?;
        let x = Tensor::from_vec(vec![1.0_f32, 2.0, 6.0], (3, 1), &Device::Cpu)?;
        norm.forward(&x, Pass::Train)?;
        // Nothing follows before the step is done, and a pass without a step is forgotten.
        assert_eq!(*norm.running_mean.borrow(), [0.0]);
        norm.remember();
        // mean 3, unbiased variance 7
        assert!((norm.running_mean.borrow()[0] - 0.03).abs() < 1e-7);
        assert!((norm.running_variance.borrow()[0] - 1.06).abs() < 1e-6);
        let evaluated = values(&norm.forward(&x, Pass::Evaluate)?)?;
        let expected = (1.0 - 0.03) / (1.06_f32 + super::EPS).sqrt();
        assert!((evaluated[0] - expected).abs() < 1e-6, "{evaluated:?}");
        norm.remember();
        // A lone cell: running statistics, which it leaves alone.
        let lone = Tensor::from_vec(vec![1.0_f32], (1, 1), &Device::Cpu)?;
        assert_eq!(values(&norm.forward(&lone, Pass::Train)?)?[0], evaluated[0]);
        norm.remember();
        assert!((norm.running_mean.borrow()[0] - 0.03).abs() < 1e-7);
        Ok(())
    }
}
