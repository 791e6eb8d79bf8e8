//! Reads what was recorded, beside a coordinator that may be writing: sweeps, embeddings, labels; and writes reports.

use std::path::{Path, PathBuf};

use cells::Dataset;
use domain::SweepName;
use domain::embedding::Embedding;
use domain::outcome::ArtifactRef;

use crate::artifacts::ArtifactStore;
use crate::datasets::DatasetStore;
use crate::error::CliError;
use crate::report::{ReportInput, render};
use crate::store::records::SweepData;
use crate::store::{SqliteStore, Store};

/// The sweep of this name, or the one submitted last.
pub(super) async fn load(state: &Path, name: Option<&SweepName>) -> Result<SweepData, CliError> {
    let store = SqliteStore::open_read_only(state).await?;
    let found = load_from(&store, state, name).await;
    store.close().await;
    found
}

/// As [`load`], from an open store.
pub(super) async fn load_from(
    store: &dyn Store,
    state: &Path,
    name: Option<&SweepName>,
) -> Result<SweepData, CliError> {
    let sweeps = store.list_sweeps().await?;
    let names: Vec<&str> = sweeps.iter().map(|sweep| sweep.name.as_str()).collect();
    let Some(name) = name.or_else(|| sweeps.last().map(|sweep| &sweep.name)) else {
        return Err(CliError::NotFound(format!("no sweep is recorded in {} yet", state.display())));
    };
    let not_found = || {
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        CliError::NotFound(format!(
            "no sweep {name:?} is recorded in {}; there are: {known}",
            state.display(),
            name = name.as_str()
        ))
    };
    store.load_sweep(name).await?.ok_or_else(not_found)
}

/// Every sweep with all its trials.
pub(super) async fn load_all(state: &Path) -> Result<Vec<SweepData>, CliError> {
    let store = SqliteStore::open_read_only(state).await?;
    let mut all = Vec::new();
    for sweep in store.list_sweeps().await? {
        all.extend(store.load_sweep(&sweep.name).await?);
    }
    store.close().await;
    Ok(all)
}

/// Where a sweep's report lies by default.
pub(super) fn report_folder(state: &Path, data: &SweepData) -> PathBuf {
    state.join("reports").join(data.sweep.name.as_str())
}

/// Makes the report of `data` and writes it into `folder`; returns the path of its HTML.
pub(super) async fn write_report(
    state: &Path,
    data: SweepData,
    folder: PathBuf,
) -> Result<PathBuf, CliError> {
    let (artifacts, datasets) = (ArtifactStore::of_state_dir(state), DatasetStore::of_state_dir(state));
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || {
        let classes = cell_classes(&datasets, &data);
        let embedding = |artifact: &ArtifactRef| {
            let bytes =
                runtime.block_on(artifacts.read(&artifact.hash)).map_err(|error| error.to_string())?;
            Embedding::decode(&bytes).map_err(|error| error.to_string())
        };
        let report =
            render(&ReportInput { data: &data, cell_classes: classes.as_deref(), embedding: &embedding })?;
        report.write(&folder)
    });
    let written = work.await.map_err(|error| CliError::Process {
        action: "make the report",
        source: std::io::Error::other(error),
    })?;
    Ok(written?)
}

/// Label class of each cell; `None` without labels, or when the data set is gone: then maps have no cell types.
fn cell_classes(datasets: &DatasetStore, data: &SweepData) -> Option<Vec<u16>> {
    let fingerprint = data.sweep.dataset.fingerprint;
    match Dataset::open_verified(&datasets.path(&fingerprint), fingerprint) {
        Ok(dataset) => dataset.labels().map(|labels| labels.of_cell.clone()),
        Err(error) => {
            tracing::warn!(%error, "the report's maps will show no cell types");
            None
        }
    }
}
