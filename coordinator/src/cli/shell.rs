//! `coordinator completions` and `coordinator man`: what a shell and `man` know of this command line, from the command line's own
//! definition.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, put};
use crate::error::{CliError, Ending};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "bash: coordinator completions bash > ~/.local/share/bash-completion/completions/coordinator\n\
                        zsh:  coordinator completions zsh > \"${fpath[1]}/_coordinator\"\n\
                        fish: coordinator completions fish > ~/.config/fish/completions/coordinator.fish"
)]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Folder to write to, for instance ~/.local/share/man/man1
    #[arg(long, value_name = "DIR", default_value = "man")]
    out: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<Ending, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "coordinator", &mut script);
    put(&String::from_utf8_lossy(&script));
    Ok(Ending::Ok)
}

/// One page a command.
pub(super) fn man(args: &ManArgs) -> Result<Ending, CliError> {
    let failed = |source| CliError::Process { action: "write the man pages", source };
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(failed)?;
    put(&format!("{}\n", args.out.join("coordinator.1").display()));
    Ok(Ending::Ok)
}
