//! The rows of members.

use super::departure::DEPARTURES_MAX;
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
        Event::Profiled { node, profile } => schema::PROFILE.put(rows, node, profile),
        Event::Drained { node, why: _ } => become_(rows, *node, State::Draining),
        Event::Undrained { node } => become_(rows, *node, State::Up),
        Event::Departed { departure } => {
            schema::DEPARTURE.put(rows, &departure.number, departure);
            let oldest = departure.number.saturating_sub(DEPARTURES_MAX);
            schema::DEPARTURE.delete(rows, &oldest);
        }
        Event::Forgotten { node } => {
            schema::MEMBER.delete(rows, node);
            schema::PROFILE.delete(rows, node);
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
