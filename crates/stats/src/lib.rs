//! What can be said about configs across their seeds, from plain numbers alone.
//!
//! `summary` speaks of one config; `pairs`, `sign_flip`, `wilcoxon`, `bootstrap` and `effect` of two over their common
//! seeds; `holm`, `family`, `letters`, `friedman` and `nemenyi` of many. Chance comes from `stream`, seeded by the caller.
//!
//! Must not live here: where the numbers come from, what they are called, how they are printed. One file an idea.
#![forbid(unsafe_code)]

mod bootstrap;
mod effect;
mod family;
mod friedman;
mod holm;
mod letters;
mod nemenyi;
mod pairs;
mod ranks;
mod sign_flip;
mod stream;
mod summary;
mod wilcoxon;

pub use bootstrap::{Bootstrap, bootstrap_mean};
pub use effect::{Effect, effect};
pub use family::{ALPHA, Comparison, Family, Scores, Verdict, compare, seeds_needed};
pub use friedman::{Blocks, Friedman, blocks, friedman};
pub use holm::holm;
pub use letters::letters;
pub use nemenyi::{
    CriticalDifference, critical_difference, studentized_range_quantile, studentized_range_tail,
};
pub use pairs::{BySeed, Paired, pair};
pub use ranks::midranks;
pub use sign_flip::{MOST_EXACT, SignFlip, sign_flip, smallest_p};
pub use stream::Stream;
pub use summary::{Summary, summarise};
pub use wilcoxon::{Wilcoxon, WilcoxonMethod, wilcoxon, wilcoxon_by};
