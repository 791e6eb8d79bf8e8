//! Keys, sections and models that are not there, misspelt, missing or in the wrong place.

use crate::{HEAD, assert_refused};

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
help: did you mean "batch_size"? [train] has epochs, batch_size, learning_rate, adam_eps, weight_decay, validation_fraction, patience and min_delta"#,
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
help: epochs belongs in [train]; [model] has beta, beta_schedule, free_bits, alpha, c, c_start, c_schedule, lambda_schedule, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, dropout, pca, ae, beta-vae, beta-vsc, scvi, ldvae and dca"#,
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
help: did you mean "learning_rate"? [train] has epochs, batch_size, learning_rate, adam_eps, weight_decay, validation_fraction, patience and min_delta"#,
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
help: did you mean "data"? the grid file has name, preset, data, grid, train, model, evaluation and override"#,
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
help: did you mean "latent_dim"? [grid] has model, seed, zip, beta, beta_schedule, free_bits, alpha, c, c_start, c_schedule, lambda_schedule, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, dropout, epochs, batch_size, learning_rate, adam_eps, weight_decay, validation_fraction, patience, min_delta, perplexity, tsne_iterations, kmeans_starts, clusters, nmi, neighbours and silhouette"#,
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
help: did you mean "train.epochs"? [grid] has model, seed, zip, beta, beta_schedule, free_bits, alpha, c, c_start, c_schedule, lambda_schedule, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, dropout, epochs, batch_size, learning_rate, adam_eps, weight_decay, validation_fraction, patience, min_delta, perplexity, tsne_iterations, kmeans_starts, clusters, nmi, neighbours and silhouette"#,
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
help: did you mean "train.learning_rate"? [grid] has model, seed, zip, beta, beta_schedule, free_bits, alpha, c, c_start, c_schedule, lambda_schedule, gate, encode, latent_dim, preset, encoder, branch, decoder, first_activation, latent_activation, dropout, epochs, batch_size, learning_rate, adam_eps, weight_decay, validation_fraction, patience, min_delta, perplexity, tsne_iterations, kmeans_starts, clusters, nmi, neighbours and silhouette"#,
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
help: did you mean "beta-vae"? model is one of "pca", "ae", "beta-vae", "beta-vsc", "scvi", "ldvae" or "dca""#,
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
help: did you mean "beta-vae"? model is one of "pca", "ae", "beta-vae", "beta-vsc", "scvi", "ldvae" or "dca""#,
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
help: write model = ["ae", "beta-vae"]; model is one of "pca", "ae", "beta-vae", "beta-vsc", "scvi", "ldvae" or "dca""#,
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
help: give at least one value; each is one of "pca", "ae", "beta-vae", "beta-vsc", "scvi", "ldvae" or "dca""#,
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
help: add path = … (The counts: a 10x directory, .h5ad, 10x .h5, .csv or .tsv; files plain or .gz)",
    );
}

#[test]
fn an_input_that_there_is_not() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
input = "tpm"
[grid]
model = "ae"
"#,
        r#"grid.toml:4:9: unknown input "tpm"
4 | input = "tpm"
  |         ^^^^^
help: input is one of "lognorm", "scaled" or "counts""#,
    );
}

#[test]
fn a_number_of_variable_genes() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
genes = { hvg = 0 }
[grid]
model = "ae"
"#,
        r#"grid.toml:4:17: hvg must be a whole number from 1 to 4294967295, found 0
4 | genes = { hvg = 0 }
  |                 ^"#,
    );
}

#[test]
fn genes_without_their_number() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
genes = {}
[grid]
model = "ae"
"#,
        r#"grid.toml:4:9: [data.genes] has no hvg
4 | genes = {}
  |         ^^
help: add hvg = … (So many genes, the most variable ones by Seurat's vst)"#,
    );
}

#[test]
fn markers_without_clusters() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
labels = "labels.csv"
[data.markers]
B = ["MS4A1"]
[grid]
model = "ae"
"#,
        r#"grid.toml:5:7: markers name clusters, and there are none here
5 | [data.markers]
  |       ^^^^^^^
help: write labels = "cluster" in [data], or take [data.markers] out"#,
    );
}

#[test]
fn a_marker_that_is_no_list() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
labels = "cluster"
markers = { B = "MS4A1" }
[grid]
model = "ae"
"#,
        r#"grid.toml:5:17: "B" in [data.markers] must be a list of texts, found "MS4A1"
5 | markers = { B = "MS4A1" }
  |                 ^^^^^^^
help: write the list as ["IL7R", "CCR7"]"#,
    );
}

#[test]
fn markers_that_are_none() {
    assert_refused(
        r#"name = "x"
[data]
path = "cells"
labels = "cluster"
markers = {}
[grid]
model = "ae"
"#,
        r#"grid.toml:5:1: [data.markers] is empty
5 | markers = {}
  | ^^^^^^^
help: write at least one line, as "B" = ["MS4A1"], or leave the table out"#,
    );
}
