//! How a weight of the loss changes over the steps of a run: constant, linear warm-up, cyclical. Arithmetic on (step,
//! steps of the whole run) and nothing else: an interrupted trial goes on where it was.

use serde::{Deserialize, Serialize};

/// Share of its full change that a weight has at a step, between 0 and 1.
///
/// With `t` the steps done and `T` those of the whole run:
///
/// ```text
/// constant            1
/// warm-up w           min(1, (t / T) / w)                                       Sønderby et al. 2016, Bowman et al. 2016
/// M cycles, ramp r    min(1, τ / r),  τ = (t mod ⌈T/M⌉) / (T/M)                 Fu et al. 2019, equation 6
/// ```
///
/// A warm-up is one cycle. The first step has 0, the first step after the ramp has 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Schedule {
    /// The full value at every step.
    #[default]
    Constant,
    /// Linear from the start over this share of the run, in (0, 1]; full after it.
    Warmup {
        /// Share of the run.
        warmup: f64,
    },
    /// So many equal cycles, each linear from the start over its share `ramp`, full for the rest of the cycle.
    Cycles {
        /// At least 2.
        cycles: u32,
        /// Share of a cycle, in (0, 1].
        ramp: f64,
    },
}

/// Most cycles of one run.
pub const MOST_CYCLES: u32 = 10_000;

impl Schedule {
    /// Whether the weight never changes.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        *self == Self::Constant
    }

    /// Share of the full change at `step` (from 0) of `steps`.
    #[must_use]
    pub fn share(&self, step: u64, steps: u64) -> f64 {
        let (run, done) = (steps.max(1) as f64, step as f64);
        match *self {
            Self::Constant => 1.0,
            Self::Warmup { warmup } => (done / run / warmup).min(1.0),
            Self::Cycles { cycles, ramp } => {
                let whole_steps = steps.max(1).div_ceil(u64::from(cycles.max(1)));
                let place = (step % whole_steps) as f64 / (run / f64::from(cycles.max(1)));
                (place / ramp).min(1.0)
            }
        }
    }

    /// The weight at `step` (from 0) of `steps`: from `start` to `full`.
    #[must_use]
    pub fn value(&self, start: f64, full: f64, step: u64, steps: u64) -> f64 {
        let share = self.share(step, steps);
        // The full value itself, not what rounding makes of the sum.
        if share >= 1.0 { full } else { start + (full - start) * share }
    }

    /// The one way to write it: one cycle is a warm-up.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Cycles { cycles: 1, ramp } => Self::Warmup { warmup: ramp },
            other => other,
        }
    }

    /// What is wrong with it, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        match *self {
            Self::Constant => None,
            Self::Warmup { warmup } => {
                (!is_share(warmup)).then(|| format!("warmup is {warmup}, it must be > 0 and <= 1"))
            }
            Self::Cycles { cycles, ramp } => {
                if !(1..=MOST_CYCLES).contains(&cycles) {
                    return Some(format!("cycles is {cycles}, it must be 1 to {MOST_CYCLES}"));
                }
                (!is_share(ramp)).then(|| format!("ramp is {ramp}, it must be > 0 and <= 1"))
            }
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant => f.pad("constant"),
            Self::Warmup { warmup } => f.pad(&format!("warm-up {warmup}")),
            Self::Cycles { cycles, ramp } => f.pad(&format!("{cycles} cycles, ramp {ramp}")),
        }
    }
}

/// As it stands in a grid file and in a config's text: `"constant"`, `{ warmup = 0.1 }`, `{ cycles = 4, ramp = 0.5 }`.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Written {
    Word(Word),
    Warmup { warmup: f64 },
    Cycles { cycles: u32, ramp: f64 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Constant,
}

impl From<Written> for Schedule {
    fn from(written: Written) -> Self {
        match written {
            Written::Word(Word::Constant) => Self::Constant,
            Written::Warmup { warmup } => Self::Warmup { warmup },
            Written::Cycles { cycles, ramp } => Self::Cycles { cycles, ramp },
        }
    }
}

impl From<Schedule> for Written {
    fn from(schedule: Schedule) -> Self {
        match schedule {
            Schedule::Constant => Self::Word(Word::Constant),
            Schedule::Warmup { warmup } => Self::Warmup { warmup },
            Schedule::Cycles { cycles, ramp } => Self::Cycles { cycles, ramp },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    fn shares(schedule: Schedule, steps: u64) -> Vec<f64> {
        (0..steps).map(|step| schedule.share(step, steps)).collect()
    }

    #[test]
    fn shares_at_given_steps() {
        assert_eq!(shares(Schedule::Constant, 3), [1.0; 3]);
        assert_eq!(shares(Schedule::Warmup { warmup: 0.5 }, 8), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(shares(Schedule::Warmup { warmup: 1.0 }, 4), [0.0, 0.25, 0.5, 0.75]);
        let twice = Schedule::Cycles { cycles: 2, ramp: 0.5 };
        assert_eq!(shares(twice, 8), [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0]);
        // Cycles that do not divide the run: ⌈7/2⌉ = 4 steps each, measured in 3.5ths.
        let uneven = shares(twice, 7);
        assert_eq!((uneven[0], uneven[4]), (0.0, 0.0));
        assert!((uneven[1] - 1.0 / 3.5 / 0.5).abs() < 1e-15, "{uneven:?}");
        // Longer than the run, or shorter than a step: still a number in [0, 1].
        assert_eq!(Schedule::Warmup { warmup: 1e-9 }.share(1, 2), 1.0);
        assert_eq!(Schedule::Cycles { cycles: 9, ramp: 0.5 }.share(3, 2), 0.0);
    }

    #[test]
    fn a_full_weight_is_exact() {
        let schedule = Schedule::Warmup { warmup: 0.25 };
        assert_eq!(schedule.value(0.1, 0.7, 2, 8), 0.7);
        assert_eq!(schedule.value(50.0, 200.0, 1, 8), 125.0);
        assert_eq!(schedule.value(50.0, 200.0, 0, 8), 50.0);
    }

    #[test]
    fn it_is_written_as_in_a_grid_file() {
        for (schedule, text) in [
            (Schedule::Constant, r#""constant""#),
            (Schedule::Warmup { warmup: 0.1 }, r#"{"warmup":0.1}"#),
            (Schedule::Cycles { cycles: 4, ramp: 0.5 }, r#"{"cycles":4,"ramp":0.5}"#),
        ] {
            assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
            assert_eq!(serde_json::from_str::<Schedule>(text).unwrap(), schedule);
        }
        for wrong in [r#""linear""#, r#"{"warmup":0.1,"ramp":1}"#, r#"{"cycles":-1,"ramp":1}"#, "{}", "1"] {
            assert!(serde_json::from_str::<Schedule>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_cycle_is_a_warm_up_and_nonsense_is_named() {
        let once = Schedule::Cycles { cycles: 1, ramp: 0.3 };
        assert_eq!(once.canonical(), Schedule::Warmup { warmup: 0.3 });
        assert_eq!(shares(once, 9), shares(once.canonical(), 9));
        assert_eq!(once.problem(), None);
        for wrong in [
            Schedule::Warmup { warmup: 0.0 },
            Schedule::Warmup { warmup: f64::NAN },
            Schedule::Cycles { cycles: 0, ramp: 0.5 },
            Schedule::Cycles { cycles: 2, ramp: 1.5 },
        ] {
            assert!(wrong.problem().is_some(), "{wrong}");
        }
    }
}
