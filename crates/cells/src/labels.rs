//! Labels of the cells of one data set: numbered classes and which one each cell has. Reading files must not live
//! here.

use std::collections::HashMap;

use domain::data::Unlabelled;

use crate::error::CellsError;
use crate::read::labels::LabelTable;

/// How many barcodes an error names.
const EXAMPLES: usize = 5;

/// What the cells are, according to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Names of the classes, largest class first, equal sizes by name. Every class has a cell.
    pub classes: Vec<String>,
    /// Class of each cell, as a position in `classes`.
    pub of_cell: Vec<u16>,
}

impl Labels {
    /// As many classes as a `u16` counts.
    pub const MAX_CLASSES: usize = u16::MAX as usize;

    /// The labels of cells by name; the number of classes when there are more than can be told apart.
    pub(crate) fn of_names(label_of_cell: &[&str]) -> Result<Self, usize> {
        let mut size_of: HashMap<&str, usize> = HashMap::new();
        label_of_cell.iter().for_each(|&label| *size_of.entry(label).or_default() += 1);
        let mut classes: Vec<(&str, usize)> = size_of.into_iter().collect();
        if classes.len() > Self::MAX_CLASSES {
            return Err(classes.len());
        }
        classes.sort_unstable_by(|(name_a, size_a), (name_b, size_b)| {
            size_b.cmp(size_a).then(name_a.cmp(name_b))
        });
        let number_of: HashMap<&str, u16> = classes.iter().map(|&(name, _)| name).zip(0..).collect();
        Ok(Self {
            of_cell: label_of_cell.iter().map(|label| number_of[label]).collect(),
            classes: classes.iter().map(|&(name, _)| name.to_owned()).collect(),
        })
    }
}

/// The class of cells without a label, when they are kept.
pub const UNLABELLED: &str = "unlabelled";

/// Labels, and which cells they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Of the cells that stay.
    pub labels: Labels,
    /// Positions of the cells that stay (ascending); `None` when all do.
    pub kept: Option<Vec<u32>>,
}

/// Gives every cell its label. Rows of the table about other cells are ignored; classes without a cell do not exist.
///
/// # Errors
/// Cells without a label (unless `unlabelled` says what to do with them), with their number and the first few
/// barcodes; more than [`Labels::MAX_CLASSES`] classes.
pub fn assign(
    table: &LabelTable,
    barcodes: &[String],
    unlabelled: Unlabelled,
) -> Result<Assigned, CellsError> {
    let mut label_of_cell = Vec::with_capacity(barcodes.len());
    let mut labelled = Vec::with_capacity(barcodes.len());
    let mut missing = Vec::new();
    for (cell, barcode) in (0..).zip(barcodes) {
        let found = table.label_of.get(barcode).map(String::as_str);
        if found.is_none() {
            missing.push(barcode.as_str());
        }
        if let Some(label) = found.or((unlabelled == Unlabelled::Keep).then_some(UNLABELLED)) {
            label_of_cell.push(label);
            labelled.push(cell);
        }
    }
    let is_mistake = match unlabelled {
        Unlabelled::Error => !missing.is_empty(),
        Unlabelled::Drop | Unlabelled::Keep => missing.len() == barcodes.len(), // names of other cells altogether
    };
    if is_mistake {
        return Err(CellsError::MissingLabels {
            path: table.path.clone(),
            column: table.column.clone(),
            count: missing.len(),
            cells: barcodes.len(),
            examples: missing[..missing.len().min(EXAMPLES)].join(", "),
            there: table.first_barcode.clone().unwrap_or_else(|| "(the file has no rows)".to_owned()),
        });
    }
    let labels = Labels::of_names(&label_of_cell).map_err(|classes| CellsError::TooManyClasses {
        path: table.path.clone(),
        column: table.column.clone(),
        classes,
        max: Labels::MAX_CLASSES,
    })?;
    Ok(Assigned { labels, kept: (labelled.len() < barcodes.len()).then_some(labelled) })
}

#[cfg(test)]
mod tests {
    use domain::data::Unlabelled;

    use super::{Assigned, Labels, UNLABELLED};
    use crate::CellsError;
    use crate::read::labels::LabelTable;

    fn table(rows: &[(&str, &str)]) -> LabelTable {
        LabelTable {
            path: "labels.csv".into(),
            column: "cell_type".to_owned(),
            first_barcode: rows.first().map(|row| row.0.to_owned()),
            label_of: rows.iter().map(|&(barcode, label)| (barcode.to_owned(), label.to_owned())).collect(),
        }
    }

    fn assign(table: &LabelTable, barcodes: &[String]) -> Result<Labels, CellsError> {
        super::assign(table, barcodes, Unlabelled::Error).map(|assigned| assigned.labels)
    }

    fn names(barcodes: &[&str]) -> Vec<String> {
        barcodes.iter().map(|&barcode| barcode.to_owned()).collect()
    }

    #[test]
    fn classes_come_by_size_then_name_and_dropped_cells_do_not_count() {
        let table = table(&[("1", "b"), ("2", "a"), ("3", "c"), ("4", "c"), ("5", "gone"), ("6", "gone")]);
        let labels = assign(&table, &names(&["4", "1", "2", "3"])).unwrap();
        assert_eq!(labels.classes, ["c", "a", "b"]);
        assert_eq!(labels.of_cell, [0, 2, 1, 0]);
    }

    #[test]
    fn cells_without_label_are_counted_and_named() {
        let message = assign(&table(&[("A-1", "x")]), &names(&["A", "B", "A-1"])).unwrap_err().to_string();
        for part in ["labels.csv", "2 of the 3 cells", "A, B", "looks like A-1"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn cells_without_label_are_left_out_or_a_class_when_that_is_asked_for() {
        let table = table(&[("1", "b"), ("3", "a"), ("4", "b")]);
        let cells = names(&["1", "2", "3", "4"]);
        let Assigned { labels, kept } = super::assign(&table, &cells, Unlabelled::Drop).unwrap();
        assert_eq!((labels.of_cell, kept), (vec![0, 1, 0], Some(vec![0, 2, 3])));
        let Assigned { labels, kept } = super::assign(&table, &cells, Unlabelled::Keep).unwrap();
        assert_eq!((labels.classes.last().map(String::as_str), kept), (Some(UNLABELLED), None));
        assert_eq!(labels.of_cell, [0, 2, 1, 0]);
        let strangers = names(&["x", "y"]);
        assert!(super::assign(&table, &strangers, Unlabelled::Drop).is_err());
    }

    #[test]
    fn more_classes_than_numbers_are_refused() {
        let ids: Vec<String> = (0..=Labels::MAX_CLASSES).map(|id| id.to_string()).collect();
        let rows: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), id.as_str())).collect();
        let table = table(&rows);
        assert!(matches!(assign(&table, &ids), Err(CellsError::TooManyClasses { classes: 65_536, .. })));
        assert_eq!(assign(&table, &ids[1..]).unwrap().classes.len(), Labels::MAX_CLASSES);
    }
}
