//! Which node claims ready work first: so that one proposal is made for it, and not one by each node.
//!
//! Work that became ready without an offer is seen by every node at about the same time. The revision at which it was seen says
//! whose turn it is: that node claims at once, the next one waits for about as long as a claim takes, and so on; whoever finds
//! the work taken when its turn has come says nothing. A node that has said that it has no free slots has no turn. The worst that
//! can come of old hints and different opinions is a claim too many, or a pause of a few milliseconds.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oarlock_engine::id::{NodeId, Revision};
use oarlock_engine::member;
use oarlock_engine::member::profile::Duty;

use super::pool::Pool;
use crate::membership::demand::Demand;

/// How long a claim takes, about, before its outcome is seen everywhere.
const CLAIM: Duration = Duration::from_millis(6);
/// Nobody waits longer than so many turns: by then those before have surely claimed or are gone.
const TURNS_MAX: u32 = 8;

/// The order of claims.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) node: NodeId,
    pub(crate) demand: Arc<Mutex<Demand>>,
}

impl Turn {
    /// How long this node waits before it claims what became ready at a revision.
    pub(crate) fn wait(&self, pool: &Pool, since: Revision) -> Duration {
        let works = |view: &dyn oarlock_engine::store::View| {
            let mut nodes = member::live(view);
            if nodes.len() > 1 {
                nodes.retain(|node| member::profile(view, *node).is(Duty::Worker));
            }
            nodes
        };
        let mut nodes = pool.replica.read(|view| works(view));
        let now = Instant::now();
        {
            let demand = self.demand.lock().expect("nothing panics while it holds the demand");
            nodes.retain(|node| *node == self.node || demand.may_want(*node, now));
        }
        CLAIM * turns(&nodes, self.node, since).min(TURNS_MAX)
    }
}

/// How many nodes come before this one.
fn turns(nodes: &[NodeId], here: NodeId, since: Revision) -> u32 {
    let Some(place) = nodes.iter().position(|node| *node == here) else { return 0 };
    let count = nodes.len() as u64;
    let turns = (place as u64 + count - since.0 % count) % count;
    u32::try_from(turns).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_revision_is_one_nodes_turn_and_everybody_elses_comes_after() {
        let nodes = [NodeId(2), NodeId(5), NodeId(9)];
        for revision in 0..30 {
            let mut turns: Vec<_> =
                nodes.iter().map(|node| turns(&nodes, *node, Revision(revision))).collect();
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2]);
        }
        assert_eq!(turns(&nodes, NodeId(5), Revision(1)), 0);
    }

    #[test]
    fn who_is_alone_or_unknown_does_not_wait() {
        assert_eq!(turns(&[NodeId(1)], NodeId(1), Revision(7)), 0);
        assert_eq!(turns(&[NodeId(2)], NodeId(1), Revision(7)), 0);
    }
}
