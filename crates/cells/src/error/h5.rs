//! What can be wrong with an entry of an HDF5 file. The message stands behind the file's and the entry's name.

/// What can be wrong with an entry (a data set, group or attribute) of an `.h5ad` or `.h5` file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message above each variant says what it means and what its fields hold")]
pub enum H5Problem {
    #[error(
        "the file cannot be read as HDF5 ({why}). Was it cut short or changed? Copy or download it again"
    )]
    NotReadable { why: String },
    #[error(
        "this entry cannot be read ({why}). Was the file cut short or changed? Copy or download it again"
    )]
    Entry { why: String },
    #[error(
        "this entry uses something that cannot be read here: {what}. Write the file anew with a current anndata"
    )]
    Unsupported { what: String },
    #[error("there is no such entry{found}")]
    Missing { found: String },
    #[error("{wanted} is expected here, found {found}")]
    WrongType { wanted: &'static str, found: String },
    #[error("a shape of {expected} is expected, because {why}, found {found}")]
    WrongShape { expected: String, found: String, why: String },
    #[error("it claims {claimed} bytes, and the whole file has {stored}: they can't be in it")]
    TooLarge { claimed: u64, stored: u64 },
    #[error("the encoding {found:?} is not known; a sparse matrix is \"csr_matrix\" or \"csc_matrix\"")]
    Encoding { found: String },
    #[error("the first pointer is {found}, and it has to be 0")]
    FirstPointer { found: i64 },
    #[error("the pointers fall from {before} to {after} at position {position}; they may only rise")]
    PointersFall { position: u64, before: i64, after: i64 },
    #[error("the last pointer is {last}, but {entry} has {length} values")]
    LastPointer { last: i64, entry: String, length: u64 },
    #[error("the index {found} at position {position} is outside 0 to {last}")]
    IndexRange { position: u64, found: i64, last: u64 },
    #[error("{line} {number} names the index {index} twice")]
    IndexTwice { line: &'static str, number: u64, index: u64 },
    #[error("the value {value} at {place} is no count: counts are whole and not negative. {advice}")]
    NotACount { value: String, place: String, advice: String },
    #[error(
        "the {what} {name:?} stands at position {first} and again at {again}; cells need names of their own"
    )]
    NameTwice { what: &'static str, name: String, first: u64, again: u64 },
    #[error("the {what} at position {position} is empty")]
    EmptyName { what: &'static str, position: u64 },
    #[error("the text at position {position} is not UTF-8")]
    NotUtf8 { position: u64 },
    #[error("the code {found} at position {position} names none of the {categories} categories")]
    CodeRange { position: u64, found: i64, categories: u64 },
    #[error("it holds no {what}")]
    Empty { what: &'static str },
    #[error("there is no such column; the columns are {found}")]
    NoColumn { found: String },
    #[error("no feature is of the type \"Gene Expression\"; the types are {found}")]
    NoGenes { found: String },
    #[error(
        "this is no file of counts that is known: an .h5ad has obs and var, 10x's .h5 has matrix or a group a genome; here there is {found}"
    )]
    UnknownContent { found: String },
    #[error(
        "it holds the counts of several genomes ({found}). Write one of them to a file of its own, for instance with scanpy.read_10x_h5(…, genome=…).write(\"counts.h5ad\")"
    )]
    SeveralGenomes { found: String },
}
