//! Which axis of a table is which, by the names in it. The rule, in words for people, stands in `docs/grid-file.md`;
//! it asks three witnesses, and those who know have to agree:
//!
//! 1. the labels' file: what it lists are cells;
//! 2. the corner of the table: a word like `gene` or `barcode` names what is below it;
//! 3. how names look: a run of ten letters A, C, G, T is a barcode; `MT-…`, Ensembl's ids and ribosomal proteins are genes.
//!
//! Reading the table must not live here.

use domain::data::Orientation;

use crate::error::TableProblem;
use crate::read::labels::LabelTable;

/// What is known of a table before its counts are read.
pub(super) struct Names<'a> {
    /// The field above the row names; `None` when it is left out.
    pub(super) corner: Option<&'a str>,
    pub(super) columns: &'a [String],
    /// Of the first rows.
    pub(super) rows: &'a [String],
    /// What mitochondrial genes begin with.
    pub(super) mito_prefix: &'a str,
    pub(super) labels: Option<&'a LabelTable>,
}

/// The orientation, when the witnesses agree.
pub(super) fn tell(names: &Names<'_>) -> Result<Orientation, TableProblem> {
    let witnesses =
        [("the labels", by_labels(names)), ("the corner", by_corner(names)), ("the names", by_looks(names))];
    let mut told: Option<(&str, Orientation)> = None;
    for (witness, says) in witnesses {
        let Some(says) = says else { continue };
        match told {
            Some((first, orientation)) if orientation != says => {
                let why = format!("{first} say {}, {witness} say {}", in_words(orientation), in_words(says));
                return Err(TableProblem::Orientation { why });
            }
            _ => told = Some((told.map_or(witness, |(first, _)| first), says)),
        }
    }
    told.map(|(_, orientation)| orientation).ok_or_else(|| {
        let example =
            |names: &[String]| names.first().map_or_else(|| "nothing".to_owned(), |name| format!("{name:?}"));
        let why =
            format!("columns are named like {}, rows like {}", example(names.columns), example(names.rows));
        TableProblem::Orientation { why }
    })
}

fn in_words(orientation: Orientation) -> &'static str {
    if orientation == Orientation::CellsByGenes { "a row is a cell" } else { "a row is a gene" }
}

/// `columns` and `rows`: whether that side is one of cells.
fn sides(columns_are_cells: bool, rows_are_cells: bool) -> Option<Orientation> {
    match (columns_are_cells, rows_are_cells) {
        (true, false) => Some(Orientation::GenesByCells),
        (false, true) => Some(Orientation::CellsByGenes),
        _ => None,
    }
}

fn by_labels(names: &Names<'_>) -> Option<Orientation> {
    let labels = names.labels?;
    let are_listed = |names: &[String]| names.iter().any(|name| labels.label_of.contains_key(name));
    sides(are_listed(names.columns), are_listed(names.rows))
}

fn by_corner(names: &Names<'_>) -> Option<Orientation> {
    let corner = names.corner?.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| corner.contains(word));
    sides(has(&["gene", "symbol", "feature", "ensembl"]), has(&["cell", "barcode"]))
}

fn by_looks(names: &Names<'_>) -> Option<Orientation> {
    let looks = |side: &[String]| {
        let barcodes = side.iter().filter(|name| is_like_a_barcode(name)).count();
        let has_genes = side.iter().any(|name| is_like_a_gene(name, names.mito_prefix));
        (2 * barcodes > side.len(), has_genes)
    };
    let (columns_are_barcodes, columns_are_genes) = looks(names.columns);
    let (rows_are_barcodes, rows_are_genes) = looks(names.rows);
    sides(
        columns_are_barcodes || (rows_are_genes && !columns_are_genes),
        rows_are_barcodes || (columns_are_genes && !rows_are_genes),
    )
}

fn is_like_a_barcode(name: &str) -> bool {
    const SHORTEST: usize = 10;
    let mut run = 0;
    name.bytes().any(|byte| {
        run = if b"ACGT".contains(&byte) { run + 1 } else { 0 };
        run >= SHORTEST
    })
}

fn is_like_a_gene(name: &str, mito_prefix: &str) -> bool {
    let upper = name.to_uppercase();
    let digits_follow =
        |rest: &str, least: usize| rest.bytes().take_while(u8::is_ascii_digit).count() >= least;
    let is_ensembl = upper.strip_prefix("ENS").is_some_and(|rest| {
        let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
        digits_follow(rest, 6)
    });
    let is_ribosomal = ["RPL", "RPS"]
        .iter()
        .filter_map(|family| upper.strip_prefix(family))
        .any(|rest| digits_follow(rest, 1));
    let is_mitochondrial =
        upper.starts_with("MT-") || (!mito_prefix.is_empty() && name.starts_with(mito_prefix));
    is_ensembl || is_ribosomal || is_mitochondrial
}

#[cfg(test)]
mod tests {
    use domain::data::Orientation::{self, CellsByGenes, GenesByCells};

    use super::{Names, tell};
    use crate::read::labels::LabelTable;

    fn told(
        corner: Option<&str>,
        columns: &[&str],
        rows: &[&str],
        labelled: &[&str],
    ) -> Result<Orientation, String> {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let labels = LabelTable {
            path: "l.csv".into(),
            column: "t".to_owned(),
            first_barcode: None,
            label_of: labelled.iter().map(|&name| (name.to_owned(), "x".to_owned())).collect(),
        };
        let names = Names {
            corner,
            columns: &own(columns),
            rows: &own(rows),
            mito_prefix: "MT-",
            labels: (!labelled.is_empty()).then_some(&labels),
        };
        tell(&names).map_err(|problem| problem.to_string())
    }

    #[test]
    fn each_witness_is_enough() {
        assert_eq!(told(None, &["a", "b"], &["x", "y"], &["b"]), Ok(GenesByCells));
        assert_eq!(told(None, &["a", "b"], &["x", "y"], &["y"]), Ok(CellsByGenes));
        assert_eq!(told(Some("gene_id"), &["a"], &["x"], &[]), Ok(GenesByCells));
        assert_eq!(told(Some("Cell"), &["a"], &["x"], &[]), Ok(CellsByGenes));
        assert_eq!(told(Some(""), &["AAACATACAACCAC-1"], &["IL7R"], &[]), Ok(GenesByCells));
        assert_eq!(told(None, &["IL7R", "RPL3"], &["s1", "s2"], &[]), Ok(CellsByGenes));
        assert_eq!(told(None, &["s1"], &["ENSMUSG00000064370.1"], &[]), Ok(GenesByCells));
    }

    #[test]
    fn silence_and_contradiction_are_said() {
        let silent = told(Some("X"), &["a"], &["x"], &[]).unwrap_err();
        assert!(
            silent.contains("\"a\"") && silent.contains("\"x\"") && silent.contains("orientation = "),
            "{silent}"
        );
        let divided = told(Some("cell"), &["AAACATACAACCAC"], &["MT-ND1"], &[]).unwrap_err();
        assert!(divided.contains("corner") && divided.contains("names"), "{divided}");
        assert!(told(None, &["MT-ND1"], &["MT-ND2"], &[]).is_err());
    }
}
