//! Tests, intervals and effect sizes equal SciPy's, mpmath's and R's; `golden/paired.py` and `golden/reference.R` made the values.

use serde_json::Value;
use stats::{
    WilcoxonMethod, bootstrap_mean, effect, friedman, holm, sign_flip, studentized_range_quantile,
    studentized_range_tail, summarise, wilcoxon_by,
};

const TOLERANCE: f64 = 1e-9;

fn scipy() -> Value {
    serde_json::from_str(include_str!("golden/paired.json")).expect("the golden file is JSON")
}

fn r() -> Value {
    serde_json::from_str(include_str!("golden/reference_r.json")).expect("the golden file is JSON")
}

fn floats(value: &Value) -> Vec<f64> {
    let items = value.as_array().expect("a list of numbers");
    items.iter().map(|item| item.as_f64().expect("a number")).collect()
}

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().expect("a list of rows").iter().map(floats).collect()
}

#[track_caller]
fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: no expected value"));
    assert!((found - expected).abs() <= TOLERANCE * (1.0 + expected.abs()), "{what}: {found} {expected}");
}

#[test]
fn paired_tests_equal_scipys() {
    let golden = scipy();
    let (mut exact_ties, mut sign_flips) = (0, 0);
    for case in golden["differences"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let values = floats(&case["values"]);
        if let Some(expected) = case.get("sign_flip") {
            close(sign_flip(&values, 0).unwrap().p, expected, name);
            sign_flips += 1;
        }
        let by = |method| wilcoxon_by(&values, method).unwrap();
        let expected = &case["wilcoxon"];
        close(by(WilcoxonMethod::Normal).p, &expected["normal"], name);
        close(by(WilcoxonMethod::NormalCorrected).p, &expected["normal_corrected"], name);
        let exact = by(WilcoxonMethod::Exact);
        close(exact.w_plus, &expected["w_plus"], name);
        close(exact.w_minus, &expected["w_minus"], name);
        if let Some(expected) = expected.get("exact") {
            close(exact.p, expected, name);
            exact_ties += usize::from(name.contains("ties"));
        }
    }
    assert!(exact_ties >= 3 && sign_flips >= 10);
}

#[test]
fn effect_sizes_equal_their_definition() {
    for case in scipy()["differences"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (found, expected) = (effect(&floats(&case["values"])), &case["effect"]);
        match found.d_z {
            Some(d_z) => close(d_z, &expected["d_z"], name),
            None => assert!(expected["d_z"].is_null(), "{name}"),
        }
        if let Some(g_z) = found.g_z {
            close(g_z, &expected["g_z"], name);
        }
    }
}

#[test]
fn bootstrap_intervals_equal_scipys() {
    let golden = scipy();
    let cases =
        golden["differences"].as_array().unwrap().iter().filter(|case| case.get("bootstrap").is_some());
    let mut count = 0;
    for case in cases {
        let (name, expected) = (case["name"].as_str().unwrap(), &case["bootstrap"]);
        let resamples = usize::try_from(expected["resamples"].as_u64().unwrap()).unwrap();
        let found =
            bootstrap_mean(&floats(&expected["values"]), resamples, expected["seed"].as_u64().unwrap())
                .unwrap();
        let bca = found.bca.unwrap();
        close(found.percentile.0, &expected["percentile"][0], name);
        close(found.percentile.1, &expected["percentile"][1], name);
        close(bca.0, &expected["bca"][0], name);
        close(bca.1, &expected["bca"][1], name);
        count += 1;
    }
    assert!(count >= 8);
}

#[test]
fn friedmans_test_equals_scipys_and_rs() {
    for case in scipy()["friedman"].as_array().unwrap() {
        let (name, expected) = (case["name"].as_str().unwrap(), &case["friedman"]);
        let found = friedman(&matrix(&case["rows"]), true).unwrap();
        close(found.chi_squared, &expected["chi"], name);
        close(found.p, &expected["p"], name);
        close(found.f, &expected["f"], name);
        close(found.f_p, &expected["f_p"], name);
        for (rank, expected) in found.mean_ranks.iter().zip(expected["ranks"].as_array().unwrap()) {
            close(*rank, expected, name);
        }
    }
    let golden = r();
    let found = friedman(&matrix(&golden["friedman"]["rows"]), false).unwrap();
    close(found.chi_squared, &golden["friedman"]["chi"], "R");
    close(found.p, &golden["friedman"]["p"], "R");
}

#[test]
fn the_studentized_range_equals_mpmaths_and_is_near_scipys_and_rs() {
    for case in scipy()["studentized_range"].as_array().unwrap() {
        let k = usize::try_from(case["k"].as_u64().unwrap()).unwrap();
        let q95 = studentized_range_quantile(0.95, k).unwrap();
        close(q95, &case["q95"], &format!("q95 of {k}"));
        close(
            studentized_range_tail(case["at"].as_f64().unwrap(), k),
            &case["tail"],
            &format!("tail of {k}"),
        );
        // SciPy's own integration errs by more than we do
        assert!((q95 - case["q95_scipy"].as_f64().unwrap()).abs() < 1e-6);
    }
    for case in r()["qtukey"].as_array().unwrap() {
        let k = usize::try_from(case["k"].as_u64().unwrap()).unwrap();
        for (probability, name) in [(0.95, "q95"), (0.9, "q90")] {
            let found = studentized_range_quantile(probability, k).unwrap();
            // R's qtukey stops at a step of 1e-4
            assert!((found - case[name].as_f64().unwrap()).abs() < 1e-3, "{k} {name}: {found}");
        }
    }
}

#[test]
fn holm_equals_rs() {
    for case in r()["holm"].as_array().unwrap() {
        for (found, expected) in holm(&floats(&case["p"])).into_iter().zip(case["holm"].as_array().unwrap()) {
            close(found, expected, "holm");
        }
    }
}

#[test]
fn many_pairs_with_ties_and_zeros_equal_rs_exact_tests() {
    for case in r()["pairs"].as_array().unwrap() {
        let (name, values) = (case["name"].as_str().unwrap(), floats(&case["values"]));
        let found = sign_flip(&values, 0).unwrap();
        assert!(found.exact);
        close(found.p, &case["sign_flip"], name);
        close(wilcoxon_by(&values, WilcoxonMethod::Exact).unwrap().p, &case["wilcoxon"], name);
        let summary = summarise(&values).unwrap();
        close(summary.mean, &case["mean"], name);
        close(summary.ci95.unwrap().0, &case["ci95"][0], name);
        close(summary.ci95.unwrap().1, &case["ci95"][1], name);
    }
}

/// Drawn patterns agree with counted ones: the same forty differences, whose p by the sums of whole numbers is known.
#[test]
fn drawn_patterns_come_near_the_exact_p() {
    let values: Vec<f64> = (0..40).map(|i| f64::from((i * 37) % 23) - 8.5).collect();
    let exact = p_by_sums(&values.iter().map(|value| (value * 2.0) as i64).collect::<Vec<_>>());
    for seed in 0..3 {
        let found = sign_flip(&values, seed).unwrap();
        let error = 4.0 * (exact * (1.0 - exact) / 1e5).sqrt();
        assert!(!found.exact && (found.p - exact).abs() < error, "{} {exact}", found.p);
    }
}

/// The exact p by counting how many sign patterns reach each sum.
fn p_by_sums(values: &[i64]) -> f64 {
    let mut chance = std::collections::BTreeMap::from([(0_i64, 1.0)]);
    for value in values {
        let mut next = std::collections::BTreeMap::new();
        for (sum, share) in chance {
            *next.entry(sum + value).or_insert(0.0) += share / 2.0;
            *next.entry(sum - value).or_insert(0.0) += share / 2.0;
        }
        chance = next;
    }
    let observed = values.iter().sum::<i64>().abs();
    chance.into_iter().filter(|(sum, _)| sum.abs() >= observed).map(|(_, share)| share).sum()
}
