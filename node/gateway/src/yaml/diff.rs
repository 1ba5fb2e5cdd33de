//! What applying a definition would change (`oarlock diff`).
//!
//! Two definitions are laid out as paths and values, and compared path by path; the wording of the file (comments, order of
//! fields, `needs: a` or `needs: [a]`) makes no difference.

use std::collections::BTreeMap;

use oarlock_actors::expression::spell;
use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{Definition, OnFailure, OnTimeout, Order, Rule, Step};
use oarlock_engine::id::Priority;
use oarlock_engine::run::OnConflict;
use serde::Serialize;
use serde_json::{Value, json};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `tasks.load.timeout`.
    pub path: String,
    /// What is there now; none: it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What would be there; none: it is taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "+ {}: {after}", self.path),
            (Some(before), None) => write!(f, "- {}: {before}", self.path),
            (Some(before), Some(after)) => write!(f, "~ {}: {before} → {after}", self.path),
            (None, None) => Ok(()),
        }
    }
}

/// What would change. Where nothing is defined yet, everything is added. Empty: applying makes no new version, unless only
/// comments or the order of fields differ.
#[must_use]
pub fn diff(old: Option<&Definition>, new: &Definition) -> Vec<Change> {
    let before: BTreeMap<String, String> =
        old.map(layout).unwrap_or_default().into_iter().collect();
    let after = layout(new);
    let mut changes = Vec::new();
    for (path, value) in &after {
        let was = before.get(path);
        if was != Some(value) {
            changes.push(Change {
                path: path.clone(),
                before: was.cloned(),
                after: Some(value.clone()),
            });
        }
    }
    let kept: std::collections::BTreeSet<&String> = after.iter().map(|(path, _)| path).collect();
    for (path, value) in old.map(layout).unwrap_or_default() {
        if !kept.contains(&path) {
            changes.push(Change { path, before: Some(value), after: None });
        }
    }
    changes
}

fn layout(definition: &Definition) -> Vec<(String, String)> {
    let mut lines = Lines::default();
    lines.text("description", &definition.description);
    let inputs = read(&definition.inputs);
    let required = inputs["required"].as_array().cloned().unwrap_or_default();
    for (name, input) in inputs["properties"].as_object().into_iter().flatten() {
        lines.put(&format!("inputs.{name}"), input.to_string());
        let needed = required.iter().any(|other| other == name);
        lines.put(&format!("inputs.{name}.required"), needed.to_string());
    }
    if let Some(concurrency) = &definition.concurrency {
        lines.put("concurrency.key", concurrency.key.clone());
        lines.put("concurrency.limit", concurrency.limit.to_string());
        let conflict = match concurrency.on_conflict {
            OnConflict::Queue => "queue",
            OnConflict::Reject => "reject",
            OnConflict::CancelRunning => "cancel_running",
        };
        lines.text("concurrency.on_conflict", conflict);
    }
    if let Some(timeout) = definition.timeout {
        lines.put("timeout", spell(timeout));
    }
    if let Some(retention) = definition.retention {
        lines.put("retention", spell(retention));
    }
    lines.put("priority", definition.priority.to_string());
    for (name, value) in &definition.labels {
        lines.put(&format!("labels.{name}"), value.clone());
    }
    for step in &definition.steps {
        lines.step(definition, step);
    }
    if !definition.outputs.is_empty() {
        lines.put("outputs", read(&definition.outputs).to_string());
    }
    lines.0
}

fn read(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.0).unwrap_or(Value::Null)
}

#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn put(&mut self, path: &str, value: String) {
        self.0.push((path.to_owned(), value));
    }

    fn text(&mut self, path: &str, value: &str) {
        if !value.is_empty() {
            self.put(path, value.to_owned());
        }
    }

    fn step(&mut self, definition: &Definition, step: &Step) {
        let name =
            |place: usize| definition.steps.get(place).map_or("?", |step| step.name.as_str());
        let path = |field: &str| format!("tasks.{}.{field}", step.name);
        let action = step.order.as_ref().map_or_else(|| read(&step.template), order);
        for (kind, body) in action.as_object().into_iter().flatten() {
            self.put(&path(kind), body.to_string());
        }
        if !step.needs.is_empty() {
            let needs: Vec<&str> =
                step.needs.iter().map(|need| name(usize::from(need.0))).collect();
            self.put(&path("needs"), format!("[{}]", needs.join(", ")));
        }
        match (step.rule, &step.condition) {
            (_, Some(condition)) => self.put(&path("if"), condition.clone()),
            (Rule::Settled, None) => self.text(&path("if"), "always()"),
            (Rule::Failed, None) => self.text(&path("if"), "failed()"),
            (Rule::Succeeded, None) => {}
        }
        if let Some(each) = &step.each {
            self.put(&path("each"), read(&each.items).to_string());
            if let Some(most) = each.parallel_max {
                self.put(&path("max_parallel"), most.to_string());
            }
        }
        self.put(&path("queue"), step.queue.clone());
        if let Some(Priority(priority)) = step.priority {
            self.put(&path("priority"), priority.to_string());
        }
        self.put(&path("timeout"), spell(step.timeout));
        let retry = &step.retry;
        self.put(&path("retry.max_attempts"), retry.attempts_max.to_string());
        self.put(&path("retry.initial_delay"), spell(retry.initial));
        self.put(&path("retry.max_delay"), spell(retry.cap));
        let factor = f64::from(retry.factor_milli) / 1_000.0;
        self.put(&path("retry.backoff_factor"), factor.to_string());
        self.put(&path("retry.jitter"), retry.jitter.to_string());
        if !retry.not_on.is_empty() {
            self.put(&path("retry.not_on"), format!("[{}]", retry.not_on.join(", ")));
        }
        let on_failure = match step.on_failure {
            OnFailure::Fail => "fail".to_owned(),
            OnFailure::Ignore => "ignore".to_owned(),
            OnFailure::DeadLetter => "dead_letter".to_owned(),
            OnFailure::Task(handler) => format!("task:{}", name(usize::from(handler.0))),
        };
        self.put(&path("on_failure"), on_failure);
    }
}

/// An order in the shape of an action.
fn order(order: &Order) -> Value {
    use oarlock_engine::catalog::Kind;
    match order {
        Order::Work { kind: Kind::Builtin(name), body } => json!({ name.as_str(): read(body) }),
        Order::Work { kind: Kind::Call(name), body } => {
            json!({"call": {"name": name, "input": read(body)["input"]}})
        }
        Order::Sleep { span } => json!({"sleep": {"for": spell(*span)}}),
        Order::Wait { signal, timeout, on_timeout } => {
            let on_timeout = match on_timeout {
                OnTimeout::Fail => "fail",
                OnTimeout::Continue => "continue",
            };
            let mut body = json!({"signal": signal, "on_timeout": on_timeout});
            if let Some(timeout) = timeout {
                body["timeout"] = json!(spell(*timeout));
            }
            json!({"wait": body})
        }
        Order::Child { workflow, input } => {
            json!({"workflow": {"name": workflow, "input": read(input)}})
        }
        Order::Emit { name, body } => json!({"emit": {"name": name, "body": read(body)}}),
    }
}
