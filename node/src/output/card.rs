//! One thing: its fields below each other. Pure.

use serde_json::Value;

use super::cell::Tint;
use super::{Column, Out, table};

/// Fields below each other, names first; in a pipe a tab stands between the two. A value of several lines stands below its name.
pub(super) fn of(out: &Out, columns: &[Column], item: &Value) -> String {
    let widest = columns.iter().map(|column| column.head.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for column in columns {
        let cell = table::cell(out, column, item);
        if !out.for_people() {
            text.push_str(&format!("{}\t{}\n", column.head.to_lowercase(), cell.text));
            continue;
        }
        if cell.text == "–" {
            continue;
        }
        let fill = " ".repeat(widest - column.head.chars().count());
        let head = out.paint(Tint::Faint.style(), &column.head.to_lowercase());
        let value = out.paint(cell.tint.style(), &cell.text);
        text.push_str(&format!("{head}{fill}  {value}\n"));
    }
    text
}
