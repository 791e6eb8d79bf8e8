//! Evaluates codes from a file and prints how long each part took: for comparing with other implementations.
//!
//!     evaluate_codes CODES.f32 CELLS DIM [ITERATIONS=1000] [MAPS_OUT_PREFIX]
//!
//! The file holds CELLS × DIM little-endian f32, row-major. With a prefix, the maps go to PREFIX2d.f32 and PREFIX3d.f32.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a stopwatch for people")]

use std::error::Error;
use std::time::Instant;

use eval::chance::{Chance, Purpose};
use eval::kmeans::kmeans;
use eval::leiden::{NeighbourGraph, RESOLUTIONS};
use eval::nearby::nearby_labels;
use eval::neighbours::Neighbours;
use eval::silhouette::silhouette;
use eval::trustworthiness::trustworthiness;
use eval::tsne::{Cartographer, Map, MapSettings};
use eval::{Brake, Points};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, cells, dim, rest @ ..] = arguments.as_slice() else {
        return Err("usage: evaluate_codes CODES.f32 CELLS DIM [ITERATIONS] [MAPS_OUT_PREFIX]".into());
    };
    let iterations = rest.first().map_or(Ok(1000), |text| text.parse())?;
    let bytes = std::fs::read(file)?;
    let codes: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    let codes = Points::new(&codes, cells.parse()?, dim.parse()?)?;
    let settings = MapSettings { perplexity: 40.0, iterations };

    let scaled = codes.to_unit_scale();
    let scaled = Points::new(&scaled, codes.count(), codes.dim())?;
    let neighbours = timed("neighbours", || {
        Neighbours::exact(&scaled, settings.reach(codes.count()), &mut Brake::none())
    })?;
    let cartographer = timed("affinities", || {
        Cartographer::of_neighbours(&scaled, &neighbours, settings, &mut Brake::none())
    })?;
    let cartographer = cartographer.ok_or("too few cells")?;
    let flat = timed("2-D map", || cartographer.map_2d(&mut Brake::none()))?;
    println!("2-D KL {:.6}", flat.kl_divergence);
    let deep = timed("3-D map", || cartographer.map_3d(&mut Brake::none()))?;
    println!("3-D KL {:.6}", deep.kl_divergence);
    if let Some(prefix) = rest.get(1) {
        save(&format!("{prefix}2d.f32"), &flat)?;
        save(&format!("{prefix}3d.f32"), &deep)?;
    }
    let on_map = Points::new(&flat.positions, codes.count(), 2)?;
    let mut labels = Vec::new();
    for (name, points) in [("k-means on the 2-D map", &on_map), ("k-means on the codes", &codes)] {
        let mut chance = Chance::new(Purpose::MapKmeans);
        let found = timed(name, || kmeans(points, 9, 100, &mut chance, &mut Brake::none()))?;
        println!("inertia {:.6}", found.inertia);
        labels = found.clusters;
    }
    let graph = timed("graph", || NeighbourGraph::new(&neighbours, 15))?;
    for resolution in RESOLUTIONS {
        let found = timed("Leiden", || graph.communities(resolution))?;
        let communities = found.iter().max().map_or(0, |last| last + 1);
        println!("{communities} at {resolution}, modularity {:.6}", graph.modularity(&found));
    }
    println!("{:?}", timed("labels nearby", || nearby_labels(&neighbours, 15, &labels, 9)));
    println!("{:?}", timed("silhouette", || silhouette(&codes, &labels, 9, &mut Brake::none()))?);
    let trust = timed("trustworthiness", || trustworthiness(&scaled, &on_map, 15, &mut Brake::none()))?;
    println!("{trust:?}");
    Ok(())
}

fn timed<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{name} {:.4} s", start.elapsed().as_secs_f64());
    result
}

fn save(path: &str, map: &Map) -> Result<(), Box<dyn Error>> {
    let bytes: Vec<u8> = map.positions.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(std::fs::write(path, bytes)?)
}
