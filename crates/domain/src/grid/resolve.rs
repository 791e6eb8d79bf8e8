//! From named values to a `Config`: defaults, then what is more specific, then the config itself.

use std::collections::BTreeMap;

use super::document::meaning;
use super::parameters::{PARAMS, Param};
use super::shape::Value;
use crate::config::{
    Activation, AeSpec, BetaVaeSpec, BetaVscSpec, Config, DcaSpec, EvaluationSpec, LdvaeSpec, ModelKind,
    ModelSpec, NetSpec, PcaSpec, Preset, ScviSpec, TrainSpec,
};
use crate::schedule::Schedule;

/// The values of one grid point by the names of their parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, Value>,
}

impl Settings {
    /// The defaults of `model`: of its own parameters and no others.
    pub(super) fn defaults(model: ModelKind) -> Self {
        let own = PARAMS.iter().filter(|param| param.is_of(model));
        Self {
            values: own.filter_map(|param| Some((param.name(), param.default_of(model).value()?))).collect(),
        }
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
        let net = || self.net(model).expect("every net of the study's shape has a preset by default");
        let spec = match model {
            ModelKind::Pca => ModelSpec::Pca(PcaSpec { latent_dim: self.whole("latent_dim") }),
            ModelKind::Ae => ModelSpec::Ae(AeSpec {
                net: net(),
                latent_activation: meaning(self.word("latent_activation")),
            }),
            ModelKind::BetaVae => ModelSpec::BetaVae(BetaVaeSpec {
                net: net(),
                beta: self.number("beta"),
                beta_schedule: self.schedule("beta_schedule"),
                free_bits: self.number("free_bits"),
                encode: meaning(self.word("encode")),
            }),
            ModelKind::BetaVsc => ModelSpec::BetaVsc(self.beta_vsc(net())),
            ModelKind::Scvi => ModelSpec::Scvi(self.scvi()),
            ModelKind::Ldvae => ModelSpec::Ldvae(self.ldvae()),
            ModelKind::Dca => ModelSpec::Dca(self.dca()),
        };
        let train = self.values.contains_key("epochs").then(|| self.train());
        let evaluation = EvaluationSpec {
            perplexity: self.number("perplexity"),
            tsne_iterations: self.whole("tsne_iterations"),
            kmeans_starts: self.whole("kmeans_starts"),
            clusters: self.values.contains_key("clusters").then(|| self.whole("clusters")),
            nmi: meaning(self.word("nmi")),
            neighbours: self.whole("neighbours"),
            silhouette: self.flag("silhouette"),
        };
        Config { model: spec, train, evaluation }
    }

    fn beta_vsc(&self, net: NetSpec) -> BetaVscSpec {
        let (c, c_start) = (self.number("c"), self.number("c_start"));
        let c_schedule = if c_start == c { Schedule::Constant } else { self.schedule("c_schedule") };
        BetaVscSpec {
            net,
            beta: self.number("beta"),
            beta_schedule: self.schedule("beta_schedule"),
            free_bits: self.number("free_bits"),
            alpha: self.number("alpha"),
            c,
            // What has no effect is no part of a config's identity.
            c_start: (!c_schedule.is_constant()).then_some(c_start),
            c_schedule,
            lambda_schedule: self.schedule("lambda_schedule"),
            gate: meaning(self.word("gate")),
            encode: meaning(self.word("encode")),
        }
    }

    fn scvi(&self) -> ScviSpec {
        ScviSpec {
            latent_dim: self.whole("latent_dim"),
            encoder: self.widths("encoder"),
            decoder: self.widths("decoder"),
            dropout: self.number("dropout"),
            beta: self.number("beta"),
            beta_schedule: self.schedule("beta_schedule"),
            free_bits: self.number("free_bits"),
        }
    }

    fn ldvae(&self) -> LdvaeSpec {
        LdvaeSpec {
            latent_dim: self.whole("latent_dim"),
            encoder: self.widths("encoder"),
            dropout: self.number("dropout"),
            beta: self.number("beta"),
            beta_schedule: self.schedule("beta_schedule"),
            free_bits: self.number("free_bits"),
        }
    }

    fn dca(&self) -> DcaSpec {
        DcaSpec {
            latent_dim: self.whole("latent_dim"),
            encoder: self.widths("encoder"),
            decoder: self.widths("decoder"),
            dropout: self.number("dropout"),
        }
    }

    fn train(&self) -> TrainSpec {
        let patience = self.values.contains_key("patience").then(|| self.whole("patience"));
        TrainSpec {
            epochs: self.whole("epochs"),
            batch_size: self.whole("batch_size"),
            learning_rate: self.number("learning_rate"),
            adam_eps: self.number("adam_eps"),
            weight_decay: if self.values.contains_key("weight_decay") {
                self.number("weight_decay")
            } else {
                0.0
            },
            validation_fraction: self.number("validation_fraction"),
            patience,
            min_delta: patience.map_or(0.0, |_| self.number("min_delta")),
        }
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

    fn flag(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Value::Flag(flag)) => *flag,
            other => panic!("the key table makes {name} a yes or no with a default, not {other:?}"),
        }
    }

    fn widths(&self, name: &str) -> Vec<u32> {
        match self.values.get(name) {
            Some(Value::Widths(widths)) => widths.clone(),
            other => panic!("the key table makes {name} widths with a default, not {other:?}"),
        }
    }

    fn schedule(&self, name: &str) -> Schedule {
        match self.values.get(name) {
            Some(Value::Schedule(schedule)) => schedule.canonical(),
            other => panic!("the key table makes {name} a schedule with a default, not {other:?}"),
        }
    }

    fn word(&self, name: &str) -> &'static str {
        match self.values.get(name) {
            Some(Value::Word(word)) => word,
            other => panic!("the key table makes {name} a word with a default, not {other:?}"),
        }
    }
}
