//! Definitions accepted, paused, removed.

use std::collections::BTreeSet;

use super::{
    Command, DEFINITION_BYTES_MAX, Definition, Event, WORKFLOWS_MAX, Workflow, find, find_any,
    shape,
};
use crate::apply::Reply;
use crate::id::{Version, WorkflowId};
use crate::queue::{self, QUEUES_MAX};
use crate::reject::Rejection;
use crate::store::{Tx, schema};
use crate::{codec, role};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Define { definition, expected } => define(tx, definition, *expected),
        Command::Remove { name } => {
            let workflow = known(tx, name)?;
            if workflow.unfinished > 0 {
                return Err(Rejection::WorkflowBusy(workflow.unfinished));
            }
            tx.emit(Event::Removed { workflow: workflow.id });
            Ok(Reply::Done)
        }
        Command::Pause { name } => {
            let workflow = known(tx, name)?;
            if !workflow.paused {
                tx.emit(Event::Paused { workflow: workflow.id });
            }
            Ok(Reply::Done)
        }
        Command::Resume { name } => {
            let workflow = known(tx, name)?;
            if workflow.paused {
                tx.emit(Event::Resumed { workflow: workflow.id });
            }
            Ok(Reply::Done)
        }
    }
}

fn known(tx: &Tx<'_>, name: &str) -> Result<Workflow, Rejection> {
    find(tx, name).ok_or_else(|| Rejection::NoWorkflow(name.to_owned()))
}

fn define(
    tx: &mut Tx<'_>,
    definition: &Definition,
    expected: Option<Version>,
) -> Result<Reply, Rejection> {
    shape::check(definition)?;
    let bytes = codec::encode(definition);
    if bytes.len() > DEFINITION_BYTES_MAX {
        return Err(Rejection::too_large("definition", DEFINITION_BYTES_MAX));
    }
    let before = find_any(tx, &definition.name);
    let newest = match &before {
        Some(workflow) if !workflow.removed => workflow.newest,
        _ => Version(0),
    };
    if expected.is_some_and(|expected| expected != newest) {
        return Err(Rejection::Changed(newest));
    }
    if let Some(workflow) = &before
        && !workflow.removed
        && schema::DEFINITION.get_bytes(tx, &(workflow.id, newest)) == Some(bytes.clone())
    {
        return Ok(Reply::Defined { version: newest, changed: false });
    }
    open_queues(tx, definition)?;
    let workflow = match &before {
        Some(workflow) if !workflow.removed => workflow.id,
        _ => name(tx, &definition.name, before.as_ref())?,
    };
    // A removed workflow's versions go on where they ended: the runs that pin them are still there.
    let version = Version(before.map_or(0, |workflow| workflow.newest.0) + 1);
    tx.emit_with(Event::Defined { workflow, version }, &bytes);
    Ok(Reply::Defined { version, changed: true })
}

/// A name comes into use: with its old number and role if it had them.
fn name(tx: &mut Tx<'_>, name: &str, before: Option<&Workflow>) -> Result<WorkflowId, Rejection> {
    let (workflow, role) = match before {
        Some(before) => (before.id, before.role),
        None => {
            let last = schema::WORKFLOW.under_back(tx, &()).next();
            let workflow = WorkflowId(last.map_or(0, |(id, _)| id.0) + 1);
            if workflow.0 > WORKFLOWS_MAX {
                return Err(Rejection::too_large("workflows", WORKFLOWS_MAX as usize));
            }
            (workflow, role::decide::create(tx, role::name::dag(name)))
        }
    };
    tx.emit(Event::Named { workflow, name: name.to_owned(), role });
    Ok(workflow)
}

/// Queues come to be with the first definition that names them.
fn open_queues(tx: &mut Tx<'_>, definition: &Definition) -> Result<(), Rejection> {
    let named: BTreeSet<&String> = definition.steps.iter().map(|step| &step.queue).collect();
    let fresh: Vec<&String> =
        named.into_iter().filter(|name| !schema::QUEUE.has(tx, name)).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let known = schema::QUEUE_NAMES.get(tx, &()).map_or(0, |names| names.len());
    if known + fresh.len() > QUEUES_MAX {
        return Err(Rejection::too_large("queues", QUEUES_MAX));
    }
    for name in fresh {
        tx.emit(queue::Event::Created { name: name.clone() });
    }
    Ok(())
}
