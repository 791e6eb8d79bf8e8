//! The parts that nets are built from: named parameters, PyTorch's initial values, linear layers with or without ReLU.
//!
//! Must not live here: what a model does with them, and the two layers that touch genes (those are the engines').

use std::cell::RefCell;
use std::rc::Rc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Storage, Tensor, Var, bail};
use domain::config::{Activation, NetSpec};

use crate::normed::Buffer;
use crate::params::Params;
use crate::streams::Streams;

/// Makes the parameters of a net and remembers them in the order in which they were made. A name says where its
/// tensor stands in the net ("encoder.0.bias"), as PyTorch users know it.
pub(crate) struct NetBuilder {
    streams: Streams,
    params: Params,
}

impl NetBuilder {
    pub(crate) fn new(streams: Streams) -> Self {
        Self { streams, params: Params::default() }
    }

    /// A parameter of PyTorch's `nn.Linear` with `inputs` inputs: U(−1/√inputs, 1/√inputs), for weights and biases.
    pub(crate) fn param<S: Into<Shape>>(&mut self, name: &str, shape: S, inputs: usize) -> Result<Var> {
        let shape = shape.into();
        let values = initial_values(self.streams, name, shape.elem_count(), inputs);
        let var = Var::from_vec(values, shape, &Device::Cpu)?;
        self.params.push(name, var.clone());
        Ok(var)
    }

    /// A parameter that starts as `value` everywhere.
    pub(crate) fn constant(&mut self, name: &str, len: usize, value: f32) -> Result<Var> {
        let var = Var::from_vec(vec![value; len], len, &Device::Cpu)?;
        self.params.push(name, var.clone());
        Ok(var)
    }

    /// Values that a checkpoint holds and no gradient changes.
    pub(crate) fn buffer(&mut self, name: &str, values: Vec<f32>) -> Buffer {
        let buffer = Rc::new(RefCell::new(values));
        self.params.push_buffer(name, Rc::clone(&buffer));
        buffer
    }

    /// A layer x·Wᵀ + b, W (outputs × inputs) as in PyTorch, followed by `activation`.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
        activation: Activation,
    ) -> Result<Linear> {
        let weight = self.param(&format!("{name}.weight"), (outputs, inputs), inputs)?;
        let bias = self.param(&format!("{name}.bias"), outputs, inputs)?;
        Ok(Linear { weight, bias, activation })
    }

    /// The parameters made so far.
    pub(crate) fn finish(self) -> Params {
        self.params
    }
}

/// Initial values of the parameter `name`: every parameter has a stream of its own, so that layers which two nets
/// share start equal at equal seeds.
pub(crate) fn initial_values(streams: Streams, name: &str, len: usize, inputs: usize) -> Vec<f32> {
    let bound = 1.0 / (inputs as f64).sqrt();
    streams.open(&format!("init {name}"), 0).symmetric(len, bound)
}

/// The encoder between the genes and the heads, without the product X·W1 itself: bias and activation of the first
/// layer, then the other layers, each with ReLU.
pub(crate) struct Trunk {
    first_bias: Var,
    first_activation: Activation,
    rest: Vec<Linear>,
    width: usize,
}

impl Trunk {
    pub(crate) fn new(net: &NetBuilderInput<'_>, builder: &mut NetBuilder) -> Result<Self> {
        let widths: Vec<usize> = net.spec.encoder.iter().map(|width| *width as usize).collect();
        let first_bias = builder.param("encoder.0.bias", widths[0], net.genes)?;
        let rest = stack("encoder", 1, &widths, builder)?;
        let width = widths[widths.len() - 1];
        Ok(Self { first_bias, first_activation: net.spec.first_activation, rest, width })
    }

    /// Width of its output.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// `first` = X·W1 (cells × encoder[0]), without bias → cells × width.
    pub(crate) fn forward(&self, first: &Tensor) -> Result<Tensor> {
        let h = first.broadcast_add(&self.first_bias)?;
        let h = match self.first_activation {
            Activation::None => h,
            Activation::Relu => relu(&h)?,
        };
        self.rest.iter().try_fold(h, |h, layer| layer.forward(&h))
    }
}

/// What a net is built for: its widths and the number of genes.
pub(crate) struct NetBuilderInput<'a> {
    pub(crate) spec: &'a NetSpec,
    pub(crate) genes: usize,
}

/// Layers one after the other.
pub(crate) struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// A head: the branch's layers with ReLU, then a linear one to `latent_dim`.
    pub(crate) fn head(name: &str, inputs: usize, spec: &NetSpec, builder: &mut NetBuilder) -> Result<Self> {
        let mut widths = vec![inputs];
        widths.extend(spec.branch.iter().map(|width| *width as usize));
        let mut layers = stack(name, 0, &widths, builder)?;
        let last = widths.len() - 1;
        let latent_dim = spec.latent_dim as usize;
        layers.push(builder.linear(&format!("{name}.{last}"), widths[last], latent_dim, Activation::None)?);
        Ok(Self { layers })
    }

    /// The decoder up to its last hidden layer, ReLU after each.
    pub(crate) fn decoder(spec: &NetSpec, builder: &mut NetBuilder) -> Result<Self> {
        let mut widths = vec![spec.latent_dim as usize];
        widths.extend(spec.decoder.iter().map(|width| *width as usize));
        Ok(Self { layers: stack("decoder", 0, &widths, builder)? })
    }

    /// cells × inputs → cells × outputs.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |h, layer| layer.forward(&h))
    }
}

/// Layers with ReLU between consecutive `widths`, named `name.first`, `name.first+1` …
fn stack(name: &str, first: usize, widths: &[usize], builder: &mut NetBuilder) -> Result<Vec<Linear>> {
    widths
        .windows(2)
        .enumerate()
        .map(|(position, pair)| {
            builder.linear(&format!("{name}.{}", first + position), pair[0], pair[1], Activation::Relu)
        })
        .collect()
}

/// act(x·Wᵀ + b).
pub(crate) struct Linear {
    weight: Var,
    bias: Var,
    activation: Activation,
}

impl Linear {
    /// cells × inputs → cells × outputs.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op3(&self.weight, &self.bias, LinearOp { relu: self.activation == Activation::Relu })
    }
}

/// max(0, x) with gradient 0 at 0, as PyTorch has it (candle's own has 1).
pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
    let is_positive = x.gt(0.0)?.to_dtype(x.dtype())?;
    x.mul(&is_positive)
}

/// A whole layer as one operation, on one thread. Made of candle's own operations a layer costs twelve passes over
/// small tensors forth and back, more than its arithmetic; and candle's products would take their number of threads
/// from the environment, where a trial must give the same bits beside any number of other trials.
struct LinearOp {
    relu: bool,
}

impl CustomOp3 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (cells, inputs) = x_layout.shape().dims2()?;
        let (outputs, weight_inputs) = weight_layout.shape().dims2()?;
        if weight_inputs != inputs || bias_layout.shape().dims1()? != outputs {
            bail!(
                "linear: shapes {:?}, {:?}, {:?} do not fit",
                x_layout.shape(),
                weight_layout.shape(),
                bias_layout.shape()
            );
        }
        let x = Matrix::new(contiguous(x, x_layout)?, cells, inputs);
        let weight = Matrix::new(contiguous(weight, weight_layout)?, outputs, inputs);
        let bias = contiguous(bias, bias_layout)?;
        let mut out: Vec<f32> = bias.iter().copied().cycle().take(cells * outputs).collect();
        add_product(&mut out, x, weight.transposed());
        if self.relu {
            // NaN must survive: it is how a diverged trial is seen.
            out.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = 0.0);
        }
        Ok((CpuStorage::F32(out), (cells, outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        out: &Tensor,
        grad_out: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (cells, inputs) = x.dims2()?;
        let outputs = out.dim(1)?;
        let mut delta = values(grad_out)?;
        if self.relu {
            read(out, |out| {
                for (delta, out) in delta.iter_mut().zip(out) {
                    if *out == 0.0 {
                        *delta = 0.0;
                    }
                }
            })?;
        }
        let delta_matrix = Matrix::new(&delta, cells, outputs);

        let mut grad_x = vec![0.0; cells * inputs];
        read(weight, |weight| add_product(&mut grad_x, delta_matrix, Matrix::new(weight, outputs, inputs)))?;
        let mut grad_weight = vec![0.0; outputs * inputs];
        read(x, |x| {
            add_product(&mut grad_weight, delta_matrix.transposed(), Matrix::new(x, cells, inputs));
        })?;
        let mut grad_bias = vec![0.0; outputs];
        for row in delta.chunks_exact(outputs) {
            grad_bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }

        Ok((
            Some(Tensor::from_vec(grad_x, (cells, inputs), &Device::Cpu)?),
            Some(Tensor::from_vec(grad_weight, (outputs, inputs), &Device::Cpu)?),
            Some(Tensor::from_vec(grad_bias, outputs, &Device::Cpu)?),
        ))
    }
}

/// A borrowed f32 matrix with strides.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major `values`.
    fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "a matrix has rows × cols values");
        Self { values, rows, cols, row_stride: cols, col_stride: 1 }
    }

    fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// out += lhs·rhs, `out` row-major, on one thread.
fn add_product(out: &mut [f32], lhs: Matrix<'_>, rhs: Matrix<'_>) {
    assert_eq!(lhs.cols, rhs.rows, "inner dimensions agree");
    assert_eq!(out.len(), lhs.rows * rhs.cols, "the product has lhs.rows × rhs.cols values");
    if out.is_empty() {
        return;
    }
    // SAFETY: `Matrix::new` and the asserts above make every index `row * row_stride + col * col_stride` of the three
    // operands fall inside their slices; `out` is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            lhs.rows,
            rhs.cols,
            lhs.cols,
            out.as_mut_ptr(),
            1,
            rhs.cols as isize,
            true,
            lhs.values.as_ptr(),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.values.as_ptr(),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

pub(crate) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("operands must be contiguous");
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Calls `with` on the values of `tensor`, row-major, without a copy where it is contiguous.
pub(crate) fn read<R>(tensor: &Tensor, with: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(with(contiguous(storage, layout)?)),
        other => bail!("expected a tensor on the CPU, found one on {:?}", other.device().location()),
    }
}

/// A copy of the values of `tensor`, row-major.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    read(tensor, <[f32]>::to_vec)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor, Var};

    use super::{LinearOp, relu, values};

    fn ramp(len: usize, seed: u64) -> Vec<f32> {
        crate::streams::Streams::new(seed).open("test", 0).symmetric(len, 1.0)
    }

    #[test]
    fn a_layer_equals_its_plain_form_forth_and_back() -> Result<()> {
        for (cells, inputs, outputs) in [(1, 1, 1), (5, 7, 3), (33, 17, 40)] {
            for with_relu in [false, true] {
                let x = Var::from_vec(ramp(cells * inputs, 1), (cells, inputs), &Device::Cpu)?;
                let w = Var::from_vec(ramp(outputs * inputs, 2), (outputs, inputs), &Device::Cpu)?;
                let b = Var::from_vec(ramp(outputs, 3), outputs, &Device::Cpu)?;
                let weigh = Tensor::from_vec(ramp(cells * outputs, 4), (cells, outputs), &Device::Cpu)?;

                let fused = x.apply_op3(&w, &b, LinearOp { relu: with_relu })?;
                let plain = x.matmul(&w.t()?)?.broadcast_add(&b)?;
                let plain = if with_relu { relu(&plain)? } else { plain };
                let fused_grads = fused.mul(&weigh)?.sum_all()?.backward()?;
                let plain_grads = plain.mul(&weigh)?.sum_all()?.backward()?;

                assert_close(&fused, &plain)?;
                for var in [&x, &w, &b] {
                    let (fused_grad, plain_grad) =
                        (fused_grads.get(var).unwrap(), plain_grads.get(var).unwrap());
                    assert_close(fused_grad, plain_grad)?;
                }
            }
        }
        Ok(())
    }

    #[test]
    fn relu_has_no_gradient_at_0() -> Result<()> {
        let x = Var::from_vec(vec![-1.0_f32, 0.0, 2.0], (1, 3), &Device::Cpu)?;
        let grads = relu(&x)?.sum_all()?.backward()?;
        assert_eq!(values(grads.get(&x).unwrap())?, [0.0, 0.0, 1.0]);

        let (w, b) =
            (Var::from_vec(vec![0.0_f32; 3], (1, 3), &Device::Cpu)?, Var::zeros(1, x.dtype(), &Device::Cpu)?);
        let grads = x.apply_op3(&w, &b, LinearOp { relu: true })?.sum_all()?.backward()?;
        assert_eq!(values(grads.get(&b).unwrap())?, [0.0]);
        Ok(())
    }

    #[test]
    fn not_a_number_passes_through_a_layer() -> Result<()> {
        let x = Tensor::from_vec(vec![f32::NAN, 1.0], (1, 2), &Device::Cpu)?;
        let (w, b) =
            (Tensor::ones((3, 2), x.dtype(), &Device::Cpu)?, Tensor::zeros(3, x.dtype(), &Device::Cpu)?);
        let out = x.apply_op3(&w, &b, LinearOp { relu: true })?;
        assert!(values(&out)?.iter().all(|value| value.is_nan()));
        Ok(())
    }

    fn assert_close(left: &Tensor, right: &Tensor) -> Result<()> {
        assert_eq!(left.dims(), right.dims());
        for (l, r) in values(left)?.iter().zip(values(right)?) {
            assert!((l - r).abs() <= 1e-5 * (1.0 + r.abs()), "{l} {r}");
        }
        Ok(())
    }
}
