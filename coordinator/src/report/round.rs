//! Numbers of figures: fewer digits make a lighter page, and equal numbers give equal bytes.

use serde_json::{Value, json};

/// `value` with so many digits after the point; null when it is not finite.
pub(super) fn decimals(value: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    let rounded = (value * scale).round() / scale;
    // 0.0 + turns -0.0 into 0.0
    if rounded.is_finite() { json!(0.0 + rounded) } else { Value::Null }
}

/// `value` with six significant digits; null when it is not finite.
pub(super) fn significant(value: f64) -> Value {
    format!("{value:.5e}")
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map_or(Value::Null, |value| json!(value))
}

#[cfg(test)]
mod tests {
    use super::{decimals, significant};

    #[test]
    fn digits_are_cut_and_what_is_not_finite_is_null() {
        assert_eq!(decimals(-12.345_67, 3).to_string(), "-12.346");
        assert_eq!(decimals(-0.000_01, 3).to_string(), "0.0");
        assert_eq!(significant(1_776.744_9).to_string(), "1776.74");
        assert!(decimals(f64::NAN, 3).is_null() && significant(f64::INFINITY).is_null());
    }
}
