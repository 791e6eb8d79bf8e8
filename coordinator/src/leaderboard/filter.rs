//! `--filter`: which trials are looked at. `beta=2`, `model=ae,beta-vae`, `seed!=0`, `beta>=1`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;
use crate::store::records::SweepData;

/// One condition on a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    key: String,
    condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    /// One of these words or numbers.
    Is(Vec<String>),
    /// None of them. A trial that lacks the key passes.
    IsNot(Vec<String>),
    /// A number so ordered beside this one.
    Ordered(Order, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A filter that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No operator in it.
    #[error("a filter is KEY=VALUE, KEY=A,B, KEY!=VALUE, KEY<NUMBER, <=, > or >=; found {0:?}")]
    NotKeyValue(String),
    /// An order that is not beside a number.
    #[error("{0:?} orders by something that is not a number; for words there are = and !=")]
    NotANumber(String),
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
        let not_key_value = || FilterError::NotKeyValue(text.to_owned());
        let at = text.find(['=', '!', '<', '>']).ok_or_else(not_key_value)?;
        let (key, rest) = (text[..at].trim(), &text[at..]);
        let operators = ["!=", "<=", ">=", "=", "<", ">"];
        let operator = operators.into_iter().find(|word| rest.starts_with(word)).ok_or_else(not_key_value)?;
        let value = rest[operator.len()..].trim();
        if key.is_empty() {
            return Err(not_key_value());
        }
        let words = || value.split(',').map(|word| word.trim().to_owned()).collect();
        let number = || {
            let number = value.parse::<f64>().ok().filter(|number| !number.is_nan());
            number.ok_or_else(|| FilterError::NotANumber(text.to_owned()))
        };
        let condition = match operator {
            "=" => Condition::Is(words()),
            "!=" => Condition::IsNot(words()),
            "<" => Condition::Ordered(Order::Below, number()?),
            "<=" => Condition::Ordered(Order::AtMost, number()?),
            ">" => Condition::Ordered(Order::Above, number()?),
            _ => Condition::Ordered(Order::AtLeast, number()?),
        };
        Ok(Self { key: key.to_owned(), condition })
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
        let value = match self.key.as_str() {
            "model" => Some(Value::from(record.trial.config.model.kind().name())),
            "seed" => Some(Value::from(record.trial.seed)),
            "state" => Some(Value::from(record.state.name())),
            key => params.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()),
        };
        let is_one_of =
            |words: &[String]| value.as_ref().is_some_and(|v| words.iter().any(|word| equals(v, word)));
        match &self.condition {
            Condition::Is(words) => is_one_of(words),
            Condition::IsNot(words) => !is_one_of(words),
            Condition::Ordered(order, wanted) => {
                value.and_then(|value| value.as_f64()).is_some_and(|number| order.holds(number, *wanted))
            }
        }
    }
}

impl Order {
    fn holds(self, number: f64, beside: f64) -> bool {
        match self {
            Self::Below => number < beside,
            Self::AtMost => number <= beside,
            Self::Above => number > beside,
            Self::AtLeast => number >= beside,
        }
    }
}

fn equals(value: &Value, word: &str) -> bool {
    match (value, word.parse::<u64>()) {
        // a seed is a whole number of 64 bits: as floats, two of them could be one
        (Value::Number(number), Ok(wanted)) if number.is_u64() => number.as_u64() == Some(wanted),
        _ => match (value.as_f64(), word.parse::<f64>()) {
            (Some(number), Ok(wanted)) => number == wanted,
            _ => word == text::value(value),
        },
    }
}
