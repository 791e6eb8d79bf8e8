//! The whole evaluation: what it returns when, and that odd input neither panics nor passes unnoticed.

use domain::EvaluationSpec;
use domain::embedding::Embedding;
use domain::metric::MetricName;
use eval::{Brake, Conduct, EvalError, Evaluation, EvaluationInput, evaluate};
use proptest::prelude::*;

fn spec(iterations: u32) -> EvaluationSpec {
    EvaluationSpec {
        perplexity: 8.0,
        tsne_iterations: iterations,
        kmeans_starts: 5,
        neighbours: 5,
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
    run_by(codes, n_cells, labels, spec, Conduct::plain())
}

fn run_by(
    codes: &[f32],
    n_cells: usize,
    labels: Option<(&[u16], usize)>,
    spec: &EvaluationSpec,
    conduct: Conduct<'_>,
) -> Result<Evaluation, EvalError> {
    evaluate(&EvaluationInput { codes, n_cells, dim: codes.len() / n_cells.max(1), labels, spec }, conduct)
}

fn value(evaluation: &Evaluation, name: MetricName) -> f64 {
    evaluation.metrics.iter().find(|metric| metric.name == name).expect("it is scored").value
}

fn names(evaluation: &Evaluation) -> Vec<&'static str> {
    evaluation.metrics.iter().map(|metric| metric.name.name()).collect()
}

#[test]
fn clear_groups_are_found_on_codes_and_map() {
    let (codes, labels) = three_groups();
    let found = run(&codes, 30, Some((&labels, 3)), &spec(500)).unwrap();
    assert_eq!(found.metrics.len(), 22);
    let is_agreement =
        |name: &str| name.contains("kmeans") || name.contains("leiden") || name.contains("knn");
    for metric in found.metrics.iter().filter(|metric| is_agreement(metric.name.name())) {
        let expected = match metric.name {
            MetricName::LatentLeidenResolution => 0.2,
            MetricName::LatentLeidenClusters => 3.0,
            _ => 1.0,
        };
        assert!((metric.value - expected).abs() < 1e-9, "{} is {}", metric.name, metric.value);
    }
    assert!(value(&found, MetricName::Tsne2dTrustworthiness) > 0.9);
    assert_eq!(found.embedding.latent_leiden, labels);
    assert_eq!(found.embedding.latent, codes);
    assert_eq!(found.embedding.latent_kmeans, labels);
    assert_eq!(found.embedding.tsne2d_kmeans, labels);
    assert_eq!(found.embedding.tsne2d_centroids.len(), 6);
    assert_eq!(found.embedding.tsne3d.len(), 90);
    assert_eq!(Embedding::decode(&found.embedding.encode()).unwrap(), found.embedding);
}

#[test]
fn equal_input_gives_equal_bits_on_one_thread_and_on_two() {
    let (codes, labels) = three_groups();
    let first = run(&codes, 30, Some((&labels, 3)), &spec(80)).unwrap();
    assert_eq!(first, run(&codes, 30, Some((&labels, 3)), &spec(80)).unwrap());
    let on_two = Conduct { has_second_core: true, ..Conduct::plain() };
    assert_eq!(first, run_by(&codes, 30, Some((&labels, 3)), &spec(80), on_two).unwrap());
}

/// Wherever it is when the brake is pulled. Without the stop, the maps alone would take hours.
#[test]
fn a_pulled_brake_ends_it() {
    let (codes, labels) = three_groups();
    let endless = EvaluationSpec { silhouette: true, ..spec(u32::MAX) };
    for has_second_core in [false, true] {
        for looks_granted in [0, 1, 5, 20, 100, 1000] {
            let mut looks = 0;
            let mut is_pulled = || {
                looks += 1;
                looks > looks_granted
            };
            let conduct = Conduct { brake: Brake::new(&mut is_pulled), has_second_core };
            let ended = run_by(&codes, 30, Some((&labels, 3)), &endless, conduct);
            assert_eq!(ended.unwrap_err(), EvalError::Stopped, "{looks_granted} {has_second_core}");
        }
    }
}

#[test]
fn the_silhouette_is_there_when_asked_for() {
    let (codes, labels) = three_groups();
    let found = run(&codes, 30, Some((&labels, 3)), &EvaluationSpec { silhouette: true, ..spec(0) }).unwrap();
    assert!(value(&found, MetricName::LatentSilhouette) > 0.9);
    let plain = run(&codes, 30, Some((&labels, 3)), &spec(0)).unwrap();
    assert!(!names(&plain).contains(&"latent_silhouette"));
}

/// The labels choose the resolution: other labels of the same codes, another resolution.
#[test]
fn the_resolution_is_the_one_that_fits_the_labels_best() {
    let codes: Vec<f32> = (0..120).map(|cell| cell as f32 + (cell % 7) as f32 * 0.01).collect();
    let resolution = |group: usize| {
        let labels: Vec<u16> = (0..120).map(|cell| (cell / group) as u16).collect();
        let found =
            run(&codes, 120, Some((&labels, 120 / group)), &EvaluationSpec { neighbours: 6, ..spec(0) });
        let found = found.unwrap();
        let clusters = value(&found, MetricName::LatentLeidenClusters);
        assert_eq!(clusters, f64::from(*found.embedding.latent_leiden.iter().max().unwrap()) + 1.0);
        (value(&found, MetricName::LatentLeidenResolution), clusters)
    };
    let (coarse, fine) = (resolution(40), resolution(12));
    assert!(coarse.0 < fine.0 && coarse.1 < fine.1, "{coarse:?} {fine:?}");
}

#[test]
fn without_labels_there_are_maps_and_with_clusters_partitions() {
    let (codes, _) = three_groups();
    let plain = run(&codes, 30, None, &spec(20)).unwrap();
    assert_eq!(names(&plain), ["tsne2d_kl_divergence", "tsne2d_trustworthiness", "tsne3d_kl_divergence"]);
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
    assert!(names(&found).iter().all(|name| name.starts_with("latent_")));
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
        let asked = EvaluationSpec { silhouette: true, ..spec(100) };
        let found = run(&codes, 30, Some((&labels, 3)), &asked).unwrap();
        assert_eq!(found.metrics.len(), 23);
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
        value(&found, MetricName::LatentKmeansNmi)
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
        let asked = EvaluationSpec { silhouette: true, ..spec(40) };
        let found = run(&codes[..n_cells * dim], n_cells, Some((&labels, 3)), &asked).unwrap();
        prop_assert!(found.metrics.iter().all(|metric| metric.value.is_finite()));
        prop_assert!(found.embedding.tsne2d.iter().all(|value| value.is_finite()));
    }
}
