//! The program `coordinator`. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    coordinator::cli::main_from_args(std::env::args_os())
}
