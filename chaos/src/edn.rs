//! A history as Jepsen writes it, so that its checkers can be asked too.
//!
//! Elle and Knossos are the referees in doubt, and they read EDN. So `check` leaves, beside what it found,
//!
//! ```text
//!   edn/history.edn            everything, nemeses too
//!   edn/register-KEY.edn       one register each: `lein run --model cas-register FILE` of Knossos
//!   edn/signals.edn            lists that are appended to and read: `--model list-append` of elle-cli, or `adya check`
//! ```
//!
//! The fields are those of <https://github.com/jepsen-io/history>: `:index` `:time` `:type` `:process` `:f` `:value`, and `:error` where
//! there is one; other fields are free, and say here `:work`, `:key`, `:node` and `:rev`. Three of its habits differ from ours.
//! There an operation that did not succeed repeats what was asked; here its value is empty, so the value of its beginning is
//! repeated. There a compare-and-set that found another value is `:fail`; here it may have been answered with `false`, which is
//! the same. And there everything of a list is one transaction, `:f :txn` with `[[:append key element]]` or `[[:r key
//! elements]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::check::story::{FINAL, Story};
use crate::history::{Event, History, Process, Type};

/// The folder in the folder of a run.
pub const FOLDER: &str = "edn";

/// Writes all of them, and tells which files there are now.
///
/// # Errors
/// When a file cannot be written.
pub fn write(history: &History, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = folder.join(FOLDER);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mut files = vec![("history".to_owned(), whole(history))];
    let mut taken = BTreeSet::new();
    for (key, text) in registers(history, "register") {
        let mut name = format!("register-{}", file_name(&key));
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        files.push((name, text));
    }
    let lists = lists(history, "signals");
    if !lists.is_empty() {
        files.push(("signals".to_owned(), lists));
    }
    let mut written = Vec::with_capacity(files.len());
    for (name, text) in files {
        let path = folder.join(format!("{name}.edn"));
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Everything.
#[must_use]
pub fn whole(history: &History) -> String {
    let asked = asked(history);
    let mut text = String::new();
    for event in &history.events {
        let value = match asked.get(&event.index) {
            Some(asked) if event.value.is_null() => asked,
            _ => &event.value,
        };
        line(&mut text, event, event.kind, &event.f, &edn(value), true);
    }
    text
}

/// The registers of a workload, by key: `read`, `write` and `cas` with `[old new]`; whatever else it does says nothing of one value.
#[must_use]
pub fn registers(history: &History, work: &str) -> BTreeMap<String, String> {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let asked = asked(history);
    for event in history.events.iter().filter(|event| event.work == work) {
        let f = plain(event);
        if !["read", "write", "cas"].contains(&f) {
            continue;
        }
        let refused = f == "cas" && event.kind == Type::Ok && event.value == Value::Bool(false);
        let kind = if refused { Type::Fail } else { event.kind };
        // What a write was answered is not what was written.
        let told = match asked.get(&event.index) {
            Some(asked) if f != "read" || kind != Type::Ok => asked,
            _ => &event.value,
        };
        line(keys.entry(event.key.clone()).or_default(), event, kind, f, &edn(told), false);
    }
    keys
}

/// The lists of a workload: `append` with an element, `read` answered with the elements, or whole transactions, `txn`.
#[must_use]
pub fn lists(history: &History, work: &str) -> String {
    let mut text = String::new();
    let asked = asked(history);
    for event in history.events.iter().filter(|event| event.work == work) {
        let first = asked.get(&event.index).copied().unwrap_or(&event.value);
        let value = match plain(event) {
            "append" => format!("[[:append {} {}]]", string(&event.key), edn(first)),
            "read" => {
                let seen =
                    if event.kind == Type::Ok { edn(&event.value) } else { "nil".to_owned() };
                format!("[[:r {} {seen}]]", string(&event.key))
            }
            "txn" if event.kind == Type::Ok => transaction(&event.value),
            "txn" => transaction(first),
            _ => continue,
        };
        line(&mut text, event, event.kind, "txn", &value, false);
    }
    text
}

/// The operation; what was read in the last look was read like anything else.
fn plain(event: &Event) -> &str {
    event.f.strip_prefix(FINAL).unwrap_or(&event.f)
}

/// What was asked, by the index of the line that says how it ended.
fn asked(history: &History) -> BTreeMap<u64, &Value> {
    let ops = Story::of(history).ops.into_iter();
    ops.filter_map(|op| Some((op.end?.index, &op.invoke.value))).collect()
}

/// `[["append", key, 1], ["r", key, null]]`, with keywords.
fn transaction(steps: &Value) -> String {
    let steps = steps.as_array().map(Vec::as_slice).unwrap_or_default();
    let step = |step: &Value| {
        let (f, rest) = step.as_array()?.split_first()?;
        let rest: Vec<String> = rest.iter().map(edn).collect();
        Some(format!("[:{} {}]", f.as_str()?, rest.join(" ")))
    };
    format!("[{}]", steps.iter().filter_map(step).collect::<Vec<_>>().join(" "))
}

fn line(text: &mut String, event: &Event, kind: Type, f: &str, value: &str, more: bool) {
    let kind = match kind {
        Type::Invoke => "invoke",
        Type::Ok => "ok",
        Type::Fail => "fail",
        Type::Info => "info",
    };
    let process = match event.process {
        Process::Client(number) => number.to_string(),
        Process::Nemesis(_) => ":nemesis".to_owned(),
    };
    let (index, time, f) = (event.index, event.time, keyword(f));
    let _ = write!(
        text,
        "{{:index {index}, :time {time}, :type :{kind}, :process {process}, :f {f}, :value {value}"
    );
    if !event.error.is_empty() {
        let _ = write!(text, ", :error {}", string(&event.error));
    }
    if more {
        let free = [("work", &event.work), ("key", &event.key), ("node", &event.node)];
        for (name, said) in free.into_iter().filter(|(_, said)| !said.is_empty()) {
            let _ = write!(text, ", :{name} {}", string(said));
        }
    }
    if let Some(rev) = event.rev {
        let _ = write!(text, ", :rev {rev}");
    }
    text.push_str("}\n");
}

/// JSON as EDN.
#[must_use]
pub fn edn(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(is) => is.to_string(),
        // Beyond 64 bits with a sign, EDN wants to be told that the number is a large one.
        Value::Number(number) if number.is_u64() && !number.is_i64() => format!("{number}N"),
        Value::Number(number) => number.to_string(),
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(edn).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{} {}", keyword(name), edn(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A name as a keyword, or as a string if it cannot be one.
fn keyword(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_*+!?.".contains(letter);
    let begins = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    if begins && name.chars().all(plain) { format!(":{name}") } else { string(name) }
}

/// A string with its escapes.
fn string(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if u32::from(letter) < 0x20 => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A key as part of the name of a file.
fn file_name(key: &str) -> String {
    if key.is_empty() {
        return "only".to_owned();
    }
    let safe =
        |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    key.chars().take(80).map(safe).collect()
}

#[cfg(test)]
#[path = "edn_tests.rs"]
mod tests;
