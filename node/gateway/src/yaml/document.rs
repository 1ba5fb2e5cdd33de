//! One document of a file, while it is being checked: its tree, and problems with their places in the text.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::code;
use super::report::Problem;
use super::tree::{Node, Spot};

pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) root: Spot,
}

impl Document<'_> {
    /// A problem at a JSON Pointer. Objects and lists in block style have no extent: their key stands for them.
    pub(super) fn problem(
        &self,
        code: &'static str,
        pointer: &str,
        message: impl Into<String>,
    ) -> Problem {
        let spot = self.root.near(pointer);
        let flow = matches!(spot.node, Node::List(_) | Node::Object(_));
        let span = match self.root.key(pointer) {
            Some(key) if flow || spot.at.is_empty() => key.at.clone(),
            _ if spot.at.is_empty() => self.first_word(spot.at.start),
            _ => spot.at.clone(),
        };
        Problem::new(code, pointer, span, message)
    }

    fn first_word(&self, start: usize) -> Range<usize> {
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace()).unwrap_or(rest.len());
        start..start + end
    }

    /// The bytes of a part of a text value: where quoting and folding have not changed the part, they are found again.
    pub(super) fn inside(&self, pointer: &str, part: &Range<usize>) -> Option<Range<usize>> {
        let spot = self.root.near(pointer);
        let Node::Text(value) = &spot.node else { return None };
        let written = self.text.get(spot.at.clone())?;
        let wanted = value.get(part.clone())?;
        if wanted.is_empty() {
            let end = spot.at.start + written.trim_end().trim_end_matches(['"', '\'']).len();
            return (part.start == value.len()).then_some(end..end);
        }
        let before = value[..part.start].matches(wanted).count();
        let (at, _) = written.match_indices(wanted).nth(before)?;
        Some(spot.at.start + at..spot.at.start + at + wanted.len())
    }

    /// The document as JSON without what the problems are about, so that everything else can be checked too. A task that is no
    /// object, or has a broken action, becomes one that does nothing. First only the innermost values are taken out; where what
    /// is left has no shape, `whole` takes out the fields around them.
    pub(super) fn sound(&self, problems: &[Problem], whole: bool) -> Value {
        let mut value = self.root.json();
        for problem in problems {
            let steps: Vec<String> = problem
                .pointer
                .split('/')
                .skip(1)
                .map(|step| step.replace("~1", "/").replace("~0", "~"))
                .collect();
            let Some(root) = value.as_object_mut() else { return json!({}) };
            match steps.as_slice() {
                // Of two tasks with one name the first is as good as any.
                _ if problem.code == code::DUPLICATE => {}
                [_, .., _] if !whole && steps.len() > 2 && is_inner(&steps) => {
                    take_out(&mut value, &steps);
                }
                [tasks, task, rest @ ..] if tasks == "tasks" => {
                    let tasks = root.get_mut("tasks").and_then(Value::as_object_mut);
                    if let Some(task) = tasks.and_then(|tasks| tasks.get_mut(task)) {
                        mend(task, problem.code, rest);
                    }
                }
                [first, second, ..] if !whole => {
                    let inner = root.get_mut(first).and_then(Value::as_object_mut);
                    inner.and_then(|inner| inner.shift_remove(second));
                }
                [first, ..] => {
                    root.shift_remove(first);
                }
                [] => {}
            }
        }
        if let Some(root) = value.as_object_mut() {
            root.insert("kind".to_owned(), json!("workflow"));
            root.entry("name").or_insert_with(|| json!("unnamed"));
            root.entry("tasks").or_insert_with(|| json!({}));
        }
        value
    }
}

/// Whether a place is inside a field of a task, of an input or of the workflow.
fn is_inner(steps: &[String]) -> bool {
    steps.len() > if steps[0] == "tasks" { 3 } else { 2 }
}

fn take_out(value: &mut Value, steps: &[String]) {
    let Some((last, way)) = steps.split_last() else { return };
    let around = way.iter().try_fold(value, |value, step| match value {
        Value::Object(object) => object.get_mut(step),
        Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    });
    match around {
        Some(Value::Object(object)) => {
            object.shift_remove(last);
        }
        // Places in the list must stay what they are.
        Some(Value::Array(list)) => {
            if let Some(element) = last.parse::<usize>().ok().and_then(|place| list.get_mut(place))
            {
                *element = Value::Null;
            }
        }
        _ => {}
    }
}

const ACTIONS: [&str; 8] = ["run", "http", "call", "workflow", "wait", "sleep", "emit", "noop"];

fn mend(task: &mut Value, code: &str, rest: &[String]) {
    let nothing = || Value::Object(Map::from_iter([("noop".to_owned(), json!({}))]));
    let Some(object) = task.as_object_mut() else {
        *task = nothing();
        return;
    };
    let Some(field) = rest.first() else { return };
    let deeper = rest.len() > 1;
    let only_unknown = [code::UNKNOWN_FIELD, code::NOT_YET].contains(&code);
    object.shift_remove(field);
    let action = ACTIONS.contains(&field.as_str()) || (only_unknown && !deeper);
    if action && !ACTIONS.iter().any(|action| object.contains_key(*action)) {
        object.insert("noop".to_owned(), json!({}));
    }
}
