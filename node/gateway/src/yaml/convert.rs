//! Files of other systems, turned into ours: FlowCtl's workflows.
//!
//! What has no equivalent is not lost: it stays in the new file as a comment, and is named in a warning. A task of FlowCtl names a
//! handler by its type; the types that are one of our actions become that action, the others a `call` to a worker that registers
//! a handler of that name.

use std::fmt::Write;

use oarlock_actors::expression::duration;
use serde_json::{Map, Value};

use super::check::slug;
use super::code;
use super::document::Document;
use super::read;
use super::report::{Problem, Report};
use super::tree::Node;

/// A converted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The file in our format. It validates.
    pub yaml: String,
    /// What could not be carried over, in sentences.
    pub warnings: Vec<String>,
}

/// Converts a FlowCtl workflow, YAML or JSON.
///
/// # Errors
/// A [`Report`] where it is no YAML, or no FlowCtl workflow.
pub fn from_flowctl(text: &str, file_name: &str) -> Result<Converted, Report> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let report = |problem: Problem| Report::new(file_name, text, vec![problem]);
    let mut roots = read::read(text).map_err(|problem| report(*problem))?;
    let document = Document { text, root: roots.swap_remove(0) };
    let problem = |pointer: &str, message: &str, label: &str| {
        let mut problem = document.problem(code::WRONG_VALUE, pointer, message);
        problem.label = label.to_owned();
        report(problem)
    };
    let source = document.root.json();
    let Some(tasks) = source.get("tasks").and_then(Value::as_array) else {
        let label = "FlowCtl files have `name`, `config` and a list of `tasks`";
        return Err(problem("", "this is not a FlowCtl workflow", label));
    };
    let mut writer = Writer::default();
    writer.head(&source, file_name);
    let mut names: Vec<String> = Vec::new();
    for (place, task) in tasks.iter().enumerate() {
        let Some(name) = task.get("name").and_then(Value::as_str).and_then(|name| slug(name, true))
        else {
            return Err(problem(&format!("/tasks/{place}"), "a task has no name", "add `name`"));
        };
        if names.contains(&name) {
            let message = format!("two tasks are named `{name}`");
            return Err(problem(&format!("/tasks/{place}/name"), &message, "rename one of them"));
        }
        names.push(name);
    }
    writer.line(0, "");
    writer.line(0, "tasks:");
    for (task, name) in tasks.iter().zip(&names) {
        writer.task(task, name);
    }
    // What we write must be what we read; a file that cannot be carried over says why.
    let converted = super::parse(&writer.text, file_name);
    match converted {
        Ok(_) => Ok(Converted { yaml: writer.text, warnings: writer.warnings }),
        Err(report) => Err(report),
    }
}

/// A FlowCtl file given where one of ours is expected.
pub(super) fn hint(document: &Document<'_>) -> Option<Problem> {
    let root = &document.root;
    let list = matches!(root.get("tasks").map(|tasks| &tasks.node), Some(Node::List(_)));
    if !list || root.get("kind").is_some() {
        return None;
    }
    let mut problem = document.problem(code::WRONG_VALUE, "", "this looks like a FlowCtl workflow");
    problem.label = "here `tasks` is an object, and there is a `kind`".to_owned();
    problem.notes.push(("convert it", "oarlock convert --from flowctl FILE".to_owned()));
    Some(problem)
}

#[derive(Default)]
struct Writer {
    text: String,
    warnings: Vec<String>,
}

impl Writer {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{}{text}", " ".repeat(indent));
        if text.is_empty() {
            self.text.truncate(self.text.trim_end_matches([' ', '\n']).len());
            self.text.push_str("\n\n");
        }
    }

    fn field(&mut self, indent: usize, name: &str, value: &Value) {
        self.line(indent, &format!("{name}: {}", flow(value)));
    }

    /// Keeps what cannot be carried over as a comment.
    fn lost(&mut self, indent: usize, what: &str, name: &str, value: &Value, why: &str) {
        let shown = format!("# {name}: {}", flow(value)).replace(['\n', '\r'], " ");
        self.line(indent, &format!("{shown}    # FlowCtl's; {why}"));
        self.warnings.push(format!("{what}: `{name}` was not carried over: {why}"));
    }

    fn head(&mut self, source: &Value, file_name: &str) {
        let original = source.get("name").and_then(Value::as_str).unwrap_or("workflow");
        let name = slug(original, false).unwrap_or_else(|| "workflow".to_owned());
        self.line(
            0,
            &format!(
                "# Converted from FlowCtl's {}.",
                one_line(file_name.rsplit('/').next().unwrap_or_default())
            ),
        );
        self.line(0, "kind: workflow");
        self.field(0, "name", &name.as_str().into());
        let description = source.get("description").and_then(Value::as_str);
        match description {
            Some(text) => self.field(0, "description", &text.into()),
            None if original != name => self.field(0, "description", &original.into()),
            None => {}
        }
        if original != name {
            self.warnings
                .push(format!("`{original}` is now called `{name}`: names need no quotes here"));
        }
        let config = source.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
        for (key, value) in &config {
            match (key.as_str(), value) {
                ("timeout", Value::String(text)) if duration(text).is_ok() => {
                    self.field(0, "timeout", value);
                }
                ("timeout", Value::Number(seconds)) => {
                    self.field(0, "timeout", &format!("{seconds}s").into());
                }
                ("retry_policy", Value::Object(policy)) => self.policy(policy),
                ("max_concurrency", _) => {
                    let why = "workers and queues decide how many tasks run at once";
                    self.lost(0, "the workflow", "max_concurrency", value, why);
                }
                _ => self.lost(0, "the workflow", key, value, "it has no equivalent"),
            }
        }
        for (key, value) in source.as_object().into_iter().flatten() {
            if !["name", "description", "config", "tasks"].contains(&key.as_str()) {
                self.lost(0, "the workflow", key, value, "it has no equivalent");
            }
        }
    }

    fn policy(&mut self, policy: &Map<String, Value>) {
        let known = ["max_attempts", "initial_delay", "max_delay", "backoff_factor", "jitter"];
        let kept: Map<String, Value> = policy
            .iter()
            .filter(|(key, _)| known.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), seconds(key, value)))
            .collect();
        self.line(0, "defaults:");
        self.field(2, "retry", &Value::Object(kept));
        for (key, value) in policy {
            if !known.contains(&key.as_str()) {
                self.lost(2, "the retry policy", key, value, "it has no equivalent");
            }
        }
    }

    fn task(&mut self, task: &Value, name: &str) {
        let what = format!("task `{name}`");
        let kind = task.get("type").and_then(Value::as_str).unwrap_or("generic");
        let payload = task.get("payload").cloned().unwrap_or(Value::Null);
        self.line(2, &format!("{name}:"));
        let needs = task.get("depends_on").or_else(|| task.get("dependencies"));
        if let Some(needs) = needs.and_then(Value::as_array).filter(|needs| !needs.is_empty()) {
            let needs = needs.iter().filter_map(|need| slug(need.as_str()?, true)).map(Value::from);
            self.field(4, "needs", &needs.collect());
        }
        self.action(&what, kind, &payload);
        for (key, value) in task.as_object().into_iter().flatten() {
            match key.as_str() {
                "name" | "type" | "payload" | "depends_on" | "dependencies" => {}
                "priority" => self.priority(&what, value),
                "max_retries" if value.as_u64().is_some_and(|count| count < 1_000) => {
                    self.field(4, "retry", value);
                }
                "timeout" if value.as_str().is_some_and(|text| duration(text).is_ok()) => {
                    self.field(4, "timeout", value);
                }
                "timeout" | "timeout_seconds" if value.is_u64() => {
                    self.field(4, "timeout", &format!("{value}s").into());
                }
                _ => self.lost(4, &what, key, value, "it has no equivalent"),
            }
        }
    }

    fn priority(&mut self, what: &str, value: &Value) {
        match value.as_i64() {
            Some(priority @ 0..=10) => self.field(4, "priority", &priority.into()),
            Some(priority) => {
                self.field(4, "priority", &priority.clamp(0, 10).into());
                self.warnings.push(format!(
                    "{what}: priority {priority} became {}: ours go from 0 to 10",
                    priority.clamp(0, 10)
                ));
            }
            None => self.lost(4, what, "priority", value, "it is no whole number"),
        }
    }

    /// The types that are one of our actions; every other is a handler that a worker registers.
    fn action(&mut self, what: &str, kind: &str, payload: &Value) {
        let text = |name: &str| payload.get(name).and_then(Value::as_str).map(escape);
        match (kind, text("command"), text("url"), text("duration")) {
            ("shell" | "command" | "script" | "bash", Some(command), ..) => {
                self.field(4, "run", &command.into());
                self.rest(what, payload, &["command"]);
            }
            ("http" | "webhook", _, Some(url), _) => {
                let mut http = Map::from_iter([("url".to_owned(), Value::from(url))]);
                for (theirs, ours) in
                    [("method", "method"), ("headers", "headers"), ("body", "json")]
                {
                    if let Some(value) = payload.get(theirs) {
                        http.insert(ours.to_owned(), escaped(value));
                    }
                }
                self.field(4, "http", &Value::Object(http));
                self.rest(what, payload, &["url", "method", "headers", "body"]);
            }
            ("sleep" | "delay", _, _, Some(length)) if duration(&length).is_ok() => {
                self.field(4, "sleep", &length.into());
                self.rest(what, payload, &["duration"]);
            }
            _ => {
                self.field(4, "call", &kind.into());
                if !payload.is_null() {
                    self.line(4, "with:");
                    match payload.as_object() {
                        Some(fields) => {
                            for (key, value) in fields {
                                self.line(
                                    6,
                                    &format!("{}: {}", scalar(key), flow(&escaped(value))),
                                );
                            }
                            if fields.is_empty() {
                                self.text.truncate(self.text.trim_end().len());
                                self.text.push_str(" {}\n");
                            }
                        }
                        None => {
                            self.text.truncate(self.text.trim_end().len());
                            let _ = writeln!(self.text, " {}", flow(&escaped(payload)));
                        }
                    }
                }
                let note = format!(
                    "handlers of type `{kind}` are now workers that register `{kind}`; until one does, its tasks wait"
                );
                if !self.warnings.contains(&note) {
                    self.warnings.push(note);
                }
            }
        }
    }

    fn rest(&mut self, what: &str, payload: &Value, used: &[&str]) {
        for (key, value) in payload.as_object().into_iter().flatten() {
            if !used.contains(&key.as_str()) {
                self.lost(4, what, key, value, "the action has no such field");
            }
        }
    }
}

/// FlowCtl's delays may be plain seconds.
fn seconds(key: &str, value: &Value) -> Value {
    match value {
        Value::Number(number) if key.ends_with("_delay") => format!("{number}s").into(),
        other => other.clone(),
    }
}

/// FlowCtl knows no expressions: what looks like one is text.
fn escape(text: &str) -> String {
    text.replace("${{", "$${{")
}

fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => escape(text).into(),
        Value::Array(list) => list.iter().map(escaped).collect(),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), escaped(value))).collect())
        }
        other => other.clone(),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A value in YAML's flow style, quoted where it must be.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(object) => {
            let entries =
                object.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text, plain where no reader could take it for anything else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./ ".contains(c))
        && text.trim_end() == text
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"]
            .contains(&text.to_lowercase().as_str());
    if plain || is_length(text) { text.to_owned() } else { Value::from(text).to_string() }
}

/// `30s`, `2h`: no reader takes them for a number.
fn is_length(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < text.len() && ["ms", "s", "m", "h", "d"].contains(&unit)
}
