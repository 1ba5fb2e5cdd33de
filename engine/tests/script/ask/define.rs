//! `define` and its steps as a definition.

use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{
    Concurrency, Definition, Each, Kind, OnFailure, OnTimeout, Order, Rule, Step,
};
use oarlock_engine::id::{Priority, StepNo};
use oarlock_engine::run::OnConflict;
use oarlock_engine::task::retry::Retry;
use oarlock_engine::time::Span;

use super::super::parse::{self, Line};
use super::super::world::World;

/// A workflow with the steps that are indented under it.
pub(crate) fn definition(_world: &World, line: &Line) -> Result<Definition, String> {
    let names: Vec<&str> = line.below.iter().map(|step| step.word.as_str()).collect();
    let steps = line.below.iter().map(|below| step(below, &names)).collect::<Result<_, _>>()?;
    let concurrency = line.get_number("limit")?.map(|limit| Concurrency {
        key: line.get("lane").unwrap_or("${{ inputs.key }}").to_owned(),
        limit,
        on_conflict: match line.get("conflict") {
            Some("reject") => OnConflict::Reject,
            Some("cancel") => OnConflict::CancelRunning,
            _ => OnConflict::Queue,
        },
    });
    Ok(Definition {
        name: line.positional(0)?.to_owned(),
        description: line.get("description").unwrap_or_default().to_owned(),
        steps,
        inputs: Payload::EMPTY,
        outputs: Payload::from(line.get("outputs").unwrap_or_default()),
        timeout: line.get_number("timeout")?.map(Span),
        priority: line.get_number("priority")?.map_or(Priority::NORMAL, Priority),
        concurrency,
        labels: super::labels(line),
        retention: line.get_number("retention")?.map(Span),
        source: Payload::from(line.get("source").unwrap_or_default()),
    })
}

fn place(name: &str, names: &[&str]) -> Result<StepNo, String> {
    let known = names.iter().position(|known| *known == name);
    // A place that is not there can still be named by its number.
    let place = known.and_then(|place| u16::try_from(place).ok()).or_else(|| name.parse().ok());
    place.map(StepNo).ok_or_else(|| format!("no step `{name}`"))
}

fn step(line: &Line, names: &[&str]) -> Result<Step, String> {
    let order = action(line.positional(0)?)?;
    let needs = line.get_list("needs");
    let each = line.get("each").map(|items| Each {
        items: Payload::from(items),
        parallel_max: line.get_number("parallel").ok().flatten(),
    });
    Ok(Step {
        name: line.word.clone(),
        needs: needs.iter().map(|name| place(name, names)).collect::<Result<_, _>>()?,
        rule: match line.get("rule") {
            Some("settled") => Rule::Settled,
            Some("failed") => Rule::Failed,
            _ => Rule::Succeeded,
        },
        condition: line.get("if").map(str::to_owned),
        each,
        template: Payload::from(if order.is_none() { "{}" } else { "" }),
        order,
        queue: line.get("queue").unwrap_or("default").to_owned(),
        priority: line.get_number("priority")?.map(Priority),
        timeout: Span(line.get_number("timeout")?.unwrap_or(30_000)),
        retry: Retry {
            attempts_max: line.get_number("attempts")?.unwrap_or(1),
            initial: Span(line.get_number("initial")?.unwrap_or(1_000)),
            cap: Span(line.get_number("cap")?.unwrap_or(300_000)),
            factor_milli: line.get_number("factor")?.unwrap_or(2_000),
            jitter: line.flag("jitter"),
            not_on: line.get_list("not_on"),
        },
        on_failure: match line.get("on_failure") {
            None | Some("fail") => OnFailure::Fail,
            Some("ignore") => OnFailure::Ignore,
            Some("dead_letter") => OnFailure::DeadLetter,
            Some(name) => OnFailure::Task(place(name.trim_start_matches("task:"), names)?),
        },
        handler: line.flag("handler"),
    })
}

/// An action by its word; `template`: its driver must compute it.
pub(crate) fn action(text: &str) -> Result<Option<Order>, String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    let millis = |text: &str| parse::number(text).map(Span).ok_or("milliseconds are a number");
    Ok(Some(match word {
        "template" => return Ok(None),
        "noop" | "run" | "http" => {
            Order::Work { kind: Kind::Builtin(word.to_owned()), body: Payload::from("{}") }
        }
        "call" => Order::Work { kind: Kind::Call(rest.to_owned()), body: Payload::from("{}") },
        "sleep" => Order::Sleep { span: millis(rest)? },
        "wait" => {
            let mut parts = rest.split(':');
            let signal = parts.next().unwrap_or_default().to_owned();
            let timeout = parts.next().map(millis).transpose()?;
            let on_timeout = match parts.next() {
                Some("continue") => OnTimeout::Continue,
                _ => OnTimeout::Fail,
            };
            Order::Wait { signal, timeout, on_timeout }
        }
        "child" => Order::Child { workflow: rest.to_owned(), input: Payload::from("{}") },
        "emit" => Order::Emit { name: rest.to_owned(), body: Payload::from("{}") },
        _ => return Err(format!("no such action: `{text}`")),
    }))
}
