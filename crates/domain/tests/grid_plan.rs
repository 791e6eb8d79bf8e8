//! What a grid file asks for: which configs and trials, in which order, each once.

use std::collections::HashSet;

use domain::config::{Activation, DcaSpec, Encode, LdvaeSpec, NmiAverage, ScviSpec};
use domain::data::{Genes, Input, LabelSource, QualityControl};
use domain::grid::{Plan, parse};
use domain::{
    Config, EvaluationSpec, Fingerprint, ModelKind, ModelSpec, NetSpec, Preset, Schedule, TrainSpec,
};

fn plan(body: &str) -> Plan {
    let text = format!("name = \"x\"\n[data]\npath = \"cells\"\n{body}");
    parse(&text).unwrap_or_else(|error| panic!("{}", error.render(&text, "grid.toml"))).plan()
}

fn labels(plan: &Plan) -> Vec<String> {
    let varying = domain::params::varying(&plan.configs);
    plan.configs.iter().map(|config| config.label(&varying)).collect()
}

fn data() -> Fingerprint {
    Fingerprint::from_bytes([7; 32])
}

#[test]
fn without_values_the_defaults_hold() {
    let plan = plan("[grid]\nmodel = [\"pca\", \"ae\", \"beta-vae\", \"beta-vsc\"]\n");
    assert_eq!((plan.seeds.as_slice(), plan.folded, plan.trials.len()), ([0].as_slice(), 0, 4));
    for config in &plan.configs {
        let kind = config.model.kind();
        assert_eq!(config.evaluation, EvaluationSpec::default());
        assert_eq!(config.train, (kind != ModelKind::Pca).then(TrainSpec::default));
        assert_eq!(config.model.latent_dim(), 6);
        let usual = (kind != ModelKind::Pca).then(|| NetSpec::of_preset(Preset::Report, kind, 6));
        assert_eq!(config.model.net(), usual.as_ref());
    }
    let ModelSpec::BetaVsc(vsc) = &plan.configs[3].model else { panic!("in the order of the list") };
    assert_eq!((vsc.beta, vsc.alpha, vsc.c, vsc.encode), (2.0, 0.5, 50.0, Encode::Mean));
}

#[test]
fn models_of_counts_have_the_defaults_of_their_papers() {
    let text = "name = \"x\"\n[data]\npath = \"cells\"\ninput = \"counts\"\n[grid]\nmodel = [\"scvi\", \"ldvae\", \"dca\"]\n";
    let plan = parse(text).unwrap().plan();
    let models: Vec<ModelSpec> = plan.configs.iter().map(|config| config.model.clone()).collect();
    let expected = [
        ModelSpec::Scvi(ScviSpec::default()),
        ModelSpec::Ldvae(LdvaeSpec::default()),
        ModelSpec::Dca(DcaSpec::default()),
    ];
    assert_eq!(models, expected);
    for config in &plan.configs {
        assert_eq!(config.train, Some(TrainSpec::of(config.model.kind())));
    }
    let scvi = plan.configs[0].train.as_ref().unwrap();
    assert_eq!((scvi.epochs, scvi.batch_size, scvi.adam_eps, scvi.weight_decay), (400, 128, 0.01, 1e-6));
    // What few people touch stays out of sight while it is as the paper has it.
    let shown: Vec<String> = plan.configs[0].params().into_iter().map(|(name, _)| name).collect();
    let expected = [
        "beta",
        "beta_schedule",
        "latent_dim",
        "encoder",
        "decoder",
        "dropout",
        "epochs",
        "batch_size",
        "learning_rate",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn data_keeps_what_is_said_and_takes_the_rest_from_the_defaults() {
    let text = "name = \"x\"\n[grid]\nmodel = \"pca\"\n[data]\npath = \"cells\"\nlabels = { file = \"l.csv\", column = \"type\" }\n\
                scale_factor = 1000\n[data.qc]\nmin_cells = 1\n";
    let file = parse(text).unwrap();
    let column = LabelSource::Column { file: "l.csv".to_owned(), column: "type".to_owned() };
    assert_eq!(file.data.labels, Some(column));
    assert_eq!(file.data.scale_factor, 1000.0);
    assert_eq!(file.data.qc, QualityControl { min_cells: 1, ..QualityControl::default() });
    assert_eq!((file.name.as_str(), file.data.path.as_str()), ("x", "cells"));
}

#[test]
fn data_says_what_the_nets_see_and_where_labels_come_from() {
    let read = |data: &str| {
        let model = if data.contains("counts") { "scvi" } else { "pca" };
        parse(&format!("name = \"x\"\n[grid]\nmodel = \"{model}\"\n[data]\npath = \"cells\"\n{data}"))
            .unwrap()
            .data
    };
    let data = read("input = \"scaled\"\ngenes = { hvg = 2000 }\nlabels = \"cluster\"\n");
    assert_eq!((data.input, data.genes), (Input::Scaled, Genes::Hvg(2000)));
    assert_eq!(data.labels, Some(LabelSource::Clusters { markers: None }));
    let data = read(
        "input = \"counts\"\nlabels = \"cluster\"\n[data.markers]\n\"NK cell\" = [\"GNLY\", \"NKG7\"]\n",
    );
    assert_eq!(data.input, Input::Counts);
    let markers = [("NK cell".to_owned(), vec!["GNLY".to_owned(), "NKG7".to_owned()])];
    assert_eq!(data.labels, Some(LabelSource::Clusters { markers: Some(markers.into()) }));
    let data = read("labels = \"./cluster\"\n");
    assert_eq!(data.labels, Some(LabelSource::File("./cluster".to_owned())));
}

#[test]
fn configs_come_in_grid_order_and_trials_seed_by_seed() {
    let plan =
        plan("[grid]\nmodel = [\"beta-vae\", \"pca\"]\nlatent_dim = [2, 3]\nbeta = [1, 4]\nseed = [9, 4]\n");
    let expected = [
        "beta-vae β=1 latent_dim=2",
        "beta-vae β=4 latent_dim=2",
        "beta-vae β=1 latent_dim=3",
        "beta-vae β=4 latent_dim=3",
        "pca latent_dim=2",
        "pca latent_dim=3",
    ];
    assert_eq!(labels(&plan), expected);
    let expected = [(0, 9), (1, 9), (2, 9), (3, 9), (4, 9), (5, 9), (0, 4), (1, 4), (2, 4), (3, 4)];
    assert_eq!(plan.trials, expected);
    // 2 models × 2 × 2 × 2 seeds; PCA has neither β nor seed: 2 of its 8 points are trials
    assert_eq!((plan.grid_points(), plan.folded), (16, 6));
}

#[test]
fn two_ways_to_write_one_net_fold() {
    // the code's autoencoder is the report's
    let plan = plan("[grid]\nmodel = [\"ae\", \"beta-vae\"]\npreset = [\"report\", \"code\"]\n");
    assert_eq!(labels(&plan), ["ae preset=report", "beta-vae preset=report", "beta-vae preset=code"]);
    assert_eq!(plan.folded, 1);
}

#[test]
fn dotted_names_may_be_quoted_or_nested() {
    let quoted =
        plan("[grid]\nmodel = \"ae\"\n\"train.epochs\" = [1, 2]\n\"evaluation.perplexity\" = [10, 30]\n");
    let nested =
        plan("[grid]\nmodel = \"ae\"\ntrain.epochs = [1, 2]\nevaluation = { perplexity = [10, 30] }\n");
    let bare = plan("[grid]\nmodel = \"ae\"\nepochs = [1, 2]\nperplexity = [10, 30]\n");
    assert_eq!(quoted, nested);
    assert_eq!(quoted, bare);
    assert_eq!(quoted.configs.len(), 4);
}

#[test]
fn what_is_more_specific_wins() {
    let plan = plan(
        "[grid]\nmodel = [\"beta-vae\", \"beta-vsc\"]\nbeta = [1, 4]\n[model]\nencode = \"sample\"\n\
         [model.beta-vsc]\nbeta = 3\nencode = \"mu\"\n",
    );
    assert_eq!(
        labels(&plan),
        ["beta-vae β=1 encode=sample", "beta-vae β=4 encode=sample", "beta-vsc β=3 encode=mu"]
    );
}

#[test]
fn an_axis_may_be_of_one_model() {
    let plan = plan(
        "[grid]\nmodel = [\"beta-vae\", \"beta-vsc\"]\n\"model.beta-vsc.beta\" = [0.5, 1]\n[model]\nbeta = 4\n",
    );
    assert_eq!(labels(&plan), ["beta-vae β=4", "beta-vsc β=0.5", "beta-vsc β=1"]);
}

#[test]
fn zipped_keys_vary_together() {
    let plan = plan(
        "[grid]\nmodel = [\"beta-vae\", \"beta-vsc\"]\nbeta = [1, 1, 4]\nepochs = [5, 6]\nalpha = [0.1, 0.2, 0.2]\n\
         zip = [[\"alpha\", \"model.beta\"]]\n",
    );
    let expected = [
        "beta-vae β=1 epochs=5",
        "beta-vae β=1 epochs=6",
        "beta-vae β=4 epochs=5",
        "beta-vae β=4 epochs=6",
        "beta-vsc β=1 α=0.1 epochs=5",
        "beta-vsc β=1 α=0.1 epochs=6",
        "beta-vsc β=1 α=0.2 epochs=5",
        "beta-vsc β=1 α=0.2 epochs=6",
        "beta-vsc β=4 α=0.2 epochs=5",
        "beta-vsc β=4 α=0.2 epochs=6",
    ];
    assert_eq!(labels(&plan), expected);
    assert_eq!((plan.grid_points(), plan.folded), (12, 2)); // the VAE has no α: its first two rows are one
}

#[test]
fn overrides_change_what_they_match_and_the_last_one_wins() {
    let plan = plan(
        "[grid]\nmodel = [\"pca\", \"ae\", \"beta-vae\"]\nbeta = [1, 2]\n\
         [[override]]\nmatch = { beta = [2, 3] }\nset = { \"train.epochs\" = 300, latent_dim = 8 }\n\
         [[override]]\nmatch = { model = [\"ae\", \"beta-vae\"], encoder = [128, 32] }\nset.train.epochs = 7\n",
    );
    let facts: Vec<_> = plan
        .configs
        .iter()
        .map(|config| {
            (
                config.model.kind().name(),
                config.model.latent_dim(),
                config.train.as_ref().map(|train| train.epochs),
            )
        })
        .collect();
    let expected = [("pca", 6, None), ("ae", 6, Some(7)), ("beta-vae", 6, Some(7)), ("beta-vae", 8, Some(7))];
    assert_eq!(facts, expected);
}

#[test]
fn overrides_may_make_points_equal() {
    let plan = plan(
        "[grid]\nmodel = \"beta-vae\"\nbeta = [1, 2]\nseed = [0, 1]\n[[override]]\nmatch = { beta = 2 }\nset = { beta = 1 }\n",
    );
    assert_eq!((plan.configs.len(), plan.trials.len(), plan.folded), (1, 2, 2));
}

#[test]
fn widths_are_one_value_and_lists_of_widths_are_several() {
    let one = plan("[grid]\nmodel = \"ae\"\nencoder = [64, 8]\nbranch = [[]]\n");
    let net = one.configs[0].model.net().unwrap();
    assert_eq!((net.encoder.as_slice(), net.branch.as_slice()), ([64, 8].as_slice(), [].as_slice()));
    let several = plan(
        "[grid]\nmodel = \"ae\"\nencoder = [[64, 8], [32]]\n[model]\nfirst_activation = \"relu\"\n[model.ae]\nlatent_activation = \"relu\"\n",
    );
    assert_eq!(labels(&several), ["ae encoder=64-8", "ae encoder=32"]);
    let ModelSpec::Ae(ae) = &several.configs[1].model else { panic!("an autoencoder") };
    assert_eq!((ae.net.first_activation, ae.latent_activation), (Activation::Relu, Activation::Relu));
}

#[test]
fn every_number_may_be_whole_and_minus_zero_is_zero() {
    let whole = plan("[grid]\nmodel = \"beta-vae\"\nbeta = [0, 2]\nlearning_rate = 1\n");
    let float = plan("[grid]\nmodel = \"beta-vae\"\nbeta = [-0.0, 2.0]\nlearning_rate = 1.0\n");
    let ids = |plan: &Plan| plan.trials(&data()).iter().map(|trial| trial.id).collect::<Vec<_>>();
    assert_eq!(ids(&whole), ids(&float));
}

#[test]
fn evaluation_values_reach_the_config() {
    let plan = plan(
        "[grid]\nmodel = \"pca\"\n[evaluation]\nnmi = \"geometric\"\nclusters = 9\ntsne_iterations = 0\n",
    );
    let evaluation = &plan.configs[0].evaluation;
    assert_eq!(
        (evaluation.nmi, evaluation.clusters, evaluation.tsne_iterations),
        (NmiAverage::Geometric, Some(9), 0)
    );
}

#[test]
fn the_largest_sweep_is_allowed() {
    let plan = plan(
        "[grid]\nmodel = [\"beta-vae\", \"beta-vsc\"]\nbeta = [1, 2]\nseed = { start = 9223372036854750808, count = 25000 }\n",
    );
    assert_eq!(plan.trials.len(), 100_000);
    assert_eq!(plan.seeds.last(), Some(&(i64::MAX as u64)));
}

#[test]
fn axes_that_fold_away_do_not_count_against_the_limit() {
    let many: Vec<String> = (1..=200).map(|value| value.to_string()).collect();
    let list = many.join(", ");
    let body = format!(
        "[grid]\nmodel = [\"pca\", \"ae\", \"beta-vae\"]\nbeta = [{list}]\n\"model.beta-vae.latent_dim\" = [{list}]\n"
    );
    let plan = plan(&body);
    assert_eq!(plan.configs.len(), 40_002);
    assert_eq!(plan.grid_points(), 120_000);
}

/// Ids are promises: results of earlier versions are found by them. A change here needs a new `RNG_VERSION` or a
/// new version in the text that is hashed, never a new literal alone.
#[test]
fn the_canonical_text_and_the_ids_of_a_config_are_pinned() {
    let plan =
        plan("[grid]\nmodel = \"beta-vsc\"\nseed = 3\n[model]\nbeta = 0.5\n[evaluation]\nclusters = 9\n");
    let config = &plan.configs[0];
    assert_eq!(
        config.canonical_json(),
        concat!(
            r#"{"evaluation":{"clusters":9,"kmeans_starts":100,"nmi":"arithmetic","perplexity":40.0,"tsne_iterations":1000},"#,
            r#""model":{"alpha":0.5,"beta":0.5,"c":50.0,"encode":"mean","gate":"exp-relu","kind":"beta-vsc","#,
            r#""net":{"branch":[16],"decoder":[16,32,128],"encoder":[128,32],"first_activation":"none","latent_dim":6}},"#,
            r#""train":{"batch_size":256,"epochs":200,"learning_rate":0.001}}"#
        )
    );
    // Python: blake3(f"latentsweep config v1\n{text}\n{'07' * 32}\n".encode()).hexdigest()[:32], and for the trial
    // blake3(f"latentsweep trial v1\n{text}\n3\n{'07' * 32}\n1\n".encode()).hexdigest()[:32]
    assert_eq!(config.id(&data()).to_string(), "8bd41755f4ea45dd2d98a3fd6036344c");
    assert_eq!(config.trial_id(3, &data()).to_string(), "78aae28e132688981a34f294603acb1b");
    let read_back: Config = serde_json::from_str(&config.canonical_json()).unwrap();
    assert_eq!(read_back, *config);
}

#[test]
fn trials_carry_the_ids_of_their_parts() {
    let plan = plan("[grid]\nmodel = [\"ae\", \"pca\"]\nseed = [5, 6]\n");
    let trials = plan.trials(&data());
    let seeds: Vec<(ModelKind, u64)> =
        trials.iter().map(|trial| (trial.config.model.kind(), trial.seed)).collect();
    assert_eq!(seeds, [(ModelKind::Ae, 5), (ModelKind::Pca, 5), (ModelKind::Ae, 6)]);
    let ids: HashSet<_> = trials.iter().map(|trial| trial.id).collect();
    assert_eq!(ids.len(), trials.len());
    assert_eq!(trials[0].config_id, trials[2].config_id);
}

#[test]
fn params_are_flat_plain_and_without_usual_values() {
    let plan = plan(
        "[grid]\nmodel = [\"beta-vsc\", \"ae\"]\n[model.ae]\nencoder = [64]\n[evaluation]\nperplexity = 30\n",
    );
    let text = |config: &Config| {
        let words = config.params().into_iter().map(|(name, value)| format!("{name}={value}"));
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        text(&plan.configs[0]),
        "beta=2.0 alpha=0.5 c=50.0 gate=\"exp-relu\" encode=\"mean\" latent_dim=6 preset=\"report\" epochs=200 batch_size=256 \
         learning_rate=0.001 perplexity=30.0"
    );
    assert_eq!(
        text(&plan.configs[1]),
        "latent_dim=6 preset=\"custom\" encoder=[64] branch=[16] decoder=[16,32,128] first_activation=\"none\" epochs=200 \
         batch_size=256 learning_rate=0.001 perplexity=30.0"
    );
    assert_eq!(labels(&plan), ["beta-vsc preset=report", "ae preset=custom"]);
}

#[test]
fn schedules_are_values_like_any_other() {
    let plan = plan(
        "[grid]\nmodel = [\"beta-vae\", \"beta-vsc\", \"ae\"]\n\
         beta_schedule = [\"constant\", { warmup = 0.1 }, { cycles = 4, ramp = 0.5 }]\n\
         \"model.beta-vsc.free_bits\" = [0, 0.05]\n\
         [model.beta-vsc]\nc = 200\nc_schedule = { warmup = 1 }\n",
    );
    let expected = [
        "beta-vae beta_schedule=constant free_bits=0",
        "beta-vae beta_schedule=warm-up 0.1 free_bits=0",
        "beta-vae beta_schedule=4 cycles, ramp 0.5 free_bits=0",
        "beta-vsc beta_schedule=constant free_bits=0",
        "beta-vsc beta_schedule=constant free_bits=0.05",
        "beta-vsc beta_schedule=warm-up 0.1 free_bits=0",
        "beta-vsc beta_schedule=warm-up 0.1 free_bits=0.05",
        "beta-vsc beta_schedule=4 cycles, ramp 0.5 free_bits=0",
        "beta-vsc beta_schedule=4 cycles, ramp 0.5 free_bits=0.05",
        "ae",
    ];
    assert_eq!(labels(&plan), expected);
    let ModelSpec::BetaVsc(vsc) = &plan.configs[3].model else { panic!("in the order of the list") };
    assert_eq!((vsc.c, vsc.c_start, vsc.c_schedule), (200.0, Some(50.0), Schedule::Warmup { warmup: 1.0 }));
    let read_back: Config = serde_json::from_str(&plan.configs[8].canonical_json()).unwrap();
    assert_eq!(read_back, plan.configs[8]);
    assert!(plan.configs[8].canonical_json().contains(r#""beta_schedule":{"cycles":4,"ramp":0.5}"#));
}

#[test]
fn options_without_effect_fold_away() {
    // one cycle is a warm-up; a start without a schedule, or equal to the end, is none; no delta without patience
    let plan = plan(
        "[grid]\nmodel = \"beta-vsc\"\nbeta_schedule = [{ cycles = 1, ramp = 0.25 }, { warmup = 0.25 }]\n\
         c_start = [10, 20]\nmin_delta = [0, 1]\n",
    );
    assert_eq!((plan.configs.len(), plan.folded), (1, 7));
    let same_c = "[grid]\nmodel = \"beta-vsc\"\nc_schedule = [\"constant\", { warmup = 0.5 }]\n";
    assert_eq!(self::plan(same_c).configs.len(), 1);
}

#[test]
fn cells_are_held_out_as_the_file_says() {
    let plan = plan(
        "[grid]\nmodel = [\"pca\", \"ae\"]\npatience = [5, 50]\n[train]\nvalidation_fraction = 0.1\nmin_delta = 0.01\n",
    );
    assert_eq!(labels(&plan), ["pca", "ae patience=5", "ae patience=50"]);
    let train = plan.configs[1].train.as_ref().unwrap();
    assert_eq!((train.validation_fraction, train.patience, train.min_delta), (0.1, Some(5), 0.01));
}
