//! Tables: which fields of a resource people want to see, and how they stand beside each other. Pure but for its width.

use std::fmt::Write;

use serde_json::Value;

use super::cell::{Cell, Tint, at, cut, plain, tint_of};
use super::{Format, Out, time};
use crate::fault::{Exit, Fault};

/// The gap between two columns on a terminal.
const GAP: usize = 2;
/// A column that has to give room keeps at least so much.
const NARROW: usize = 8;

/// How the value of a field is written.
#[derive(Clone, Copy)]
pub(crate) enum Show {
    /// As it is.
    Text,
    /// As it is, to the right.
    Number,
    /// A status word, in its colour.
    Status,
    /// A moment.
    Moment,
    /// Milliseconds as a length of time.
    Span,
    /// `yes`, or nothing.
    Yes,
    /// Made from the whole item.
    With(fn(&Value) -> Cell),
}

/// One column.
#[derive(Clone)]
pub(crate) struct Column {
    /// Its head.
    pub(crate) head: String,
    /// The field it shows, as a path of names.
    pub(crate) path: String,
    /// How.
    pub(crate) show: Show,
    /// Whether it is shown only with `-o wide`.
    pub(crate) wide: bool,
}

/// The columns of one resource.
pub(crate) struct Table {
    /// Head, path, how; a head that begins with `+` is shown only with `-o wide`.
    pub(crate) columns: &'static [(&'static str, &'static str, Show)],
    /// The field that names an item.
    pub(crate) name: &'static str,
    /// What to say to people if there is nothing.
    pub(crate) empty: &'static str,
}

impl Table {
    fn columns(&self) -> impl Iterator<Item = Column> {
        self.columns.iter().map(|(head, path, show)| Column {
            head: head.trim_start_matches('+').to_owned(),
            path: (*path).to_owned(),
            show: *show,
            wide: head.starts_with('+'),
        })
    }

    /// The columns to show: those that were asked for, or the usual ones.
    pub(crate) fn chosen(&self, out: &Out, items: &[Value]) -> Result<Vec<Column>, Fault> {
        if !out.columns.is_empty() {
            let column = |name: &String| self.path_of(name, items).map(|_| self.column(name));
            return out.columns.iter().map(column).collect();
        }
        let wide = out.asked == Some(Format::Wide);
        Ok(self.columns().filter(|column| wide || !column.wide).collect())
    }

    /// Every column, for one thing; or those that were asked for.
    pub(crate) fn all(&self, out: &Out, item: &Value) -> Result<Vec<Column>, Fault> {
        if out.columns.is_empty() {
            return Ok(self.columns().collect());
        }
        self.chosen(out, std::slice::from_ref(item))
    }

    /// A column by its head or its field; any field can be a column.
    fn column(&self, name: &str) -> Column {
        let known = self
            .columns()
            .find(|column| column.head.eq_ignore_ascii_case(name) || column.path == name);
        known.unwrap_or_else(|| Column {
            head: name.to_uppercase(),
            path: name.to_owned(),
            show: Show::Text,
            wide: false,
        })
    }

    /// The field that a column or a field name means. A field that no item has is a slip of the pen; what is below a known field
    /// may be missing everywhere, as `error.kind` is when nothing failed.
    pub(crate) fn path_of(&self, name: &str, items: &[Value]) -> Result<String, Fault> {
        let path = self.column(name).path;
        let first = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        let known = self.columns().any(|column| first(&column.path) == first(&path));
        if known || items.is_empty() || items.iter().any(|item| !at(item, &path).is_null()) {
            return Ok(path);
        }
        let heads: Vec<String> = self.columns().map(|c| c.head.to_lowercase()).collect();
        let help = format!("columns: {}; all fields: -o help", heads.join(", "));
        Err(Fault::new(Exit::Usage, format!("no column or field `{name}`")).help(help))
    }
}

/// The table as text: for people with a header and fitted columns, for programs with tabs.
pub(super) fn lines(out: &Out, columns: &[Column], items: &[Value]) -> String {
    let rows: Vec<Vec<Cell>> = items
        .iter()
        .map(|item| columns.iter().map(|column| cell(out, column, item)).collect())
        .collect();
    if !out.for_people() {
        let mut text = String::new();
        for row in rows {
            let cells: Vec<String> = row.into_iter().map(|cell| cell.text).collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        return text;
    }
    fitted(out, columns, &rows)
}

fn fitted(out: &Out, columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let wanted = |place: usize| {
        let cells = rows.iter().map(|row| row[place].width());
        cells.chain([columns[place].head.len()]).max().unwrap_or(0)
    };
    let widths = shrink((0..columns.len()).map(wanted).collect(), out.width);
    let mut text = String::new();
    let heads = columns.iter().map(|c| Cell { text: c.head.clone(), tint: Tint::Faint });
    row_into(&mut text, out, columns, &widths, &heads.collect::<Vec<_>>());
    for row in rows {
        row_into(&mut text, out, columns, &widths, row);
    }
    text
}

fn row_into(text: &mut String, out: &Out, columns: &[Column], widths: &[usize], row: &[Cell]) {
    let mut line = String::new();
    for (place, cell) in row.iter().enumerate() {
        let short = Cell { text: cut(&cell.text, widths[place]), tint: cell.tint };
        let fill = " ".repeat(widths[place].saturating_sub(short.width()));
        let painted = out.paint(short.tint.style(), &short.text);
        let last = place + 1 == row.len();
        match columns[place].show {
            Show::Number | Show::Span => line.push_str(&format!("{fill}{painted}")),
            _ if last => line.push_str(&painted),
            _ => line.push_str(&format!("{painted}{fill}")),
        }
        if !last {
            line.push_str(&" ".repeat(GAP));
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Takes room from the widest columns until the row fits.
fn shrink(mut widths: Vec<usize>, room: usize) -> Vec<usize> {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > room {
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width) else { break };
        if *widest <= NARROW {
            break;
        }
        *widest -= 1;
    }
    widths
}

/// One field of one item, as this reader wants it.
pub(crate) fn cell(out: &Out, column: &Column, item: &Value) -> Cell {
    let value = at(item, &column.path);
    let mut cell = match column.show {
        Show::With(make) => make(item),
        Show::Status => {
            let word = plain(value);
            Cell { tint: tint_of(&word), text: word }
        }
        Show::Moment => Cell::plain(
            value.as_str().map_or(String::new(), |text| time::shown(text, out.time_style())),
        ),
        Show::Span => Cell::plain(value.as_u64().map_or(String::new(), time::span_ms)),
        Show::Yes => Cell::plain(if value == &Value::Bool(true) { "yes" } else { "" }),
        Show::Text | Show::Number => Cell::plain(plain(value)),
    };
    if cell.text.is_empty() && out.for_people() {
        cell = Cell { text: "–".to_owned(), tint: Tint::Faint };
    }
    cell
}

/// The fields of a resource and their types, for `-o help`.
pub(super) fn fields(table: &Table, items: &[Value]) -> String {
    let mut found: Vec<(String, String)> = Vec::new();
    for item in items {
        walk(item, "", &mut found);
    }
    if found.is_empty() {
        for column in table.columns().filter(|column| !column.path.is_empty()) {
            found.push((column.path, "(no item to look at)".to_owned()));
        }
    }
    let widest = found.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (path, kind) in found {
        writeln!(text, "{path:widest$}  {kind}").expect("a text takes everything");
    }
    text
}

fn walk(item: &Value, above: &str, found: &mut Vec<(String, String)>) {
    let Some(fields) = item.as_object() else { return };
    for (name, value) in fields {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        if !found.iter().any(|(known, _)| *known == path) {
            found.push((path.clone(), kind.to_owned()));
        }
        if above.matches('.').count() < 2 {
            walk(value, &path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::Colour;

    const TABLE: Table = Table {
        columns: &[
            ("RUN", "name", Show::Text),
            ("STATUS", "status", Show::Status),
            ("TOOK", "duration_ms", Show::Span),
            ("+ID", "id", Show::Text),
        ],
        name: "name",
        empty: "",
    };

    fn out(terminal: bool, width: usize) -> Out {
        let mut out = Out::new(None, Colour::Never);
        (out.terminal, out.width) = (terminal, width);
        out
    }

    fn items() -> Vec<Value> {
        vec![
            json!({"name": "etl/1042", "status": "failed", "duration_ms": 38_000, "id": "run_1"}),
            json!({"name": "etl/9", "status": "running", "id": "run_2"}),
        ]
    }

    #[test]
    fn people_see_a_header_and_columns() {
        let out = out(true, 80);
        let text = lines(&out, &TABLE.chosen(&out, &items()).expect("columns"), &items());
        assert_eq!(
            text,
            "RUN       STATUS   TOOK\netl/1042  failed    38s\netl/9     running     –\n"
        );
    }

    #[test]
    fn programs_see_tabs_and_no_header() {
        let out = out(false, 10);
        let text = lines(&out, &TABLE.chosen(&out, &items()).expect("columns"), &items());
        assert_eq!(text, "etl/1042\tfailed\t38s\netl/9\trunning\t\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_column() {
        assert_eq!(shrink(vec![4, 60, 10], 40), vec![4, 22, 10]);
    }

    #[test]
    fn any_field_can_be_a_column() {
        let mut out = out(false, 80);
        out.columns = vec!["id".to_owned(), "took".to_owned()];
        let text = lines(&out, &TABLE.chosen(&out, &items()).expect("columns"), &items());
        assert_eq!(text, "run_1\t38s\nrun_2\t\n");
        out.columns = vec!["nmae".to_owned()];
        assert!(TABLE.chosen(&out, &items()).is_err(), "no item has it");
        assert!(TABLE.chosen(&out, &[]).is_ok(), "nobody can say");
    }
}
