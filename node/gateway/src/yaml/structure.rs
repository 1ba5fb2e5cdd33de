//! Does the tree have the shape that the schema asks for? Everything that is not is said, at its own place.
//!
//! The schema is the one that editors get, read by a small checker of its own rather than by a general validator: it knows which
//! of several forms was meant, points at a wrong key instead of at the object around it, and says what is wrong in the words of
//! the format. A test holds it against a general validator.

use oarlock_actors::expression::{duration, nearest};
use serde_json::Value;

use super::code;
use super::document::Document;
use super::report::Problem;
use super::schema::{allowed, expected, internal, resolve};
use super::tree::{Node, Spot, join};
use super::words::{owner, synonym, topic};

/// Fields that later releases know, and where: the schema's name for the object around them.
const LATER: &[(&str, &[&str])] = &[
    (
        "Workflow",
        &["triggers", "on_complete", "on_failure", "secrets", "schedule", "webhooks", "hooks"],
    ),
    (
        "Task",
        &["container", "wasm", "rate_limit", "k8s_job", "secrets", "matrix", "cache", "artifacts"],
    ),
    ("Wait", &["event", "until"]),
    ("Concurrency", &["group"]),
];
/// Kinds of documents that later releases know.
const LATER_KINDS: &[&str] = &["pipeline", "schedule", "queue", "webhook", "secret_ref", "machine"];

/// Checks a document.
pub(super) fn check(document: &Document<'_>) -> Vec<Problem> {
    let mut checker = Checker { document, problems: Vec::new() };
    let root = &document.root;
    if !matches!(root.node, Node::Object(_)) {
        let mut problem = document.problem(
            code::WRONG_VALUE,
            "",
            "a workflow is an object with `kind`, `name` and `tasks`",
        );
        problem.label = format!("this is {}", root.kind());
        return vec![problem];
    }
    if let Some(kind) = root.get("kind")
        && let Node::Text(name) = &kind.node
        && LATER_KINDS.contains(&name.as_str())
    {
        let message = format!("documents of the kind `{name}` are not available yet");
        let mut problem = document.problem(code::NOT_YET, "/kind", message);
        problem.label = "this release knows `workflow`".to_owned();
        return vec![problem];
    }
    checker.value(internal(), root, "");
    checker.problems
}

struct Checker<'a> {
    document: &'a Document<'a>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn value(&mut self, schema: &'static Value, spot: &Spot, pointer: &str) {
        let target = resolve(schema);
        if let Some(forms) = target.get("anyOf").and_then(Value::as_array) {
            let meant = forms.iter().find(|form| fits(&resolve(form)["type"], &spot.node));
            return match meant {
                Some(form) => self.value(form, spot, pointer),
                None => self.wrong_kind(schema, spot, pointer),
            };
        }
        if let Some(allowed) = allowed(target) {
            return self.one_of(&allowed, schema, spot, pointer);
        }
        if !fits(&target["type"], &spot.node) {
            return self.wrong_kind(schema, spot, pointer);
        }
        match &spot.node {
            Node::Object(_) => self.object(target, spot, pointer),
            Node::List(list) => {
                if let Some(items) = target.get("items") {
                    for (place, element) in list.iter().enumerate() {
                        self.value(items, element, &join(pointer, place));
                    }
                }
                if list.is_empty() && target.get("minItems").is_some() {
                    let name = pointer.rsplit('/').next().unwrap_or_default();
                    let message =
                        format!("`{name}` in {} is an empty list", owner(parent(pointer)));
                    self.say(code::WRONG_VALUE, pointer, &message, "it needs at least one element");
                }
            }
            Node::Number(number) => self.range(target, number.as_f64().unwrap_or(0.0), pointer),
            _ => {}
        }
    }

    fn object(&mut self, schema: &'static Value, spot: &Spot, pointer: &str) {
        let Node::Object(entries) = &spot.node else { return };
        let fields = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| !others.is_boolean());
        for (key, value) in entries {
            let inner = join(pointer, &key.name);
            match fields.and_then(|fields| fields.get(&key.name)).or(others) {
                Some(field) => self.value(field, value, &inner),
                None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    self.unknown(schema, &key.name, pointer, &inner);
                }
                None => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let missing: Vec<&str> =
            required.filter_map(Value::as_str).filter(|name| spot.get(name).is_none()).collect();
        // A field of a later release stands in its place: that is said already.
        let kind = kind_of(pointer);
        if kind != "Wait" || !entries.iter().any(|(key, _)| is_later(kind, &key.name)) {
            self.missing(&missing, pointer);
        }
    }

    fn missing(&mut self, names: &[&str], pointer: &str) {
        let Some(first) = names.first() else { return };
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("{} has no {}", owner(pointer), listed(&quoted));
        let at = if names.len() == 1 { join(pointer, first) } else { pointer.to_owned() };
        let mut problem = self.document.problem(code::MISSING, &at, message);
        // What is missing has no place: the object it is missing from stands for it.
        problem.span = self.document.problem(code::MISSING, pointer, "").span;
        problem.label = match *first {
            "kind" => "add `kind: workflow`".to_owned(),
            _ => format!("add `{first}: …`"),
        };
        problem.topic = topic(&at);
        self.problems.push(problem);
    }

    fn unknown(&mut self, schema: &'static Value, name: &str, pointer: &str, inner: &str) {
        let fields: Vec<&str> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let kind = kind_of(pointer);
        let owner = owner(pointer);
        let mut problem = if is_later(kind, name) {
            let message = format!("`{name}` in {owner} is not available yet");
            let mut problem = self.document.problem(code::NOT_YET, inner, message);
            problem.label = "a later release will know it".to_owned();
            problem
        } else {
            let message = format!("unknown field `{name}` in {owner}");
            let mut problem = self.document.problem(code::UNKNOWN_FIELD, inner, message);
            if let Some(near) =
                synonym(name, &fields).or_else(|| nearest(name, fields.iter().copied()))
            {
                problem.label = format!("did you mean `{near}`?");
            }
            problem.notes.push(("allowed", fields.join(", ")));
            problem
        };
        if let Some(key) = self.document.root.key(inner) {
            problem.span = key.at.clone();
        }
        problem.topic = topic(pointer);
        self.problems.push(problem);
    }

    fn one_of(&mut self, allowed: &[&str], schema: &'static Value, spot: &Spot, pointer: &str) {
        let Node::Text(text) = &spot.node else {
            return self.wrong_kind(schema, spot, pointer);
        };
        if allowed.contains(&text.as_str()) {
            return;
        }
        let field = pointer.rsplit('/').next().unwrap_or_default();
        let message = format!("`{text}` is not a value of `{field}`");
        let mut problem = self.document.problem(code::WRONG_VALUE, pointer, message);
        let near = nearest(&text.to_lowercase(), allowed.iter().copied())
            .or_else(|| allowed.iter().copied().find(|name| name.eq_ignore_ascii_case(text)));
        if let Some(near) = near.or_else(|| synonym(text, allowed)) {
            problem.label = format!("did you mean `{near}`?");
        }
        problem.notes.push(("allowed", allowed.join(", ")));
        problem.topic = topic(pointer);
        self.problems.push(problem);
    }

    fn wrong_kind(&mut self, schema: &'static Value, spot: &Spot, pointer: &str) {
        let wanted = expected(schema);
        let name = pointer.rsplit('/').next().unwrap_or_default();
        let named = match name.parse::<usize>() {
            Ok(place) => format!("element {place}"),
            Err(_) => format!("`{}`", name.replace("~1", "/").replace("~0", "~")),
        };
        if matches!(spot.node, Node::Null) {
            let message = format!("{named} in {} has no value", owner(parent(pointer)));
            let mut problem = self.document.problem(code::MISSING, pointer, message);
            problem.label = format!("expected {wanted}");
            problem.topic = topic(pointer);
            if let Some(key) = self.document.root.key(pointer) {
                problem.span = key.at.clone();
            }
            return self.problems.push(problem);
        }
        let is_duration = wanted.starts_with("a duration");
        let (code, label) = match (&spot.node, is_duration) {
            (Node::Number(number), true) => (
                code::BAD_DURATION,
                duration(&number.to_string())
                    .err()
                    .and_then(|fault| fault.hint)
                    .unwrap_or_default(),
            ),
            (Node::Text(text), _) if wanted == "true or false" && is_yaml_1_1(text) => {
                let truth = matches!(text.to_lowercase().as_str(), "y" | "yes" | "on");
                (
                    code::WRONG_VALUE,
                    format!("only `true` and `false` are truth values: write `{truth}`"),
                )
            }
            (Node::Text(text), _)
                if wanted.contains("number") && text.trim().parse::<f64>().is_ok() =>
            {
                (code::WRONG_VALUE, "take the quotes away".to_owned())
            }
            (Node::Text(_), _) if wanted == "a whole number" || wanted == "a number" => {
                (code::WRONG_VALUE, String::new())
            }
            (Node::Number(_) | Node::Bool(_), false)
                if wanted.starts_with("text") || wanted.starts_with("the name") =>
            {
                (code::WRONG_VALUE, "put it in quotes to make it text".to_owned())
            }
            (Node::Object(entries), _) if entries.len() == 1 && wanted.starts_with("text") => {
                (code::WRONG_VALUE, "quote the text if it was meant as one".to_owned())
            }
            (Node::Text(_), _) if parent(pointer) == "/tasks" => {
                (code::WRONG_VALUE, format!("say what the task does: `{name}: {{run: …}}`"))
            }
            (Node::Object(_), _) if wanted.starts_with("a command") => {
                (code::WRONG_VALUE, "write the command itself: `run: ./extract.sh`".to_owned())
            }
            _ => (code::WRONG_VALUE, String::new()),
        };
        let message = format!(
            "{named} in {} must be {wanted}, and this is {}",
            owner(parent(pointer)),
            spot.kind()
        );
        let mut problem = self.document.problem(code, pointer, message);
        problem.label = label;
        problem.topic = topic(pointer);
        self.problems.push(problem);
    }

    fn range(&mut self, schema: &'static Value, number: f64, pointer: &str) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("`{name}` is out of range: {number}");
            let label = match (least, most) {
                (Some(least), Some(most)) => format!("from {least} to {most}"),
                (Some(least), None) => format!("at least {least}"),
                (_, most) => format!("at most {}", most.unwrap_or_default()),
            };
            self.say(code::WRONG_VALUE, pointer, &message, &label);
        }
    }

    fn say(&mut self, code: &'static str, pointer: &str, message: &str, label: &str) {
        let mut problem = self.document.problem(code, pointer, message);
        problem.label = label.to_owned();
        problem.topic = topic(pointer);
        self.problems.push(problem);
    }
}

fn fits(types: &Value, node: &Node) -> bool {
    let one = |name: &str| match node {
        Node::Null => name == "null",
        Node::Bool(_) => name == "boolean",
        Node::Number(number) if number.is_f64() => {
            name == "number"
                || (name == "integer" && number.as_f64().is_some_and(|n| n.fract() == 0.0))
        }
        Node::Number(_) => name == "number" || name == "integer",
        Node::Text(_) => name == "string",
        Node::List(_) => name == "array",
        Node::Object(_) => name == "object",
    };
    match types {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(one),
        _ => true,
    }
}

fn is_yaml_1_1(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "y" | "yes" | "on" | "n" | "no" | "off")
}

/// `a`, no `b` and no `c`
fn listed(names: &[String]) -> String {
    match names {
        [most @ .., last] if !most.is_empty() => format!("{} and no {last}", most.join(", no ")),
        names => names.concat(),
    }
}

fn is_later(kind: &str, name: &str) -> bool {
    LATER.iter().any(|(of, names)| *of == kind && names.contains(&name))
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Which struct of the format an object at this place is.
fn kind_of(pointer: &str) -> &'static str {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    match steps.as_slice() {
        [] => "Workflow",
        ["tasks", _] => "Task",
        ["tasks", _, "wait"] => "Wait",
        ["concurrency"] => "Concurrency",
        _ => "",
    }
}
