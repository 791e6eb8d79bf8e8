//! Summaries equal SciPy's to nine digits; `golden/summary.py` made the values.

use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

#[test]
fn summaries_equal_scipys() {
    let golden: Value = serde_json::from_str(include_str!("golden/summary.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let values: Vec<f64> =
            case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let found = stats::summarise(&values).unwrap();
        let (low, high) = found.ci95.unwrap();
        assert_eq!(found.n, values.len());
        for (name, found) in [("mean", found.mean), ("sd", found.sd.unwrap()), ("low", low), ("high", high)] {
            let expected = case["summary"][name].as_f64().unwrap();
            let scale = case["summary"]["sd"].as_f64().unwrap().abs().max(expected.abs());
            assert!(
                (found - expected).abs() <= TOLERANCE * scale,
                "{}: {name} {found} {expected}",
                case["name"]
            );
        }
    }
}
