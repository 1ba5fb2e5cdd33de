//! Comma-separated values, as spreadsheets read them (RFC 4180). Pure.

use serde_json::Value;

use super::Column;
use super::cell::{at, plain};

/// A header and one line for each item, values as they are.
pub(super) fn of(columns: &[Column], items: &[Value]) -> String {
    let heads = columns.iter().map(|column| column.head.to_lowercase());
    let mut text = line(heads);
    for item in items {
        text.push_str(&line(columns.iter().map(|column| value(column, item))));
    }
    text
}

fn value(column: &Column, item: &Value) -> String {
    match column.show {
        super::Show::With(make) => make(item).text,
        _ => plain(at(item, &column.path)),
    }
}

fn line(values: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = values.map(|value| quoted(&value)).collect();
    format!("{}\r\n", quoted.join(","))
}

fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(quoted("plain"), "plain");
    }
}
