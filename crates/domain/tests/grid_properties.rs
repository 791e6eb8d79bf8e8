//! What holds for every text: no panic, one answer, no trial twice, a name of its own for every config.

use std::collections::HashSet;

use domain::Fingerprint;
use domain::grid::parse;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A file that uses every part of the format.
const EVERYTHING: &str = r#"name = "all-of-it"
[data]
path = "cells"
labels = { file = "l.csv", column = "type" }
genes = "all"
qc = { min_cells = 1, max_mito_percent = 5.0 }
[grid]
model = ["pca", "ae", "beta-vae", "beta-vsc"]
beta = [0.5, 1, 2e0]
"model.beta-vsc.alpha" = [0.1, 0.2, 0.3]
train.learning_rate = [1e-3, 1e-4]
encoder = [[64, 8], [32]]
seed = { start = 1, count = 2 }
zip = [["beta", "model.beta-vsc.alpha"]]
[train]
epochs = 3
[model]
latent_dim = 2
[model.beta-vae]
encode = "sample"
[evaluation]
perplexity = 12
[[override]]
match = { model = ["ae", "beta-vae"], encoder = [32] }
set = { "train.epochs" = 5, evaluation.nmi = "geometric" }
"#;

/// Pieces that make a text look like a grid file.
const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "\"",
    "#",
    " ",
    "\t",
    "\u{feff}",
    "é",
    "\0",
    "\r\n",
    "-",
    "0",
    "1",
    "-1",
    "1e400",
    "inf",
    "nan",
    "9223372036854775808",
    "0x10",
    "true",
    "1979-05-27",
    "name",
    "data",
    "path",
    "grid",
    "model",
    "seed",
    "zip",
    "train",
    "override",
    "match",
    "set",
    "beta",
    "alpha",
    "epochs",
    "encoder",
    "\"ae\"",
    "\"pca\"",
    "\"beta-vae\"",
    "\"beta-vsc\"",
    "\"x\"",
    "[grid]\n",
    "[data]\n",
    "[model]\n",
    "[[override]]\n",
    "model.beta-vae",
    "count",
    "start",
    "= [1, 2]\n",
    "= 3\n",
    "{ count = 100000 }",
];

/// Checks what has to hold for `text`, whatever it is.
fn check(text: &str) -> Result<(), TestCaseError> {
    let answer = parse(text);
    prop_assert_eq!(&answer, &parse(text), "one text, one answer");
    match answer {
        Err(error) => {
            prop_assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty());
            if let Some(span) = &error.span {
                prop_assert!(span.start <= span.end && span.end <= text.len(), "{:?} in {:?}", span, text);
            }
            let rendered = error.render(text, "f");
            let place = format!("f:{}:{}: ", error.line, error.column);
            prop_assert!(rendered.starts_with(&place));
        }
        Ok(file) => {
            let plan = file.plan();
            let trials = plan.trials(&Fingerprint::from_bytes([1; 32]));
            prop_assert!(!trials.is_empty());
            let ids: HashSet<_> = trials.iter().map(|trial| trial.id).collect();
            prop_assert_eq!(ids.len(), trials.len(), "no trial twice");
            let configs = &plan.configs;
            let varying = domain::params::varying(configs);
            let labels: HashSet<String> = configs.iter().map(|config| config.label(&varying)).collect();
            prop_assert_eq!(labels.len(), configs.len(), "no two configs with one label");
            prop_assert_eq!(plan.folded + trials.len() as u64, plan.grid_points());
        }
    }
    Ok(())
}

#[test]
fn the_file_of_everything_is_good() {
    let plan = parse(EVERYTHING).unwrap_or_else(|error| panic!("{}", error.render(EVERYTHING, "f"))).plan();
    // PCA 1; AE 2 rates × 2 encoders × 2 seeds; VAE also × 3 β; VSC × 3 pairs of β and α
    assert_eq!(plan.trials.len(), 1 + 8 + 24 + 24);
    check(EVERYTHING).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,200}") {
        check(&text)?;
    }

    #[test]
    fn pieces_of_a_grid_file_get_an_answer(pieces in prop::collection::vec(select(PIECES), 0..40)) {
        check(&pieces.concat())?;
    }

    #[test]
    fn a_good_file_with_changes_gets_an_answer(changes in prop::collection::vec((any::<Index>(), 0_usize..6, select(PIECES)), 1..4)) {
        let mut letters: Vec<char> = EVERYTHING.chars().collect();
        for (place, removed, added) in changes {
            let from = place.index(letters.len());
            let to = (from + removed).min(letters.len());
            letters.splice(from..to, added.chars());
        }
        check(&letters.into_iter().collect::<String>())?;
    }

    #[test]
    fn a_good_file_with_another_value_gets_an_answer(place in any::<Index>(), value in select(PIECES)) {
        let values: Vec<usize> = EVERYTHING.match_indices("= ").map(|(start, _)| start + 2).collect();
        let start = values[place.index(values.len())];
        let end = EVERYTHING[start..].find(['\n', ',', ' ']).map_or(EVERYTHING.len(), |length| start + length);
        check(&format!("{}{value}{}", &EVERYTHING[..start], &EVERYTHING[end..]))?;
    }

    #[test]
    fn any_lists_make_a_plan_of_their_product(betas in prop::collection::btree_set(0_u32..1000, 1..6), dims in prop::collection::btree_set(1_u32..1024, 1..6), seeds in prop::collection::btree_set(0_u64..=i64::MAX as u64, 1..6)) {
        let text = format!(
            "name = \"x\"\n[data]\npath = \"p\"\n[grid]\nmodel = [\"beta-vae\", \"ae\", \"pca\"]\nbeta = {betas:?}\nlatent_dim = {dims:?}\nseed = {seeds:?}\n"
        ).replace('{', "[").replace('}', "]");
        check(&text)?;
        let plan = parse(&text).unwrap().plan();
        prop_assert_eq!(plan.trials.len(), dims.len() * (seeds.len() * (betas.len() + 1) + 1));
    }
}
