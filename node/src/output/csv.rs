//! Comma-separated values, as spreadsheets read them (RFC 4180). Pure.

use csv::{Terminator, WriterBuilder};
use serde_json::Value;

use super::Column;
use super::cell::{at, plain};

/// A header and one line for each item, values as they are.
pub(super) fn of(columns: &[Column], items: &[Value]) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let mut line = |values: Vec<String>| {
        writer
            .write_record(values)
            .expect("every line has a value for each column, and memory takes all");
    };
    line(columns.iter().map(|column| column.head.to_lowercase()).collect());
    for item in items {
        line(columns.iter().map(|column| value(column, item)).collect());
    }
    let bytes = writer.into_inner().expect("memory takes all");
    String::from_utf8(bytes).expect("columns and values are text")
}

fn value(column: &Column, item: &Value) -> String {
    match column.show {
        super::Show::With(make) => make(item).text,
        _ => plain(at(item, &column.path)),
    }
}
