//! Which of a worker's cores are busy: one for each slot, taken by the trial that runs in it. At the end of a sweep, when
//! slots stand idle, a trial may take the core of one of them besides its own. Must not start threads itself.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The cores that this worker may use.
#[derive(Debug)]
pub(crate) struct Cores {
    slots: usize,
    busy: AtomicUsize,
}

impl Cores {
    /// As many cores as slots.
    pub(crate) fn new(slots: NonZeroUsize) -> Self {
        Self { slots: slots.get(), busy: AtomicUsize::new(0) }
    }

    /// The core of a trial that begins: always there, as its slot is. If another trial has it for a moment, they share.
    pub(crate) fn own(&self) -> BusyCore<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        BusyCore(self)
    }

    /// A core that no trial uses, if there is one.
    pub(crate) fn spare(&self) -> Option<BusyCore<'_>> {
        let take = |busy| (busy < self.slots).then_some(busy + 1);
        self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok().map(|_| BusyCore(self))
    }
}

/// A core in use, until this is dropped.
#[derive(Debug)]
pub(crate) struct BusyCore<'a>(&'a Cores);

impl Drop for BusyCore<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Cores;
    use std::num::NonZeroUsize;

    #[test]
    fn a_spare_core_is_one_that_no_trial_has() {
        let cores = Cores::new(NonZeroUsize::new(2).unwrap());
        let first = cores.own();
        let spare = cores.spare();
        assert!(spare.is_some() && cores.spare().is_none());
        let second = cores.own();
        drop(spare);
        assert!(cores.spare().is_none());
        drop(second);
        assert!(cores.spare().is_some());
        drop(first);
    }
}
