//! JSON as YAML.

use serde_json::Value;

/// A value as a YAML document that ends with a line break. A text that a reader might take for something else is quoted, also by
/// the rules of YAML 1.1 (`no`, `1_000`), which many readers still follow.
pub(super) fn of(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: false, yaml_12: false };
    let mut text = serde_saphyr::to_string_with_options(value, options)
        .expect("JSON has nothing that YAML could not say");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::of;

    #[test]
    fn lists_of_objects_read_well() {
        let value = json!({"items": [{"name": "etl/1", "tags": ["a", "b"]}], "none": []});
        let text = "items:\n  - name: etl/1\n    tags:\n      - a\n      - b\nnone: []\n";
        assert_eq!(of(&value), text);
    }

    #[test]
    fn whatever_is_written_reads_back_the_same() {
        let value = json!({"a": "no", "b": "1.5", "c": "x: y", "d": "- e", "f": "two\nlines\n", "g": "",
            "on": [null, true, 1, 1.5, {}], "h": "~", "i": " spaces ", "j": "#", "k": "\u{1b}[1m"});
        let back: Value = serde_saphyr::from_str(&of(&value)).expect("our own YAML");
        assert_eq!(back, value);
    }

    #[test]
    fn a_bare_value_is_a_line() {
        assert_eq!(of(&json!("hello")), "hello\n");
    }
}
