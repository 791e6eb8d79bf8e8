//! What can be said about a config across its seeds, from plain numbers alone.
//!
//! Must not live here: where the numbers come from, what they are called, how they are printed. One file an idea.
#![forbid(unsafe_code)]

mod summary;

pub use summary::{Summary, summarise};
