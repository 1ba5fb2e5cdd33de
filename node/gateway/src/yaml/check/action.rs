//! Exactly one action, with everything it needs and nothing that has no meaning for it.

use oarlock_actors::expression::duration;
use oarlock_engine::catalog::NAME_BYTES_MAX;
use serde_json::Value;

use super::Check;
use crate::yaml::code;
use crate::yaml::file::{Http, Task};
use crate::yaml::tree::join;

/// The actions that a task has.
pub(in crate::yaml) fn actions(task: &Task) -> Vec<&'static str> {
    [
        ("run", task.run.is_some()),
        ("http", task.http.is_some()),
        ("call", task.call.is_some()),
        ("workflow", task.workflow.is_some()),
        ("wait", task.wait.is_some()),
        ("sleep", task.sleep.is_some()),
        ("emit", task.emit.is_some()),
        ("noop", task.noop.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

impl Check<'_> {
    pub(super) fn action(&mut self, name: &str, task: &Task) {
        let at = join("/tasks", name);
        let found = actions(task);
        let [action] = found.as_slice() else {
            return self.not_one(name, &at, &found);
        };
        self.with(name, &at, task, action);
        match *action {
            "run" => self.run(&at, task),
            "http" => {
                if let Some(http) = &task.http {
                    self.http(&join(&at, "http"), http);
                }
            }
            "call" => self.target(&join(&at, "call"), "handler", task.call.as_deref()),
            "workflow" => {
                let target = task.workflow.as_deref().unwrap_or_default();
                if !target.contains("${{") {
                    self.name(&join(&at, "workflow"), "workflow", target, false);
                }
            }
            "emit" => self.target(&join(&at, "emit"), "event", task.emit.as_deref()),
            "sleep" => {
                let text = task.sleep.as_ref().map(|span| span.0.as_str());
                self.moment(&join(&at, "sleep"), text);
            }
            "wait" => {
                if let Some(wait) = &task.wait {
                    let at = join(&at, "wait");
                    self.target(&join(&at, "signal"), "signal", Some(&wait.signal));
                    let timeout = wait.timeout.as_ref().map(|span| span.0.as_str());
                    self.moment(&join(&at, "timeout"), timeout);
                    if wait.on_timeout.is_some() && wait.timeout.is_none() {
                        let message =
                            "`on_timeout` without a `timeout`: the wait never ends by itself";
                        self.add(
                            code::COMBINATION,
                            &join(&at, "on_timeout"),
                            message,
                            "add `timeout: 24h`",
                        );
                    }
                }
            }
            _ => {}
        }
    }

    fn not_one(&mut self, name: &str, at: &str, found: &[&str]) {
        if found.is_empty() {
            // A misspelt action was already complained about.
            if self.document.root.near(at).json() != serde_json::json!({"noop": {}})
                && !self.is_broken(at)
            {
                let message = format!("task `{name}` does nothing: it has no action");
                let label = "add one of run, http, call, workflow, wait, sleep, emit, noop";
                self.add(code::ACTION, at, message, label);
            }
            return;
        }
        let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("task `{name}` has {} actions: {}", found.len(), names.join(", "));
        let label = "make a task of each, the second with `needs` on the first";
        let second = join(at, found[1]);
        if let Some(mut problem) = self.make(code::ACTION, &second, message, label) {
            if let Some(key) = self.document.root.key(&second) {
                problem.span = key.at.clone();
            }
            if let Some(key) = self.document.root.key(&join(at, found[0])) {
                problem.context = Some((key.at.clone(), "and this".to_owned()));
            }
            problem.topic = "workflow.tasks".to_owned();
            self.problems.push(problem);
        }
    }

    /// `with`, `env`, `dir`, `queue` and `timeout` where they mean something.
    fn with(&mut self, name: &str, at: &str, task: &Task, action: &str) {
        let instead = match action {
            "run" => "use `env`, or `${{ }}` in the command",
            "http" => "use `json` or `body` of `http`",
            "noop" => "use `output` of `noop`",
            _ => "take it away",
        };
        if task.input.is_some() && !matches!(action, "call" | "workflow" | "emit") {
            let message = format!("`with` of task `{name}` has no meaning for `{action}`");
            self.add(code::COMBINATION, &join(at, "with"), message, instead);
        }
        if action == "workflow" {
            let object = match &task.input {
                None | Some(Value::Object(_)) => true,
                Some(Value::String(text)) => text.trim_start().starts_with("${{"),
                Some(_) => false,
            };
            if !object {
                let message = format!(
                    "`with` of task `{name}` must be an object: the inputs of `{}`",
                    task.workflow.as_deref().unwrap_or_default()
                );
                self.add(
                    code::WRONG_VALUE,
                    &join(at, "with"),
                    message,
                    "write `with: {input: value}`",
                );
            }
        }
        for (field, there) in [("env", task.env.is_some()), ("dir", task.dir.is_some())] {
            if there && action != "run" {
                let message = format!("`{field}` of task `{name}` has no meaning for `{action}`");
                self.add_key(code::COMBINATION, &join(at, field), message, "only a `run` has it");
            }
        }
        if matches!(action, "sleep" | "wait" | "workflow" | "emit") {
            for (field, there) in
                [("queue", task.queue.is_some()), ("timeout", task.timeout.is_some())]
            {
                if there {
                    let message = format!(
                        "`{field}` of task `{name}` has no effect: no worker does a `{action}`"
                    );
                    let label = if field == "timeout" && action == "wait" {
                        "set `timeout` inside `wait`"
                    } else {
                        "it can be left out"
                    };
                    self.warn(&join(at, field), message, label);
                }
            }
        }
    }

    fn run(&mut self, at: &str, task: &Task) {
        if let Some(Value::String(command)) = task.run.as_ref().map(|run| &run.0)
            && command.trim().is_empty()
        {
            self.add(
                code::MISSING,
                &join(at, "run"),
                "the command is empty",
                "write one, or use `noop`",
            );
        }
        for (name, value) in task.env.iter().flat_map(|env| env.iter()) {
            let pointer = join(&join(at, "env"), name);
            let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let message = format!("`{name}` is not a name for a variable");
                self.add(
                    code::BAD_NAME,
                    &pointer,
                    message,
                    "letters, digits and `_`, not beginning with a digit",
                );
            }
            if name.starts_with("OARLOCK_") {
                let message = format!("`{name}` is set by Oarlock itself");
                self.add(
                    code::BAD_NAME,
                    &pointer,
                    message,
                    "choose a name that does not begin with `OARLOCK_`",
                );
            }
            if value.text().contains('\0') {
                self.add(code::WRONG_VALUE, &pointer, "a variable cannot hold a zero byte", "");
            }
        }
    }

    fn http(&mut self, at: &str, http: &Http) {
        let address = http.url.trim_start();
        if !address.starts_with("${{")
            && !address.starts_with("http://")
            && !address.starts_with("https://")
        {
            let message = format!("`{}` is not an http or https address", http.url);
            self.add(code::WRONG_VALUE, &join(at, "url"), message, "begin with `https://`");
        }
        if http.json.is_some() && http.body.is_some() {
            let message = "a request has either `json` or `body`";
            self.add(code::COMBINATION, &join(at, "body"), message, "take one of them out");
        }
        let expect = http.expect.as_ref().map(|expect| &expect.0);
        let many = expect.and_then(Value::as_array);
        for (place, status) in many.into_iter().flatten().enumerate() {
            self.status(&join(&join(at, "expect"), place), status);
        }
        if let (Some(status), None) = (expect, many) {
            self.status(&join(at, "expect"), status);
        }
    }

    fn status(&mut self, at: &str, status: &Value) {
        let fits = match status {
            Value::Number(number) => number.as_u64().is_some_and(|n| (100..600).contains(&n)),
            Value::String(text) => {
                let class = text.len() == 3
                    && text.ends_with("xx")
                    && text.starts_with(|c| ('1'..='5').contains(&c));
                class || text.parse::<u64>().is_ok_and(|n| (100..600).contains(&n))
            }
            _ => false,
        };
        if !fits {
            let message = format!("{status} is not a status");
            self.add(
                code::WRONG_VALUE,
                at,
                message,
                "a number from 100 to 599, or a class such as `2xx`",
            );
        }
    }

    /// A name that may be computed.
    fn target(&mut self, at: &str, what: &str, name: Option<&str>) {
        let Some(name) = name else { return };
        let plain =
            !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_whitespace);
        if !plain && !name.contains("${{") {
            let article = if what == "event" { "an" } else { "a" };
            let message = match name {
                "" => format!("the name of {article} {what} is empty"),
                name => format!("`{name}` is not a name for {article} {what}"),
            };
            self.add(code::BAD_NAME, at, message, "1 to 128 letters without spaces");
        }
    }

    /// A duration that may be computed.
    fn moment(&mut self, at: &str, text: Option<&str>) {
        if let Some(text) = text
            && !text.contains("${{")
            && let Err(fault) = duration(text)
        {
            let hint = fault.hint.unwrap_or_default();
            self.add(code::BAD_DURATION, at, fault.message, &hint);
        }
    }
}
