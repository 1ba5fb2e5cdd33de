//! JSON as YAML: block style, and quotes wherever a reader might take a text for something else. Pure.

use serde_json::Value;

/// A value as a YAML document.
pub(super) fn of(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => block(&mut text, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut text, value, 0),
        other => text.push_str(&format!("{}\n", scalar(other))),
    }
    text
}

fn block(text: &mut String, value: &Value, depth: usize) {
    let space = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = scalar(&Value::String(name.clone()));
                if nested(value) {
                    text.push_str(&format!("{space}{name}:\n"));
                    block(text, value, depth + usize::from(value.is_object() || value.is_array()));
                } else {
                    text.push_str(&format!("{space}{name}: {}\n", scalar(value)));
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if nested(item) {
                    let mut inner = String::new();
                    block(&mut inner, item, depth + 1);
                    let first = inner.trim_start_matches(' ');
                    text.push_str(&format!("{space}- {first}"));
                } else {
                    text.push_str(&format!("{space}- {}\n", scalar(item)));
                }
            }
        }
        other => text.push_str(&format!("{space}{}\n", scalar(other))),
    }
}

fn nested(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A value on one line. A text in JSON's quotes is YAML too, so that is what doubtful ones get.
fn scalar(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let first = text.chars().next().unwrap_or(' ');
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let word = !matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null"
    );
    let plain = first.is_ascii_alphabetic() && !text.ends_with(' ') && text.chars().all(letters);
    if plain && word { text.clone() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;

    #[test]
    fn lists_of_objects_read_well() {
        let value =
            json!({"items": [{"name": "etl/1", "tags": ["a", "b"], "on": true}], "none": []});
        let text = "items:\n  - name: etl/1\n    tags:\n      - a\n      - b\n    \"on\": true\nnone: []\n";
        assert_eq!(of(&value), text);
    }

    #[test]
    fn a_doubtful_text_is_quoted() {
        assert_eq!(
            of(&json!({"a": "no", "b": "1.5", "c": "x: y"})),
            "a: \"no\"\nb: \"1.5\"\nc: \"x: y\"\n"
        );
    }
}
