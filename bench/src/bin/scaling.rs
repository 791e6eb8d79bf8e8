//! Does the cost of an epoch grow linearly? PBMC3k once and twice: twice the cells (each cell two times), twice the
//! genes and with them the non-zeros (each gene two times). A ratio of 2.00 is linear.
//!
//! `cargo run --release -p bench --bin scaling -- [--epochs 10] [--rounds 3] [--preset report|code]`
#![allow(clippy::print_stdout, reason = "a benchmark's product is what it prints")]

use bench::{median, option, trials};
use cells::CsrView;
use domain::{ModelKind, Preset};
use models::{Control, Engine, TrainOptions};

/// A matrix that owns its arrays.
struct Matrix {
    n_rows: usize,
    n_cols: usize,
    indptr: Vec<u64>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Matrix {
    fn view(&self) -> CsrView<'_> {
        CsrView {
            n_rows: self.n_rows,
            n_cols: self.n_cols,
            indptr: &self.indptr,
            indices: &self.indices,
            values: &self.values,
        }
    }
}

/// `matrix` with `cells` copies of each cell and `genes` copies of each gene.
fn repeated(matrix: CsrView<'_>, cells: usize, genes: usize) -> Matrix {
    let (mut indptr, mut indices, mut values) = (vec![0], vec![], vec![]);
    for row in (0..matrix.n_rows * cells).map(|row| row % matrix.n_rows) {
        let range = matrix.indptr[row] as usize..matrix.indptr[row + 1] as usize;
        for copy in 0..genes {
            let shift = (copy * matrix.n_cols) as u32;
            indices.extend(matrix.indices[range.clone()].iter().map(|gene| gene + shift));
            values.extend_from_slice(&matrix.values[range.clone()]);
        }
        indptr.push(indices.len() as u64);
    }
    Matrix { n_rows: matrix.n_rows * cells, n_cols: matrix.n_cols * genes, indptr, indices, values }
}

fn main() -> anyhow::Result<()> {
    models::limit_threads()?;
    models::keep_freed_memory();
    let epochs: u32 = option("epochs", 10)?;
    let rounds = bench::rounds(3)?;
    let preset = if option("preset", "report".to_owned())? == "code" { Preset::Code } else { Preset::Report };
    let data = bench::pbmc3k()?;
    let sizes = [("once", 1, 1), ("2 x cells", 2, 1), ("2 x genes", 1, 2)];
    let matrices: Vec<Matrix> =
        sizes.iter().map(|(_, cells, genes)| repeated(data.matrix(), *cells, *genes)).collect();
    let config = trials::config(ModelKind::BetaVae, preset, epochs);
    let options = TrainOptions { engine: Engine::Sparse, isa: None };
    let mut seconds = vec![Vec::new(); sizes.len()];
    for _ in 0..rounds {
        for (matrix, seconds) in matrices.iter().zip(&mut seconds) {
            let trained = models::train(&config, 0, matrix.view(), &options, &mut |_| Control::Continue)?;
            seconds.push(median(&trained.epochs.iter().map(|record| record.seconds).collect::<Vec<_>>()));
        }
    }
    println!("beta-vae, {preset:?} nets, one thread, {epochs} epochs, {rounds} rounds in turn");
    println!(
        "{:<10} {:>8} {:>8} {:>11} {:>10} {:>7}",
        "data", "cells", "genes", "non-zeros", "s/epoch", "ratio"
    );
    let base = median(&seconds[0]);
    for (((name, _, _), matrix), seconds) in sizes.iter().zip(&matrices).zip(&seconds) {
        let own = median(seconds);
        println!(
            "{name:<10} {:>8} {:>8} {:>11} {own:>10.4} {:>7.2}",
            matrix.n_rows,
            matrix.n_cols,
            matrix.values.len(),
            own / base
        );
    }
    Ok(())
}
