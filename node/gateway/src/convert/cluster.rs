//! Roles, workers, actors, settings.

use std::collections::BTreeMap;

use oarlock_actors::status::ActorStatus;
use oarlock_engine::role::{self, Role};
use oarlock_engine::setting;
use oarlock_engine::store::View;
use oarlock_engine::worker::Worker;
use oarlock_proto::v1;
use serde_json::json;

use super::{name, time};

/// A role and who has it.
pub(crate) fn role(view: &dyn View, row: &Role) -> v1::Role {
    let wish = role::wish(view, row.id);
    v1::Role {
        id: row.id.0,
        name: row.name.clone(),
        node: row.node.map(|node| name::node(view, node)),
        epoch: row.epoch.0,
        since: time::rfc3339(row.since),
        why: row.why.clone(),
        from: row.from.map(|node| name::node(view, node)),
        pinned: wish.pin.map(|node| name::node(view, node)),
        labels: wish.labels,
        weight: wish.weight,
    }
}

/// A worker's session.
pub(crate) fn worker(view: &dyn View, row: &Worker) -> v1::Worker {
    v1::Worker {
        id: row.id.to_string(),
        name: row.name.clone(),
        node: name::node(view, row.node),
        queues: row.queues.clone(),
        calls: row.calls.clone(),
        builtin: row.builtin,
        slots: row.slots,
        running: row.leased,
        draining: row.draining,
        since: time::rfc3339(row.since),
        tasks: Vec::new(),
    }
}

/// The cards of a node's board as the trees they form.
pub(crate) fn actors(cards: Vec<ActorStatus>, node: &str) -> Vec<v1::Actor> {
    let mut below: BTreeMap<Option<String>, Vec<ActorStatus>> = BTreeMap::new();
    let known: Vec<String> = cards.iter().map(|card| card.id.clone()).collect();
    for card in cards {
        // A card whose supervisor has none is shown at the top rather than not at all.
        let parent = card.parent.clone().filter(|parent| known.contains(parent));
        below.entry(parent).or_default().push(card);
    }
    grow(&mut below, None, node)
}

fn grow(
    below: &mut BTreeMap<Option<String>, Vec<ActorStatus>>,
    parent: Option<String>,
    node: &str,
) -> Vec<v1::Actor> {
    let cards = below.remove(&parent).unwrap_or_default();
    let mut grown = Vec::with_capacity(cards.len());
    for card in cards {
        let children = grow(below, Some(card.id.clone()), node);
        grown.push(actor(card, children, node));
    }
    grown
}

fn actor(card: ActorStatus, children: Vec<v1::Actor>, node: &str) -> v1::Actor {
    v1::Actor {
        id: card.id,
        kind: card.kind.word().to_owned(),
        name: card.name,
        state: card.state.word().to_owned(),
        node: node.to_owned(),
        restarts: u64::from(card.restarts),
        since: Some(time::rfc3339(card.since)),
        last_failure: card.last_error,
        details: json!({"mailbox": card.mailbox, "in_flight": card.in_flight}),
        children,
    }
}

/// A setting's default, and what it is for.
fn about(name: &str) -> (&'static str, &'static str) {
    match name {
        setting::RETENTION_MS => (
            "2592000000",
            "How long finished runs are kept where their workflow does not say, in milliseconds.",
        ),
        setting::FEED_RETENTION_MS => {
            ("604800000", "How long the feed of events is kept, in milliseconds.")
        }
        _ => ("", ""),
    }
}

/// A setting with the value in force.
pub(crate) fn setting(view: &dyn View, name: &str) -> v1::Setting {
    let (default, description) = about(name);
    let set = setting::get(view, name);
    v1::Setting {
        name: name.to_owned(),
        value: set.clone().unwrap_or_else(|| default.to_owned()),
        default: default.to_owned(),
        set: set.is_some(),
        description: description.to_owned(),
    }
}
