//! What a value in a grid file may be, and how one is read: the same messages for every key. Which key has which
//! shape stands in `keys`.

use toml::de::{DeArray, DeValue};

use super::error::{Fault, Span, closest, listed};
use super::schedule;
use crate::config::ModelKind;
use crate::schedule::Schedule;

/// A value of the TOML tree with its place.
pub(super) type Raw<'text> = toml::Spanned<DeValue<'text>>;

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Text.
    Text(String),
    /// A finite number, never −0.
    Number(f64),
    /// A whole number.
    Whole(u64),
    /// Yes or no.
    Flag(bool),
    /// One of the shape's words.
    Word(&'static str),
    /// Widths of layers.
    Widths(Vec<u32>),
    /// How a weight changes over the run.
    Schedule(Schedule),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Word(word) => write!(f, "\"{word}\""),
            Self::Widths(widths) => write!(f, "{widths:?}"),
            Self::Schedule(schedule) => write!(f, "{schedule}"),
        }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// A word that a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// As people write it.
    pub(super) name: &'static str,
    /// What it means, for the schema.
    pub(super) about: &'static str,
    /// Other words that people may try.
    pub(super) aka: &'static [&'static str],
    /// The models that know it; empty means all that have the key.
    pub(super) models: &'static [ModelKind],
}

impl Word {
    /// Whether a key of `model` may have it.
    pub(super) fn is_of(&self, model: ModelKind) -> bool {
        self.models.is_empty() || self.models.contains(&model)
    }
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Text that is not empty.
    Text,
    /// A finite number in an interval; whole numbers are accepted.
    Number(Interval),
    /// A whole number, bounds included.
    Whole {
        /// Smallest.
        low: u64,
        /// Largest.
        high: u64,
    },
    /// `true` or `false`.
    Flag,
    /// One of a few words.
    Words(&'static [Word]),
    /// Widths of a stack of layers, in order.
    Widths {
        /// Fewest layers.
        fewest: usize,
    },
    /// `"constant"`, `{ warmup = 0.1 }` or `{ cycles = 4, ramp = 0.5 }`.
    Schedule,
}

/// Most layers in one stack.
pub(super) const MOST_LAYERS: usize = 16;
/// Widest layer.
pub(super) const WIDEST_LAYER: u32 = 65_536;

/// An interval of numbers; a bound that is infinite is no bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) has_low: bool,
    pub(super) high: f64,
    pub(super) has_high: bool,
}

impl Interval {
    /// `> low`.
    pub(super) const fn over(low: f64) -> Self {
        Self { low, has_low: false, high: f64::INFINITY, has_high: false }
    }

    /// `>= low`.
    pub(super) const fn from(low: f64) -> Self {
        Self { low, has_low: true, high: f64::INFINITY, has_high: false }
    }

    /// And `< high`.
    pub(super) const fn below(self, high: f64) -> Self {
        Self { high, has_high: false, ..self }
    }

    /// And `<= high`.
    pub(super) const fn up_to(self, high: f64) -> Self {
        Self { high, has_high: true, ..self }
    }

    fn contains(&self, number: f64) -> bool {
        let is_high_enough = number > self.low || (self.has_low && number == self.low);
        let is_low_enough = number < self.high || (self.has_high && number == self.high);
        is_high_enough && is_low_enough
    }

    fn describe(&self) -> String {
        let low_sign = if self.has_low { ">=" } else { ">" };
        let high_sign = if self.has_high { "<=" } else { "<" };
        if self.high.is_infinite() {
            format!("a number {low_sign} {}", self.low)
        } else {
            format!("a number {low_sign} {} and {high_sign} {}", self.low, self.high)
        }
    }
}

impl Shape {
    /// What a value of this shape is, to follow "must be".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Number(interval) => interval.describe(),
            Self::Whole { low, high } if *high == i64::MAX as u64 => {
                format!("a whole number >= {low} and < 2^63")
            }
            Self::Whole { low, high } => format!("a whole number from {low} to {high}"),
            Self::Flag => "true or false".to_owned(),
            Self::Words(words) => allowed(words),
            Self::Widths { fewest } => format!(
                "a list of {fewest} to {MOST_LAYERS} layer widths, each a whole number from 1 to {WIDEST_LAYER}"
            ),
            Self::Schedule => schedule::DESCRIPTION.to_owned(),
        }
    }

    /// Reads the value of the key `name`.
    pub(super) fn read(&self, name: &str, raw: &Raw<'_>) -> Result<Placed, Fault> {
        let value = match self {
            Self::Text => self.read_text(name, raw)?,
            Self::Number(interval) => self.read_number(name, raw, interval)?,
            Self::Whole { low, high } => Value::Whole(self.read_whole(name, raw, *low, *high)?),
            Self::Flag => Value::Flag(self.read_flag(name, raw)?),
            Self::Words(words) => Value::Word(self.read_word(name, raw, words)?),
            Self::Widths { fewest } => self.read_widths(name, raw, *fewest)?,
            Self::Schedule => Value::Schedule(schedule::read(name, raw)?),
        };
        Ok(Placed { value, span: raw.span() })
    }

    /// Reads one value or a list of values of the key `name`; a list of widths is a list of lists.
    pub(super) fn read_many(&self, name: &str, raw: &Raw<'_>) -> Result<Vec<Placed>, Fault> {
        let DeValue::Array(items) = raw.get_ref() else {
            return Ok(vec![self.read(name, raw)?]);
        };
        if items.is_empty() {
            let help = match self {
                Self::Widths { fewest: 0 } => "write [[]] for one value without layers".to_owned(),
                _ => format!("give at least one value; each is {}", self.describe()),
            };
            return Err(Fault::at(raw.span(), format!("{name} is an empty list")).help(help));
        }
        let is_one_stack = matches!(self, Self::Widths { .. })
            && !items.iter().any(|item| matches!(item.get_ref(), DeValue::Array(_)));
        if is_one_stack {
            return Ok(vec![self.read(name, raw)?]);
        }
        items.iter().map(|item| self.read(name, item)).collect()
    }

    pub(super) fn mismatch(&self, name: &str, raw: &Raw<'_>) -> Fault {
        let message = format!("{name} must be {}, found {}", self.describe(), found(raw));
        let fault = Fault::at(raw.span(), message);
        match (self, raw.get_ref()) {
            (Self::Widths { .. }, _) => fault,
            (_, DeValue::Array(_)) => {
                fault.help("one value stands here; a list of values to try belongs in [grid]")
            }
            (Self::Number(_) | Self::Whole { .. }, DeValue::String(text))
                if text.trim().parse::<f64>().is_ok() =>
            {
                fault.help(format!("write {} without quotes", text.trim()))
            }
            (Self::Number(_), DeValue::Float(float))
                if float.as_str().parse().is_ok_and(|number: f64| !number.is_finite()) =>
            {
                fault.help("a number has to be finite")
            }
            (Self::Flag, DeValue::String(text)) if matches!(text.trim(), "true" | "false") => {
                fault.help(format!("write {} without quotes", text.trim()))
            }
            (Self::Whole { .. }, DeValue::Float(_)) => {
                fault.help("write it without a decimal point or exponent")
            }
            _ => fault,
        }
    }

    fn read_text(&self, name: &str, raw: &Raw<'_>) -> Result<Value, Fault> {
        match raw.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                Err(Fault::at(raw.span(), format!("{name} is empty")))
            }
            DeValue::String(text) if text.contains('\0') => {
                Err(Fault::at(raw.span(), format!("{name} holds a NUL character")))
            }
            DeValue::String(text) => Ok(Value::Text(text.clone().into_owned())),
            _ => Err(self.mismatch(name, raw)),
        }
    }

    pub(super) fn read_number(&self, name: &str, raw: &Raw<'_>, interval: &Interval) -> Result<Value, Fault> {
        let number = match raw.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => {
                i128::from_str_radix(integer.as_str(), integer.radix()).map(|whole| whole as f64).ok()
            }
            _ => None,
        };
        match number {
            // "+ 0.0" turns −0 into 0: one number has one text, and so one trial has one id
            Some(number) if number.is_finite() && interval.contains(number) => {
                Ok(Value::Number(number + 0.0))
            }
            _ => Err(self.mismatch(name, raw)),
        }
    }

    pub(super) fn read_whole(&self, name: &str, raw: &Raw<'_>, low: u64, high: u64) -> Result<u64, Fault> {
        let whole = match raw.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        whole.filter(|whole| (low..=high).contains(whole)).ok_or_else(|| self.mismatch(name, raw))
    }

    fn read_flag(&self, name: &str, raw: &Raw<'_>) -> Result<bool, Fault> {
        match raw.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.mismatch(name, raw)),
        }
    }

    fn read_word(&self, name: &str, raw: &Raw<'_>, words: &'static [Word]) -> Result<&'static str, Fault> {
        let DeValue::String(text) = raw.get_ref() else {
            return Err(self.mismatch(name, raw));
        };
        match words.iter().find(|word| word.name == text.as_ref()) {
            Some(word) => Ok(word.name),
            None => Err(self.unknown_word(name, text, raw.span(), words)),
        }
    }

    fn unknown_word(&self, name: &str, text: &str, span: Span, words: &[Word]) -> Fault {
        let allowed = format!("{name} is {}", self.describe());
        let meant =
            words.iter().find(|word| word.aka.contains(&text.to_lowercase().as_str())).map(|word| word.name);
        let meant = meant.or_else(|| closest(text, words.iter().map(|word| word.name)));
        let help = match meant {
            Some(word) => format!("did you mean \"{word}\"? {allowed}"),
            None => allowed,
        };
        Fault::at(span, format!("unknown {name} {}", quote(text))).help(help)
    }

    fn read_widths(&self, name: &str, raw: &Raw<'_>, fewest: usize) -> Result<Value, Fault> {
        let DeValue::Array(items) = raw.get_ref() else {
            return Err(self.mismatch(name, raw));
        };
        if !(fewest..=MOST_LAYERS).contains(&items.len()) {
            let message = format!("{name} must be {}, found a list of {}", self.describe(), items.len());
            return Err(Fault::at(raw.span(), message));
        }
        read_layers(name, items).map(Value::Widths)
    }
}

fn read_layers(name: &str, items: &DeArray<'_>) -> Result<Vec<u32>, Fault> {
    let high = u64::from(WIDEST_LAYER);
    let layer = Shape::Whole { low: 1, high };
    let layer_name = format!("a layer width of {name}");
    items
        .iter()
        .map(|item| {
            let width = layer.read_whole(&layer_name, item, 1, high)?;
            Ok(u32::try_from(width).expect("at most WIDEST_LAYER, which is a u32"))
        })
        .collect()
}

/// `"a"`, or `one of "a" or "b"`.
fn allowed(words: &[Word]) -> String {
    let names: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.name)).collect();
    let prefix = if names.len() > 1 { "one of " } else { "" };
    format!("{prefix}{}", listed(&names, "or"))
}

/// Text in quotes, shortened.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(LONGEST).collect();
    format!("{:?}", head + "…")
}

/// What stands there, in words.
pub(super) fn found(raw: &Raw<'_>) -> String {
    match raw.get_ref() {
        DeValue::String(text) => quote(text),
        DeValue::Integer(integer) => shortened(&integer.to_string()),
        DeValue::Float(float) => shortened(float.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn shortened(digits: &str) -> String {
    const LONGEST: usize = 40;
    if digits.chars().count() <= LONGEST {
        digits.to_owned()
    } else {
        digits.chars().take(LONGEST).collect::<String>() + "…"
    }
}
