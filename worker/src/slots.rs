//! The training threads, one a slot: each runs one trial at a time, from opening its data to its outcome, and survives
//! whatever the trial does. Must not talk to the coordinator about results.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once, mpsc as std_mpsc};
use std::time::Duration;

use domain::{FailureKind, Trial};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::clock::Stopwatch;
use crate::dataset_cache::{DatasetCache, DatasetError};
use crate::link::Client;
use crate::runner::{Finished, GoOn, RunEnd, TrialFailure, TrialRunner};
use crate::running::{Phase, Progress, StopReason, TrialHandle};
use crate::screen::Screen;

/// Stack of a training thread: t-SNE's space-partitioning tree recurses as deep as cells lie close together.
const STACK_BYTES: usize = 64 << 20;

/// One trial to run.
pub(crate) struct Job {
    pub(crate) trial: Box<Trial>,
    pub(crate) handle: TrialHandle,
}

/// How a trial's time in its slot ended.
#[derive(Debug)]
pub(crate) enum SlotEnd {
    /// With an outcome.
    Finished(Box<Finished>),
    /// Without.
    Failed(TrialFailure),
    /// It was told to stop.
    Stopped(StopReason),
}

/// A slot is free again.
pub(crate) struct SlotEvent {
    pub(crate) slot: usize,
    pub(crate) job: Job,
    pub(crate) end: SlotEnd,
    pub(crate) took: Duration,
}

/// What every training thread needs.
pub(crate) struct Bench<R: TrialRunner> {
    pub(crate) runner: Arc<R>,
    pub(crate) datasets: DatasetCache<R::Data>,
    pub(crate) client: Client,
    pub(crate) runtime: Handle,
    pub(crate) screen: Screen,
}

/// The threads. They end when this is dropped, each after the trial that it runs.
pub(crate) struct SlotPool {
    jobs: Vec<std_mpsc::Sender<Job>>,
    idle: Vec<usize>,
}

impl SlotPool {
    /// Starts `slots` threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start<R: TrialRunner>(
        slots: usize,
        bench: &Arc<Bench<R>>,
    ) -> io::Result<(Self, mpsc::Receiver<SlotEvent>)> {
        note_panic_places();
        // Each slot has at most one trial, so no thread ever waits for room here.
        let (events, received) = mpsc::channel(slots);
        let mut jobs = Vec::with_capacity(slots);
        for slot in 0..slots {
            let (give, take) = std_mpsc::channel();
            let (bench, events) = (Arc::clone(bench), events.clone());
            let body = move || work(slot, &bench, &take, &events);
            std::thread::Builder::new()
                .name(format!("{THREAD_NAME}{slot}"))
                .stack_size(STACK_BYTES)
                .spawn(body)?;
            jobs.push(give);
        }
        Ok((Self { jobs, idle: (0..slots).rev().collect() }, received))
    }

    /// Gives a job to an idle slot; hands it back when there is none.
    pub(crate) fn give(&mut self, job: Job) -> Result<(), Job> {
        let Some(slot) = self.idle.pop() else { return Err(job) };
        self.jobs[slot].send(job).map_err(|std_mpsc::SendError(job)| job)
    }

    /// Notes that a slot is free again.
    pub(crate) fn note_idle(&mut self, slot: usize) {
        self.idle.push(slot);
    }
}

fn work<R: TrialRunner>(
    slot: usize,
    bench: &Bench<R>,
    jobs: &std_mpsc::Receiver<Job>,
    events: &mpsc::Sender<SlotEvent>,
) {
    for job in jobs {
        let stopwatch = Stopwatch::start();
        let end = panic::catch_unwind(AssertUnwindSafe(|| run_job(slot, bench, &job)));
        let end = end.unwrap_or_else(|payload| SlotEnd::Failed(panic_failure(payload.as_ref())));
        bench.screen.idle(slot);
        if events.blocking_send(SlotEvent { slot, job, end, took: stopwatch.elapsed() }).is_err() {
            return;
        }
    }
}

fn run_job<R: TrialRunner>(slot: usize, bench: &Bench<R>, job: &Job) -> SlotEnd {
    let show = |progress: Progress| {
        job.handle.note(progress);
        bench.screen.progress(slot, &job.trial, &progress);
    };
    show(Progress::default());
    let data = match fetch(bench, job) {
        Ok(data) => data,
        Err(end) => return end,
    };
    let mut last = Progress { phase: Phase::Train, ..Progress::default() };
    show(last);
    let mut watch = |progress: Progress| {
        last = progress;
        show(progress);
        if job.handle.stop_reason().is_some() { GoOn::No } else { GoOn::Yes }
    };
    let end = bench.runner.run(&job.trial, &data, &mut watch);
    show(Progress { phase: Phase::Evaluate, ..last });
    match (end, job.handle.stop_reason()) {
        (_, Some(reason)) if reason.is_drop() => SlotEnd::Stopped(reason),
        (RunEnd::Finished(finished), _) => SlotEnd::Finished(finished),
        (RunEnd::Failed(failure), _) => SlotEnd::Failed(failure),
        (RunEnd::Stopped, Some(reason)) => SlotEnd::Stopped(reason),
        (RunEnd::Stopped, None) => SlotEnd::Failed(TrialFailure {
            kind: FailureKind::Internal,
            message: "training stopped although nobody said so".to_owned(),
        }),
    }
}

fn fetch<R: TrialRunner>(bench: &Bench<R>, job: &Job) -> Result<Arc<R::Data>, SlotEnd> {
    let mut client = bench.client.clone();
    let got = bench.runtime.block_on(async {
        tokio::select! {
            biased;
            reason = job.handle.until_stopped() => Err(SlotEnd::Stopped(reason)),
            got = bench.datasets.get(&mut client, job.trial.data) => Ok(got),
        }
    })?;
    got.map_err(|error| SlotEnd::Failed(dataset_failure(&error)))
}

fn dataset_failure(error: &DatasetError) -> TrialFailure {
    TrialFailure { kind: FailureKind::DataUnavailable, message: error.to_string() }
}

thread_local! {
    /// Where the last panic of this thread happened.
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How a training thread's name begins.
const THREAD_NAME: &str = "slot-";

/// Makes a trial's panic note its place instead of printing it: it is reported as the trial's failure. Panics of other
/// threads go to the hook that was there before.
fn note_panic_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().name().is_some_and(|name| name.starts_with(THREAD_NAME)) {
                let place = info.location().map(ToString::to_string);
                PANIC_PLACE.with_borrow_mut(|noted| *noted = place);
            } else {
                before(info);
            }
        }));
    });
}

fn panic_failure(payload: &(dyn Any + Send)) -> TrialFailure {
    let words = payload.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| payload.downcast_ref::<String>().cloned());
    let words = words.unwrap_or_else(|| "without words".to_owned());
    let place =
        PANIC_PLACE.with_borrow_mut(Option::take).map(|place| format!(" at {place}")).unwrap_or_default();
    TrialFailure { kind: FailureKind::Panic, message: format!("panicked{place}: {words}") }
}
