//! The rows of members.

use super::{Event, State};
use crate::id::NodeId;
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Joined { member } => schema::MEMBER.put(rows, &member.node, member),
        Event::Left { node } => become_(rows, *node, State::Left),
        Event::Lost { node } => become_(rows, *node, State::Lost),
        Event::Agreed { rules } => {
            let mut clock = schema::clock(rows);
            clock.rules = *rules;
            schema::CLOCK.put(rows, &(), &clock);
        }
    }
}

fn become_(rows: &mut Rows<'_>, node: NodeId, state: State) {
    let now = rows.now();
    schema::MEMBER.change(rows, &node, |member| {
        member.state = state;
        member.since = now;
    });
}
