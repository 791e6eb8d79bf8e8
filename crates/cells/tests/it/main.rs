//! The crate's tests from outside: whole folders in, data sets out.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod damage;
mod dataset_file;
mod files;
mod fixture;
mod h5_lies;
mod h5_writer;
mod labels;
mod memory;
mod pbmc3k;
mod refusals;
mod round_trip;
mod seurat;
mod tables;
