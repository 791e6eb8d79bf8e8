//! Readers of other people's files. What a reader returns is checked and complete; preprocessing rules must not
//! live here.

pub mod labels;
pub mod mtx;
mod rows;
pub mod tenx;
mod text;
