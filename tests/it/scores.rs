//! `coordinator evaluate`: the scores of a known embedding are scikit-learn's, and what cannot be scored is said.

use serde_json::Value;
use system_tests::product::workspace_root;
use system_tests::{Product, Scratch, process::run};

/// `tests/data/evaluate_reference.py`, scikit-learn 1.9. The tolerance is what a cell or two make: coordinates have three
/// decimals, so that some cells are equally far from a third, and k-means may end with one cell elsewhere.
const EXPECTED: &[(&str, &str, f64, f64)] = &[
    ("kmeans", "nmi", 0.776_237, 2e-3),
    ("kmeans", "ari", 0.660_805, 2e-3),
    ("kmeans", "ami", 0.774_781, 2e-3),
    ("kmeans", "homogeneity", 0.792_254, 2e-3),
    ("kmeans", "completeness", 0.760_855, 2e-3),
    ("knn", "purity", 0.889_563, 1e-4),
    ("knn", "balanced_accuracy", 0.936_308, 2e-3),
    ("", "silhouette", 0.347_949_9, 1e-6),
];

#[test]
fn an_embedding_of_elsewhere_gets_scikit_learns_scores() {
    let file = |name: &str| workspace_root().join(name).to_str().unwrap().to_owned();
    let (embedding, labels) = (file("examples/embedding.csv.gz"), file("data/pbmc3k/labels.csv"));
    let scratch = Scratch::new();
    let args = ["evaluate", "--embedding", &embedding, "--labels", &labels, "--tsne-iterations", "250"];
    let finished =
        run(&Product::get().coordinator, scratch.path(), &[&args[..], &["--format", "json"]].concat());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let found: Value = serde_json::from_str(&finished.stdout).expect("JSON alone on stdout");
    assert_eq!(
        (&found["schema"], &found["cells"], &found["dimensions"]),
        (&1.into(), &2638.into(), &6.into())
    );
    for (group, score, expected, tolerance) in EXPECTED {
        let value = if group.is_empty() { &found[*score] } else { &found[*group][*score] };
        let value = value.as_f64().unwrap_or_else(|| panic!("{group} {score} is there: {found:#}"));
        assert!((value - expected).abs() < *tolerance, "{group} {score} is {value}, not {expected}");
    }
    let resolution = found["leiden"]["resolution"].as_f64().unwrap();
    assert!((0.2..=2.0).contains(&resolution) && found["leiden"]["ari"].as_f64().unwrap() > 0.6, "{found:#}");
    let trust = found["tsne2d"]["trustworthiness"].as_f64().unwrap();
    assert!(
        (0.95..1.0).contains(&trust) && found["tsne2d_kmeans"]["nmi"].as_f64().unwrap() > 0.5,
        "{found:#}"
    );
    assert!(finished.stderr.contains("2638 cells of 6 dimensions, 9 labels"), "{}", finished.stderr);

    // The other formats say the same numbers.
    let quick = [&args[..6], &["0"]].concat();
    let csv = run(&Product::get().coordinator, scratch.path(), &[&quick[..], &["--format", "csv"]].concat());
    let purity = found["knn"]["purity"].as_f64().unwrap();
    assert!(csv.stdout.contains(&format!("latent_knn_purity,{purity}\n")), "{}", csv.stdout);
    for format in ["table", "md"] {
        let shown =
            run(&Product::get().coordinator, scratch.path(), &[&quick[..], &["--format", format]].concat());
        assert!(shown.stdout.contains(&format!("{purity:.4}")), "{}", shown.stdout);
    }
}

#[test]
fn an_embedding_that_does_not_fit_its_labels_is_refused() {
    let scratch = Scratch::new();
    let _ = scratch.write("e.csv", "cell,x\nA,1\nB,2\n");
    let _ = scratch.write("l.csv", "cell,label\nA-1,x\nB-1,y\n");
    let evaluate = |embedding: &str| {
        let args = ["evaluate", "--embedding", embedding, "--labels", "l.csv"];
        run(&Product::get().coordinator, scratch.path(), &args)
    };
    let finished = evaluate("e.csv");
    assert_eq!(finished.code, Some(78), "{}", finished.stderr);
    for words in ["l.csv", "2 of the 2 cells", "A, B", "A-1"] {
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    let _ = scratch.write("broken.csv", "cell,x\nA-1,1\nB-1,many\n");
    let finished = evaluate("broken.csv");
    assert!(
        finished.stderr.contains("broken.csv, line 3") && finished.stderr.contains("many"),
        "{}",
        finished.stderr
    );
    assert_eq!(evaluate("nowhere.csv").code, Some(78));
}
