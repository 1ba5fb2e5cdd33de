//! Conditions and templates: can they be read, and is everything they name there to be seen?

use oarlock_actors::expression::{Condition, Fault, Mention, Name, Sort, Template, nearest};
use serde_json::{Value, json};

use super::{Check, Graph};
use crate::yaml::code;
use crate::yaml::file::Task;
use crate::yaml::tree::join;
use crate::yaml::words::topic;

/// What an expression at some place may name.
#[derive(Clone, Copy)]
struct Sight<'a> {
    /// Which tasks: those before this place; none of them, or all.
    tasks: Tasks<'a>,
    inputs: bool,
    /// `item` and `index`.
    each: bool,
    env: bool,
    /// `always()`, `succeeded()`, `failed()`.
    outcomes: bool,
}

#[derive(Clone, Copy)]
enum Tasks<'a> {
    None,
    All,
    Before(&'a str),
}

impl Check<'_> {
    pub(super) fn expressions(&mut self, graph: &Graph) {
        let file = self.file;
        let start =
            Sight { tasks: Tasks::None, inputs: true, each: false, env: false, outcomes: false };
        for (name, input) in file.inputs.iter().flat_map(|inputs| inputs.iter()) {
            if let Some(default) = &input.default {
                let at = join(&join("/inputs", name), "default");
                self.template(graph, &at, default, Sight { inputs: false, ..start });
            }
        }
        if let Some(key) =
            file.concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref())
        {
            self.template(graph, "/concurrency/key", &json!(key), start);
        }
        for (name, task) in file.tasks.iter() {
            self.task_expressions(graph, name, task);
        }
        if let Some(outputs) = &file.outputs {
            self.template(graph, "/outputs", outputs, Sight { tasks: Tasks::All, ..start });
        }
    }

    fn task_expressions(&mut self, graph: &Graph, name: &str, task: &Task) {
        let at = join("/tasks", name);
        let step = Sight {
            tasks: Tasks::Before(name),
            inputs: true,
            each: false,
            env: false,
            outcomes: false,
        };
        if let Some(Value::String(text)) = task.condition.as_ref().map(|condition| &condition.0) {
            self.condition(graph, &join(&at, "if"), text, Sight { outcomes: true, ..step }, task);
        }
        if let Some(each) = &task.each {
            let pointer = join(&at, "each");
            if let Value::String(text) = &each.0
                && !is_lone(text)
            {
                let message = format!(
                    "`each` of task `{name}` must be a list or one `${{{{ }}}}` that comes to a list"
                );
                self.add(
                    code::WRONG_VALUE,
                    &pointer,
                    message,
                    "write `${{ … }}` around the expression",
                );
            } else {
                self.template(graph, &pointer, &each.0, step);
            }
        }
        let each = task.each.is_some() || self.is_broken(&join(&at, "each"));
        let inner = Sight { each, ..step };
        if let Some(env) = &task.env {
            self.template(graph, &join(&at, "env"), &Value::Object(env.texts()), inner);
        }
        let command = Sight { env: true, ..inner };
        let http = task.http.as_ref().map(|http| {
            json!({
                "url": http.url,
                "headers": http.headers.as_ref().map(|headers| headers.texts()),
                "json": http.json,
                "body": http.body,
            })
        });
        let wait = task.wait.as_ref().map(|wait| {
            json!({"signal": wait.signal, "timeout": wait.timeout.as_ref().map(|span| &span.0)})
        });
        for (field, value, sight) in [
            ("run", task.run.as_ref().map(|run| run.0.clone()), command),
            ("dir", task.dir.as_ref().map(|dir| json!(dir)), command),
            ("http", http, inner),
            ("call", task.call.as_ref().map(|name| json!(name)), inner),
            ("workflow", task.workflow.as_ref().map(|name| json!(name)), inner),
            ("with", task.input.clone(), inner),
            ("wait", wait, inner),
            ("sleep", task.sleep.as_ref().map(|span| json!(span.0)), inner),
            ("emit", task.emit.as_ref().map(|name| json!(name)), inner),
            ("noop", task.noop.as_ref().map(|noop| noop.0.clone()), inner),
        ] {
            if let Some(value) = value {
                self.template(graph, &join(&at, field), &value, sight);
            }
        }
    }

    fn template(&mut self, graph: &Graph, pointer: &str, value: &Value, sight: Sight<'_>) {
        let mut faults = Vec::new();
        let template = Template::parse_all(value, &mut faults);
        for fault in faults {
            let at = format!("{pointer}{}", fault.pointer);
            self.fault(&at, &fault);
        }
        for mention in template.mentions() {
            let at = format!("{pointer}{}", mention.pointer);
            self.mention(graph, &at, mention, sight);
        }
    }

    fn condition(&mut self, graph: &Graph, at: &str, text: &str, sight: Sight<'_>, task: &Task) {
        let condition = match Condition::parse(text) {
            Ok(condition) => condition,
            Err(fault) => return self.fault(at, &fault),
        };
        for mention in condition.expression().mentions() {
            self.mention(graph, at, mention, sight);
        }
        let alone = task.needs.is_none() && task.depends_on.is_none();
        if alone && condition.expression().is_only("failed") {
            let message = "`failed()` looks at what the task needs, and it needs nothing";
            self.warn(at, message, "the task will never run");
        }
    }

    fn fault(&mut self, at: &str, fault: &Fault) {
        let hint = fault.hint.clone().unwrap_or_default();
        let code = match fault.sort {
            Sort::NotYet => code::NOT_YET,
            Sort::Unknown => code::REFERENCE,
            Sort::Malformed | Sort::Data => code::EXPRESSION,
        };
        if let Some(mut problem) = self.make(code, at, fault.message.clone(), &hint) {
            if let Some(span) =
                fault.position.as_ref().and_then(|part| self.document.inside(at, part))
            {
                problem.span = span;
            }
            problem.topic = topic(at);
            self.problems.push(problem);
        }
    }

    fn mention(&mut self, graph: &Graph, at: &str, mention: &Mention, sight: Sight<'_>) {
        let Some((message, label)) = self.unseen(graph, &mention.name, sight) else { return };
        if let Some(mut problem) = self.make(code::REFERENCE, at, message, &label) {
            if let Some(span) = self.document.inside(at, &mention.position) {
                problem.span = span;
            }
            self.problems.push(problem);
        }
    }

    /// Why a name cannot be seen from a place, and what to do.
    fn unseen(&self, graph: &Graph, name: &Name, sight: Sight<'_>) -> Option<(String, String)> {
        let refuse = |message: &str, label: &str| Some((message.to_owned(), label.to_owned()));
        match name {
            Name::Task(task) => self.unseen_task(graph, task, sight.tasks),
            Name::Inputs | Name::Input(_) if !sight.inputs => refuse(
                "inputs cannot be computed from each other",
                "only `run` and `now()` have a value here",
            ),
            Name::Input(input) => {
                let file = self.file;
                let names: Vec<&str> = file
                    .inputs
                    .iter()
                    .flat_map(|inputs| inputs.iter())
                    .map(|(name, _)| name)
                    .collect();
                if names.contains(&input.as_str()) || self.is_broken("/inputs") {
                    return None;
                }
                let label = match nearest(input, names.iter().copied()) {
                    Some(near) => format!("did you mean `inputs.{near}`?"),
                    None => format!("declare it: `inputs: {{{input}: {{type: string}}}}`"),
                };
                Some((format!("the workflow has no input `{input}`"), label))
            }
            Name::Item | Name::Index if !sight.each => {
                let name = if *name == Name::Item { "item" } else { "index" };
                let message = format!("`{name}` has no value here");
                Some((message, "it exists in the action of a task with `each`".to_owned()))
            }
            Name::Env if !sight.env => {
                refuse("`env` has no value here", "it exists in the `run` and `dir` of a task")
            }
            Name::Function(name)
                if !sight.outcomes
                    && ["always", "succeeded", "failed"].contains(&name.as_str()) =>
            {
                let message = format!("`{name}()` has a meaning only in `if`");
                Some((message, "ask for tasks.NAME.status instead".to_owned()))
            }
            _ => None,
        }
    }

    fn unseen_task(&self, graph: &Graph, task: &str, tasks: Tasks<'_>) -> Option<(String, String)> {
        let Some(place) = graph.place(task) else {
            let label = match nearest(task, graph.names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `tasks.{near}`?"),
                None => "tasks are named as they stand under `tasks:`".to_owned(),
            };
            return Some((format!("there is no task `{task}`"), label));
        };
        match tasks {
            Tasks::All => None,
            Tasks::None => {
                let message = format!("the result of task `{task}` is not known here");
                Some((message, "this is computed before the run starts".to_owned()))
            }
            Tasks::Before(from) if from == task => Some((
                format!("task `{task}` cannot use its own result"),
                "it is not known before the task has ended".to_owned(),
            )),
            Tasks::Before(from) => {
                let own = graph.place(from)?;
                if graph.sees(own, place) {
                    return None;
                }
                let message =
                    format!("task `{from}` uses the result of `{task}` and does not wait for it");
                Some((message, format!("add `{task}` to `needs`")))
            }
        }
    }
}

/// Whether a text is one `${{ }}` and nothing else.
fn is_lone(text: &str) -> bool {
    let text = text.trim();
    // A fault inside is reported as what it is.
    text.starts_with("${{") && text.ends_with("}}")
}
