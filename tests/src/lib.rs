//! Harness of the whole-system tests: builds the product once, makes data sets and folders of its own for each test,
//! starts real processes, waits on conditions and ends what it started.
//!
//! Must not live here: assertions about the product (they are in `it/`) and anything that reaches into a process.

pub mod data;
pub mod process;
pub mod product;
pub mod proxy;
pub mod wait;

pub use data::SyntheticCells;
pub use process::{Finished, Running};
pub use product::{Product, Scratch};
pub use proxy::{Fault, Proxy};
pub use wait::wait_until;
