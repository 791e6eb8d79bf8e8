//! k-means and t-SNE reach what scikit-learn reaches; `golden/clusters_and_maps.py` made the values.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use eval::chance::{Chance, Purpose};
use eval::kmeans::kmeans;
use eval::tsne::{Cartographer, MapSettings};
use eval::{Brake, Points};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/clusters_and_maps.json")).unwrap()
}

fn floats(values: &Value) -> Vec<f32> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn whole(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn inertia_is_as_small_as_scikit_learns() {
    for case in golden()["clusterings"].as_array().unwrap() {
        let (values, dim) = (floats(&case["points"]), whole(&case["dim"]));
        let points = Points::new(&values, values.len() / dim, dim).unwrap();
        let mut chance = Chance::new(Purpose::LatentKmeans);
        let found = kmeans(&points, whole(&case["k"]), 100, &mut chance, &mut Brake::none()).unwrap();
        let expected = case["inertia"].as_f64().unwrap();
        assert!(found.inertia <= expected * 1.001, "{} instead of {expected}", found.inertia);
    }
}

#[test]
fn maps_fit_within_the_spread_of_scikit_learns() {
    for case in golden()["maps"].as_array().unwrap() {
        let (values, dim) = (floats(&case["points"]), whole(&case["dim"]));
        let points = Points::new(&values, values.len() / dim, dim).unwrap();
        let settings = MapSettings { perplexity: case["perplexity"].as_f64().unwrap(), iterations: 1000 };
        let cartographer = Cartographer::new(&points, settings, &mut Brake::none()).unwrap().unwrap();
        let (flat, deep) =
            (|| cartographer.map_2d(&mut Brake::none()), || cartographer.map_3d(&mut Brake::none()));
        let found = [flat().unwrap(), deep().unwrap()];
        for (found, name) in found.iter().zip(["divergences_2d", "divergences_3d"]) {
            let theirs = case[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
            let (worst, best) = (theirs.clone().fold(0.0, f64::max), theirs.fold(f64::INFINITY, f64::min));
            let ours = found.kl_divergence;
            assert!(
                ours <= worst && ours > 0.5 * best,
                "{name}: {ours}, scikit-learn's go from {best} to {worst}"
            );
        }
        assert_eq!(flat().unwrap(), found[0]);
        assert_eq!(deep().unwrap(), found[1]);
    }
}
