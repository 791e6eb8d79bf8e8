//! Places where a test may have the coordinator die, between receiving, committing and replying.
//!
//! `LATENTSWEEP_ABORT_AT=before-commit:3` aborts the process when it comes to that place for the third time. Unset, which
//! it is but in tests, a place costs one look at a value that was read at the first. Whoever may set a process's
//! environment may end the process anyway.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const ENV: &str = "LATENTSWEEP_ABORT_AT";

/// Where the coordinator may be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Inputs have arrived, nothing is decided.
    Received,
    /// Everything is decided, nothing is written.
    BeforeCommit,
    /// Everything is written, nobody was told.
    AfterCommit,
    /// An artifact is on the disk, nobody was told.
    ArtifactStored,
}

impl Place {
    const ALL: [Self; 4] = [Self::Received, Self::BeforeCommit, Self::AfterCommit, Self::ArtifactStored];

    const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::ArtifactStored => "artifact-stored",
        }
    }
}

fn parse(text: &str) -> Option<(Place, u32)> {
    let (name, count) = text.split_once(':')?;
    let place = Place::ALL.into_iter().find(|place| place.name() == name)?;
    Some((place, count.parse().ok()?))
}

/// Comes to a place; does not come back if it is the one at which the process is to die.
pub fn reach(place: Place) {
    static PLAN: OnceLock<Option<(Place, u32)>> = OnceLock::new();
    static REACHED: AtomicU32 = AtomicU32::new(0);
    let plan = PLAN.get_or_init(|| std::env::var(ENV).ok().and_then(|text| parse(&text)));
    let Some((chosen, count)) = plan else { return };
    if *chosen == place && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, parse};

    #[test]
    fn a_place_is_named_with_a_count() {
        for place in Place::ALL {
            assert_eq!(parse(&format!("{}:2", place.name())), Some((place, 2)));
        }
        for other in ["", "received", "received:", "received:x", "elsewhere:1"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
