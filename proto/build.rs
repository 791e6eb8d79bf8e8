//! Compiles `sweep/v1/*.proto` by protox, so that no protoc is needed.
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let files =
        ["sweep/v1/trial.proto", "sweep/v1/worker.proto", "sweep/v1/sweep.proto", "sweep/v1/token.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    // Chunks are moved, not copied, on their way through.
    tonic_prost_build::configure().bytes(".sweep.v1").compile_fds(descriptors)?;
    Ok(())
}
