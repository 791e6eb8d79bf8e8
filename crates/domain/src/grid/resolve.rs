//! From named values to a `Config`: defaults, then what is more specific, then the config itself.

use std::collections::BTreeMap;

use super::document::meaning;
use super::parameters::{PARAMS, Param};
use super::shape::Value;
use crate::config::{
    Activation, AeSpec, BetaVaeSpec, BetaVscSpec, Config, EvaluationSpec, ModelKind, ModelSpec, NetSpec,
    PcaSpec, Preset, TrainSpec,
};

/// The values of one grid point by the names of their parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, Value>,
}

impl Settings {
    /// The defaults of `model`: of its own parameters and no others.
    pub(super) fn defaults(model: ModelKind) -> Self {
        let own = PARAMS.iter().filter(|param| param.is_of(model));
        Self { values: own.filter_map(|param| Some((param.name(), param.key.default.value()?))).collect() }
    }

    /// Sets one value.
    pub(super) fn set(&mut self, param: &'static Param, value: Value) {
        self.values.insert(param.name(), value);
    }

    /// The value of `param`, where the model has one.
    pub(super) fn get(&self, param: &Param) -> Option<&Value> {
        self.values.get(param.name())
    }

    /// With every part of the net that is not said taken from the preset, so that a match sees it.
    pub(super) fn completed(&self, model: ModelKind) -> Self {
        let mut complete = self.clone();
        if let Some(net) = self.net(model) {
            let activation = match net.first_activation {
                Activation::None => "none",
                Activation::Relu => "relu",
            };
            complete.values.extend([
                ("encoder", Value::Widths(net.encoder)),
                ("branch", Value::Widths(net.branch)),
                ("decoder", Value::Widths(net.decoder)),
                ("first_activation", Value::Word(activation)),
            ]);
        }
        complete
    }

    /// The config of `model` with these values.
    pub(super) fn config(&self, model: ModelKind) -> Config {
        let net = || self.net(model).expect("every model but PCA has a preset by default");
        let spec = match model {
            ModelKind::Pca => ModelSpec::Pca(PcaSpec { latent_dim: self.whole("latent_dim") }),
            ModelKind::Ae => ModelSpec::Ae(AeSpec {
                net: net(),
                latent_activation: meaning(self.word("latent_activation")),
            }),
            ModelKind::BetaVae => ModelSpec::BetaVae(BetaVaeSpec {
                net: net(),
                beta: self.number("beta"),
                encode: meaning(self.word("encode")),
            }),
            ModelKind::BetaVsc => ModelSpec::BetaVsc(BetaVscSpec {
                net: net(),
                beta: self.number("beta"),
                alpha: self.number("alpha"),
                c: self.number("c"),
                gate: meaning(self.word("gate")),
                encode: meaning(self.word("encode")),
            }),
        };
        let train = self.values.contains_key("epochs").then(|| TrainSpec {
            epochs: self.whole("epochs"),
            batch_size: self.whole("batch_size"),
            learning_rate: self.number("learning_rate"),
        });
        let evaluation = EvaluationSpec {
            perplexity: self.number("perplexity"),
            tsne_iterations: self.whole("tsne_iterations"),
            kmeans_starts: self.whole("kmeans_starts"),
            clusters: self.values.contains_key("clusters").then(|| self.whole("clusters")),
            nmi: meaning(self.word("nmi")),
        };
        Config { model: spec, train, evaluation }
    }

    /// The preset's net with the parts that are said; `None` for a model without one.
    fn net(&self, model: ModelKind) -> Option<NetSpec> {
        let Some(Value::Word(preset)) = self.values.get("preset") else { return None };
        let mut net = NetSpec::of_preset(meaning::<Preset>(preset), model, self.whole("latent_dim"));
        let parts =
            [("encoder", &mut net.encoder), ("branch", &mut net.branch), ("decoder", &mut net.decoder)];
        for (name, part) in parts {
            if let Some(Value::Widths(widths)) = self.values.get(name) {
                part.clone_from(widths);
            }
        }
        if let Some(Value::Word(word)) = self.values.get("first_activation") {
            net.first_activation = meaning(word);
        }
        Some(net)
    }

    fn number(&self, name: &str) -> f64 {
        match self.values.get(name) {
            Some(Value::Number(number)) => *number,
            other => panic!("the key table makes {name} a number with a default, not {other:?}"),
        }
    }

    fn whole(&self, name: &str) -> u32 {
        match self.values.get(name) {
            Some(Value::Whole(whole)) => u32::try_from(*whole).expect("the key table's ranges fit in u32"),
            other => panic!("the key table makes {name} a whole number with a default, not {other:?}"),
        }
    }

    fn word(&self, name: &str) -> &'static str {
        match self.values.get(name) {
            Some(Value::Word(word)) => word,
            other => panic!("the key table makes {name} a word with a default, not {other:?}"),
        }
    }
}
