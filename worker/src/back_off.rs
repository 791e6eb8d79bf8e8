//! How long to wait before trying again: 1 s, ×1.6 a time, up to 120 s, ±20 % so that workers which lost one
//! coordinator together do not come back together.

use std::time::Duration;

/// Growth of the delay from one try to the next.
const FACTOR: f64 = 1.6;
/// Largest deviation from the plain delay, as a share of it.
const JITTER: f64 = 0.2;

/// First and longest delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Delay after the first failed try.
    pub first: Duration,
    /// The delay stops growing here.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(120) }
    }
}

/// Delays of one series of tries.
#[derive(Debug, Clone)]
pub(crate) struct BackOff {
    pace: Pace,
    salt: String,
    tries: u32,
}

impl BackOff {
    /// A new series; `salt` (the worker's name) decides its jitter.
    pub(crate) fn new(pace: Pace, salt: &str) -> Self {
        Self { pace, salt: salt.to_owned(), tries: 0 }
    }

    /// The next delay.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let grown =
            self.pace.first.as_secs_f64() * FACTOR.powi(i32::try_from(self.tries).unwrap_or(i32::MAX));
        let plain = grown.min(self.pace.longest.as_secs_f64());
        let delay = plain * (1.0 + JITTER * self.signed_unit());
        self.tries = self.tries.saturating_add(1);
        Duration::from_secs_f64(delay.min(self.pace.longest.as_secs_f64()))
    }

    /// Begins the series again, after a success.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    /// A number in [-1, 1) that differs between workers and tries. A hash is enough: it only has to spread.
    fn signed_unit(&self) -> f64 {
        let hash = blake3::hash(format!("{} {}", self.salt, self.tries).as_bytes());
        let mut head = [0; 4];
        head.copy_from_slice(&hash.as_bytes()[..4]);
        f64::from(u32::from_le_bytes(head)) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::{BackOff, Pace};
    use std::time::Duration;

    #[test]
    fn delays_grow_by_their_factor_within_the_jitter_and_stop_at_the_longest() {
        let mut series = BackOff::new(Pace::default(), "w");
        for plain in [1.0, 1.6, 2.56, 4.096] {
            let delay = series.next_delay().as_secs_f64();
            assert!((0.8 * plain..=1.2 * plain).contains(&delay), "{delay} for {plain}");
        }
        for _ in 0..10_000 {
            assert!(series.next_delay() <= Duration::from_secs(120));
        }
        assert!(series.next_delay() >= Duration::from_secs(96));
        series.reset();
        assert!(series.next_delay() <= Duration::from_millis(1200));
    }

    #[test]
    fn two_workers_do_not_come_back_together() {
        let first = BackOff::new(Pace::default(), "a").next_delay();
        let second = BackOff::new(Pace::default(), "b").next_delay();
        assert_ne!(first, second);
    }
}
