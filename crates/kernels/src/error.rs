//! What a caller can get wrong when it builds the kernels' inputs. Nothing here is about training.

/// Why an input was refused. Every variant names what was found and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// `LATENTSWEEP_ISA` holds a word that names no instruction set.
    #[error("LATENTSWEEP_ISA is `{found}`; it must be portable, avx2 or avx512")]
    UnknownIsa {
        /// The word found.
        found: String,
    },
    /// The instruction set exists, this processor lacks it.
    #[error(
        "this processor has no {name}; choose portable, or leave LATENTSWEEP_ISA unset for the best it has"
    )]
    UnsupportedIsa {
        /// Name of the instruction set asked for.
        name: &'static str,
    },
    /// A slice's length does not fit the stated shape.
    #[error("{what} has {found} entries, its shape needs {expected}")]
    Length {
        /// The slice.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length its shape asks for.
        expected: usize,
    },
    /// A size lies outside its range.
    #[error("{what} is {found}, it must be within {min}..={max}")]
    Size {
        /// The size.
        what: &'static str,
        /// The value given.
        found: usize,
        /// Smallest allowed value.
        min: usize,
        /// Largest allowed value.
        max: usize,
    },
    /// The row pointers do not start at 0, decrease, or do not end at the number of stored values.
    #[error(
        "row pointer {row} is {found}: row pointers start at 0, never decrease and end at the number of values"
    )]
    RowPointer {
        /// Index into the row pointers.
        row: usize,
        /// The pointer found there.
        found: u64,
    },
    /// A column index is too large, or a row's indices do not increase.
    #[error("row {row} holds column {column}: columns must increase within a row and stay below {n_cols}")]
    Column {
        /// The row.
        row: usize,
        /// The column index found.
        column: u32,
        /// Number of columns of the matrix.
        n_cols: usize,
    },
    /// A stored value is NaN or infinite.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The row.
        row: usize,
    },
    /// A count is negative.
    #[error("row {row} holds a negative value: counts are 0 or more")]
    Negative {
        /// The row.
        row: usize,
    },
    /// A factor of a cell or gene is NaN or infinite.
    #[error("{what} {index} is not finite")]
    Factor {
        /// Which factors.
        what: &'static str,
        /// The cell or gene.
        index: usize,
    },
    /// Weights for one number of genes, a matrix of another.
    #[error("the weights are for {genes} genes, the matrix has {n_cols} columns")]
    GeneCount {
        /// Genes of the weights.
        genes: usize,
        /// Columns of the matrix.
        n_cols: usize,
    },
}

/// `Ok` when `found == expected`.
pub(crate) fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), KernelError> {
    if found == expected { Ok(()) } else { Err(KernelError::Length { what, found, expected }) }
}
