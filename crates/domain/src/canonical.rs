//! One text for one value: JSON with sorted keys and no spaces. Identities are hashes of it, so that neither the
//! order of fields in a struct nor a formatting habit of a library can change who a trial is.

use serde::Serialize;
use serde_json::Value;

/// The canonical JSON text of `value`: keys sorted by bytes, no white space, floats in their shortest form that
/// reads back to the same number.
///
/// # Errors
/// When `value` cannot be written as JSON (a map with keys that are not strings). A float that is not finite would
/// be written as `null`; checked configs hold none.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let tree = serde_json::to_value(value)?;
    let mut text = String::new();
    write_value(&tree, &mut text);
    Ok(text)
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (position, key) in keys.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_value(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::to_canonical_json;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth_and_floats_read_back() {
        let text = to_canonical_json(&json!({"b": {"z": 1, "a": [0.1, 2.0, 1e-3]}, "a": null})).unwrap();
        assert_eq!(text, r#"{"a":null,"b":{"a":[0.1,2.0,0.001],"z":1}}"#);
    }
}
