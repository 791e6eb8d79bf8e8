//! Numbers and strings as people and their programs may safely see them. Strings that came from a worker or a file are
//! hostile: a terminal, a spreadsheet and a Markdown renderer each have their own way of obeying them.

use domain::metric::MetricName;
use serde_json::Value;
use stats::Summary;

/// A parameter's value in words: `2`, `0.001`, `128-32`, `mean`.
#[must_use]
pub fn value(value: &Value) -> String {
    terminal(&domain::params::display_value(value))
}

/// A whole number with its thousands set apart: `13,714`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 trial`, `2 trials`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A float as a person would write it: `2`, `0.001`, `1e-6`.
#[must_use]
pub fn shortest(number: f64) -> String {
    let is_plain = number == 0.0 || (1e-4..1e15).contains(&number.abs());
    if is_plain { format!("{number}") } else { format!("{number:e}") }
}

/// Digits after the point with which people read a metric.
const fn decimals(metric: MetricName) -> usize {
    match metric {
        MetricName::TrainSsePerCell
        | MetricName::SsePerCell
        | MetricName::ValidationSsePerCell
        | MetricName::ValidationLossPerCell
        | MetricName::TrainNllPerCell
        | MetricName::TrainElboPerCell
        | MetricName::NllPerCell
        | MetricName::ValidationNllPerCell
        | MetricName::BestEpoch
        | MetricName::ActiveUnits => 1,
        MetricName::TrainSsePerEntry | MetricName::SsePerEntry | MetricName::ValidationSsePerEntry => 5,
        MetricName::KlPerCell | MetricName::TrainSeconds | MetricName::EvaluationSeconds => 2,
        MetricName::SecondsPerEpoch => 3,
        MetricName::LatentLeidenResolution => 1,
        MetricName::Epochs | MetricName::Parameters | MetricName::LatentLeidenClusters => 0,
        MetricName::PeakMemoryBytes => 0,
        _ => 4,
    }
}

/// One number of a metric, without its unit (memory is in MiB).
#[must_use]
pub fn number(metric: MetricName, number: f64) -> String {
    let shown = if metric == MetricName::PeakMemoryBytes { number / f64::from(1 << 20) } else { number };
    let text = format!("{shown:.*}", decimals(metric));
    // "-0.0000" says nothing that "0.0000" does not
    if text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.')) { text.replace('-', "") } else { text }
}

/// Mean and half the width of its 95 % interval: `0.6213 ±0.0421`; the mean alone where there is one value.
#[must_use]
pub fn mean_and_interval(metric: MetricName, summary: &Summary) -> String {
    let mean = number(metric, summary.mean);
    match summary.ci95 {
        Some((low, high)) => format!("{mean} ±{}", number(metric, (high - low) / 2.0)),
        None => mean,
    }
}

/// What `metric` is measured in, for a heading: `train_seconds [s]`.
#[must_use]
pub fn heading(metric: MetricName) -> String {
    match metric {
        MetricName::PeakMemoryBytes => format!("{metric} [MiB]"),
        _ => metric.name().to_owned(),
    }
}

/// Hostile text for a terminal: control characters (escape sequences, line breaks, bidirectional overrides) become spaces.
#[must_use]
pub fn terminal(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// Hostile text for a CSV cell: a spreadsheet would run what starts with `=`, `+`, `-` or `@` as a formula, so an
/// apostrophe goes before it. For strings only: a negative number is no formula.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let text = terminal(text);
    if text.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

/// Hostile text for a cell of a Markdown table.
#[must_use]
pub fn markdown_cell(text: &str) -> String {
    let mut escaped = String::new();
    for c in terminal(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{count, csv_cell, markdown_cell, mean_and_interval, number, shortest, terminal, thousands};
    use domain::metric::MetricName;
    use stats::Summary;

    #[test]
    fn numbers_read_as_a_person_would_write_them() {
        assert_eq!([2.0, 0.001, 1e-6, 0.0].map(shortest), ["2", "0.001", "1e-6", "0"]);
        assert_eq!([7, 714, 13_714, 2_238_732].map(thousands), ["7", "714", "13,714", "2,238,732"]);
        assert_eq!((count(1, "trial"), count(2, "trial")), ("1 trial".to_owned(), "2 trials".to_owned()));
    }

    #[test]
    fn an_interval_stands_beside_its_mean_only_where_there_is_one() {
        let two = Summary { n: 2, mean: 0.5, sd: Some(0.1), ci95: Some((0.25, 0.75)) };
        assert_eq!(mean_and_interval(MetricName::LatentKmeansAri, &two), "0.5000 ±0.2500");
        let one = Summary { n: 1, mean: 1776.74, sd: None, ci95: None };
        assert_eq!(mean_and_interval(MetricName::SsePerCell, &one), "1776.7");
        assert_eq!(number(MetricName::LatentKmeansAri, -0.00001), "0.0000");
    }

    #[test]
    fn hostile_text_is_disarmed() {
        assert_eq!(terminal("a\u{1b}[31mred\r\n\u{202e}b"), "a [31mred   b");
        assert_eq!(csv_cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(csv_cell("\t@SUM(A1)"), "' @SUM(A1)");
        assert_eq!(csv_cell("host-1"), "host-1");
        assert_eq!(markdown_cell("a|b<script>\n"), "a\\|b&lt;script&gt; ");
    }
}
