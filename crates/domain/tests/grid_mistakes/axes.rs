//! Axes, zipped keys and overrides that do not fit together, and texts that are no TOML.

use crate::{HEAD, assert_refused};

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
help: beta belongs to beta-vae, beta-vsc, scvi and ldvae; add such a model, or remove beta",
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
help: beta belongs to beta-vae, beta-vsc, scvi and ldvae",
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

#[test]
fn a_model_of_counts_without_counts() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"[grid]
model = "scvi"
"#
        ),
        r#"grid.toml:5:9: scvi is a model of counts, and input is not "counts"
5 | model = "scvi"
  |         ^^^^^^
help: write input = "counts" in [data]"#,
    );
}

#[test]
fn a_model_of_values_with_counts() {
    assert_refused(
        &format!(
            "{HEAD}{}",
            r#"input = "counts"
[grid]
model = ["dca", "beta-vae"]
"#
        ),
        r#"grid.toml:6:17: beta-vae is no model of counts, and input is "counts"
6 | model = ["dca", "beta-vae"]
  |                 ^^^^^^^^^^
help: scvi, ldvae and dca are trained on counts; beta-vae is on input = "lognorm" or "scaled"; both kinds of models make two grid files, since their losses can't be compared"#,
    );
}
