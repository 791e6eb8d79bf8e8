//! A config as a flat list of named values, for people: leaderboard, report, exports. Names are those of the grid
//! file. Not an identity: that is the canonical text of the config itself.

use serde_json::Value;

use crate::config::{Activation, Config, EvaluationSpec, ModelSpec, NetSpec, Preset, TrainSpec};
use crate::schedule::Schedule;

/// What stands for the preset of a net that is neither of the presets.
const OWN_NET: &str = "custom";
/// What stands for an option that a config does not use.
const NOTHING: &str = "none";
/// The schedules by name.
const SCHEDULES: [&str; 3] = ["beta_schedule", "c_schedule", "lambda_schedule"];
/// What stands for the number of clusters that follows from the labels.
const AS_MANY_AS_CLASSES: &str = "classes";

impl Config {
    /// Its parameters by the grid file's names, in the grid file's order, without the model's own name and without
    /// those that few people touch while they have their default (scoring, `latent_activation`). A net that is a
    /// preset's is named by `preset`; any other is `"custom"` and followed by its widths.
    #[must_use]
    pub fn params(&self) -> Vec<(String, Value)> {
        let mut plain = evaluation_params(&EvaluationSpec::default());
        plain.push(("latent_activation", word(&Activation::default())));
        plain.extend(SCHEDULES.map(|name| (name, schedule(&Schedule::Constant))));
        plain.extend(["free_bits", "validation_fraction", "min_delta"].map(|name| (name, number(0.0))));
        plain.push(("c_start", NOTHING.into()));
        plain.push(("patience", NOTHING.into()));
        let usual = TrainSpec::of(self.model.kind());
        plain.push(("adam_eps", number(usual.adam_eps)));
        plain.push(("weight_decay", number(usual.weight_decay)));
        let mut params = self.all_params();
        params.retain(|(name, value)| !plain.iter().any(|(other, usual)| other == name && usual == value));
        params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What to call it beside others: its model, then the parameters of `varying` that it has, as `beta-vae β=2`.
    #[must_use]
    pub fn label(&self, varying: &[String]) -> String {
        let params = self.all_params();
        let mut label = self.model.kind().name().to_owned();
        for key in varying {
            if let Some((_, value)) = params.iter().find(|(name, _)| name == key) {
                label.push_str(&format!(" {}={}", symbol(key), display_value(value)));
            }
        }
        label
    }

    /// Every parameter, defaults included: two configs of one model that differ, differ in a name that both have.
    fn all_params(&self) -> Vec<(&'static str, Value)> {
        let mut params = model_params(&self.model);
        if let Some(train) = &self.train {
            params.push(("epochs", train.epochs.into()));
            params.push(("batch_size", train.batch_size.into()));
            params.push(("learning_rate", number(train.learning_rate)));
            params.push(("adam_eps", number(train.adam_eps)));
            params.push(("weight_decay", number(train.weight_decay)));
            params.push(("validation_fraction", number(train.validation_fraction)));
            params.push(("patience", train.patience.map_or_else(|| NOTHING.into(), Value::from)));
            params.push(("min_delta", number(train.min_delta)));
        }
        params.extend(evaluation_params(&self.evaluation));
        params
    }
}

/// The parameters whose value is not the same in all of `configs` that have them, in the grid file's order: the
/// columns of a table and the words of a label.
#[must_use]
pub fn varying<'c>(configs: impl IntoIterator<Item = &'c Config>) -> Vec<String> {
    let mut seen: Vec<(&'static str, Value, bool)> = Vec::new();
    for config in configs {
        for (name, value) in config.all_params() {
            match seen.iter_mut().find(|(other, _, _)| *other == name) {
                Some((_, first, varies)) => *varies |= *first != value,
                None => seen.push((name, value, false)),
            }
        }
    }
    ORDER
        .iter()
        .filter(|name| seen.iter().any(|(other, _, varies)| other == *name && *varies))
        .map(|name| (*name).to_owned())
        .collect()
}

/// A value of [`Config::params`] as people write it: no quotes, 2 and not 2.0, widths joined by `-`, "none" for no layers.
#[must_use]
pub fn display_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(display_value).collect::<Vec<_>>().join("-"),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(String::new, |float| float.to_string())
        }
        other => other.to_string(),
    }
}

/// Every name, in the grid file's order; a test compares it with the grid file's own table.
pub(crate) const ORDER: &[&str] = &[
    "beta",
    "beta_schedule",
    "free_bits",
    "alpha",
    "c",
    "c_start",
    "c_schedule",
    "lambda_schedule",
    "gate",
    "encode",
    "latent_dim",
    "preset",
    "encoder",
    "branch",
    "decoder",
    "first_activation",
    "latent_activation",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
    "adam_eps",
    "weight_decay",
    "validation_fraction",
    "patience",
    "min_delta",
    "perplexity",
    "tsne_iterations",
    "kmeans_starts",
    "clusters",
    "nmi",
    "neighbours",
    "silhouette",
];

/// The papers' letters for the parameters that have one.
fn symbol(name: &str) -> &str {
    match name {
        "beta" => "β",
        "alpha" => "α",
        other => other,
    }
}

fn model_params(model: &ModelSpec) -> Vec<(&'static str, Value)> {
    let mut params = match model {
        ModelSpec::Pca(_) | ModelSpec::Ae(_) | ModelSpec::Dca(_) => vec![],
        ModelSpec::Scvi(spec) => vec![
            ("beta", number(spec.beta)),
            ("beta_schedule", schedule(&spec.beta_schedule)),
            ("free_bits", number(spec.free_bits)),
        ],
        ModelSpec::Ldvae(spec) => vec![
            ("beta", number(spec.beta)),
            ("beta_schedule", schedule(&spec.beta_schedule)),
            ("free_bits", number(spec.free_bits)),
        ],
        ModelSpec::BetaVae(spec) => vec![
            ("beta", number(spec.beta)),
            ("beta_schedule", schedule(&spec.beta_schedule)),
            ("free_bits", number(spec.free_bits)),
            ("encode", word(&spec.encode)),
        ],
        ModelSpec::BetaVsc(spec) => vec![
            ("beta", number(spec.beta)),
            ("beta_schedule", schedule(&spec.beta_schedule)),
            ("free_bits", number(spec.free_bits)),
            ("alpha", number(spec.alpha)),
            ("c", number(spec.c)),
            ("c_start", spec.c_start.map_or_else(|| NOTHING.into(), number)),
            ("c_schedule", schedule(&spec.c_schedule)),
            ("lambda_schedule", schedule(&spec.lambda_schedule)),
            ("gate", word(&spec.gate)),
            ("encode", word(&spec.encode)),
        ],
    };
    params.push(("latent_dim", model.latent_dim().into()));
    if let Some(net) = model.net() {
        params.extend(net_params(model, net));
    }
    if let ModelSpec::Ae(spec) = model {
        params.push(("latent_activation", word(&spec.latent_activation)));
    }
    params.extend(count_net_params(model));
    params
}

/// The nets of models of counts: widths, then dropout.
fn count_net_params(model: &ModelSpec) -> Vec<(&'static str, Value)> {
    let (encoder, decoder, dropout) = match model {
        ModelSpec::Scvi(spec) => (&spec.encoder, Some(&spec.decoder), spec.dropout),
        ModelSpec::Ldvae(spec) => (&spec.encoder, None, spec.dropout),
        ModelSpec::Dca(spec) => (&spec.encoder, Some(&spec.decoder), spec.dropout),
        ModelSpec::Pca(_) | ModelSpec::Ae(_) | ModelSpec::BetaVae(_) | ModelSpec::BetaVsc(_) => return vec![],
    };
    let mut params = vec![("encoder", encoder.clone().into())];
    params.extend(decoder.map(|decoder| ("decoder", decoder.clone().into())));
    params.push(("dropout", number(dropout)));
    params
}

fn net_params(model: &ModelSpec, net: &NetSpec) -> Vec<(&'static str, Value)> {
    let is_of = |preset: Preset| *net == NetSpec::of_preset(preset, model.kind(), net.latent_dim);
    match [Preset::Report, Preset::Code].into_iter().find(|preset| is_of(*preset)) {
        Some(preset) => vec![("preset", word(&preset))],
        None => vec![
            ("preset", OWN_NET.into()),
            ("encoder", net.encoder.clone().into()),
            ("branch", net.branch.clone().into()),
            ("decoder", net.decoder.clone().into()),
            ("first_activation", word(&net.first_activation)),
        ],
    }
}

fn evaluation_params(evaluation: &EvaluationSpec) -> Vec<(&'static str, Value)> {
    vec![
        ("perplexity", number(evaluation.perplexity)),
        ("tsne_iterations", evaluation.tsne_iterations.into()),
        ("kmeans_starts", evaluation.kmeans_starts.into()),
        ("clusters", evaluation.clusters.map_or_else(|| AS_MANY_AS_CLASSES.into(), Value::from)),
        ("nmi", word(&evaluation.nmi)),
        ("neighbours", evaluation.neighbours.into()),
        ("silhouette", evaluation.silhouette.into()),
    ]
}

/// A number that may have a fraction: always a float in JSON, so that a column has one type.
fn number(value: f64) -> Value {
    Value::from(value)
}

/// In words: `constant`, `warm-up 0.1`, `4 cycles, ramp 0.5`.
fn schedule(schedule: &Schedule) -> Value {
    schedule.to_string().into()
}

fn word<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a word is a unit variant")
}
