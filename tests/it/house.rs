//! The house rules that a machine can check: who may import whom, and what may not be in the repository.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};
use system_tests::product::workspace_root;

/// What a package of the workspace may import, and which outside crates it must never see.
struct Rule {
    package: &'static str,
    may_import: &'static [&'static str],
    never: &'static [&'static str],
}

const CANDLE: &[&str] = &["candle-core", "candle-nn"];
const NETWORK: &[&str] = &["tokio", "tonic"];
const DATABASE: &[&str] = &["sqlx"];

/// The table of ARCHITECTURE.md.
const RULES: &[Rule] = &[
    Rule { package: "domain", may_import: &[], never: &["tokio", "tonic", "sqlx", "candle-core", "rand"] },
    Rule { package: "sweep-proto", may_import: &["domain"], never: &["sqlx", "candle-core"] },
    Rule {
        package: "sweep-engine",
        may_import: &["domain"],
        never: &["tokio", "tonic", "sqlx", "rand", "jiff", "uuid", "candle-core"],
    },
    Rule { package: "cells", may_import: &["domain"], never: &["candle-core", "tokio", "tonic", "sqlx"] },
    Rule { package: "eval", may_import: &["domain"], never: &["candle-core", "tokio", "tonic", "sqlx"] },
    Rule { package: "kernels", may_import: &[], never: &["candle-core", "tokio", "tonic", "sqlx", "rand"] },
    Rule { package: "stats", may_import: &[], never: &["candle-core", "tokio", "tonic", "sqlx", "rand"] },
    Rule {
        package: "models",
        may_import: &["domain", "cells", "kernels"],
        never: &["tokio", "tonic", "sqlx"],
    },
    Rule {
        package: "worker",
        may_import: &["domain", "sweep-proto", "cells", "models", "eval"],
        never: &["sqlx", "candle-core", "candle-nn"],
    },
    Rule {
        package: "coordinator",
        may_import: &["domain", "sweep-proto", "sweep-engine", "stats", "cells", "eval", "worker"],
        never: &["candle-core", "candle-nn"],
    },
];

fn metadata() -> cargo_metadata::Metadata {
    MetadataCommand::new()
        .manifest_path(workspace_root().join("Cargo.toml"))
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo metadata works")
}

#[test]
fn nothing_points_up() {
    let metadata = metadata();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let rules: BTreeMap<&str, &Rule> = RULES.iter().map(|rule| (rule.package, rule)).collect();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        if package.name.as_str() == "system-tests" || package.name.as_str() == "bench" {
            continue; // may import everything
        }
        let Some(rule) = rules.get(package.name.as_str()) else {
            faults.push(format!("{} has no rule in this table", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dep| dep.kind == DependencyKind::Normal) {
            let name = dependency.name.as_str();
            if ours.contains(name) && !rule.may_import.contains(&name) {
                faults.push(format!("{} must not import {name}", package.name));
            }
            if rule.never.contains(&name) {
                faults.push(format!("{} must never see {name}", package.name));
            }
            if package.name.as_str() == "coordinator" && name == "worker" && !dependency.optional {
                faults.push("coordinator imports worker without the feature local-workers".to_owned());
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(rules.len(), RULES.len(), "a package stands twice in the table");
}

#[test]
fn only_models_and_what_stands_on_it_reach_candle() {
    // Not only direct imports: nothing below may pull candle, an async runtime or a database in behind our back.
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("metadata has a graph");
    let name_of: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let normal_edges: BTreeMap<_, Vec<_>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let is_normal = |dep: &&cargo_metadata::NodeDep| {
                dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            };
            (&node.id, node.deps.iter().filter(is_normal).map(|dep| &dep.pkg).collect())
        })
        .collect();
    for (package, banned) in [
        ("domain", [CANDLE, NETWORK, DATABASE].concat()),
        ("sweep-engine", [CANDLE, NETWORK, DATABASE].concat()),
        ("cells", [CANDLE, NETWORK, DATABASE].concat()),
        ("eval", [CANDLE, NETWORK, DATABASE].concat()),
        ("kernels", [CANDLE, NETWORK, DATABASE].concat()),
        ("stats", [CANDLE, NETWORK, DATABASE].concat()),
        ("models", [NETWORK, DATABASE].concat()),
        ("worker", DATABASE.to_vec()),
    ] {
        let start = metadata.packages.iter().find(|candidate| candidate.name.as_str() == package);
        let mut open = vec![&start.expect("a workspace package").id];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(normal_edges[id].iter().copied());
            }
        }
        let reached: BTreeSet<&str> = seen.iter().map(|id| name_of[*id]).collect();
        for name in banned {
            assert!(!reached.contains(name), "{package} reaches {name}");
        }
    }
}

/// Every file that the repository tracks or would track.
fn source_files() -> Vec<std::path::PathBuf> {
    let listing = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace_root())
        .output()
        .expect("git is there");
    let names = String::from_utf8(listing.stdout).expect("names are UTF-8");
    names.lines().map(|name| workspace_root().join(name)).filter(|path| path.is_file()).collect()
}

#[test]
fn every_rust_file_opens_with_what_lives_there() {
    let mut faults = Vec::new();
    for path in source_files().iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs")) {
        let text = std::fs::read_to_string(path).expect("source is UTF-8");
        if !text.starts_with("//!") {
            faults.push(format!("{} does not open with a `//!` line", path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_file_grows_into_a_hall() {
    let mut faults = Vec::new();
    for path in source_files().iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs")) {
        let lines = std::fs::read_to_string(path).expect("source is UTF-8").lines().count();
        if lines > 600 {
            faults.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert!(faults.is_empty(), "split by meaning: {faults:#?}");
}
