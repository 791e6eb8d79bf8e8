//! The training threads, one a slot: each runs one trial at a time, from opening its data to its outcome, and survives
//! whatever the trial does. Must not talk to the coordinator about results.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once, mpsc as std_mpsc};
use std::time::Duration;

use domain::outcome::CheckpointRef;
use domain::{FailureKind, Trial};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::beginning;
use crate::clock::Stopwatch;
use crate::dataset_cache::{DatasetCache, DatasetError};
use crate::link::{Client, Link};
use crate::runner::{Finished, GoOn, Observer, RunEnd, Saved, TrialFailure, TrialRunner};
use crate::running::{Phase, Progress, StopReason, TrialHandle};
use crate::screen::{self, Screen};
use crate::shelf::Shelf;

/// Stack of a training thread: t-SNE's space-partitioning tree recurses as deep as cells lie close together.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// One trial to run.
pub(crate) struct Job {
    pub(crate) trial: Box<Trial>,
    /// Where its lease says that it may begin.
    pub(crate) checkpoint: Option<Box<CheckpointRef>>,
    pub(crate) handle: TrialHandle,
}

/// How a trial's time in its slot ended.
#[derive(Debug)]
pub(crate) enum SlotEnd {
    /// With an outcome.
    Finished(Box<Finished>),
    /// Without.
    Failed(TrialFailure),
    /// It was told to stop; where it stood, if it is to be given back and has something to give.
    Stopped(StopReason, Option<Saved>),
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
    pub(crate) shelf: Shelf,
    pub(crate) checkpoint_every: Duration,
    pub(crate) link: Arc<Link>,
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
    let saved = match find_beginning(bench, job) {
        Ok(saved) => saved,
        Err(end) => return end,
    };
    show(Progress { phase: Phase::Train, ..Progress::default() });
    let mut observer = Watch { slot, bench, job, last: Progress::default(), saved: Stopwatch::start() };
    let end = bench.runner.run(&job.trial, &data, saved, &mut observer);
    show(Progress { phase: Phase::Evaluate, ..observer.last });
    match (end, job.handle.stop_reason()) {
        (_, Some(reason)) if reason.is_drop() => SlotEnd::Stopped(reason, None),
        (RunEnd::Finished(finished), _) => SlotEnd::Finished(finished),
        (RunEnd::Failed(failure), _) => SlotEnd::Failed(failure),
        (RunEnd::Stopped(saved), Some(reason)) => {
            // On this disk first: the worker may be killed while the checkpoint is on its way.
            saved.iter().for_each(|saved| keep(bench, job, saved));
            SlotEnd::Stopped(reason, saved)
        }
        (RunEnd::Stopped(_), None) => SlotEnd::Failed(TrialFailure {
            kind: FailureKind::Internal,
            message: "training stopped although nobody said so".to_owned(),
        }),
    }
}

/// What the training thread does with the words of its run.
struct Watch<'a, R: TrialRunner> {
    slot: usize,
    bench: &'a Bench<R>,
    job: &'a Job,
    last: Progress,
    /// Since the trial began or was put on the shelf last.
    saved: Stopwatch,
}

impl<R: TrialRunner> Observer for Watch<'_, R> {
    fn progress(&mut self, progress: Progress) -> GoOn {
        self.last = progress;
        self.job.handle.note(progress);
        self.bench.screen.progress(self.slot, &self.job.trial, &progress);
        match self.job.handle.stop_reason() {
            Some(reason) if reason.is_drop() => GoOn::No,
            Some(_) => GoOn::Pause,
            None if self.saved.elapsed() >= self.bench.checkpoint_every => GoOn::Save,
            None => GoOn::Yes,
        }
    }

    fn resumed(&mut self, epochs: Result<u32, String>) {
        let label = screen::label(&self.job.trial);
        match epochs {
            Ok(epochs) => self.bench.screen.say(&format!("{label}: goes on after epoch {epochs}")),
            Err(why) => {
                self.bench.screen.warn(&format!("{label}: begins anew, its checkpoint is of no use: {why}"))
            }
        }
    }

    fn keep(&mut self, saved: Saved) {
        keep(self.bench, self.job, &saved);
        self.saved = Stopwatch::start();
    }
}

fn keep<R: TrialRunner>(bench: &Bench<R>, job: &Job, saved: &Saved) {
    if let Err(error) = bench.shelf.put(job.trial.id, saved) {
        tracing::warn!(trial = %job.trial.id, %error, "a checkpoint cannot be put on this host's disk");
    }
}

fn find_beginning<R: TrialRunner>(bench: &Bench<R>, job: &Job) -> Result<Option<Saved>, SlotEnd> {
    let mut client = bench.client.clone();
    let (saved, trouble) = bench.runtime.block_on(async {
        tokio::select! {
            biased;
            reason = job.handle.until_stopped() => Err(SlotEnd::Stopped(reason, None)),
            found = beginning::find(&mut client, &bench.link, &bench.shelf, job) => Ok(found),
        }
    })?;
    if let Some(why) = trouble {
        let label = screen::label(&job.trial);
        bench.screen.warn(&format!(
            "{label}: its checkpoint is not to be had, what is missing is trained again: {why}"
        ));
    }
    Ok(saved)
}

fn fetch<R: TrialRunner>(bench: &Bench<R>, job: &Job) -> Result<Arc<R::Data>, SlotEnd> {
    let mut client = bench.client.clone();
    let got = bench.runtime.block_on(async {
        tokio::select! {
            biased;
            reason = job.handle.until_stopped() => Err(SlotEnd::Stopped(reason, None)),
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
