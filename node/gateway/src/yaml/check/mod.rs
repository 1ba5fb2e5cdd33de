//! What no schema can say: names, durations, what goes together, the graph, the expressions.
//!
//! Every check adds what it finds and goes on, so that an author sees everything at once. What the structure check has already
//! complained about is not complained about again.

mod action;
mod expression;
mod graph;
mod input;

use std::collections::BTreeSet;

use oarlock_actors::expression::duration;
use oarlock_engine::catalog::{NAME_BYTES_MAX, STEPS_MAX};
use oarlock_engine::run::LABELS_MAX;
use oarlock_engine::time::Span;
use serde_json::Value;

use super::code;
use super::document::Document;
use super::file::{self, RetryPolicy, Task, Workflow};
use super::report::{Problem, Severity};
use super::tree::join;
use super::words::topic;

pub(super) use action::actions;
pub(super) use graph::{Graph, handler_of};
pub(super) use input::schema as input_schema;

/// A document that has been read into structs, and what is wrong with it so far.
pub(super) struct Check<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) file: &'a Workflow,
    /// Places that the structure check complained about.
    broken: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// Runs every check. Gives the graph too: its places are what `needs` become.
pub(super) fn check(
    document: &Document<'_>,
    file: &Workflow,
    found: &[Problem],
) -> (Vec<Problem>, Graph) {
    let broken = found.iter().map(|problem| problem.pointer.clone()).collect();
    let mut check = Check { document, file, broken, problems: Vec::new() };
    check.head();
    check.inputs();
    for (name, task) in file.tasks.iter() {
        check.task(name, task);
    }
    let graph = check.graph();
    check.expressions(&graph);
    (check.problems, graph)
}

impl Check<'_> {
    /// Adds a problem, unless its place is broken anyway.
    fn add(&mut self, code: &'static str, pointer: &str, message: impl Into<String>, label: &str) {
        if let Some(problem) = self.make(code, pointer, message, label) {
            self.problems.push(problem);
        }
    }

    /// Adds a problem with a key rather than with its value.
    fn add_key(
        &mut self,
        code: &'static str,
        pointer: &str,
        message: impl Into<String>,
        label: &str,
    ) {
        if let Some(mut problem) = self.make(code, pointer, message, label) {
            if let Some(key) = self.document.root.key(pointer) {
                problem.span = key.at.clone();
            }
            self.problems.push(problem);
        }
    }

    fn warn(&mut self, pointer: &str, message: impl Into<String>, label: &str) {
        if let Some(mut problem) = self.make(code::NO_EFFECT, pointer, message, label) {
            problem.severity = Severity::Warning;
            if let Some(key) = self.document.root.key(pointer) {
                problem.span = key.at.clone();
            }
            self.problems.push(problem);
        }
    }

    fn make(
        &self,
        code: &'static str,
        pointer: &str,
        message: impl Into<String>,
        label: &str,
    ) -> Option<Problem> {
        if self.is_broken(pointer) {
            return None;
        }
        let mut problem = self.document.problem(code, pointer, message);
        problem.label = label.to_owned();
        problem.topic = topic(pointer);
        Some(problem)
    }

    /// Whether the structure check complained about this place, or about something inside it.
    fn is_broken(&self, pointer: &str) -> bool {
        self.broken.iter().any(|place| {
            !place.is_empty()
                && (place == pointer
                    || place.starts_with(&format!("{pointer}/"))
                    || pointer.starts_with(&format!("{place}/")))
        })
    }

    fn head(&mut self) {
        let file = self.file;
        self.name("/name", "workflow", &file.name, false);
        self.span("/timeout", file.timeout.as_ref());
        self.span("/retention", file.retention.as_ref());
        if let Some(defaults) = &file.defaults {
            self.queue("/defaults/queue", defaults.queue.as_deref());
            self.span("/defaults/timeout", defaults.timeout.as_ref());
            self.retry("/defaults/retry", defaults.retry.as_ref());
        }
        let labels = file.labels.iter().flat_map(|labels| labels.iter());
        for (place, (name, value)) in labels.enumerate() {
            let pointer = join("/labels", name);
            if place == LABELS_MAX {
                let message = format!("a workflow has at most {LABELS_MAX} labels");
                self.add(code::TOO_LARGE, &pointer, message, "this is one too many");
            }
            if name.is_empty() || name.len() > NAME_BYTES_MAX || value.text().len() > NAME_BYTES_MAX
            {
                let message = format!("a label and its value have at most {NAME_BYTES_MAX} bytes");
                self.add(code::TOO_LARGE, &pointer, message, "make it shorter");
            }
            if value.text().contains("${{") {
                let message = "a label cannot be computed";
                self.add(
                    code::EXPRESSION,
                    &pointer,
                    message,
                    "give labels when starting: `--label`",
                );
            }
        }
        let tasks = file.tasks.0.len();
        if tasks == 0 && self.document.root.get("tasks").is_some() {
            self.add(code::MISSING, "/tasks", "the workflow has no tasks", "add at least one");
        }
        if tasks > STEPS_MAX {
            let message = format!("a workflow has at most {STEPS_MAX} tasks, and this has {tasks}");
            let label = "use `each` for many tasks of one kind, or several workflows";
            self.add(code::TOO_LARGE, "/tasks", message, label);
        }
    }

    fn task(&mut self, name: &str, task: &Task) {
        let at = join("/tasks", name);
        self.name(&at, "task", name, true);
        self.action(name, task);
        self.span(&join(&at, "timeout"), task.timeout.as_ref());
        self.retry(&join(&at, "retry"), task.retry.as_ref());
        self.queue(&join(&at, "queue"), task.queue.as_deref());
        if task.max_parallel.is_some() && task.each.is_none() && !self.is_broken(&join(&at, "each"))
        {
            let pointer = join(&at, "max_parallel");
            let message = format!("`max_parallel` of task `{name}` has no `each` to limit");
            self.add(code::COMBINATION, &pointer, message, "add `each`, or take this away");
        }
        if let Some(Value::Array(list)) = task.each.as_ref().map(|each| &each.0)
            && list.is_empty()
        {
            let message = format!("`each` of task `{name}` is an empty list");
            self.warn(&join(&at, "each"), message, "nothing will be done");
        }
        if task.needs.is_some() && task.depends_on.is_some() {
            let message = format!("task `{name}` has both `needs` and `depends_on`");
            let label = "they mean the same: put everything under `needs`";
            self.add(code::COMBINATION, &join(&at, "depends_on"), message, label);
        }
    }

    /// Letters that need no quotes in a shell, an address or an expression.
    fn name(&mut self, pointer: &str, what: &str, name: &str, capitals: bool) {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits =
            |c: char| first(c) || c == '-' || c == '_' || (capitals && c.is_ascii_uppercase());
        let begins = name
            .chars()
            .next()
            .is_some_and(|c| first(c) || (capitals && (c.is_ascii_uppercase() || c == '_')));
        if begins && name.chars().all(fits) && name.len() <= NAME_BYTES_MAX {
            return;
        }
        let letters = if capitals { "letters" } else { "small letters" };
        let article = if what == "input" { "an" } else { "a" };
        let (message, label) = if name.is_empty() {
            (format!("the name of {article} {what} is empty"), "write one".to_owned())
        } else if name.len() > NAME_BYTES_MAX {
            let long = name.len();
            (
                format!(
                    "the name of {article} {what} has at most {NAME_BYTES_MAX} letters, and this has {long}"
                ),
                "make it shorter".to_owned(),
            )
        } else {
            let label = match slug(name, capitals) {
                Some(better) if better != name => format!("for example `{better}`"),
                _ => String::new(),
            };
            (format!("`{name}` is not a name for {article} {what}"), label)
        };
        if let Some(mut problem) = self.make(code::BAD_NAME, pointer, message, &label) {
            problem.notes.push(("allowed", format!("{letters}, digits, `-` and `_`")));
            let key = self.document.root.key(pointer).filter(|_| matches!(what, "task" | "input"));
            if let Some(key) = key {
                problem.span = key.at.clone();
            }
            self.problems.push(problem);
        }
    }

    fn queue(&mut self, pointer: &str, queue: Option<&str>) {
        if let Some(name) = queue {
            if name.contains("${{") {
                let message = "a queue cannot be computed";
                return self.add(code::EXPRESSION, pointer, message, "write its name");
            }
            self.name(pointer, "queue", name, true);
        }
    }

    /// A duration that must be known when the file is applied.
    fn span(&mut self, pointer: &str, text: Option<&file::Duration>) -> Option<Span> {
        let text = &text?.0;
        if text.contains("${{") {
            let message = "this duration cannot be computed";
            self.add(
                code::BAD_DURATION,
                pointer,
                message,
                "write it out: only `sleep` and `wait` compute theirs",
            );
            return None;
        }
        match duration(text) {
            Ok(span) if span.0 == 0 && !pointer.ends_with("delay") => {
                self.add(
                    code::BAD_DURATION,
                    pointer,
                    "the duration is zero",
                    "leave it out where there is no limit",
                );
                None
            }
            Ok(span) => Some(span),
            Err(fault) => {
                let hint = fault.hint.unwrap_or_default();
                self.add(code::BAD_DURATION, pointer, fault.message, &hint);
                None
            }
        }
    }

    fn retry(&mut self, pointer: &str, retry: Option<&file::Retry>) {
        let Some(policy) = retry.and_then(policy) else { return };
        let both = [
            (
                "max_attempts",
                "attempts",
                policy.max_attempts.is_some() && policy.attempts.is_some(),
            ),
            ("initial_delay", "delay", policy.initial_delay.is_some() && policy.delay.is_some()),
            ("max_delay", "cap", policy.max_delay.is_some() && policy.cap.is_some()),
            (
                "backoff_factor",
                "factor",
                policy.backoff_factor.is_some() && policy.factor.is_some(),
            ),
        ];
        for (long, short, both) in both {
            if both {
                let message = format!("`{short}` is short for `{long}`, and both are there");
                self.add(code::COMBINATION, &join(pointer, short), message, "take one of them out");
            }
        }
        let mut of = |long: &str, value: &Option<file::Duration>| {
            self.span(&join(pointer, long), value.as_ref())
        };
        let initial = of("initial_delay", &policy.initial_delay).or(of("delay", &policy.delay));
        let cap = of("max_delay", &policy.max_delay).or(of("cap", &policy.cap));
        if let (Some(initial), Some(cap)) = (initial, cap)
            && initial > cap
        {
            let short = if policy.cap.is_some() { "cap" } else { "max_delay" };
            let message = "the longest pause is shorter than the first one";
            self.add(code::COMBINATION, &join(pointer, short), message, "make it at least as long");
        }
        for (place, kind) in policy.not_on.iter().flatten().enumerate() {
            if kind.is_empty() || kind.len() > NAME_BYTES_MAX || kind.contains(char::is_whitespace)
            {
                let at = join(&join(pointer, "not_on"), place);
                let message = format!("`{kind}` is not a kind of failure");
                self.add(
                    code::WRONG_VALUE,
                    &at,
                    message,
                    "kinds look like `exit:2`, `exit:*`, `http:404`, `timeout`",
                );
            }
        }
    }
}

/// The policy, where it is one and not a number.
pub(super) fn policy(retry: &file::Retry) -> Option<RetryPolicy> {
    retry.0.is_object().then(|| serde_json::from_value(retry.0.clone()).ok()).flatten()
}

/// A name made of what somebody wrote: `ETL Data Pipeline` → `etl-data-pipeline`.
pub(super) fn slug(name: &str, capitals: bool) -> Option<String> {
    let mut slug = String::new();
    for letter in name.chars() {
        let letter = if capitals { letter } else { letter.to_ascii_lowercase() };
        if letter.is_ascii_alphanumeric() || letter == '_' || letter == '-' {
            slug.push(letter);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches(['-', '_']);
    let slug: String = slug.chars().take(NAME_BYTES_MAX).collect();
    (!slug.is_empty()).then_some(slug)
}
