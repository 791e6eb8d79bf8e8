//! The crate's tests from outside: whole folders in, data sets out.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod dataset_file;
mod fixture;
mod labels;
mod pbmc3k;
mod refusals;
mod round_trip;
