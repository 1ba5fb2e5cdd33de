//! Between members: one port a node, known by handshake, for the log and for the actors.
//!
//! ```text
//!   openraft ─▶ network ─┐                                                      ┌─▶ openraft, state
//!   desk, barrier ───────┼─▶ link ══ hello, then frames ══▶ listen ─▶ room ─────┤
//!   steward: reports ────┘                                     └─▶ visitors     └─▶ members: join, promote, remove, hand over
//!                                                                 (actors)
//! ```
//!
//! Every node dials every other and keeps the connection; calls on it are pipelined and have deadlines. Nothing is retried here
//! that may have been done. Who takes part is in the log; who is there is in the book; how they are is in the census.

pub(crate) mod append;
pub(crate) mod book;
pub(crate) mod census;
pub(crate) mod hello;
pub(crate) mod join;
pub(crate) mod link;
pub(crate) mod listen;
pub(crate) mod members;
pub(crate) mod network;
pub(crate) mod policy;
pub(crate) mod proof;
pub(crate) mod room;
pub(crate) mod ship;
pub(crate) mod socket;
pub(crate) mod steward;
pub(crate) mod tls;
pub(crate) mod wire;

use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use openraft::async_runtime::WatchReceiver as _;

use self::hello::{Purpose, Unmet};
use self::link::{HELLO_WAIT, Uncalled};
use self::wire::{Ask, Reply};
use crate::Replica;
use crate::cluster::{Member, Standing};
use crate::fault::Fault;

pub(crate) use self::wire::Change;

/// How long a change of the group may take, hand-over included.
const CHANGE_WAIT: Duration = Duration::from_secs(15);
/// The pause before another node is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// All members, seen from a replica.
pub(crate) fn members(replica: &Replica) -> Vec<Member> {
    let inner = &replica.inner;
    let seen = inner.raft.metrics();
    let seen = seen.borrow_watched().clone();
    let me = inner.identity.node.0;
    let links = inner.room.book.told.borrow().clone();
    let last = seen.last_log_index.unwrap_or(0);
    let member = |(node, at): (&u64, &openraft::impls::BasicNode)| {
        let here = *node == me;
        // While the voters are being changed, whoever is one before and after.
        let voter = seen.membership_config.get_joint_config().iter().all(|set| set.contains(node));
        let replicated = seen.replication.as_ref().and_then(|all| all.get(node).copied());
        let told = inner.room.census.fresh(*node).map(|known| known.report.applied);
        let matched = match replicated {
            Some(matched) if !here => matched.map(|id| id.index),
            _ if here => Some(last),
            _ => told,
        };
        Member {
            node: NodeId(*node),
            address: at.addr.clone(),
            standing: if voter { Standing::Voter } else { Standing::Learner },
            leads: seen.current_leader == Some(*node),
            here,
            heard: if here { Some(Duration::ZERO) } else { inner.room.book.heard(*node) },
            matched,
            lag: matched.map(|matched| last.saturating_sub(matched)),
            link: links.get(&NodeId(*node)).cloned(),
        }
    };
    seen.membership_config.nodes().map(member).collect()
}

/// Asks the leader for a change of the group, wherever it is.
pub(crate) async fn change(replica: &Replica, change: Change) -> Result<(), Fault> {
    let room = &replica.inner.room;
    let begin = Instant::now();
    let mut why = "nobody leads".to_owned();
    while begin.elapsed() < CHANGE_WAIT {
        let reply = match room.leader() {
            Some(leader) if leader == room.me => {
                let here = room.clone();
                let changed = tokio::spawn(async move { here.change(change).await });
                changed.await.map_err(|why| Fault::Raft(why.to_string()))?
            }
            Some(leader) => match room.book.find(leader) {
                Some(link) => match link.call(&Ask::Change(change), CHANGE_WAIT).await {
                    Ok(reply) => reply,
                    Err(Uncalled::NotSent(why) | Uncalled::Lost(why)) => Reply::Failed(why),
                },
                None => Reply::NotLeader(None),
            },
            None => Reply::NotLeader(None),
        };
        match reply {
            Reply::Changed => return Ok(()),
            Reply::Refused(why) => return Err(Fault::Refused(why)),
            Reply::Failed(told) => why = told,
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Fault::Unavailable(format!("the group could not be changed: {why}")))
}

/// Hands leadership over, if this node has it.
pub(crate) async fn hand_over(replica: &Replica) -> Result<(), Fault> {
    let room = &replica.inner.room;
    let _alone = room.changing.lock().await;
    if room.leader() != Some(room.me) {
        return Ok(());
    }
    match room.hand_over(None).await {
        Reply::Refused(why) => Err(Fault::Refused(why)),
        Reply::Failed(why) => Err(Fault::Unavailable(why)),
        _ => Ok(()),
    }
}

/// Opens a connection to another node's actors.
pub(crate) async fn dial(replica: &Replica, node: NodeId) -> Result<socket::Stream, Fault> {
    let book = &replica.inner.room.book;
    let unreachable = |why: &dyn std::fmt::Display| {
        Fault::Unavailable(format!("node {node} cannot be reached: {why}"))
    };
    let (Some(card), Some(link)) = (&book.card, book.find(node.0)) else {
        return Err(Fault::Refused(format!("node {node} is no other member of this cluster")));
    };
    book.wall.open(node.0).map_err(|why| unreachable(&why))?;
    let stream = socket::connect(&link.address(), card.tls.as_ref()).await;
    let mut stream = stream.map_err(|why| unreachable(&why))?;
    let greeting = hello::knock(&mut stream, card, node.0, Purpose::Actors);
    match tokio::time::timeout(HELLO_WAIT, greeting).await {
        Ok(Ok(_)) => Ok(stream),
        Ok(Err(Unmet::Refused(why))) => Err(Fault::Refused(format!("node {node} refuses: {why}"))),
        Ok(Err(why)) => Err(unreachable(&why)),
        Err(_) => Err(unreachable(&"it says nothing")),
    }
}
