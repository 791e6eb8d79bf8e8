//! The agreement scores equal scikit-learn's to 1e-9; `golden/agreement.py` made the values.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::config::NmiAverage;
use eval::agreement::Contingency;
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn labelling(values: &Value) -> Vec<u16> {
    values.as_array().unwrap().iter().map(|value| u16::try_from(value.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn scores_equal_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("golden/agreement.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let table = Contingency::new(&labelling(&case["labels"]), &labelling(&case["clusters"])).unwrap();
        let scores = table.agreement(NmiAverage::Arithmetic);
        let found = [
            ("nmi_arithmetic", scores.nmi),
            ("nmi_geometric", table.nmi(NmiAverage::Geometric)),
            ("ari", scores.ari),
            ("ami", scores.ami),
            ("homogeneity", scores.homogeneity),
            ("completeness", scores.completeness),
        ];
        for (name, found) in found {
            let expected = case["scores"][name].as_f64().unwrap();
            assert!(
                (found - expected).abs() < TOLERANCE,
                "{}: {name} is {found}, not {expected}",
                case["name"]
            );
        }
    }
}
