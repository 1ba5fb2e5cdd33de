//! Who has led since when, as this node has seen it: for the sentence that people read after an election.
//!
//! Terms and leaders are in the log's own state; how long the cluster was without a leader is nowhere. Each node watches for
//! itself, so two nodes may differ by the time that the news took to them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use oarlock_engine::time::Moment;
use oarlock_raft::{Lead, Replica};

use crate::convert::time;

/// The present leader, and how it came to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reign {
    /// Who.
    pub(crate) leader: NodeId,
    /// In which term.
    pub(crate) term: u64,
    /// Since when it is known here.
    pub(crate) since: Moment,
    /// How long there was none before, if this node saw it.
    pub(crate) vacant: Option<Duration>,
    /// Who led before, if this node saw it.
    pub(crate) before: Option<NodeId>,
}

/// What a node remembers of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reigns {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    now: Option<Reign>,
    lost: Option<Instant>,
}

impl Reigns {
    /// Begins to watch. It ends with the replica.
    pub(crate) fn follow(replica: &Replica) -> Reigns {
        let reigns = Reigns::default();
        let (own, mut leads) = (reigns.clone(), replica.lead());
        tokio::spawn(async move {
            loop {
                let lead = *leads.borrow_and_update();
                own.note(lead, Instant::now(), time::now());
                if leads.changed().await.is_err() {
                    return;
                }
            }
        });
        reigns
    }

    /// The present reign, if there is one and it was seen to begin.
    pub(crate) fn now(&self) -> Option<Reign> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn note(&self, lead: Lead, at: Instant, moment: Moment) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match lead.leader.filter(|_| lead.sure) {
            None => {
                seen.lost.get_or_insert(at);
            }
            Some(leader) => {
                let lost = seen.lost.take();
                let same =
                    seen.now.is_some_and(|now| now.leader == leader && now.term == lead.term);
                if same {
                    return;
                }
                let before = seen.now.map(|now| now.leader);
                let vacant = lost.filter(|_| before.is_some()).map(|lost| at.duration_since(lost));
                seen.now = Some(Reign { leader, term: lead.term, since: moment, vacant, before });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_is_told_with_its_length() {
        let (reigns, begun) = (Reigns::default(), Instant::now());
        let lead =
            |leader: Option<u64>, term, sure| Lead { leader: leader.map(NodeId), term, sure };
        let at = |ms| begun + Duration::from_millis(ms);
        reigns.note(lead(None, 0, false), at(0), Moment(0));
        reigns.note(lead(Some(2), 1, true), at(9), Moment(9));
        let first = reigns.now().expect("somebody leads");
        assert_eq!((first.leader, first.vacant, first.before), (NodeId(2), None, None));
        reigns.note(lead(Some(2), 1, false), at(100), Moment(100));
        reigns.note(lead(None, 2, false), at(200), Moment(200));
        reigns.note(lead(Some(3), 2, true), at(512), Moment(512));
        let now = reigns.now().expect("somebody leads");
        assert_eq!((now.leader, now.term, now.since), (NodeId(3), 2, Moment(512)));
        assert_eq!(now.vacant, Some(Duration::from_millis(412)));
        assert_eq!(now.before, Some(NodeId(2)));
    }
}
