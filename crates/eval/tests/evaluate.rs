//! The whole evaluation: what it returns when, and that odd input neither panics nor passes unnoticed.

use domain::EvaluationSpec;
use domain::embedding::Embedding;
use domain::metric::MetricName;
use eval::{EvalError, Evaluation, EvaluationInput, evaluate};
use proptest::prelude::*;

fn spec(iterations: u32) -> EvaluationSpec {
    EvaluationSpec {
        perplexity: 8.0,
        tsne_iterations: iterations,
        kmeans_starts: 5,
        ..EvaluationSpec::default()
    }
}

/// Three groups of ten cells, far apart along three axes; the numbers inside a group differ a little.
fn three_groups() -> (Vec<f32>, Vec<u16>) {
    let value = |cell: usize, axis: usize| {
        let within = ((cell * 7 + axis * 5) % 11) as f32 / 11.0;
        if cell / 10 == axis { 10.0 + within } else { within }
    };
    let codes = (0..30).flat_map(|cell| (0..3).map(move |axis| value(cell, axis))).collect();
    (codes, (0..30).map(|cell| cell / 10).collect())
}

fn run(
    codes: &[f32],
    n_cells: usize,
    labels: Option<(&[u16], usize)>,
    spec: &EvaluationSpec,
) -> Result<Evaluation, EvalError> {
    evaluate(&EvaluationInput { codes, n_cells, dim: codes.len() / n_cells.max(1), labels, spec })
}

fn names(evaluation: &Evaluation) -> Vec<&'static str> {
    evaluation.metrics.iter().map(|metric| metric.name.name()).collect()
}

#[test]
fn clear_groups_are_found_on_codes_and_map() {
    let (codes, labels) = three_groups();
    let found = run(&codes, 30, Some((&labels, 3)), &spec(500)).unwrap();
    assert_eq!(found.metrics.len(), 12);
    for metric in &found.metrics {
        if metric.name.name().contains("kmeans") {
            assert!((metric.value - 1.0).abs() < 1e-9, "{} is {}", metric.name, metric.value);
        }
    }
    assert_eq!(found.embedding.latent, codes);
    assert_eq!(found.embedding.latent_kmeans, labels);
    assert_eq!(found.embedding.tsne2d_kmeans, labels);
    assert_eq!(found.embedding.tsne2d_centroids.len(), 6);
    assert_eq!(found.embedding.tsne3d.len(), 90);
    assert_eq!(Embedding::decode(&found.embedding.encode()).unwrap(), found.embedding);
}

#[test]
fn equal_input_gives_equal_bits() {
    let (codes, labels) = three_groups();
    let first = run(&codes, 30, Some((&labels, 3)), &spec(80)).unwrap();
    assert_eq!(first, run(&codes, 30, Some((&labels, 3)), &spec(80)).unwrap());
}

#[test]
fn without_labels_there_are_maps_and_with_clusters_partitions() {
    let (codes, _) = three_groups();
    let plain = run(&codes, 30, None, &spec(20)).unwrap();
    assert_eq!(names(&plain), ["tsne2d_kl_divergence", "tsne3d_kl_divergence"]);
    assert!(plain.embedding.latent_kmeans.is_empty() && plain.embedding.tsne2d.len() == 60);
    let clustered = run(&codes, 30, None, &EvaluationSpec { clusters: Some(4), ..spec(20) }).unwrap();
    assert_eq!(names(&clustered), names(&plain));
    assert_eq!(clustered.embedding.tsne2d_centroids.len(), 8);
    assert_eq!(clustered.embedding.latent_kmeans.len(), 30);
}

#[test]
fn no_iterations_draw_no_maps() {
    let (codes, labels) = three_groups();
    let found = run(&codes, 30, Some((&labels, 3)), &spec(0)).unwrap();
    assert!(names(&found).iter().all(|name| name.starts_with("latent_kmeans_")));
    assert!(found.embedding.tsne2d.is_empty() && found.embedding.tsne3d.is_empty());
}

#[test]
fn a_handful_of_cells_is_enough_or_has_no_map() {
    for n_cells in 0..12 {
        let codes: Vec<f32> = (0..n_cells * 2).map(|index| (index * index % 7) as f32).collect();
        let labels = vec![0; n_cells];
        let found = run(&codes, n_cells, Some((&labels, 1)), &spec(60)).unwrap();
        let expected = if n_cells < 4 { 0 } else { n_cells };
        assert_eq!(found.embedding.tsne2d.len(), 2 * expected);
        assert_eq!(found.embedding.tsne3d.len(), 3 * expected);
        assert!(found.metrics.iter().all(|metric| metric.value.is_finite()));
    }
}

#[test]
fn collapsed_codes_still_have_finite_scores() {
    let (_, labels) = three_groups();
    for codes in [vec![0.0; 60], vec![f32::MAX; 60], [vec![1.0; 58], vec![f32::MIN, 3.0]].concat()] {
        let found = run(&codes, 30, Some((&labels, 3)), &spec(100)).unwrap();
        assert_eq!(found.metrics.len(), 12);
        assert!(found.metrics.iter().all(|metric| metric.value.is_finite()));
    }
}

#[test]
fn what_cannot_be_scored_is_refused_by_name() {
    let (mut codes, labels) = three_groups();
    let short = run(&codes, 30, Some((&labels[1..], 3)), &spec(0)).unwrap_err();
    assert_eq!(short, EvalError::LabelCount { first: 29, second: 30 });
    let unknown = run(&codes, 30, Some((&labels, 2)), &spec(0)).unwrap_err();
    assert_eq!(unknown, EvalError::UnknownClass { cell: 20, label: 2, classes: 2 });
    let perplexity = run(&codes, 30, None, &EvaluationSpec { perplexity: f64::NAN, ..spec(10) }).unwrap_err();
    assert!(matches!(perplexity, EvalError::Setting { name: "perplexity", .. }));
    codes[7] = f32::NAN;
    let not_finite = run(&codes, 30, None, &spec(10)).unwrap_err();
    assert_eq!(not_finite, EvalError::NotFinite { cell: 2, dimension: 1 });
}

#[test]
fn the_average_of_nmi_is_the_specs() {
    let (codes, mut labels) = three_groups();
    labels[..5].fill(2);
    let nmi = |nmi| {
        let found = run(&codes, 30, Some((&labels, 3)), &EvaluationSpec { nmi, ..spec(0) }).unwrap();
        found.metrics.iter().find(|metric| metric.name == MetricName::LatentKmeansNmi).unwrap().value
    };
    assert!(nmi(domain::config::NmiAverage::Geometric) > nmi(domain::config::NmiAverage::Arithmetic));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_finite_codes_have_finite_scores(
        codes in proptest::collection::vec(any::<f32>().prop_filter("finite", |value| value.is_finite()), 0..90),
        dim in 1usize..5,
    ) {
        let n_cells = codes.len() / dim;
        let labels: Vec<u16> = (0..n_cells).map(|cell| (cell % 3) as u16).collect();
        let found = run(&codes[..n_cells * dim], n_cells, Some((&labels, 3)), &spec(40)).unwrap();
        prop_assert!(found.metrics.iter().all(|metric| metric.value.is_finite()));
        prop_assert!(found.embedding.tsne2d.iter().all(|value| value.is_finite()));
    }
}
