//! The files in `examples/` that people start from: each is good, and asks for what its comments say.

use std::path::{Path, PathBuf};

use domain::grid::{parse, schema};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Name of each example with its trials and folded grid points.
const EXPECTED: &[(&str, usize, u64)] = &[
    ("counts.toml", 9, 0),
    ("quickstart.toml", 7, 1),
    ("study-as-published.toml", 16, 4),
    ("study.toml", 46, 34),
];

#[test]
fn every_example_is_good_and_has_its_trials() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let plan = parse(&text).unwrap_or_else(|error| panic!("{}", error.render(&text, &name))).plan();
            found.push((name, plan.trials.len(), plan.folded));
        }
    }
    found.sort();
    let found: Vec<(&str, usize, u64)> =
        found.iter().map(|(name, trials, folded)| (name.as_str(), *trials, *folded)).collect();
    assert_eq!(found, EXPECTED);
}

/// After a change of keys: `UPDATE_SCHEMA=1 cargo test -p domain --test examples`.
#[test]
fn the_published_schema_is_that_of_the_key_table() {
    let path = examples().join("grid.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&schema()).unwrap() + "\n").unwrap();
    }
    let published: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(published, schema());
}
