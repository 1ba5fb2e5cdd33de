//! The rows of roles.

use super::{Event, Role};
use crate::id::Epoch;
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Created { role, name } => {
            let row = Role {
                id: *role,
                name: name.clone(),
                node: None,
                epoch: Epoch(0),
                since: rows.now(),
                why: String::new(),
                from: None,
            };
            schema::ROLE.put(rows, role, &row);
            schema::ROLE_BY_NAME.put(rows, name, role);
        }
        Event::Assigned { role, node, epoch, why } => {
            let now = rows.now();
            let mut before = None;
            schema::ROLE.change(rows, role, |row| {
                before = row.node;
                row.from = row.node;
                row.node = *node;
                row.epoch = *epoch;
                row.since = now;
                row.why = why.clone();
            });
            if let Some(before) = before {
                schema::ROLE_OF_NODE.delete(rows, &(before, *role));
            }
            if let Some(node) = node {
                schema::ROLE_OF_NODE.put(rows, &(*node, *role), &());
            }
        }
        Event::Wished { role, wish } => schema::WISH.put(rows, role, wish),
    }
}
