//! What can be wrong with what a caller hands to this crate. Nothing here computes.

/// Input that cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A matrix whose length is not rows × columns.
    #[error("{cells} cells of {dim} dimensions need {} numbers, {found} were given", .cells.saturating_mul(*.dim))]
    Shape {
        /// Rows that were announced.
        cells: usize,
        /// Columns that were announced.
        dim: usize,
        /// Numbers that came.
        found: usize,
    },
    /// Cells without a single dimension.
    #[error("{cells} cells have codes of no dimensions")]
    NoDimensions {
        /// How many cells.
        cells: usize,
    },
    /// A code that holds NaN or an infinity.
    #[error("the code of cell {cell} is not finite in dimension {dimension} (both counted from 0)")]
    NotFinite {
        /// Row, from 0.
        cell: usize,
        /// Column, from 0.
        dimension: usize,
    },
    /// Two labellings of different lengths.
    #[error("{first} cells are labelled on one side, {second} on the other")]
    LabelCount {
        /// Length of the first.
        first: usize,
        /// Length of the second.
        second: usize,
    },
    /// A label outside the announced classes.
    #[error("cell {cell} (counted from 0) has label {label}, but there are {classes} classes")]
    UnknownClass {
        /// Row, from 0.
        cell: usize,
        /// Its label.
        label: u16,
        /// Number of classes.
        classes: usize,
    },
    /// More clusters than an artifact can name.
    #[error("{found} clusters were asked for, at most {} are possible", u16::MAX)]
    TooManyClusters {
        /// Clusters asked for.
        found: usize,
    },
    /// More cells than 32-bit neighbour indices reach.
    #[error("{found} cells are more than neighbour search can index")]
    TooManyCells {
        /// Cells given.
        found: usize,
    },
    /// A neighbour graph that cannot be partitioned.
    #[error("the neighbour graph cannot be partitioned: {0}")]
    Graph(String),
    /// A setting outside its range.
    #[error("{name} is {found}, it must be {range}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        range: &'static str,
    },
    /// A map that ran away to infinity.
    #[error("the {dimensions}-dimensional t-SNE map diverged")]
    MapDiverged {
        /// 2 or 3.
        dimensions: usize,
    },
    /// Whoever asked for the evaluation does not want it any more.
    #[error("the evaluation was told to stop")]
    Stopped,
    /// The operating system refused the one thread that large maps are computed on.
    #[error("no thread for a large t-SNE map: {0}")]
    NoThread(String),
}
