//! t-SNE of the codes of a trained autoencoder against scikit-learn and openTSNE, in turn: seconds for a 2-D and a 3-D
//! map, and how well each map fits, all judged by one judge on the same exact affinities. Ours runs on one thread, the
//! peers on all cores.
//!
//! `cargo run --release -p bench --bin tsne -- [--epochs 200] [--rounds 3] [--iterations 1000] [--dims 2]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use std::path::Path;

use anyhow::Context as _;
use bench::judge::{Judge, Verdict};
use bench::{median, option, peer, timed, trials};
use domain::{ModelKind, Preset};
use eval::tsne::{Cartographer, MapSettings};
use eval::{Brake, Points};
use models::{Control, Engine, TrainOptions};

/// Of every side.
const PERPLEXITY: f64 = 40.0;

/// Dimensions of a code.
const DIM: usize = 6;

/// One map: its seconds and its rows.
type Drawn = (f64, Vec<f64>);

fn main() -> anyhow::Result<()> {
    models::limit_threads()?;
    models::keep_freed_memory();
    let epochs: u32 = option("epochs", 200)?;
    let iterations: usize = option("iterations", 1000)?;
    let rounds = bench::rounds(3)?;
    let only: usize = option("dims", 0)?;
    anyhow::ensure!([0, 2, 3].contains(&only), "--dims is 2 or 3; without it both are drawn");
    let data = bench::pbmc3k()?;
    let config = trials::config(ModelKind::Ae, Preset::Report, epochs);
    let options = TrainOptions { engine: Engine::Sparse, isa: None };
    let codes = models::train(&config, 0, data.matrix(), &options, &mut |_| Control::Continue)?.latent;
    let judge = Judge::new(&codes.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(), DIM, PERPLEXITY);

    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("codes.csv"), csv(&codes)).context("writing the codes")?;
    println!(
        "t-SNE of {} codes of {DIM} dimensions (autoencoder, {epochs} epochs), perplexity {PERPLEXITY}, {iterations} steps, \
         {rounds} rounds in turn",
        data.n_cells()
    );
    println!(
        "seconds: median; KL and 15-neighbour preservation: of the last round's map, exact, over all pairs"
    );
    println!("{:<4} {:<14} {:>9} {:>8} {:>9} {:>10}", "map", "who", "seconds", "ratio", "KL", "preserved");
    for dims in [2, 3].into_iter().filter(|dims| only == 0 || *dims == only) {
        let mut sides: [(&str, Vec<f64>, Option<Verdict>); 3] =
            ["latentsweep", "scikit-learn", "openTSNE"].map(|name| (name, Vec::new(), None));
        for _ in 0..rounds {
            for (name, seconds, verdict) in &mut sides {
                let (took, map) = match *name {
                    "latentsweep" => draw(&codes, dims, iterations)?,
                    peer => drawn_by_peer(peer, folder.path(), dims, iterations)?,
                };
                seconds.push(took);
                *verdict = Some(judge.verdict(&map, dims));
            }
        }
        let ours = median(&sides[0].1);
        for (name, seconds, verdict) in &sides {
            let verdict = verdict.context("no round")?;
            println!(
                "{dims}-D  {name:<14} {:>9.3} {:>7.2}x {:>9.4} {:>10.4}",
                median(seconds),
                median(seconds) / ours,
                verdict.kl_divergence,
                verdict.preserved
            );
        }
    }
    Ok(())
}

/// Our map; the time counts neighbours and affinities, too, as the peers' does.
fn draw(codes: &[f32], dims: usize, iterations: usize) -> anyhow::Result<Drawn> {
    let (map, took) = timed(|| {
        let points = Points::new(codes, codes.len() / DIM, DIM)?;
        let settings = MapSettings { perplexity: PERPLEXITY, iterations };
        let cartographer =
            Cartographer::new(&points, settings, &mut Brake::none())?.context("too few cells for a map")?;
        let brake = &mut Brake::none();
        Ok(if dims == 2 { cartographer.map_2d(brake)? } else { cartographer.map_3d(brake)? })
    })?;
    Ok((took.as_secs_f64(), map.positions.iter().map(|&value| f64::from(value)).collect()))
}

fn drawn_by_peer(name: &str, folder: &Path, dims: usize, iterations: usize) -> anyhow::Result<Drawn> {
    let (codes, out) = (folder.join("codes.csv"), folder.join("map.csv"));
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a scratch path that is no text");
    let said = peer::finish(peer::start(
        "bench/peers/tsne.py",
        &[name, &path(&codes)?, &dims.to_string(), &path(&out)?, &iterations.to_string()],
    )?)?;
    let map = std::fs::read_to_string(&out).context("reading a peer's map")?;
    let values =
        map.split([',', '\n']).filter(|word| !word.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
    Ok((peer::number_before(&said, " s,")?, values))
}

fn csv(codes: &[f32]) -> String {
    // `{:?}` of an f32 reads back as the same f32.
    let line = |row: &[f32]| row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(",");
    codes.chunks_exact(DIM).map(line).collect::<Vec<_>>().join("\n")
}
