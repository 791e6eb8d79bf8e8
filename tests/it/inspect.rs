//! `coordinator inspect`: the same counts in another file give the same numbers, and what a sweep would refuse is said.

use serde_json::Value;
use system_tests::product::workspace_root;
use system_tests::{Finished, Scratch};

use crate::sweeps::coordinator;

const KEEP_ALL: &str = "qc = { min_cells = 0, min_genes = 0, max_genes = 100000, max_mito_percent = 100.0 }";

/// A scratch folder with the small files of counts, and a grid file for each.
fn scene() -> Scratch {
    let scratch = Scratch::new();
    let files = workspace_root().join("crates/cells/tests/golden/files");
    for entry in std::fs::read_dir(files).unwrap().flatten() {
        std::fs::copy(entry.path(), scratch.join(entry.file_name().to_str().unwrap())).unwrap();
    }
    scratch
}

fn inspect(scratch: &Scratch, data: &str, more: &[&str]) -> Finished {
    let grid = format!("name = \"x\"\n[data]\n{data}\n{KEEP_ALL}\n[grid]\nmodel = \"pca\"\n");
    scratch.write("grid.toml", &grid);
    coordinator(scratch, &[&["inspect", "grid.toml"], more].concat())
}

#[test]
fn h5ad_10x_and_csv_of_the_same_counts_say_the_same_numbers() {
    let scratch = scene();
    let numbers = |name: &str| {
        let finished = inspect(&scratch, &format!("path = \"{name}\""), &["--format", "json"]).expect_code(0);
        let facts: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(facts["schema"], 1);
        let outer =
            ["cells", "genes", "nnz", "total_counts", "mitochondrial_genes"].map(|key| facts[key].clone());
        let inner = ["cells", "genes", "nnz", "cells_dropped"].map(|key| facts["after_qc"][key].clone());
        (outer, inner)
    };
    let first = numbers("csr.h5ad.gz");
    assert_eq!((first.0[0].as_u64(), first.0[1].as_u64()), (Some(24), Some(30)));
    for name in
        ["dense.h5ad.gz", "tenx_v2.h5", "tenx_v3.h5.gz", "genes_by_cells.csv.gz", "cells_by_genes.csv.gz"]
    {
        assert_eq!(numbers(name), first, "{name}");
    }
}

#[test]
fn people_see_what_the_file_offers() {
    let scratch = scene();
    let words = inspect(
        &scratch,
        "path = \"layers.h5ad.gz\"\nlayer = \"counts\"\nlabels = { obs = \"cell_type\" }",
        &[],
    );
    let words = words.expect_code(0).stdout;
    for part in [
        "24 cells × 30 genes",
        "raw/X (counts), layers/counts (counts), layers/scaled",
        "obs/cell_type: ",
        "B 6",
    ] {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
    // Seurat's thresholds leave nothing of so few genes: a fact, not a failure.
    let words = coordinator(&scratch, &["inspect", "csr.h5ad.gz"]).expect_code(0).stdout;
    assert!(words.contains("nothing: quality control left no"), "{words}");
}

#[test]
fn what_can_not_be_read_ends_with_the_key_that_helps() {
    let scratch = scene();
    let finished = coordinator(&scratch, &["inspect", "layers.h5ad.gz"]).expect_code(78);
    assert!(finished.stderr.contains("layer = \"raw/X\""), "{}", finished.stderr);
    let _ = coordinator(&scratch, &["inspect", "layers.h5ad.gz", "--layer", "counts"]).expect_code(0);
    let finished = coordinator(&scratch, &["inspect", "nowhere.h5ad"]).expect_code(78);
    assert!(finished.stderr.contains("nowhere.h5ad"), "{}", finished.stderr);
}

#[test]
fn a_sweep_runs_on_an_h5ad_and_refuses_keys_of_another_kind_of_file() {
    let scratch = scene();
    let grid = |data: &str| {
        format!(
            "name = \"h5ad\"\n[data]\n{data}\n{KEEP_ALL}\n[grid]\nmodel = \"pca\"\n[evaluation]\ntsne_iterations = 0\n\
             kmeans_starts = 2\n[model]\nlatent_dim = 2\n"
        )
    };
    scratch.write("grid.toml", &grid("path = \"csr.h5ad.gz\"\nlabels = { obs = \"cell_type\" }"));
    let _ = coordinator(&scratch, &["sweep", "grid.toml"]).expect_code(0);
    scratch.write("grid.toml", &grid("path = \"tenx_v2.h5\"\nlayer = \"counts\""));
    let refused = coordinator(&scratch, &["sweep", "grid.toml"]).expect_code(78);
    assert!(refused.stderr.contains("[data] layer"), "{}", refused.stderr);
    scratch.write("grid.toml", &grid("path = \"genes_by_cells.csv.gz\"\nlayer = \"counts\""));
    let refused = coordinator(&scratch, &["sweep", "grid.toml"]).expect_code(78);
    assert!(
        refused.stderr.contains("grid.toml:4:9") && refused.stderr.contains("remove layer"),
        "{}",
        refused.stderr
    );
}
