//! `coordinator report`: writes the report of a recorded sweep.

use std::path::{Path, PathBuf};

use domain::SweepName;

use super::{put, record};
use crate::error::{CliError, Ending};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the sweep [default: the one submitted last]
    sweep: Option<SweepName>,
    /// Folder to write to [default: reports/SWEEP in the state folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    let data = record::load(state, args.sweep.as_ref()).await?;
    let folder = args.out.unwrap_or_else(|| record::report_folder(state, &data));
    let path = record::write_report(state, data, folder).await?;
    put(&format!("{}\n", path.display()));
    Ok(Ending::Ok)
}
