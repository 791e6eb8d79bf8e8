//! One trial alone, without a coordinator: for a person who wants to see whether a recorded outcome comes again. Must not
//! know where the record or the data set come from.

use std::num::NonZeroUsize;
use std::path::Path;

use domain::Trial;
use models::{Engine, Isa};

use crate::runner::{Finished, GoOn, Observer, RunEnd, Saved, TrialRunner};
use crate::running::Progress;
use crate::slots::STACK_BYTES;
use crate::training::Trainer;

/// Sets the sizes of thread pools as a worker has them. Call it before there is a second thread.
///
/// # Errors
/// Words for people when it is too late; numbers do not depend on it.
pub fn limit_threads() -> Result<(), String> {
    models::limit_threads().map_err(|error| error.to_string())
}

/// Runs `trial` on the data set in `dataset` with the engine and the instruction set of these names.
///
/// # Errors
/// Words for people when this machine lacks the instruction set, or data or trial cannot be used.
pub fn run(
    trial: &Trial,
    dataset: &Path,
    engine: &str,
    isa: &str,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Finished, String> {
    let engine = Engine::from_name(engine).ok_or_else(|| format!("no engine is called {engine:?}"))?;
    let isa = Isa::parse(isa).and_then(Isa::checked).map_err(|error| error.to_string())?;
    let trainer = Trainer::with(engine, isa, NonZeroUsize::MIN);
    let data = trainer.open(dataset, trial.data)?;
    let run = || trainer.run(trial, &data, None, &mut Onlooker(on_progress));
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("replay".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, run).map_err(|error| format!("no thread: {error}"))?;
        thread.join().map_err(|_| "the trial panicked".to_owned())
    });
    match ended? {
        RunEnd::Finished(finished) => Ok(*finished),
        RunEnd::Failed(failure) => {
            Err(format!("the trial failed ({}): {}", failure.kind.name(), failure.message))
        }
        RunEnd::Stopped(_) => Err("the trial stopped although nobody said so".to_owned()),
    }
}

struct Onlooker<'a>(&'a mut (dyn FnMut(Progress) + Send));

impl Observer for Onlooker<'_> {
    fn progress(&mut self, progress: Progress) -> GoOn {
        (self.0)(progress);
        GoOn::Yes
    }

    fn resumed(&mut self, _: Result<u32, String>) {}

    fn keep(&mut self, _: Saved) {}
}
