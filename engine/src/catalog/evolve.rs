//! The rows of workflows and their versions.

use super::{Edition, Event, Workflow};
use crate::id::{Version, WorkflowId};
use crate::store::{Rows, schema};

/// The rows an event changes. The attachment is the encoded definition.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event, attachment: &[u8]) {
    match event {
        Event::Named { workflow, name, role } => {
            let fresh = || Workflow {
                id: *workflow,
                name: name.clone(),
                newest: Version(0),
                defined_at: rows.now(),
                role: *role,
                paused: false,
                removed: false,
                next_number: 1,
                unfinished: 0,
            };
            let before = schema::WORKFLOW.get(rows, workflow).unwrap_or_else(fresh);
            let named = Workflow { removed: false, paused: false, ..before };
            schema::WORKFLOW.put(rows, workflow, &named);
            schema::WORKFLOW_BY_NAME.put(rows, name, workflow);
        }
        Event::Defined { workflow, version } => {
            let edition = Edition { at: rows.now(), by: rows.by().to_owned() };
            schema::DEFINITION.put_bytes(rows, &(*workflow, *version), attachment);
            schema::EDITION.put(rows, &(*workflow, *version), &edition);
            change(rows, *workflow, |row| {
                row.newest = *version;
                row.defined_at = edition.at;
            });
        }
        Event::Paused { workflow } => change(rows, *workflow, |row| row.paused = true),
        Event::Resumed { workflow } => change(rows, *workflow, |row| row.paused = false),
        Event::Removed { workflow } => change(rows, *workflow, |row| row.removed = true),
    }
}

fn change(rows: &mut Rows<'_>, workflow: WorkflowId, change: impl FnOnce(&mut Workflow)) {
    schema::WORKFLOW.change(rows, &workflow, change);
}
