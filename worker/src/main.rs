//! The binary `worker`. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main_from_args(std::env::args_os())
}
