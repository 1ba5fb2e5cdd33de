//! From a file that has nothing wrong with it to what the engine keeps: names become places, durations milliseconds, and an action
//! with nothing to compute becomes the order that is leased.

use std::collections::BTreeMap;

use oarlock_actors::expression::{Condition, Template, duration};
use oarlock_actors::role::action::order;
use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{self, Definition, Each, OnFailure, Rule, Step};
use oarlock_engine::id::{Priority, StepNo};
use oarlock_engine::run::OnConflict;
use oarlock_engine::task::retry::Retry;
use oarlock_engine::time::Span;
use serde_json::{Map, Value, json};

use super::check::{Graph, actions, handler_of, input_schema, policy};
use super::file::{self, Task, Workflow};

/// Attempts of a task where nothing is said.
const ATTEMPTS: u32 = 3;
/// The pause before a second attempt where nothing is said.
const INITIAL: Span = Span(1_000);
/// The longest pause where nothing is said.
const CAP: Span = Span(5 * 60 * 1_000);
/// How much longer each pause is, in thousandths, where nothing is said.
const FACTOR_MILLI: u32 = 2_000;
/// How long an attempt may take where nothing is said.
const TIMEOUT: Span = Span(30_000);
/// The queue of a task where nothing is said.
const QUEUE: &str = "default";

/// Builds the definition.
///
/// # Errors
/// Task and reason, where an action cannot become an order: something that the checks should have found.
pub(super) fn build(
    file: &Workflow,
    graph: &Graph,
    source: &str,
) -> Result<Definition, (String, String)> {
    let steps = file.tasks.iter().enumerate().map(|(place, (name, task))| {
        step(file, graph, place, name, task).map_err(|why| (name.to_owned(), why))
    });
    let steps = steps.collect::<Result<Vec<_>, _>>()?;
    Ok(Definition {
        name: file.name.clone(),
        description: file.description.clone().unwrap_or_default(),
        steps,
        inputs: payload(&input_schema(file)),
        outputs: file.outputs.as_ref().map_or(Payload::EMPTY, payload),
        timeout: span(file.timeout.as_ref()),
        priority: file.priority.map_or(Priority::NORMAL, Priority),
        concurrency: file.concurrency.as_ref().map(|concurrency| catalog::Concurrency {
            key: concurrency.key.clone().unwrap_or_else(|| file.name.clone()),
            limit: concurrency.limit.unwrap_or(1),
            on_conflict: match concurrency.on_conflict {
                None | Some(file::OnConflict::Queue) => OnConflict::Queue,
                Some(file::OnConflict::Reject) => OnConflict::Reject,
                Some(file::OnConflict::CancelRunning) => OnConflict::CancelRunning,
            },
        }),
        labels: labels(file),
        retention: span(file.retention.as_ref()),
        source: Payload::from(source),
    })
}

fn labels(file: &Workflow) -> BTreeMap<String, String> {
    let labels = file.labels.iter().flat_map(|labels| labels.iter());
    labels.map(|(name, value)| (name.to_owned(), value.text())).collect()
}

fn payload(value: &Value) -> Payload {
    Payload(value.to_string().into_bytes())
}

fn span(text: Option<&file::Duration>) -> Option<Span> {
    duration(&text?.0).ok()
}

fn step(
    file: &Workflow,
    graph: &Graph,
    place: usize,
    name: &str,
    task: &Task,
) -> Result<Step, String> {
    let defaults = file.defaults.as_ref();
    let (rule, condition) = condition(task);
    let action = action(task);
    let template = Template::parse(&action).map_err(|fault| fault.to_string())?;
    // A child's inputs are bound to what it declares when it is started: its order is always computed.
    let fixed = template.fixed().filter(|action| action.get("workflow").is_none());
    let order = fixed.map(|plain| order(plain.clone())).transpose()?;
    Ok(Step {
        name: name.to_owned(),
        needs: graph.needs[place].iter().map(|need| number(*need)).collect(),
        rule,
        condition,
        each: task
            .each
            .as_ref()
            .map(|each| Each { items: payload(&each.0), parallel_max: task.max_parallel }),
        template: if order.is_some() { Payload::EMPTY } else { payload(&action) },
        order,
        queue: task
            .queue
            .clone()
            .or_else(|| defaults?.queue.clone())
            .unwrap_or_else(|| QUEUE.to_owned()),
        priority: task.priority.or_else(|| defaults?.priority).map(Priority),
        timeout: span(task.timeout.as_ref())
            .or_else(|| span(defaults?.timeout.as_ref()))
            .unwrap_or(TIMEOUT),
        retry: retry(defaults.and_then(|defaults| defaults.retry.as_ref()), task.retry.as_ref()),
        on_failure: match task.on_failure.as_ref().map(|word| word.0.as_str()) {
            Some("ignore") => OnFailure::Ignore,
            Some("dead_letter") => OnFailure::DeadLetter,
            _ => match handler_of(task).and_then(|target| graph.place(target)) {
                Some(target) => OnFailure::Task(number(target)),
                None => OnFailure::Fail,
            },
        },
        handler: graph.handler[place],
    })
}

/// Places fit: a workflow has at most [`catalog::STEPS_MAX`] tasks.
fn number(place: usize) -> StepNo {
    StepNo(u16::try_from(place).unwrap_or(u16::MAX))
}

/// `always()` and `failed()` alone are rules that the engine knows; a condition that looks at outcomes itself is asked however
/// the needs ended; any other only if they ended well.
fn condition(task: &Task) -> (Rule, Option<String>) {
    let text = match task.condition.as_ref().map(|condition| &condition.0) {
        Some(Value::Bool(true)) | None => return (Rule::Succeeded, None),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let Ok(condition) = Condition::parse(&text) else { return (Rule::Succeeded, Some(text)) };
    let expression = condition.expression();
    let text = expression.text().trim().to_owned();
    if expression.is_only("always") {
        (Rule::Settled, None)
    } else if expression.is_only("failed") {
        (Rule::Failed, None)
    } else if expression.is_only("succeeded") {
        (Rule::Succeeded, None)
    } else if ["always", "succeeded", "failed"].iter().any(|name| expression.calls(name)) {
        (Rule::Settled, Some(text))
    } else {
        (Rule::Succeeded, Some(text))
    }
}

/// The action in the shape that [`oarlock_actors::role::action`] reads.
pub(super) fn action(task: &Task) -> Value {
    let input = task.input.clone().unwrap_or(Value::Null);
    let body = match actions(task).first().copied() {
        Some("run") => run(task),
        Some("http") => http(task),
        Some("call") => json!({"name": task.call, "input": input}),
        Some("workflow") => {
            json!({"name": task.workflow, "input": if input.is_null() { json!({}) } else { input }})
        }
        Some("wait") => wait(task),
        Some("sleep") => json!({"for": task.sleep.as_ref().map(length)}),
        Some("emit") => json!({"name": task.emit, "body": input}),
        _ => match task.noop.as_ref().map(|noop| &noop.0) {
            Some(Value::Object(body)) => Value::Object(body.clone()),
            _ => json!({}),
        },
    };
    let name = actions(task).first().copied().unwrap_or("noop");
    Value::Object(Map::from_iter([(name.to_owned(), body)]))
}

/// A duration as the role's driver reads it: written plainly where it is known now.
fn length(text: &file::Duration) -> String {
    match duration(&text.0) {
        Ok(span) => oarlock_actors::expression::spell(span),
        Err(_) => text.0.clone(),
    }
}

fn run(task: &Task) -> Value {
    let mut body = Map::new();
    match task.run.as_ref().map(|run| &run.0) {
        Some(Value::Array(words)) => {
            let words = words.iter().map(|word| file::Scalar(word.clone()).text().into()).collect();
            body.insert("argv".to_owned(), Value::Array(words));
        }
        Some(Value::String(command)) => {
            body.insert("command".to_owned(), command.clone().into());
        }
        _ => {}
    }
    if let Some(env) = &task.env {
        body.insert("env".to_owned(), Value::Object(env.texts()));
    }
    if let Some(dir) = &task.dir {
        body.insert("dir".to_owned(), dir.clone().into());
    }
    Value::Object(body)
}

fn http(task: &Task) -> Value {
    let mut body = Map::new();
    let Some(http) = &task.http else { return Value::Object(body) };
    body.insert("method".to_owned(), json!(http.method.unwrap_or(file::Method::Get)));
    body.insert("url".to_owned(), json!(http.url));
    if let Some(headers) = &http.headers {
        body.insert("headers".to_owned(), Value::Object(headers.texts()));
    }
    if let Some(json) = &http.json {
        body.insert("json".to_owned(), json.clone());
    }
    if let Some(text) = &http.body {
        body.insert("body".to_owned(), json!(text));
    }
    let expect = match http.expect.as_ref().map(|expect| expect.0.clone()) {
        None => json!("2xx"),
        Some(Value::Number(one)) => json!([one]),
        Some(other) => other,
    };
    body.insert("expect".to_owned(), expect);
    Value::Object(body)
}

fn wait(task: &Task) -> Value {
    let Some(wait) = &task.wait else { return Value::Null };
    let mut body = Map::from_iter([("signal".to_owned(), json!(wait.signal))]);
    if let Some(timeout) = &wait.timeout {
        body.insert("timeout".to_owned(), json!(length(timeout)));
    }
    body.insert("on_timeout".to_owned(), json!(wait.on_timeout.unwrap_or(file::OnTimeout::Fail)));
    Value::Object(body)
}

/// The built-in policy, overlaid with the workflow's defaults, overlaid with the task's.
fn retry(defaults: Option<&file::Retry>, own: Option<&file::Retry>) -> Retry {
    let mut retry = Retry {
        attempts_max: ATTEMPTS,
        initial: INITIAL,
        cap: CAP,
        factor_milli: FACTOR_MILLI,
        jitter: false,
        not_on: Vec::new(),
    };
    for layer in [defaults, own].into_iter().flatten() {
        overlay(&mut retry, layer);
    }
    retry.cap = retry.cap.max(retry.initial);
    retry
}

fn overlay(retry: &mut Retry, layer: &file::Retry) {
    if let Some(retries) = layer.0.as_u64() {
        retry.attempts_max = u32::try_from(retries).unwrap_or(u32::MAX).saturating_add(1);
        return;
    }
    let Some(policy) = policy(layer) else { return };
    if let Some(attempts) = policy.max_attempts.or(policy.attempts) {
        retry.attempts_max = attempts;
    }
    if let Some(initial) = span(policy.initial_delay.as_ref().or(policy.delay.as_ref())) {
        retry.initial = initial;
    }
    if let Some(cap) = span(policy.max_delay.as_ref().or(policy.cap.as_ref())) {
        retry.cap = cap;
    }
    if let Some(factor) = policy.backoff_factor.or(policy.factor) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1 to 1000, as the schema says"
        )]
        let milli = (factor.clamp(1.0, 1_000.0) * 1_000.0).round() as u32;
        retry.factor_milli = milli;
    }
    if let Some(jitter) = policy.jitter {
        retry.jitter = jitter;
    }
    if let Some(not_on) = policy.not_on {
        retry.not_on = not_on;
    }
}
