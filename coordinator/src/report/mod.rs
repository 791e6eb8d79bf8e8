//! The report of one sweep: HTML in one file, Markdown, CSV and JSON, made from the store's record and the embeddings
//! alone. Equal data give equal bytes: nothing here reads a clock or depends on the order of a hash map.
//!
//! `facts` says what ran, `comparison` what can be told apart (`critical` draws it), `chosen` picks the trials to draw,
//! `figures` and `pareto` specify plots, `page` and `summary` lay out.
//! Must not live here: the store, numbers that the leaderboard does not have.

mod chosen;
mod comparison;
mod critical;
mod facts;
mod figures;
mod page;
mod pareto;
mod round;
mod summary;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use domain::embedding::Embedding;
use domain::outcome::ArtifactRef;

use crate::leaderboard::{self, LeaderboardOptions, comparisons_csv, rows_csv, trials_csv};
use crate::store::records::SweepData;

/// Everything a report is made from.
pub struct ReportInput<'a> {
    /// The sweep.
    pub data: &'a SweepData,
    /// Label class of each cell, as positions in [`crate::store::records::DatasetFacts::label_classes`]; none without labels.
    pub cell_classes: Option<&'a [u16]>,
    /// Reads an embedding, or says why it cannot be read.
    pub embedding: &'a dyn Fn(&ArtifactRef) -> Result<Embedding, String>,
}

/// The files of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `report.html`: everything, with figures; works without a network.
    pub html: String,
    /// `report.md`: what ran, leaderboard, trials.
    pub markdown: String,
    /// `report.json`: the same for programs.
    pub json: String,
    /// `leaderboard.csv`.
    pub leaderboard_csv: String,
    /// `comparisons.csv`: one line a pair of configs and metric.
    pub comparisons_csv: String,
    /// `trials.csv`.
    pub trials_csv: String,
}

/// A report that could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The page could not be laid out.
    #[error("cannot lay out the report: {0}")]
    Layout(#[from] askama::Error),
}

/// The report of a sweep.
///
/// # Errors
/// When the template cannot be filled in.
pub fn render(input: &ReportInput<'_>) -> Result<Report, ReportError> {
    let board = leaderboard::build(input.data, &LeaderboardOptions::default())
        .expect("there are no filters to be wrong");
    let chosen = chosen::choose(input, &board);
    let others = comparison::boards(input.data, &board);
    let comparisons = comparison::all(&board, &others);
    Ok(Report {
        html: page::html(input, &board, &comparisons, &chosen)?,
        markdown: summary::markdown(input.data, &board, &comparisons, &chosen),
        json: summary::json(input.data, &board, &comparisons, &chosen),
        leaderboard_csv: rows_csv(&board),
        comparisons_csv: comparisons_csv(&comparisons),
        trials_csv: trials_csv(&board, input.data),
    })
}

impl Report {
    /// Writes the files into `folder`, each as a whole or not at all, and returns the path of the HTML.
    ///
    /// # Errors
    /// When the folder or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ReportError::Write { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let files = [
            ("leaderboard.csv", &self.leaderboard_csv),
            ("comparisons.csv", &self.comparisons_csv),
            ("trials.csv", &self.trials_csv),
            ("report.json", &self.json),
            ("report.md", &self.markdown),
            ("report.html", &self.html),
        ];
        for (name, content) in files {
            let path = folder.join(name);
            write_whole(folder, &path, content.as_bytes()).map_err(failed(&path))?;
        }
        Ok(folder.join("report.html"))
    }
}

/// A reader of `path` sees the old file or the new one, never a part.
fn write_whole(folder: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".report-").tempfile_in(folder)?;
    file.write_all(content)?;
    make_readable(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Temporary files are their owner's alone; a report is meant to be shared.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
