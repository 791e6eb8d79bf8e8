//! What a person sees for each kind of mistake in a grid file, word for word.

use domain::grid::parse;

/// The first lines of every file whose mistake is further down.
const HEAD: &str = "name = \"x\"\n[data]\npath = \"cells\"\n";

#[track_caller]
fn assert_refused(text: &str, rendered: &str) {
    let error = parse(text).expect_err("the file has a mistake");
    assert_eq!(error.render(text, "grid.toml"), rendered);
    if let Some(span) = error.span {
        assert!(text.get(span.clone()).is_some(), "{span:?} lies inside the text");
    }
}

#[test]
fn an_unknown_key_in_a_section() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
batchsize = 64
"#
        ),
        r#"grid.toml:7:1: unknown key "batchsize" in [train]
7 | batchsize = 64
  | ^^^^^^^^^
help: did you mean "batch_size"? [train] has epochs, batch_size and learning_rate"#,
    );
}

#[test]
fn a_key_of_another_section() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[model]
epochs = 3
"#
        ),
        r#"grid.toml:7:1: unknown key "epochs" in [model]
7 | epochs = 3
  | ^^^^^^
help: epochs belongs in [train]; [model] has beta, alpha, c, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, pca, ae, beta-vae and beta-vsc"#,
    );
}

#[test]
fn another_word_for_a_key() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
lr = 1e-3
"#
        ),
        r#"grid.toml:7:1: unknown key "lr" in [train]
7 | lr = 1e-3
  | ^^
help: did you mean "learning_rate"? [train] has epochs, batch_size and learning_rate"#,
    );
}

#[test]
fn an_unknown_section() {
    assert_refused(
        r#"name = "x"
[dat]
path = "cells"
[grid]
model = "ae"
"#,
        r#"grid.toml:2:2: unknown key "dat" in the grid file
2 | [dat]
  |  ^^^
help: did you mean "data"? the grid file has name, data, grid, train, model, evaluation and override"#,
    );
}

#[test]
fn an_unknown_key_in_the_grid() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
latent_dims = [2, 6]
"#
        ),
        r#"grid.toml:6:1: unknown key "latent_dims" in [grid]
6 | latent_dims = [2, 6]
  | ^^^^^^^^^^^
help: did you mean "latent_dim"? [grid] has model, seed, zip, beta, alpha, c, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, epochs, batch_size, learning_rate, perplexity, tsne_iterations, kmeans_starts, clusters and nmi"#,
    );
}

#[test]
fn an_unknown_dotted_key() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
"train.epoch" = [10, 20]
"#
        ),
        r#"grid.toml:6:1: unknown key "train.epoch" in [grid]
6 | "train.epoch" = [10, 20]
  | ^^^^^^^^^^^^^
help: did you mean "train.epochs"? [grid] has model, seed, zip, beta, alpha, c, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, epochs, batch_size, learning_rate, perplexity, tsne_iterations, kmeans_starts, clusters and nmi"#,
    );
}

#[test]
fn an_unknown_nested_key() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
train.learning_rat = [1e-3, 1e-4]
"#
        ),
        r#"grid.toml:6:7: unknown key "train.learning_rat" in [grid]
6 | train.learning_rat = [1e-3, 1e-4]
  |       ^^^^^^^^^^^^
help: did you mean "train.learning_rate"? [grid] has model, seed, zip, beta, alpha, c, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, epochs, batch_size, learning_rate, perplexity, tsne_iterations, kmeans_starts, clusters and nmi"#,
    );
}

#[test]
fn an_unknown_model() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["ae", "beta-vea"]
"#
        ),
        r#"grid.toml:5:16: unknown model "beta-vea"
5 | model = ["ae", "beta-vea"]
  |                ^^^^^^^^^^
help: did you mean "beta-vae"? model is one of "pca", "ae", "beta-vae" or "beta-vsc""#,
    );
}

#[test]
fn a_model_by_a_short_name() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["vae"]
"#
        ),
        r#"grid.toml:5:10: unknown model "vae"
5 | model = ["vae"]
  |          ^^^^^
help: did you mean "beta-vae"? model is one of "pca", "ae", "beta-vae" or "beta-vsc""#,
    );
}

#[test]
fn a_model_twice() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["ae", "pca", "ae"]
"#
        ),
        r#"grid.toml:5:23: model "ae" is listed twice (first at 5:10)
5 | model = ["ae", "pca", "ae"]
  |                       ^^^^
help: remove one of them: equal trials are one trial"#,
    );
}

#[test]
fn no_model() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            "[grid]
seed = [0, 1]
"
        ),
        r#"grid.toml:4:2: [grid] has no model
4 | [grid]
  |  ^^^^
help: write model = ["ae", "beta-vae"]; model is one of "pca", "ae", "beta-vae" or "beta-vsc""#,
    );
}

#[test]
fn an_empty_list_of_models() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            "[grid]
model = []
"
        ),
        r#"grid.toml:5:9: model is an empty list
5 | model = []
  |         ^^
help: give at least one value; each is one of "pca", "ae", "beta-vae" or "beta-vsc""#,
    );
}

#[test]
fn the_models_in_the_wrong_place() {
    assert_refused(
        r#"name = "x"
model = ["ae"]
[data]
path = "cells"
[grid]
"#,
        r#"grid.toml:2:1: the models to compare stand in [grid]
2 | model = ["ae"]
  | ^^^^^
help: write model = ["ae", "beta-vae"] below [grid]; [model] holds values for the models"#,
    );
}

#[test]
fn no_grid() {
    assert_refused(
        HEAD,
        r#"grid.toml:1:1: the grid file has no section [grid]
help: write [grid] with model = ["ae", "beta-vae"]: the models to compare"#,
    );
}

#[test]
fn no_data() {
    assert_refused(
        r#"name = "x"
[grid]
model = "ae"
"#,
        r#"grid.toml:1:1: the grid file has no section [data]
help: write [data] with path = "…": the folder with the counts"#,
    );
}

#[test]
fn no_name() {
    assert_refused(
        r#"[data]
path = "cells"
[grid]
model = "ae"
"#,
        r#"grid.toml:1:1: the grid file has no name
help: write name = "my-sweep" at the top of the file"#,
    );
}

#[test]
fn a_name_that_is_no_folder() {
    assert_refused(
        r#"name = "my sweep/1"
[data]
path = "cells"
[grid]
model = "ae"
"#,
        r#"grid.toml:1:8: name = "my sweep/1" cannot name a sweep
1 | name = "my sweep/1"
  |        ^^^^^^^^^^^^
help: a name has 1 to 100 letters (a to z), digits, '-', '_' or '.', and starts with a letter or digit; for example "my-sweep-1""#,
    );
}

#[test]
fn no_path() {
    assert_refused(
        r#"name = "x"
[data]
labels = "l.csv"
[grid]
model = "ae"
"#,
        "grid.toml:2:2: [data] has no path
2 | [data]
  |  ^^^^
help: add path = … (10x directory with the counts)",
    );
}

#[test]
fn an_input_of_a_later_version() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
input = "scaled"
[grid]
model = "ae"
"#,
        r#"grid.toml:4:9: input = "scaled" is not available in this version
4 | input = "scaled"
  |         ^^^^^^^^
help: input must be "lognorm""#,
    );
}

#[test]
fn genes_of_a_later_version() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
genes = { hvg = 2000 }
[grid]
model = "ae"
"#,
        r#"grid.toml:4:11: hvg in [data.genes] is not available in this version
4 | genes = { hvg = 2000 }
  |           ^^^
help: use genes = "all": all genes that pass quality control"#,
    );
}

#[test]
fn labels_of_a_later_version() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells.h5ad"
labels = { obs = "cell_type" }
[grid]
model = "ae"
"#,
        r#"grid.toml:4:12: obs in [data.labels] is not available in this version
4 | labels = { obs = "cell_type" }
  |            ^^^
help: name a CSV: labels = { file = "labels.csv", column = "cell_type" }"#,
    );
}

#[test]
fn labels_without_their_column() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
labels = { file = "l.csv" }
[grid]
model = "ae"
"#,
        r#"grid.toml:4:10: [data.labels] has no column
4 | labels = { file = "l.csv" }
  |          ^^^^^^^^^^^^^^^^^^
help: add column = … (Its column of labels)"#,
    );
}

#[test]
fn quality_control_that_no_cell_passes() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
qc = { max_genes = 100 }
[grid]
model = "ae"
"#,
        "grid.toml:4:20: no cell has more than 200 and fewer than 100 genes
4 | qc = { max_genes = 100 }
  |                    ^^^
help: raise max_genes or lower min_genes",
    );
}

#[test]
fn a_negative_beta() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vae"
beta = [1.0, -2.0]
"#
        ),
        "grid.toml:6:14: beta must be a number >= 0, found -2.0
6 | beta = [1.0, -2.0]
  |              ^^^^",
    );
}

#[test]
fn an_alpha_that_is_no_probability() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vsc"
alpha = 1
"#
        ),
        "grid.toml:6:9: alpha must be a number > 0 and < 1, found 1
6 | alpha = 1
  |         ^",
    );
}

#[test]
fn a_gate_without_steepness() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vsc"
[model.beta-vsc]
c = 0
"#
        ),
        "grid.toml:7:5: c must be a number > 0, found 0
7 | c = 0
  |     ^",
    );
}

#[test]
fn a_learning_rate_of_zero() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
learning_rate = 0.0
"#
        ),
        "grid.toml:7:17: learning_rate must be a number > 0, found 0.0
7 | learning_rate = 0.0
  |                 ^^^",
    );
}

#[test]
fn a_number_that_is_not_finite() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vae"
beta = [1, inf]
"#
        ),
        "grid.toml:6:12: beta must be a number >= 0, found inf
6 | beta = [1, inf]
  |            ^^^
help: a number has to be finite",
    );
}

#[test]
fn no_epochs() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
epochs = 0
"#
        ),
        "grid.toml:7:10: epochs must be a whole number from 1 to 100000, found 0
7 | epochs = 0
  |          ^",
    );
}

#[test]
fn epochs_as_a_float() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
epochs = 2e2
"#
        ),
        "grid.toml:7:10: epochs must be a whole number from 1 to 100000, found 2e2
7 | epochs = 2e2
  |          ^^^
help: write it without a decimal point or exponent",
    );
}

#[test]
fn epochs_as_a_text() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
epochs = "200"
"#
        ),
        r#"grid.toml:7:10: epochs must be a whole number from 1 to 100000, found "200"
7 | epochs = "200"
  |          ^^^^^
help: write 200 without quotes"#,
    );
}

#[test]
fn a_list_outside_the_grid() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
epochs = [100, 200]
"#
        ),
        "grid.toml:7:10: epochs must be a whole number from 1 to 100000, found a list
7 | epochs = [100, 200]
  |          ^^^^^^^^^^
help: one value stands here; a list of values to try belongs in [grid]",
    );
}

#[test]
fn a_batch_of_nothing() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
batch_size = [0]
"#
        ),
        "grid.toml:6:15: batch_size must be a whole number from 1 to 65536, found 0
6 | batch_size = [0]
  |               ^",
    );
}

#[test]
fn too_many_latent_dimensions() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
latent_dim = [6, 2000]
"#
        ),
        "grid.toml:6:18: latent_dim must be a whole number from 1 to 1024, found 2000
6 | latent_dim = [6, 2000]
  |                  ^^^^",
    );
}

#[test]
fn an_empty_list() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vae"
beta = []
"#
        ),
        "grid.toml:6:8: beta is an empty list
6 | beta = []
  |        ^^
help: give at least one value; each is a number >= 0",
    );
}

#[test]
fn a_value_twice() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vae"
beta = [
  1,
  2,
  1.0,
]
"#
        ),
        "grid.toml:9:3: beta 1 is listed twice (first at 7:3)
9 |   1.0,
  |   ^^^
help: remove one of them: equal trials are one trial",
    );
}

#[test]
fn a_seed_twice() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
seed = [3, 4, 3]
"#
        ),
        "grid.toml:6:15: seed 3 is listed twice (first at 6:9)
6 | seed = [3, 4, 3]
  |               ^
help: remove one of them: equal trials are one trial",
    );
}

#[test]
fn a_negative_seed() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
seed = -1
"#
        ),
        "grid.toml:6:8: seed must be a whole number >= 0 and < 2^63, found -1
6 | seed = -1
  |        ^^",
    );
}

#[test]
fn seeds_without_a_count() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
seed = { start = 5 }
"#
        ),
        "grid.toml:6:8: seed has no count
6 | seed = { start = 5 }
  |        ^^^^^^^^^^^^^
help: add count = … (How many, counting up)",
    );
}

#[test]
fn a_layer_without_width() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[model]
encoder = [128, 0]
"#
        ),
        "grid.toml:7:17: a layer width of encoder must be a whole number from 1 to 65536, found 0
7 | encoder = [128, 0]
  |                 ^",
    );
}

#[test]
fn a_key_that_no_chosen_model_has() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["ae", "pca"]
beta = [1, 2]
"#
        ),
        "grid.toml:6:1: no model of this grid has beta
6 | beta = [1, 2]
  | ^^^^
help: beta belongs to beta-vae and beta-vsc; add such a model, or remove beta",
    );
}

#[test]
fn a_key_that_every_model_says_itself() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vae"
beta = [1, 2]
[model.beta-vae]
beta = 4
"#
        ),
        "grid.toml:6:1: beta in [grid] has no effect: each model that has it says its own value
6 | beta = [1, 2]
  | ^^^^
help: remove it, or remove beta from the tables of single models",
    );
}

#[test]
fn a_key_of_another_model() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[model.ae]
alpha = 0.5
"#
        ),
        "grid.toml:7:1: ae has no alpha
7 | alpha = 0.5
  | ^^^^^
help: alpha belongs to beta-vsc",
    );
}

#[test]
fn a_word_of_another_model() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["beta-vae", "beta-vsc"]
encode = ["mean", "mu"]
"#
        ),
        r#"grid.toml:6:19: beta-vae has no encode = "mu"
6 | encode = ["mean", "mu"]
  |                   ^^^^
help: for beta-vae, encode is "mean" or "sample"; "model.beta-vsc.encode" speaks of beta-vsc alone"#,
    );
}

#[test]
fn a_value_said_twice() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
epochs = [10, 20]
[train]
epochs = 200
"#
        ),
        "grid.toml:8:1: epochs is set here and in [grid] (there at 6:1)
8 | epochs = 200
  | ^^^^^^
help: say each value in one place; [[override]] changes it for some grid points",
    );
}

#[test]
fn a_key_under_two_names() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
epochs = 10
"train.epochs" = 20
"#
        ),
        r#"grid.toml:7:1: epochs stands in [grid] twice (first at 6:1)
7 | "train.epochs" = 20
  | ^^^^^^^^^^^^^^
help: keep one of them"#,
    );
}

#[test]
fn zipped_lists_of_unequal_length() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vsc"
beta = [1, 2, 4]
alpha = [0.1, 0.5]
zip = [["beta", "alpha"]]
"#
        ),
        r#"grid.toml:8:8: zipped keys need lists of equal length
8 | zip = [["beta", "alpha"]]
  |        ^^^^^^^^^^^^^^^^^
help: beta has 3, alpha has 2"#,
    );
}

#[test]
fn zip_of_a_key_that_is_not_there() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vsc"
beta = [1, 2]
zip = [["beta", "alpha"]]
"#
        ),
        r#"grid.toml:7:17: zip names alpha, which is not in [grid]
7 | zip = [["beta", "alpha"]]
  |                 ^^^^^^^
help: give alpha a list of values in [grid]"#,
    );
}

#[test]
fn zip_without_groups() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vsc"
beta = [1, 2]
zip = ["beta", "alpha"]
"#
        ),
        r#"grid.toml:7:8: zip must be a list of groups of keys, found "beta"
7 | zip = ["beta", "alpha"]
  |        ^^^^^^
help: for example zip = [["beta", "alpha"]]"#,
    );
}

#[test]
fn an_override_that_matches_nothing() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[[override]]
match = { model = "beta-vae" }
set = { epochs = 3 }
"#
        ),
        r#"grid.toml:7:1: this override matches no point of the grid
7 | match = { model = "beta-vae" }
  | ^^^^^
help: match compares with the values that [grid], the sections and the defaults give"#,
    );
}

#[test]
fn an_override_of_a_key_that_is_not_there() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["ae", "beta-vae"]
[[override]]
match = { model = "ae" }
set = { beta = 3 }
"#
        ),
        "grid.toml:8:9: no matched model has beta
8 | set = { beta = 3 }
  |         ^^^^
help: beta belongs to beta-vae and beta-vsc",
    );
}

#[test]
fn an_override_without_a_match() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[[override]]
set = { epochs = 3 }
"#
        ),
        r#"grid.toml:6:1: [[override]] has no match
6 | [[override]]
  | ^^^^^^^^^^^^
help: for example match = { model = "ae" } and set = { "train.epochs" = 300 }"#,
    );
}

#[test]
fn an_override_in_single_brackets() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[override]
match = { model = "ae" }
set = { epochs = 3 }
"#
        ),
        "grid.toml:6:2: override must be [[override]], found a table
6 | [override]
  |  ^^^^^^^^
help: write the name in double brackets: each [[override]] is one of a list",
    );
}

#[test]
fn too_many_trials() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = ["beta-vae", "beta-vsc"]
beta = [1, 2, 3]
seed = { count = 20000 }
"#
        ),
        "grid.toml:4:2: the grid has 120000 trials; a sweep has at most 100000
4 | [grid]
  |  ^^^^
help: give some keys or seeds fewer values, or couple keys with zip",
    );
}

#[test]
fn too_many_seeds() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
seed = { count = 100001 }
"#
        ),
        "grid.toml:6:18: count must be a whole number from 1 to 100000, found 100001
6 | seed = { count = 100001 }
  |                  ^^^^^^",
    );
}

#[test]
fn a_text_without_quotes() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            "[grid]
model = ae
"
        ),
        "grid.toml:5:9: string values must be quoted, expected literal string
5 | model = ae
  |         ^^
help: a text stands in double quotes, items of a list are separated by commas",
    );
}

#[test]
fn a_section_twice() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "ae"
[train]
epochs = 3
[train]
batch_size = 3
"#
        ),
        "grid.toml:8:2: duplicate key
8 | [train]
  |  ^^^^^
help: each key and each [section] stands in the file once",
    );
}

#[test]
fn a_dotted_name_without_quotes() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "beta-vsc"
model.beta-vsc.alpha = [0.1, 0.5]
"#
        ),
        r#"grid.toml:6:1: cannot extend value of type string with a dotted key
6 | model.beta-vsc.alpha = [0.1, 0.5]
  | ^^^^^
help: write a dotted name in quotes: "model.beta-vsc.alpha" = 0.5"#,
    );
}
