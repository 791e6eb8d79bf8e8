//! The study's numbers on its own data: PBMC3k, `report` nets, 200 epochs, three seeds, against PyTorch.
//!
//! Expected values: PyTorch 2.15 with the same nets, batch 256, β = 2, c = 50, α = 0.5, seeds 0 to 2, made by
//! `tests/data/pytorch_reference.py`; its scores (scikit-learn 1.9) are `tests/data/torch-reference.csv`.

use serde_json::Value;
use system_tests::Scratch;
use system_tests::product::workspace_root;

use crate::sweeps::{coordinator, leaderboard};

fn mean(board: &Value, model: &str, metric: &str) -> f64 {
    let rows = board["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["model"] == model).expect("the model has a row");
    row["metrics"][metric]["mean"].as_f64().expect("the metric has a mean")
}

/// Smallest and largest value of a column over all rows of the reference.
fn reference_range(column: &str) -> (f64, f64) {
    let text = std::fs::read_to_string(workspace_root().join("tests/data/torch-reference.csv")).unwrap();
    let mut lines = text.lines();
    let position =
        lines.next().unwrap().split(',').position(|name| name == column).expect("a column of the file");
    let values: Vec<f64> =
        lines.map(|line| line.split(',').nth(position).unwrap().parse().unwrap()).collect();
    (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max))
}

#[test]
fn losses_and_scores_lie_where_pytorchs_do() {
    let scratch = Scratch::new();
    let data = workspace_root().join("data/pbmc3k");
    scratch.write(
        "grid.toml",
        &format!(
            "name = \"anchors\"\n[data]\npath = {data:?}\nlabels = {:?}\n\
             [grid]\nmodel = [\"ae\", \"beta-vae\", \"beta-vsc\", \"pca\"]\nbeta = 2.0\nseed = {{ start = 0, count = 3 }}\n",
            data.join("labels.csv")
        ),
    );
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let board = leaderboard(&scratch, &[]);
    for (model, expected) in [("ae", 1758.0), ("beta-vae", 1771.0), ("beta-vsc", 1775.0)] {
        let found = mean(&board, model, "train_sse_per_cell");
        let distance = (found - expected).abs() / expected;
        assert!(distance < 0.01, "{model}: {found}, PyTorch {expected}");
    }
    // The exact answer for six linear dimensions.
    let pca = mean(&board, "pca", "sse_per_cell");
    assert!((pca - 1776.7).abs() < 0.1, "PCA-6: {pca}");

    // Scores: the mean over three seeds lies within the range that PyTorch's nine runs span, widened by a third of it
    // (nine runs do not show the whole spread).
    for metric in ["latent_kmeans_nmi", "latent_kmeans_ari", "tsne2d_kmeans_nmi", "tsne2d_kmeans_ari"] {
        let (low, high) = reference_range(metric);
        let margin = (high - low) / 3.0;
        for model in ["ae", "beta-vae", "beta-vsc"] {
            let found = mean(&board, model, metric);
            assert!(
                found > low - margin && found < high + margin,
                "{metric} of {model}: {found}, PyTorch {low} to {high}"
            );
        }
    }
}
