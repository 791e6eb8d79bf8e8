//! What the session needs from whatever trains: a trait, so that the session can be tested without training, and the
//! values that cross it.

use std::path::Path;

use domain::{FailureKind, Fingerprint, Metric, Outcome, Trial};
use prost::bytes::Bytes;

use crate::running::Progress;

/// What this worker's trainer is, as it registers and as outcomes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// `cpu`.
    pub device: String,
    /// Instruction set of the kernels.
    pub isa: String,
    /// `sparse` or `dense`.
    pub engine: String,
}

/// Whether a trial is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoOn {
    /// It is.
    Yes,
    /// It is, and where it stands is wanted ([`Observer::keep`]).
    Save,
    /// Stop at once and say where it stands: somebody else goes on.
    Pause,
    /// Stop at once: nobody wants it any more.
    No,
}

/// Where a trial stands, as only the trainer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Epochs done.
    pub epoch: u32,
    /// Everything needed to go on.
    pub bytes: Bytes,
}

/// What a run tells while it runs.
pub trait Observer {
    /// Said after every epoch and at each change of phase; the run does as the answer says.
    fn progress(&mut self, progress: Progress) -> GoOn;

    /// Said once where the run was given a checkpoint: the epochs that it need not train, or why it begins at the start.
    fn resumed(&mut self, epochs: Result<u32, String>);

    /// The answer to [`GoOn::Save`].
    fn keep(&mut self, saved: Saved);
}

/// A trial that ended with an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The outcome; its environment names device, isa and engine, the worker adds the rest. References to `artifacts`
    /// stand in it in the same order.
    pub outcome: Outcome,
    /// Contents of the artifacts.
    pub artifacts: Vec<Bytes>,
}

/// A trial that ended without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialFailure {
    /// Typed cause.
    pub kind: FailureKind,
    /// Words for people.
    pub message: String,
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// With an outcome.
    Finished(Box<Finished>),
    /// Without.
    Failed(TrialFailure),
    /// It was told not to go on; where it stood, if that was asked for and there is something to save.
    Stopped(Option<Saved>),
}

/// Trains and scores trials. One value serves all slots of a worker at once.
pub trait TrialRunner: Send + Sync + 'static {
    /// An opened data set, shared by the trials that run on it.
    type Data: Send + Sync + 'static;

    /// What it runs on.
    fn hardware(&self) -> Hardware;

    /// Opens the file of the data set `fingerprint`.
    ///
    /// # Errors
    /// Words for people when the file's content is not that data set; it is then fetched again.
    fn open(&self, path: &Path, fingerprint: Fingerprint) -> Result<Self::Data, String>;

    /// Runs `trial` on the calling thread, from `saved` on if it fits; the outcome does not depend on that. Tells `observer`
    /// its progress after every epoch, at each change of phase and several times a second while it scores, and stops when
    /// that says so.
    fn run(
        &self,
        trial: &Trial,
        data: &Self::Data,
        saved: Option<Saved>,
        observer: &mut dyn Observer,
    ) -> RunEnd;
}

/// Puts metrics into the order of their table and leaves out what is not finite.
#[must_use]
pub fn in_table_order(mut metrics: Vec<Metric>) -> Vec<Metric> {
    metrics.retain(|metric| metric.value.is_finite());
    metrics.sort_by_key(|metric| metric.name);
    metrics.dedup_by_key(|metric| metric.name);
    metrics
}

#[cfg(test)]
mod tests {
    use super::in_table_order;
    use domain::{Metric, MetricName};

    #[test]
    fn metrics_are_sorted_unique_and_finite() {
        let metric = |name, value| Metric { name, value };
        let given = vec![
            metric(MetricName::EvaluationSeconds, 1.0),
            metric(MetricName::KlPerCell, f64::NAN),
            metric(MetricName::SsePerCell, 2.0),
            metric(MetricName::SsePerCell, 3.0),
        ];
        let kept = vec![metric(MetricName::SsePerCell, 2.0), metric(MetricName::EvaluationSeconds, 1.0)];
        assert_eq!(in_table_order(given), kept);
    }
}
