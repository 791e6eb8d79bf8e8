//! Values out of range, of the wrong type, or said twice in a list.

use crate::{HEAD, assert_refused};

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
