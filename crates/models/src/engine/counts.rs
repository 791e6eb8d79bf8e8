//! The gene layers of a model of counts: `kernels` owns them, candle differentiates only what lies between `first` and H.
//!
//! ```text
//! first = X̃·W1                         kernels; X̃ is what the encoder sees of the counts
//! H, penalty                           candle
//! NLL, dH = ∂(NLL/cells)/∂H            kernels: logits, means, likelihood
//! backward of Σ H∘dH + penalty/cells   candle
//! Adam on W1, W, b, r and the norm     kernels, block by block
//! ```
//!
//! Gradients are those of the mean over the cells of the batch, as in these models' own code: Adam's eps of 0.01 and the
//! weight decay are of that scale.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use cells::CsrView;
use domain::ModelSpec;
use domain::config::{DcaSpec, LdvaeSpec, ScviSpec};
use kernels::counts::{
    CountData, CountGradients, CountInit, CountLayers, CountState, GeneNorm, GeneNormState, MeanForm,
};
use kernels::{Isa, Moments};

use super::{BatchLoss, GeneEngine, InnerNet, NamedGradients};
use crate::checkpoint::TensorState;
use crate::error::TrainError;
use crate::latent::Noise;
use crate::net::{initial_values, values};
use crate::params::AdamStep;
use crate::streams::Streams;

/// Norm of LDVAE's logits, as scvi-tools has it.
const LOGIT_NORM: GeneNorm = GeneNorm { eps: 1e-3, momentum: 0.01 };

/// ln of the size of a cell without counts: its means vanish.
const NO_SIZE: f32 = -80.0;

/// What a paper says of the gene layers.
struct Design {
    first: usize,
    last: usize,
    /// Position of the layer over genes in the decoder, for its name.
    output: usize,
    has_bias: bool,
    gene_norm: Option<GeneNorm>,
    mean_form: MeanForm,
    dispersion: Dispersion,
}

/// Initial ln θ.
enum Dispersion {
    /// N(0, 1).
    Normal,
    /// 0: θ = 1.
    One,
}

impl Design {
    fn of(model: &ModelSpec) -> Option<Self> {
        let first = |encoder: &[u32]| encoder[0] as usize;
        let last = |decoder: &[u32]| decoder[decoder.len() - 1] as usize;
        Some(match model {
            ModelSpec::Scvi(ScviSpec { encoder, decoder, .. }) => Self {
                first: first(encoder),
                last: last(decoder),
                output: decoder.len(),
                has_bias: true,
                gene_norm: None,
                mean_form: MeanForm::Softmax,
                dispersion: Dispersion::Normal,
            },
            ModelSpec::Ldvae(LdvaeSpec { encoder, latent_dim, .. }) => Self {
                first: first(encoder),
                last: *latent_dim as usize,
                output: 0,
                has_bias: false,
                gene_norm: Some(LOGIT_NORM),
                mean_form: MeanForm::Softmax,
                dispersion: Dispersion::Normal,
            },
            ModelSpec::Dca(DcaSpec { encoder, decoder, .. }) => Self {
                first: first(encoder),
                last: last(decoder),
                output: decoder.len(),
                has_bias: true,
                gene_norm: None,
                mean_form: MeanForm::Exp,
                dispersion: Dispersion::One,
            },
            ModelSpec::Pca(_) | ModelSpec::Ae(_) | ModelSpec::BetaVae(_) | ModelSpec::BetaVsc(_) => {
                return None;
            }
        })
    }
}

/// Names of what is learned of the genes.
struct Names {
    encoder_weight: String,
    decoder_weight: String,
    decoder_bias: String,
    log_dispersion: String,
    norm_scale: String,
    norm_shift: String,
    running_mean: String,
    running_variance: String,
}

impl Names {
    fn new(output: usize) -> Self {
        let of_output = |part: &str| format!("decoder.{output}.{part}");
        Self {
            encoder_weight: "encoder.0.weight".to_owned(),
            decoder_weight: of_output("weight"),
            decoder_bias: of_output("bias"),
            log_dispersion: "log_dispersion".to_owned(),
            norm_scale: of_output("norm.scale"),
            norm_shift: of_output("norm.shift"),
            running_mean: of_output("norm.running_mean"),
            running_variance: of_output("norm.running_variance"),
        }
    }
}

/// Gene layers of counts.
pub(crate) struct CountsEngine<'a> {
    layers: CountLayers<'a>,
    names: Names,
    genes: usize,
    first: usize,
    last: usize,
    has_bias: bool,
    has_norm: bool,
}

/// A batch after its backward pass.
struct Backward {
    loss: BatchLoss,
    /// ∂loss/∂first, cells × first.
    grad_first: Vec<f32>,
    /// Gradients of the inner net.
    inner: GradStore,
}

impl<'a> CountsEngine<'a> {
    /// The engine of `model` on `matrix`, which must hold counts; PyTorch's initial values of both layers (fan-in of the
    /// encoder: genes; of the decoder: its hidden width).
    pub(crate) fn new(
        model: &ModelSpec,
        matrix: CsrView<'a>,
        streams: Streams,
        max_batch: usize,
        isa: Isa,
    ) -> Result<Self, TrainError> {
        let design =
            Design::of(model).ok_or_else(|| TrainError::bad_config("model", "it is no model of counts"))?;
        let genes = matrix.n_cols;
        let names = Names::new(design.output);
        let draw = |name: &str, len, inputs| initial_values(streams, name, len, inputs);
        let encoder_weight = draw(&names.encoder_weight, genes * design.first, genes);
        let decoder_weight = draw(&names.decoder_weight, genes * design.last, design.last);
        let bias = design.has_bias.then(|| draw(&names.decoder_bias, genes, design.last));
        let log_dispersion = match design.dispersion {
            Dispersion::Normal => streams.open("init log_dispersion", 0).normals(genes),
            Dispersion::One => vec![0.0; genes],
        };
        let init = CountInit {
            genes,
            first: design.first,
            last: design.last,
            encoder_weight: &encoder_weight,
            decoder_weight: &decoder_weight,
            decoder_bias: bias.as_deref(),
            log_dispersion: &log_dispersion,
            gene_norm: design.gene_norm,
            mean_form: design.mean_form,
        };
        let layers = CountLayers::new(&init, data(design.mean_form, matrix)?, max_batch, isa)?;
        Ok(Self {
            layers,
            names,
            genes,
            first: design.first,
            last: design.last,
            has_bias: design.has_bias,
            has_norm: design.gene_norm.is_some(),
        })
    }

    /// Number of trained values.
    pub(crate) fn count(&self) -> u64 {
        let a_gene = self.first + self.last + usize::from(self.has_bias) + 1 + 2 * usize::from(self.has_norm);
        (self.genes * a_gene) as u64
    }

    fn load(&mut self, rows: &[u32]) -> Vec<f32> {
        self.layers.load_batch(rows);
        let mut first = vec![0.0; rows.len() * self.first];
        self.layers.encode(&mut first);
        first
    }

    fn backward(&mut self, net: &InnerNet, rows: &[u32], noise: &dyn Noise) -> Result<Backward, TrainError> {
        let cells = rows.len();
        let first = Var::from_vec(self.load(rows), (cells, self.first), &Device::Cpu)?;
        let forward = net.forward(&first, noise)?;

        let hidden = values(&forward.hidden)?;
        let mut grad_hidden = vec![0.0; hidden.len()];
        let nll = self.layers.decode(&hidden, &mut grad_hidden);

        let grad_hidden = Tensor::from_vec(grad_hidden, (cells, self.last), &Device::Cpu)?;
        let surrogate = (&forward.hidden * grad_hidden)?.sum_all()?;
        let loss = BatchLoss::new(nll, forward.penalty.as_ref());
        let total = match forward.penalty {
            Some(penalty) => (surrogate + (penalty.weighted / cells as f64)?)?,
            None => surrogate,
        };
        let inner = total.backward()?;
        let grad_first = match inner.get(&first) {
            Some(grad) => values(grad)?,
            None => vec![0.0; cells * self.first],
        };
        Ok(Backward { loss, grad_first, inner })
    }
}

/// Sizes of the cells, and what the encoder sees.
fn data(form: MeanForm, matrix: CsrView<'_>) -> Result<CountData<'_>, TrainError> {
    let CsrView { n_rows, n_cols, indptr, indices, values } = matrix;
    let view = kernels::CsrView::new(n_rows, n_cols, indptr, indices, values)?;
    if let Some(value) = values.iter().find(|value| value.fract() != 0.0 || **value < 0.0) {
        let problem = format!(
            "it is trained on counts, and the data hold {value}; take [data] input = \"counts\" in the grid file"
        );
        return Err(TrainError::bad_config("model", problem));
    }
    let total = |row: usize| view.row(row).1.iter().map(|count| f64::from(*count)).sum::<f64>();
    let totals: Vec<f64> = (0..n_rows).map(total).collect();
    let (sizes, gene_factor, gene_offset) = match form {
        MeanForm::Softmax => (totals, vec![1.0; n_cols], None),
        MeanForm::Exp => {
            let middle = median(&totals);
            let sizes: Vec<f64> = totals.iter().map(|total| total / middle).collect();
            let moments = log_moments(view, &sizes);
            let factor = |deviation: f64| if deviation > 0.0 { 1.0 / deviation } else { 1.0 };
            let factors = moments.iter().map(|(_, deviation)| factor(*deviation) as f32).collect();
            let offsets =
                moments.iter().map(|(mean, deviation)| (mean * factor(*deviation)) as f32).collect();
            (sizes, factors, Some(offsets))
        }
    };
    let log_size = sizes.iter().map(|size| if *size > 0.0 { size.ln() as f32 } else { NO_SIZE }).collect();
    let cell_factor = match form {
        MeanForm::Softmax => vec![1.0; n_rows],
        // A cell without counts has nothing to be multiplied.
        MeanForm::Exp => {
            sizes.iter().map(|size| if *size > 0.0 { (1.0 / size) as f32 } else { 1.0 }).collect()
        }
    };
    Ok(CountData::new(view, log_size, cell_factor, gene_factor, gene_offset)?)
}

/// The median of the cells' totals; 1 where it is 0.
fn median(totals: &[f64]) -> f64 {
    let mut sorted = totals.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let middle = if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
    if middle > 0.0 { middle } else { 1.0 }
}

/// Mean and standard deviation (n − 1) over cells of ln(1 + x/size), gene by gene.
fn log_moments(view: kernels::CsrView<'_>, sizes: &[f64]) -> Vec<(f64, f64)> {
    let cells = view.n_rows() as f64;
    let (mut sums, mut squares) = (vec![0.0; view.n_cols()], vec![0.0; view.n_cols()]);
    for (row, size) in sizes.iter().enumerate() {
        let (genes, counts) = view.row(row);
        for (gene, count) in genes.iter().zip(counts).filter(|(_, count)| **count > 0.0) {
            let value = (f64::from(*count) / size).ln_1p();
            sums[*gene as usize] += value;
            squares[*gene as usize] += value * value;
        }
    }
    let moments = |(sum, square): (&f64, &f64)| {
        let spread = (square - sum * sum / cells).max(0.0);
        (sum / cells, (spread / (cells - 1.0).max(1.0)).sqrt())
    };
    sums.iter().zip(&squares).map(moments).collect()
}

impl GeneEngine for CountsEngine<'_> {
    fn train_step(
        &mut self,
        net: &mut InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
        step: &AdamStep,
    ) -> Result<BatchLoss, TrainError> {
        let Backward { loss, grad_first, inner } = self.backward(net, rows, noise)?;
        self.layers.step(&grad_first, &step.adam, step.decay, step.number);
        net.params.update(&inner, step)?;
        net.model.remember();
        Ok(loss)
    }

    fn gradients(
        &mut self,
        net: &InnerNet,
        rows: &[u32],
        noise: &dyn Noise,
    ) -> Result<(BatchLoss, NamedGradients), TrainError> {
        let Backward { loss, grad_first, inner } = self.backward(net, rows, noise)?;
        let CountGradients { encoder_weight, decoder_weight, decoder_bias, log_dispersion, gene_norm } =
            self.layers.gradients(&grad_first);
        let names = &self.names;
        let mut named = vec![
            (names.encoder_weight.clone(), encoder_weight),
            (names.decoder_weight.clone(), decoder_weight),
            (names.log_dispersion.clone(), log_dispersion),
        ];
        named.extend(decoder_bias.map(|bias| (names.decoder_bias.clone(), bias)));
        if let Some((scale, shift)) = gene_norm {
            named.push((names.norm_scale.clone(), scale));
            named.push((names.norm_shift.clone(), shift));
        }
        named.extend(net.params.gradients(&inner)?);
        Ok((loss, named))
    }

    fn first_layer(&mut self, rows: &[u32]) -> Result<Tensor, TrainError> {
        Ok(Tensor::from_vec(self.load(rows), (rows.len(), self.first), &Device::Cpu)?)
    }

    fn reconstruction(&mut self, hidden: &Tensor) -> Result<f64, TrainError> {
        Ok(self.layers.nll(&values(hidden)?))
    }

    fn export(&self) -> Result<Vec<TensorState>, TrainError> {
        let CountState { encoder_weight, decoder_weight, decoder_bias, log_dispersion, gene_norm } =
            self.layers.export();
        let learned = |name: &str, tensor: Moments| TensorState {
            name: name.to_owned(),
            weight: tensor.weight,
            first_moment: tensor.first,
            second_moment: tensor.second,
        };
        let names = &self.names;
        let mut tensors = vec![
            learned(&names.encoder_weight, encoder_weight),
            learned(&names.decoder_weight, decoder_weight),
            learned(&names.log_dispersion, log_dispersion),
        ];
        tensors.extend(decoder_bias.map(|bias| learned(&names.decoder_bias, bias)));
        if let Some(norm) = gene_norm {
            tensors.push(learned(&names.norm_scale, norm.scale));
            tensors.push(learned(&names.norm_shift, norm.shift));
            tensors.push(TensorState::buffer(&names.running_mean, norm.running_mean));
            tensors.push(TensorState::buffer(&names.running_variance, norm.running_variance));
        }
        Ok(tensors)
    }

    fn import(&mut self, tensors: &[TensorState]) -> Result<(), TrainError> {
        let learned = |name: &str, len| {
            let state = TensorState::find(tensors, name, len)?;
            Ok::<_, TrainError>(Moments {
                weight: state.weight.clone(),
                first: state.first_moment.clone(),
                second: state.second_moment.clone(),
            })
        };
        let buffer = |name: &str| {
            Ok::<_, TrainError>(TensorState::find_buffer(tensors, name, self.genes)?.weight.clone())
        };
        let names = &self.names;
        let bias = self.has_bias.then(|| learned(&names.decoder_bias, self.genes)).transpose()?;
        let norm = || {
            Ok::<_, TrainError>(GeneNormState {
                scale: learned(&names.norm_scale, self.genes)?,
                shift: learned(&names.norm_shift, self.genes)?,
                running_mean: buffer(&names.running_mean)?,
                running_variance: buffer(&names.running_variance)?,
            })
        };
        let state = CountState {
            encoder_weight: learned(&names.encoder_weight, self.genes * self.first)?,
            decoder_weight: learned(&names.decoder_weight, self.genes * self.last)?,
            decoder_bias: bias,
            log_dispersion: learned(&names.log_dispersion, self.genes)?,
            gene_norm: self.has_norm.then(norm).transpose()?,
        };
        Ok(self.layers.import(&state)?)
    }
}
