//! How an evaluation is stopped, and how two parts of it run beside each other. Neither changes a number: what is
//! computed lives elsewhere.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::EvalError;

/// Stack of a thread that draws a map: the space-partitioning tree of large maps recurses as deep as cells lie close.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// How long a thread that waits for the one beside it goes without asking whether to stop.
pub(crate) const GLANCE: Duration = Duration::from_millis(20);

/// Asked between steps of a few milliseconds whether to stop there.
pub struct Brake<'a>(Option<&'a mut dyn FnMut() -> bool>);

impl<'a> Brake<'a> {
    /// Stops as soon as `is_pulled` says `true`.
    pub fn new(is_pulled: &'a mut dyn FnMut() -> bool) -> Self {
        Self(Some(is_pulled))
    }

    /// Never stops.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Goes on, or not.
    ///
    /// # Errors
    /// [`EvalError::Stopped`] when it is pulled.
    pub(crate) fn check(&mut self) -> Result<(), EvalError> {
        if self.is_pulled() { Err(EvalError::Stopped) } else { Ok(()) }
    }

    fn is_pulled(&mut self) -> bool {
        self.0.as_mut().is_some_and(|is_pulled| is_pulled())
    }
}

/// Runs `here` on this thread and `there` on a second one if there `is_room`, else one after the other: the results are
/// the same. Where one ends with an error, or `brake` is pulled, the other is stopped.
pub(crate) fn beside<A, B: Send>(
    is_room: bool,
    brake: &mut Brake<'_>,
    here: impl FnOnce(&mut Brake<'_>) -> Result<A, EvalError>,
    there: impl Fn(&mut Brake<'_>) -> Result<B, EvalError> + Sync,
) -> Result<(A, B), EvalError> {
    if !is_room {
        return Ok((here(brake)?, there(brake)?));
    }
    let is_over = AtomicBool::new(false);
    let waiting = thread::current();
    thread::scope(|scope| {
        let other = waiting.name().unwrap_or("evaluation").to_owned() + " map";
        let spawned = thread::Builder::new().name(other).stack_size(STACK_BYTES).spawn_scoped(scope, || {
            let found = there(&mut Brake::new(&mut || is_over.load(Ordering::Relaxed)));
            if found.is_err() {
                is_over.store(true, Ordering::Relaxed);
            }
            waiting.unpark();
            found
        });
        let Ok(helper) = spawned else {
            // No thread to be had: the slow way is a way, too.
            return Ok((here(brake)?, there(brake)?));
        };
        let end_on_panic = EndOnPanic(&is_over);
        let own = here(&mut Brake::new(&mut || brake.is_pulled() || is_over.load(Ordering::Relaxed)));
        drop(end_on_panic);
        if own.is_err() {
            is_over.store(true, Ordering::Relaxed);
        }
        while !helper.is_finished() {
            if brake.is_pulled() {
                is_over.store(true, Ordering::Relaxed);
            }
            thread::park_timeout(GLANCE);
        }
        let found = helper.join().unwrap_or_else(|payload| panic::resume_unwind(payload));
        match (own, found) {
            (Ok(own), Ok(found)) => Ok((own, found)),
            // Whoever was only told to stop says less than the one that failed.
            (Err(EvalError::Stopped), Err(cause)) | (Err(cause), _) | (Ok(_), Err(cause)) => Err(cause),
        }
    })
}

/// The scope waits for its threads even in a panic: the other one is then stopped.
struct EndOnPanic<'a>(&'a AtomicBool);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Brake, beside};
    use crate::error::EvalError;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    fn until_stopped(brake: &mut Brake<'_>) -> Result<u8, EvalError> {
        loop {
            brake.check()?;
            thread::yield_now();
        }
    }

    #[test]
    fn both_results_come_back_with_and_without_room() {
        for is_room in [false, true] {
            let both = beside(
                is_room,
                &mut Brake::none(),
                |_| Ok(thread::current().id()),
                |_| Ok(thread::current().id()),
            );
            let (here, there) = both.unwrap();
            assert_eq!(here, thread::current().id());
            assert_eq!(here != there, is_room);
        }
    }

    #[test]
    fn a_pulled_brake_stops_both() {
        let asked = Cell::new(0);
        let mut pulled = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        let both = beside(true, &mut Brake::new(&mut pulled), until_stopped, until_stopped);
        assert_eq!(both.unwrap_err(), EvalError::Stopped);
        // Also while this thread only waits for the other.
        asked.set(0);
        let mut pulled = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        let both = beside(true, &mut Brake::new(&mut pulled), |_| Ok(1), until_stopped);
        assert_eq!(both.unwrap_err(), EvalError::Stopped);
    }

    #[test]
    fn the_error_of_one_stops_the_other_and_comes_back() {
        let failed = EvalError::MapDiverged { dimensions: 3 };
        let both = beside(true, &mut Brake::none(), |_| Err::<u8, _>(failed.clone()), until_stopped);
        assert_eq!(both.unwrap_err(), failed);
        let both = beside(true, &mut Brake::none(), until_stopped, |_| Err::<u8, _>(failed.clone()));
        assert_eq!(both.unwrap_err(), failed);
    }

    #[test]
    fn a_panic_on_either_side_comes_out_and_leaves_no_thread() {
        let here = catch_unwind(AssertUnwindSafe(|| {
            beside(true, &mut Brake::none(), |_| -> Result<u8, _> { panic!("here") }, until_stopped)
        }));
        assert_eq!(here.unwrap_err().downcast_ref::<&str>(), Some(&"here"));
        let there = catch_unwind(AssertUnwindSafe(|| {
            beside(true, &mut Brake::none(), |_| Ok(1), |_| -> Result<u8, _> { panic!("there") })
        }));
        assert_eq!(there.unwrap_err().downcast_ref::<&str>(), Some(&"there"));
    }
}
