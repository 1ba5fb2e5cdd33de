//! Whether a definition is one that can be run.
//!
//! The doors check more and say it better, with line and column. This is what the engine relies on: places in range, no circle,
//! handlers that are handlers, nothing without a limit. It is checked here because a door may be wrong, or not ours.

use std::collections::{BTreeMap, BTreeSet};

use super::{Concurrency, DEFINITION_BYTES_MAX, Definition, Kind, NAME_BYTES_MAX, OnFailure};
use super::{Order, STEPS_MAX, Step};
use crate::blob;
use crate::id::{Priority, StepNo};
use crate::reject::Rejection;
use crate::run::LABELS_MAX;

/// The longest value of a label, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// The most attempts a policy may ask for.
pub const ATTEMPTS_MAX: u32 = 10_000;

/// Refuses a definition that cannot be run.
pub(crate) fn check(definition: &Definition) -> Result<(), Rejection> {
    workflow_name(&definition.name)?;
    if definition.steps.is_empty() {
        return Err(Rejection::invalid("tasks", "there are none"));
    }
    if definition.steps.len() > STEPS_MAX {
        return Err(Rejection::too_large("tasks", STEPS_MAX));
    }
    priority("priority", definition.priority)?;
    labels(&definition.labels)?;
    if let Some(Concurrency { key, limit, on_conflict: _ }) = &definition.concurrency {
        if key.is_empty() || *limit == 0 {
            return Err(Rejection::invalid("concurrency", "needs a key and a limit of at least 1"));
        }
        at_most("concurrency", key.len(), DEFINITION_BYTES_MAX)?;
    }
    let mut names = BTreeSet::new();
    for step in &definition.steps {
        self::step(definition, step)?;
        if !names.insert(step.name.as_str()) {
            return Err(Rejection::invalid(&step.name, "there are two tasks of this name"));
        }
    }
    acyclic(definition)
}

/// Refuses a name that is empty, too long, or holds what cannot be shown.
pub(crate) fn name(field: &str, name: &str) -> Result<(), Rejection> {
    if name.is_empty() {
        return Err(Rejection::invalid(field, "is empty"));
    }
    at_most(field, name.len(), NAME_BYTES_MAX)?;
    if name.chars().any(char::is_control) {
        return Err(Rejection::invalid(field, "holds a control character"));
    }
    Ok(())
}

/// Refuses labels that are too many or too long.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> Result<(), Rejection> {
    at_most("labels", labels.len(), LABELS_MAX)?;
    for (key, value) in labels {
        name("labels", key)?;
        at_most("labels", value.len(), LABEL_BYTES_MAX)?;
    }
    Ok(())
}

/// Refuses a priority that is none.
pub(crate) fn priority(field: &str, priority: Priority) -> Result<(), Rejection> {
    if priority > Priority::MAX {
        return Err(Rejection::invalid(field, "is not between 0 and 10"));
    }
    Ok(())
}

/// Refuses an order that cannot be carried out. Drivers propose orders too, so this is not only about definitions.
pub(crate) fn order(field: &str, order: &Order) -> Result<(), Rejection> {
    match order {
        Order::Work { kind: Kind::Builtin(kind) | Kind::Call(kind), body } => {
            name(field, kind)?;
            blob::check(body)
        }
        Order::Sleep { span: _ } => Ok(()),
        Order::Wait { signal, timeout: _, on_timeout: _ } => name(field, signal),
        Order::Child { workflow, input } => {
            name(field, workflow)?;
            blob::check(input)
        }
        Order::Emit { name: event, body } => {
            name(field, event)?;
            blob::check(body)
        }
    }
}

fn at_most(what: &str, len: usize, max: usize) -> Result<(), Rejection> {
    if len > max { Err(Rejection::too_large(what, max)) } else { Ok(()) }
}

/// `[a-z0-9][a-z0-9_-]*`: it stands in paths, in names of roles and before the slash of `etl/1042`.
fn workflow_name(text: &str) -> Result<(), Rejection> {
    name("name", text)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = text.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'-'));
    if !good || !text.bytes().next().is_some_and(plain) {
        return Err(Rejection::invalid("name", "is not of the form [a-z0-9][a-z0-9_-]*"));
    }
    Ok(())
}

fn step(definition: &Definition, step: &Step) -> Result<(), Rejection> {
    let field = step.name.as_str();
    name("tasks", field)?;
    name(field, &step.queue)?;
    needs(definition, step)?;
    if let OnFailure::Task(handler) = step.on_failure {
        let known = definition.steps.get(usize::from(handler.0));
        if step.handler || !known.is_some_and(|known| known.handler) {
            return Err(Rejection::invalid(field, "on_failure names a task that is no handler"));
        }
    }
    match (&step.order, step.template.is_empty()) {
        (Some(order), true) => self::order(field, order)?,
        (None, false) => blob::check(&step.template)?,
        (Some(_), false) => return Err(Rejection::invalid(field, "has an order and a template")),
        (None, true) => return Err(Rejection::invalid(field, "says nothing to do")),
    }
    if step.each.as_ref().is_some_and(|each| each.parallel_max == Some(0)) {
        return Err(Rejection::invalid(field, "max_parallel is 0"));
    }
    if let Some(own) = step.priority {
        priority(field, own)?;
    }
    if step.timeout.0 == 0 {
        return Err(Rejection::invalid(field, "timeout is 0"));
    }
    if step.retry.attempts_max == 0 {
        return Err(Rejection::invalid(field, "no attempt is allowed"));
    }
    at_most(field, step.retry.attempts_max as usize, ATTEMPTS_MAX as usize)
}

fn needs(definition: &Definition, step: &Step) -> Result<(), Rejection> {
    let field = step.name.as_str();
    if step.handler && !step.needs.is_empty() {
        return Err(Rejection::invalid(field, "is a handler and cannot have needs"));
    }
    let mut seen = BTreeSet::new();
    for need in &step.needs {
        match definition.steps.get(usize::from(need.0)) {
            None => return Err(Rejection::invalid(field, "needs a task that is not there")),
            Some(known) if known.handler => {
                return Err(Rejection::invalid(field, "needs a handler, which may never run"));
            }
            Some(_) if !seen.insert(*need) => {
                return Err(Rejection::invalid(field, "needs a task twice"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Takes away steps that need nothing more until none is left (Kahn); what remains stands in a circle or behind one.
fn acyclic(definition: &Definition) -> Result<(), Rejection> {
    let mut left: Vec<usize> = definition.steps.iter().map(|step| step.needs.len()).collect();
    let mut dependents = vec![Vec::new(); definition.steps.len()];
    for (place, step) in definition.steps.iter().enumerate() {
        for StepNo(need) in &step.needs {
            dependents[usize::from(*need)].push(place);
        }
    }
    let mut free: Vec<usize> = (0..left.len()).filter(|place| left[*place] == 0).collect();
    let mut taken = 0;
    while let Some(place) = free.pop() {
        taken += 1;
        for dependent in &dependents[place] {
            left[*dependent] -= 1;
            if left[*dependent] == 0 {
                free.push(*dependent);
            }
        }
    }
    match left.iter().position(|left| *left > 0) {
        Some(place) if taken < left.len() => {
            let name = &definition.steps[place].name;
            Err(Rejection::invalid(name, "waits for itself: the needs form a circle"))
        }
        _ => Ok(()),
    }
}
