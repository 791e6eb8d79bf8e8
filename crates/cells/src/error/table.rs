//! What can be wrong with a table of counts (CSV, TSV). The message stands behind the file's name and the line.

/// What can be wrong with a table of counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message above each variant says what it means and what its fields hold")]
pub enum TableProblem {
    #[error(
        "the file is empty; a line of names and then a line of counts for each gene or cell are expected"
    )]
    Empty,
    #[error("only one column is found; columns are told apart by commas, tabs or semicolons")]
    OneColumn,
    #[error("there are no lines of counts behind this line of names")]
    NoRows,
    #[error(
        "this line has {found} fields, but the line of names has {header} and the first line of counts {first}: is the \
         file cut short, or a name not in quotes?"
    )]
    FieldCount { found: usize, header: usize, first: usize },
    #[error(
        "the line of names has {header} fields and the first line of counts {first}: they must be equally many, or one \
         less in the line of names, when the corner is left out"
    )]
    Corner { header: usize, first: usize },
    #[error(
        "column {column} ({name:?}): {found:?} is no count: counts are whole numbers that are not negative{advice}"
    )]
    NotACount { column: usize, name: String, found: String, advice: &'static str },
    #[error("the name of column {column} is empty")]
    EmptyColumnName { column: usize },
    #[error("the name of this row is empty")]
    EmptyRowName,
    #[error("the cell {name:?} was already {first}; cells need names of their own")]
    CellTwice { name: String, first: String },
    #[error("a quotation mark opens a text that does not end on this line")]
    OpenQuote,
    #[error(
        "nothing in the file says whether a row is a gene or a cell ({why}). Set orientation = \"genes-by-cells\" or \
         orientation = \"cells-by-genes\" in [data]"
    )]
    Orientation { why: String },
}
