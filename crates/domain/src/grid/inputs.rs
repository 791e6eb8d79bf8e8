//! Which models may see which input. Must not live here: what an input is (`crate::data`).

use super::axes::Grid;
use super::error::{Fault, listed};
use crate::config::ModelKind;
use crate::data::Input;

/// A likelihood of counts needs counts; a squared error of counts would be that of the few largest genes.
pub(super) fn refuse_other_input(grid: &Grid, input: Input) -> Result<(), Fault> {
    let has_counts = input == Input::Counts;
    let wants_counts = |model: &ModelKind| model.reconstruction().is_of_counts();
    let mut placed = grid.models.iter().zip(&grid.model_spans);
    let Some((model, span)) = placed.find(|(model, _)| wants_counts(model) != has_counts) else {
        return Ok(());
    };
    let (message, help) = if has_counts {
        let of_counts: Vec<&str> =
            ModelKind::ALL.iter().filter(|model| wants_counts(model)).map(|model| model.name()).collect();
        (
            format!("{model} is no model of counts, and input is \"counts\""),
            format!(
                "{} are trained on counts; {model} is on input = \"lognorm\" or \"scaled\"",
                listed(&of_counts, "and")
            ),
        )
    } else {
        (
            format!("{model} is a model of counts, and input is not \"counts\""),
            "write input = \"counts\" in [data]".to_owned(),
        )
    };
    let is_mixed = grid.models.iter().any(|model| wants_counts(model) == has_counts);
    let apart = "; both kinds of models make two grid files, since their losses can't be compared";
    Err(Fault::at(span.clone(), message).help(format!("{help}{}", if is_mixed { apart } else { "" })))
}
