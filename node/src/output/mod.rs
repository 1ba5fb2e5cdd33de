//! What a command shows: data on stdout, everything else on stderr.
//!
//! A command hands over JSON, exactly as the API answers it, and a [`Table`] that says which fields matter to people. This room
//! decides the rest, once for every command:
//!
//! ```text
//!   on a terminal     columns without borders, header, colour, relative times, fitted to its width
//!   in a pipe         tabs, no header, no colour, ISO times, nothing cut
//!   -o json           one thing: the body of the API; a list: {"items": […], "next_page_token": …}
//!   -o jsonl          one item a line
//!   -o yaml|csv|name  the same for other readers
//! ```

mod card;
mod cell;
mod csv;
mod table;
mod time;
mod yaml;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};

use anstyle::Style;
use clap::ValueEnum;
use serde_json::{Value, json};

pub(crate) use cell::{Cell, Tint, at, cut, one_line, plain, tint_of};
#[cfg(test)]
pub(crate) use table::cell as cell_of;
pub(crate) use table::{Column, Show, Table};
pub(crate) use time::{TimeStyle, ago, clock, moment, seconds, span_ms};

use crate::fault::Fault;

/// Bytes that are kept for whoever wants to look at them; nobody reads more.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The shapes that data can be shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people; tabs in a pipe.
    Table,
    /// The same with all columns.
    Wide,
    /// The body of the API.
    Json,
    /// One item a line.
    Jsonl,
    /// YAML.
    Yaml,
    /// Only names.
    Name,
    /// Comma-separated values.
    Csv,
    /// The fields that can be chosen.
    #[value(name = "help")]
    Fields,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Also in a pipe.
    Always,
    /// Nowhere.
    Never,
}

/// How this call shows things.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    /// What was asked for with `-o`, if anything.
    pub(crate) asked: Option<Format>,
    /// Which columns, if they were chosen.
    pub(crate) columns: Vec<String>,
    /// In which order, if one was chosen.
    pub(crate) sort: Option<String>,
    /// How moments are written, if that was chosen.
    pub(crate) time: Option<TimeStyle>,
    /// Whether stdout is a terminal.
    pub(crate) terminal: bool,
    /// Whether stdout takes colour.
    pub(crate) colour: bool,
    /// Whether stderr takes colour.
    pub(crate) colour_err: bool,
    /// Columns of the terminal.
    pub(crate) width: usize,
    /// Lines of the terminal.
    pub(crate) height: usize,
    /// Say only what was asked for.
    pub(crate) quiet: bool,
    /// Lists as the fields of each item below each other.
    pub(crate) cards: bool,
    /// Where data goes instead of stdout.
    pub(crate) sink: Option<Sink>,
}

/// Another place for data than stdout.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    /// A file.
    File(Arc<File>),
    /// Kept, for whoever wants to look at it before it is shown.
    Kept(Arc<Mutex<String>>),
}

/// What there is beside the items of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rest {
    /// Where the list goes on; none: it is complete.
    pub(crate) next_page_token: Option<String>,
    /// Whether there are more.
    pub(crate) cut: bool,
    /// How many there are in all, where that is known.
    pub(crate) total: Option<u64>,
}

impl Out {
    /// How to show things to whoever reads this process's output.
    pub(crate) fn new(asked: Option<Format>, colour: Colour) -> Out {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let takes = |is_terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => is_terminal && !plain,
        };
        let size = terminal_size::terminal_size();
        let (width, height) = size.map_or((100, 40), |(w, h)| (usize::from(w.0), usize::from(h.0)));
        Out {
            asked,
            columns: Vec::new(),
            sort: None,
            time: None,
            terminal,
            colour: takes(terminal),
            colour_err: takes(std::io::stderr().is_terminal()),
            width: width.max(20),
            height: height.max(8),
            quiet: false,
            cards: false,
            sink: None,
        }
    }

    /// With its data somewhere else: a file is no terminal, and colours would be in the way of a comparison.
    pub(crate) fn to(mut self, sink: Sink) -> Out {
        self.terminal &= !matches!(sink, Sink::File(_));
        self.colour = false;
        self.sink = Some(sink);
        self
    }

    /// Whether people read it: no format for programs was asked for, and stdout is a terminal.
    pub(crate) fn for_people(&self) -> bool {
        self.terminal && matches!(self.asked, None | Some(Format::Table | Format::Wide))
    }

    /// Whether JSON was asked for, in either form.
    pub(crate) fn json(&self) -> bool {
        matches!(self.asked, Some(Format::Json | Format::Jsonl))
    }

    /// How moments are written here.
    pub(crate) fn time_style(&self) -> TimeStyle {
        let usual = if self.for_people() { TimeStyle::Relative } else { TimeStyle::Iso };
        self.time.unwrap_or(usual)
    }

    /// Shows a list.
    pub(crate) fn list(&self, table: &Table, items: Vec<Value>, rest: &Rest) -> Result<(), Fault> {
        let items = self.sorted(table, items)?;
        match self.asked.unwrap_or(Format::Table) {
            Format::Json => {
                let mut body = json!({ "items": items });
                if let Some(token) = &rest.next_page_token {
                    body["next_page_token"] = json!(token);
                }
                self.data(&pretty(&body));
            }
            Format::Jsonl => items.iter().for_each(|item| self.data(&format!("{item}\n"))),
            Format::Yaml => self.data(&yaml::of(&json!({ "items": items }))),
            Format::Name => {
                let name = |item: &Value| format!("{}\n", plain(at(item, table.name)));
                items.iter().for_each(|item| self.data(&name(item)));
            }
            Format::Csv => self.data(&csv::of(&table.chosen(self, &items)?, &items)),
            Format::Fields => self.data(&table::fields(table, &items)),
            Format::Table | Format::Wide => {
                let columns = table.chosen(self, &items)?;
                if items.is_empty() && self.terminal {
                    self.note(table.empty);
                } else if self.cards {
                    let cards = items.iter().map(|item| card::of(self, &columns, item));
                    self.data(&cards.collect::<Vec<_>>().join("\n"));
                } else {
                    self.data(&table::lines(self, &columns, &items));
                }
            }
        }
        if rest.cut {
            self.cut(items.len(), rest.total);
        }
        Ok(())
    }

    /// Shows one thing: for people its fields below each other, for programs the body of the API.
    pub(crate) fn one(&self, table: &Table, item: &Value) -> Result<(), Fault> {
        match self.asked.unwrap_or(Format::Table) {
            Format::Json => self.data(&pretty(item)),
            Format::Jsonl => self.data(&format!("{item}\n")),
            Format::Yaml => self.data(&yaml::of(item)),
            Format::Name => self.data(&format!("{}\n", plain(at(item, table.name)))),
            Format::Csv => {
                let only = std::slice::from_ref(item);
                self.data(&csv::of(&table.chosen(self, only)?, only));
            }
            Format::Fields => self.data(&table::fields(table, std::slice::from_ref(item))),
            Format::Table | Format::Wide => {
                self.data(&card::of(self, &table.all(self, item)?, item));
            }
        }
        Ok(())
    }

    /// Shows a value that has no columns: an output, a schema.
    pub(crate) fn value(&self, value: &Value) {
        match self.asked {
            Some(Format::Jsonl) => self.data(&format!("{value}\n")),
            Some(Format::Yaml) => self.data(&yaml::of(value)),
            _ => self.data(&pretty(value)),
        }
    }

    /// Writes data to stdout. A reader that has gone away is not a failure: nobody reads the rest.
    pub(crate) fn data(&self, text: &str) {
        match &self.sink {
            None => {}
            Some(Sink::Kept(kept)) => {
                let mut kept = kept.lock().expect("nobody panics while it is kept");
                if kept.len() + text.len() <= KEPT_BYTES_MAX {
                    kept.push_str(text);
                }
                return;
            }
            Some(Sink::File(file)) => {
                if let Err(fault) = file.as_ref().write_all(text.as_bytes()) {
                    complain(&format!("error: cannot write to that file: {fault}\n"));
                }
                return;
            }
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        if let Err(fault) = written {
            let gone = fault.kind() == std::io::ErrorKind::BrokenPipe;
            if !gone {
                complain(&format!("error: cannot write to standard output: {fault}\n"));
            }
            std::process::exit(i32::from(!gone));
        }
    }

    /// Says something beside the data, on stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !text.is_empty() {
            complain(&format!("{text}\n"));
        }
    }

    /// Colours a text for stdout.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        painted(self.colour, style, text)
    }

    fn cut(&self, shown: usize, total: Option<u64>) {
        let of = total.map_or(String::new(), |total| format!(" of {}", grouped(total)));
        self.note(&format!("… {shown}{of} shown; --all or --limit N"));
    }

    fn sorted(&self, table: &Table, mut items: Vec<Value>) -> Result<Vec<Value>, Fault> {
        let Some(sort) = &self.sort else { return Ok(items) };
        let (name, back) = match sort.strip_prefix('-') {
            Some(name) => (name, true),
            None => (sort.as_str(), false),
        };
        let path = table.path_of(name, &items)?;
        items.sort_by(|a, b| cell::order(at(a, &path), at(b, &path)));
        if back {
            items.reverse();
        }
        Ok(items)
    }
}

/// Writes to stderr. That nobody reads it is no reason to fail.
pub(crate) fn complain(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// A text in a colour, if there is colour.
pub(crate) fn painted(colour: bool, style: Style, text: &str) -> String {
    if !colour || text.is_empty() || style == Style::new() {
        return text.to_owned();
    }
    format!("{style}{text}{style:#}")
}

/// JSON for people, with a line end.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON can be written");
    text.push('\n');
    text
}

/// A number with thin groups of thousands: `1 204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Any shape of the contract as JSON.
pub(crate) fn body(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("the shapes of the contract are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1204), "1 204");
        assert_eq!(grouped(1_000_000), "1 000 000");
    }
}
