//! Who has free slots elsewhere, as far as was heard: a guess that the engine checks.
//!
//! An entry that may ready work carries an offer of free slots, so that the lease rides along. A node whose own worker is full, or
//! that has none, offers slots of another node that said it had some. The engine counts what each worker really holds: an offer
//! that is out of date grants less or nothing, and then the work is claimed by whoever hears in the feed that it is ready.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oarlock_engine::apply::Offer;
use oarlock_engine::id::{NodeId, WorkerId};

use crate::wire::Load;

/// What was heard longer ago is no longer believed.
const FRESH: Duration = Duration::from_secs(1);

/// What was last heard of the others' slots.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    of: BTreeMap<NodeId, Wanting>,
    /// Who was offered last: the next one comes after it.
    last: Option<NodeId>,
}

#[derive(Debug)]
struct Wanting {
    worker: Option<WorkerId>,
    free: u32,
    heard: Instant,
}

impl Demand {
    /// A node has said how busy it is.
    pub(crate) fn heard(&mut self, node: NodeId, load: &Load, now: Instant) {
        let free = if load.draining { 0 } else { load.free };
        self.of.insert(node, Wanting { worker: load.worker, free, heard: now });
    }

    /// A node is gone.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.of.remove(&node);
    }

    /// Free slots of somebody else, each node in its turn. What was offered is not offered again before it is heard of again.
    pub(crate) fn offer(&mut self, now: Instant) -> Option<Offer> {
        let wants = |wanting: &Wanting| {
            wanting.free > 0 && wanting.worker.is_some() && now - wanting.heard < FRESH
        };
        let after = |node: &NodeId| self.last.is_some_and(|last| *node <= last);
        let mut wanting: Vec<NodeId> =
            self.of.iter().filter(|(_, wanting)| wants(wanting)).map(|(node, _)| *node).collect();
        wanting.sort_by_key(|node| (after(node), *node));
        let node = *wanting.first()?;
        self.last = Some(node);
        let wanting = self.of.get_mut(&node)?;
        let tasks_max = std::mem::take(&mut wanting.free);
        Some(Offer { worker: wanting.worker?, tasks_max })
    }

    /// Which of these nodes would take work, as far as is known: who has said that it has no free slots would not.
    pub(crate) fn may_want(&self, node: NodeId, now: Instant) -> bool {
        let full = |wanting: &Wanting| wanting.free == 0 && now - wanting.heard < FRESH;
        !self.of.get(&node).is_some_and(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(worker: u128, free: u32) -> Load {
        Load { worker: Some(WorkerId(worker)), free, ..Load::default() }
    }

    #[test]
    fn free_slots_are_offered_in_turn_and_once() {
        let now = Instant::now();
        let mut demand = Demand::default();
        assert_eq!(demand.offer(now), None);
        for node in [1, 2, 3] {
            demand.heard(NodeId(node), &load(u128::from(node), 4), now);
        }
        let offered: Vec<_> =
            std::iter::from_fn(|| demand.offer(now)).map(|offer| offer.worker.0).collect();
        assert_eq!(offered, [1, 2, 3]);
        demand.heard(NodeId(2), &load(2, 1), now);
        assert_eq!(demand.offer(now), Some(Offer { worker: WorkerId(2), tasks_max: 1 }));
    }

    #[test]
    fn what_is_old_or_drains_or_is_full_is_not_offered() {
        let now = Instant::now();
        let mut demand = Demand::default();
        demand.heard(NodeId(1), &load(1, 0), now);
        demand.heard(NodeId(2), &Load { draining: true, ..load(2, 3) }, now);
        demand.heard(NodeId(3), &Load { worker: None, ..load(3, 3) }, now);
        demand.heard(NodeId(4), &load(4, 3), now);
        assert_eq!(demand.offer(now + FRESH), None);
        demand.forget(NodeId(4));
        assert_eq!(demand.offer(now), None);
        assert!(!demand.may_want(NodeId(1), now) && demand.may_want(NodeId(1), now + FRESH));
        assert!(demand.may_want(NodeId(9), now));
    }
}
