//! What the store answers to leaderboard, report and command line: plain values, read in one transaction.

use domain::data::{Genes, Input};
use domain::ids::{Fingerprint, SweepName};
use domain::{FailureKind, Outcome, Trial, TrialState};
use serde::{Deserialize, Serialize};

/// Facts about a data set that people want to see; written when a sweep is submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// Who it is.
    pub fingerprint: Fingerprint,
    /// Where it was read from, as the grid file says it.
    pub path: String,
    /// Cells after quality control.
    pub cells: u64,
    /// Genes after the gene filter.
    pub genes: u64,
    /// What the nets see of them. Records of before there was a choice do not say it.
    #[serde(default)]
    pub input: Input,
    /// Which genes these are, of those that pass quality control.
    #[serde(default)]
    pub gene_choice: Genes,
    /// How the labels were made by clustering the same counts, in words; none when they were not.
    #[serde(default)]
    pub clustering: Option<String>,
    /// Entries that are not zero.
    pub nonzeros: u64,
    /// Cells in the files.
    pub cells_read: u64,
    /// Genes in the files.
    pub genes_read: u64,
    /// Names of the label classes, in the order of their codes; empty without labels.
    pub label_classes: Vec<String>,
    /// Cells of each class.
    pub label_counts: Vec<u64>,
}

/// A sweep as it was asked for last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// Its name.
    pub name: SweepName,
    /// Text of the grid file.
    pub grid_toml: String,
    /// Its data.
    pub dataset: DatasetFacts,
    /// First submission, ms since 1970.
    pub created_ms: i64,
    /// Trials that folding spared: keys that a model does not have.
    pub folded: u64,
}

/// Why and where an attempt ended without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFailure {
    /// Its number, from 1.
    pub attempt: u32,
    /// Typed cause.
    pub kind: FailureKind,
    /// Words for people (hostile: from a worker).
    pub message: String,
    /// The worker's name.
    pub worker: String,
}

/// One trial of a sweep with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Position in the sweep, from 0.
    pub ordinal: u64,
    /// What it is.
    pub trial: Trial,
    /// Where it stands.
    pub state: TrialState,
    /// Attempts begun.
    pub attempts: u32,
    /// Its end, if it is done or diverged.
    pub outcome: Option<Outcome>,
    /// Attempts that failed, oldest first.
    pub failures: Vec<AttemptFailure>,
}

/// A sweep with all its trials in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepData {
    /// The sweep.
    pub sweep: SweepRecord,
    /// Its trials by ordinal.
    pub trials: Vec<TrialRecord>,
}
