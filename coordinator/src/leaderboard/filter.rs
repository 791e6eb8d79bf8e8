//! `--filter key=value`: which trials are looked at.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;
use crate::store::records::SweepData;

/// One condition on a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    key: String,
    value: String,
}

/// A filter that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No `=` in it.
    #[error("a filter is key=value, found {0:?}")]
    NotKeyValue(String),
    /// No trial of the sweep has such a key.
    #[error("no trial of this sweep has {key:?} to filter by; there are: {}", known.join(", "))]
    UnknownKey {
        /// What was written.
        key: String,
        /// What could have been.
        known: Vec<String>,
    },
}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err(FilterError::NotKeyValue(text.to_owned())),
        }
    }
}

/// Positions of the trials that pass all `filters`. `params` are the trials' parameters, in the order of the trials.
pub(super) fn keep(
    data: &SweepData,
    params: &[Vec<(String, Value)>],
    filters: &[Filter],
) -> Result<Vec<usize>, FilterError> {
    let names: BTreeSet<&str> = params.iter().flatten().map(|(name, _)| name.as_str()).collect();
    for filter in filters {
        let is_known = FIXED_KEYS.contains(&filter.key.as_str()) || names.contains(filter.key.as_str());
        if !is_known {
            let known = FIXED_KEYS.iter().copied().chain(names).map(str::to_owned).collect();
            return Err(FilterError::UnknownKey { key: filter.key.clone(), known });
        }
    }
    let passes =
        |position: &usize| filters.iter().all(|filter| filter.passes(data, *position, &params[*position]));
    Ok((0..data.trials.len()).filter(passes).collect())
}

/// Keys that every trial has.
const FIXED_KEYS: [&str; 3] = ["model", "seed", "state"];

impl Filter {
    fn passes(&self, data: &SweepData, position: usize, params: &[(String, Value)]) -> bool {
        let record = &data.trials[position];
        match self.key.as_str() {
            "model" => self.value == record.trial.config.model.kind().name(),
            "seed" => self.value == record.trial.seed.to_string(),
            "state" => self.value == record.state.name(),
            key => params.iter().any(|(name, value)| name == key && self.equals(value)),
        }
    }

    fn equals(&self, value: &Value) -> bool {
        match (value.as_f64(), self.value.parse::<f64>()) {
            (Some(number), Ok(wanted)) => number == wanted,
            _ => self.value == text::value(value),
        }
    }
}
