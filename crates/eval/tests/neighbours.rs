//! Neighbour scores equal scikit-learn's, and Leiden reaches leidenalg's quality; `golden/neighbours.py` made the values.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use eval::leiden::NeighbourGraph;
use eval::nearby::nearby_labels;
use eval::neighbours::Neighbours;
use eval::silhouette::silhouette;
use eval::trustworthiness::trustworthiness;
use eval::{Brake, Points};
use serde_json::Value;

/// Counts and sums of f64 on both sides.
const TOLERANCE: f64 = 1e-9;

/// Leiden is a heuristic with chance in it: how far, in modularity, one run of ours may stay behind the best of ten of
/// leidenalg's. On the codes of a data set, runs of leidenalg differ by 0.017 among themselves.
const BEHIND: f64 = 0.01;

struct Case {
    name: String,
    points: Vec<f32>,
    map: Vec<f32>,
    labels: Vec<u16>,
    classes: usize,
    dim: usize,
    k: usize,
    values: Value,
}

impl Case {
    fn points(&self) -> Points<'_> {
        Points::new(&self.points, self.labels.len(), self.dim).unwrap()
    }

    fn neighbours(&self) -> Neighbours {
        Neighbours::exact(&self.points(), self.k, &mut Brake::none()).unwrap()
    }

    fn check(&self, name: &str, found: Option<f64>) {
        match (found, self.values[name].as_f64()) {
            (Some(found), Some(right)) => {
                assert!((found - right).abs() < TOLERANCE, "{}: {name} is {found}, not {right}", self.name)
            }
            (found, right) => assert_eq!(found, right, "{}: {name}", self.name),
        }
    }
}

fn whole(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn cases() -> Vec<Case> {
    let golden: Value = serde_json::from_str(include_str!("golden/neighbours.json")).unwrap();
    let floats = |value: &Value| -> Vec<f32> {
        value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
    };
    let to_case = |case: &Value| {
        let labels: Vec<u16> =
            case["labels"].as_array().unwrap().iter().map(|label| whole(label) as u16).collect();
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            points: floats(&case["points"]),
            map: floats(&case["map"]),
            classes: labels.iter().max().map_or(0, |&last| usize::from(last) + 1),
            labels,
            dim: whole(&case["dim"]),
            k: whole(&case["k"]),
            values: case.clone(),
        }
    };
    golden["cases"].as_array().unwrap().iter().map(to_case).collect()
}

#[test]
fn scores_equal_scikit_learns() {
    for case in cases() {
        let nearby = nearby_labels(&case.neighbours(), case.k, &case.labels, case.classes);
        case.check("purity", nearby.map(|nearby| nearby.purity));
        case.check("balanced_accuracy", nearby.map(|nearby| nearby.balanced_accuracy));
        let brake = &mut Brake::none();
        case.check("silhouette", silhouette(&case.points(), &case.labels, case.classes, brake).unwrap());
        let map = Points::new(&case.map, case.labels.len(), 2).unwrap();
        case.check("trustworthiness", trustworthiness(&case.points(), &map, case.k, brake).unwrap());
    }
}

/// What both maximise: modularity at the resolution, from its definition.
fn quality(neighbours: &Neighbours, clusters: &[u16], resolution: f64) -> (usize, f64) {
    let mut edges = std::collections::BTreeSet::new();
    for (point, others) in neighbours.indices.chunks_exact(neighbours.k).enumerate() {
        edges.extend(others.iter().map(|&other| (point.min(other as usize), point.max(other as usize))));
    }
    let mut degrees = vec![0.0; usize::from(*clusters.iter().max().unwrap()) + 1];
    let mut inside = 0.0;
    for &(a, b) in &edges {
        degrees[usize::from(clusters[a])] += 1.0;
        degrees[usize::from(clusters[b])] += 1.0;
        inside += f64::from(u8::from(clusters[a] == clusters[b]));
    }
    let count = edges.len() as f64;
    let expected: f64 = degrees.iter().map(|degree| (degree / (2.0 * count)).powi(2)).sum();
    (edges.len(), inside / count - resolution * expected)
}

#[test]
fn communities_are_as_good_as_leidenalgs() {
    for case in cases() {
        let neighbours = case.neighbours();
        let graph = NeighbourGraph::new(&neighbours, case.k).unwrap();
        assert_eq!(graph.edges(), whole(&case.values["edges"]), "{}", case.name);
        for runs in case.values["leiden"].as_array().unwrap() {
            let resolution = runs["resolution"].as_f64().unwrap();
            let communities = graph.communities(resolution).unwrap();
            let (edges, found) = quality(&neighbours, &communities, resolution);
            let best = runs["best"].as_f64().unwrap();
            assert_eq!(edges, graph.edges());
            assert!(
                found > best - BEHIND,
                "{} at {resolution}: {found}, leidenalg's best is {best}",
                case.name
            );
            if resolution == 1.0 {
                assert!((graph.modularity(&communities) - found).abs() < 1e-12);
            }
        }
    }
}
