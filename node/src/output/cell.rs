//! One value in one place: its text and its colour. Pure.

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// What a text means, which its colour shows. The text says it too: colour is never the only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tint {
    /// Nothing special.
    #[default]
    None,
    /// Done, and well.
    Good,
    /// Under way.
    Live,
    /// Needs attention soon.
    Warn,
    /// Went wrong.
    Bad,
    /// Not important now.
    Faint,
    /// Important.
    Strong,
}

impl Tint {
    /// The colour it has.
    pub(crate) fn style(self) -> Style {
        match self {
            Tint::None => Style::new(),
            Tint::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Tint::Live => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
            Tint::Warn => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            Tint::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())),
            Tint::Faint => Style::new().dimmed(),
            Tint::Strong => Style::new().bold(),
        }
    }
}

/// What stands in one place of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    /// The text, on one line.
    pub(crate) text: String,
    /// What it means.
    pub(crate) tint: Tint,
}

impl Cell {
    /// A text without meaning.
    pub(crate) fn plain(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), tint: Tint::None }
    }

    /// Columns of a terminal it takes.
    pub(crate) fn width(&self) -> usize {
        self.text.width()
    }
}

/// The meaning of a status, in whatever resource it stands.
pub(crate) fn tint_of(status: &str) -> Tint {
    match status {
        "completed" | "up" | "succeeded" | "healthy" | "ok" => Tint::Good,
        "running" | "cancelling" | "starting" | "created" | "updated" => Tint::Live,
        "retrying" | "waiting" | "paused" | "restarting" | "draining" | "degraded" => Tint::Warn,
        "failed" | "timed_out" | "lost" | "given_up" | "stopped" | "upstream_failed" => Tint::Bad,
        "skipped" | "blocked" | "cancelled" | "left" | "returned" | "unchanged" => Tint::Faint,
        _ => Tint::None,
    }
}

/// The value at a path of field names: `counts.waiting`. What is missing is null.
pub(crate) fn at<'a>(item: &'a Value, path: &str) -> &'a Value {
    let mut value = item;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        value = value.get(name).unwrap_or(&Value::Null);
    }
    value
}

/// A value as one line of text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => one_line(text),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            let pair = |(name, value): (&String, &Value)| format!("{name}={}", plain(value));
            fields.iter().map(pair).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// A text on one line: a table has no room for more, and a tab would look like the next column.
pub(crate) fn one_line(text: &str) -> String {
    if !text.contains(|c: char| c.is_control()) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    for part in text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// A text cut to a width, with a sign that it was.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(letter).unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        taken.push(letter);
    }
    taken.push('…');
    taken
}

/// Which of two values comes first: numbers by size, all else by its text; what is missing comes last.
pub(crate) fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Greater,
        (_, Value::Null) => std::cmp::Ordering::Less,
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0));
            a.total_cmp(&b)
        }
        _ => plain(a).cmp(&plain(b)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_a_value_or_to_nothing() {
        let item = json!({"counts": {"waiting": 3}});
        assert_eq!(at(&item, "counts.waiting"), &json!(3));
        assert_eq!(at(&item, "counts.waiting.more"), &Value::Null);
    }

    #[test]
    fn a_cut_text_says_so_and_keeps_its_width() {
        assert_eq!(cut("connection reset", 8), "connect…");
        assert_eq!(cut("short", 8), "short");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }

    #[test]
    fn a_cell_is_one_line() {
        assert_eq!(one_line("a\tb\n\nc\x1b[31m"), "a b c [31m");
    }
}
