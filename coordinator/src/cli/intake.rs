//! From a grid file to a sweep that can be recorded: reads the text, reads and filters the data, and puts the data set
//! into the state folder.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cells::Dataset;
use domain::grid::{self, GridFile};

use super::screen::Names;
use crate::clock;
use crate::error::CliError;
use crate::rpc::{IntakeError, PreparedSweep, SubmittedGrid, SweepIntake};
use crate::store::records::{DatasetFacts, SweepRecord};

/// A grid file that was read and checked.
pub(super) struct ReadGrid {
    /// Its text.
    pub(super) text: String,
    /// What it asks for.
    pub(super) file: GridFile,
}

/// Reads and checks the grid file at `path`.
pub(super) fn read_grid(path: &Path) -> Result<ReadGrid, CliError> {
    let failed = |source| CliError::GridFile { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CliError::Grid(format!("{}: the file is not UTF-8 text", path.display())))?;
    let file = grid::parse(&text)
        .map_err(|mistake| CliError::Grid(mistake.render(&text, &path.display().to_string())))?;
    Ok(ReadGrid { text, file })
}

/// Makes the sweep of a grid file: its data set lies in `datasets` afterwards. Takes seconds: not for an async thread.
pub(super) fn prepare(grid: &ReadGrid, base_dir: &Path, datasets: &Path) -> Result<PreparedSweep, CliError> {
    let data = cells::prepare(&grid.file.data, base_dir)?;
    data.write_to_dir(datasets)?;
    let plan = grid.file.plan();
    let record = SweepRecord {
        name: grid.file.name.clone(),
        grid_toml: grid.text.clone(),
        dataset: facts(&grid.file.data.path, &data),
        created_ms: clock::wall_ms(),
        folded: plan.folded,
    };
    Ok(PreparedSweep { record, trials: plan.trials(&data.fingerprint()) })
}

fn facts(path: &str, data: &Dataset) -> DatasetFacts {
    let provenance = data.provenance();
    let (label_classes, label_counts) = data.labels().map_or_else(Default::default, |labels| {
        let mut counts = vec![0_u64; labels.classes.len()];
        for class in &labels.of_cell {
            if let Some(count) = counts.get_mut(usize::from(*class)) {
                *count += 1;
            }
        }
        (labels.classes.clone(), counts)
    });
    DatasetFacts {
        fingerprint: data.fingerprint(),
        path: path.to_owned(),
        cells: data.n_cells() as u64,
        genes: data.n_genes() as u64,
        input: provenance.choices.input,
        gene_choice: provenance.choices.genes,
        clustering: provenance.choices.clustering.as_ref().map(ToString::to_string),
        nonzeros: data.nnz() as u64,
        cells_read: provenance.cells_read,
        genes_read: provenance.genes_read,
        label_classes,
        label_counts,
    }
}

/// As [`prepare`], beside other work.
pub(super) async fn prepare_aside(grid: ReadGrid, datasets: PathBuf) -> Result<PreparedSweep, CliError> {
    let base_dir = std::env::current_dir()
        .map_err(|source| CliError::Process { action: "find the working directory", source })?;
    let work = tokio::task::spawn_blocking(move || prepare(&grid, &base_dir, &datasets));
    work.await.map_err(|error| CliError::Process {
        action: "read the data",
        source: std::io::Error::other(error),
    })?
}

/// Prepares what is submitted over the wire.
pub(super) struct GridIntake {
    /// Where data sets are kept.
    pub(super) datasets: PathBuf,
    /// Learns what the new trials are called.
    pub(super) names: Names,
}

#[async_trait]
impl SweepIntake for GridIntake {
    async fn prepare(&self, grid: SubmittedGrid) -> Result<PreparedSweep, IntakeError> {
        let datasets = self.datasets.clone();
        let work = tokio::task::spawn_blocking(move || {
            let file = grid::parse(&grid.grid_toml)
                .map_err(|mistake| CliError::Grid(mistake.render(&grid.grid_toml, &grid.file_name)))?;
            prepare(&ReadGrid { text: grid.grid_toml, file }, &grid.base_dir, &datasets)
        });
        match work.await {
            Ok(Ok(sweep)) => {
                self.names.learn(sweep.trials.iter());
                Ok(sweep)
            }
            Ok(Err(error)) => Err(IntakeError { message: words(&error) }),
            Err(error) => Err(IntakeError { message: format!("reading the data ended early: {error}") }),
        }
    }
}

/// The message without its first word: the other side puts its own there.
fn words(error: &CliError) -> String {
    let text = error.render(false);
    text.strip_prefix("error: ").map(str::to_owned).unwrap_or(text)
}
