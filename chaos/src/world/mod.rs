//! The world that is broken: nodes, the network between them, their disks and clocks.
//!
//! ```text
//!   clients ──▶ door ──▶ n1 ◀── door ◀── n2, n3 …     real `oarlock server` processes on 127.A.B.x
//! ```
//!
//! The world knows how to harm and how to mend, and whom it struck; when and how often is for the schedule (`nemesis/`). It
//! signals only processes that it started itself, and whatever it does to the machine goes with it.

pub(crate) mod address;
pub(crate) mod build;
pub(crate) mod capability;
pub(crate) mod config;
pub(crate) mod door;
pub(crate) mod found;
pub(crate) mod link;
pub(crate) mod node;
pub(crate) mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use oarlock_client::v1::{Cluster, RaftStatus};
use serde_json::json;
use tokio::sync::{Semaphore, watch as tell};
use tokio::time::Instant;

use crate::history::Recorder;
use crate::progress::Say;
use capability::Capabilities;
use door::{Door, Doors};
use link::Pair;
use node::Node;

/// How long a node may take to be ready, and to stop.
pub(crate) const READY_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(10);
/// Between two looks at something that has to happen.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    /// In the order of their names.
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) doors: Doors,
    pub(crate) can: Capabilities,
    pub(crate) recorder: Recorder,
    pub(crate) say: Say,
    /// True when no more harm is to be done.
    pub(crate) over: tell::Receiver<bool>,
    /// Whoever destroys data has this: one disk at a time.
    pub(crate) one_disk: Arc<Semaphore>,
    next: AtomicU64,
    /// Whether the nodes are processes of ours.
    ours: bool,
}

impl World {
    pub(crate) fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    /// The next fault's number.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Waits so long, or until no more harm is to be done.
    pub(crate) async fn hold(&self, length: Duration) {
        let mut over = self.over.clone();
        // If whoever says so is gone, it is over too.
        let _ = tokio::time::timeout(length, over.wait_for(|over| *over)).await;
    }

    /// What each node says of the log; none: it does not answer.
    pub(crate) async fn rafts(&self) -> Vec<Option<RaftStatus>> {
        let ask = |node: &Arc<Node>| {
            let direct = node.direct.clone();
            async move { direct.raft().await.ok() }
        };
        join_all(self.nodes.iter().map(ask)).await
    }

    /// Who leads: of those who say that they do the one with the newest term.
    pub(crate) async fn leader(&self) -> Option<(String, u64)> {
        let said = self.rafts().await.into_iter().flatten();
        let leads = said.filter(|raft| raft.standing == "leader" && raft.sure);
        leads.max_by_key(|raft| raft.term).map(|raft| (raft.node, raft.term))
    }

    /// Who drives a workflow: whoever has the first role that is not of the house.
    pub(crate) async fn owner(&self) -> Option<String> {
        for node in &self.nodes {
            let Ok((roles, _)) = node.direct.roles().take(100).await else { continue };
            let driven = roles.into_iter().filter(|role| role.node.is_some());
            let (dags, others): (Vec<_>, Vec<_>) =
                driven.partition(|role| role.name.starts_with("dag-"));
            return dags.into_iter().chain(others).next()?.node;
        }
        None
    }

    /// The cluster, as somebody sees it who is sure of it.
    pub(crate) async fn cluster(&self) -> Option<Cluster> {
        for node in &self.nodes {
            if let Ok(cluster) = node.direct.cluster().await
                && cluster.sure
            {
                return Some(cluster);
            }
        }
        None
    }

    /// Why it is not whole; none: all nodes answer, vote if they can, and are sure of one leader.
    pub(crate) async fn unsettled(&self) -> Option<String> {
        let said = self.rafts().await;
        if let Some(at) = said.iter().position(Option::is_none) {
            return Some(format!("{} does not answer", self.nodes[at].name()));
        }
        let said: Vec<RaftStatus> = said.into_iter().flatten().collect();
        if let Some(raft) = said.iter().find(|raft| !raft.sure || raft.read_only.is_some()) {
            let why = raft.read_only.as_deref().unwrap_or("it is sure of no leader");
            return Some(format!("{}: {why}", raft.node));
        }
        let leaders: BTreeSet<_> = said.iter().map(|raft| raft.leader.clone()).collect();
        if leaders.len() != 1 {
            return Some(format!("the nodes name several leaders: {leaders:?}"));
        }
        let Some(cluster) = self.cluster().await else { return Some("nobody is sure".to_owned()) };
        let voters = u32::try_from((self.nodes.len() - 1) / 2 * 2 + 1).unwrap_or(1);
        if cluster.voters < voters {
            return Some(format!("{} of {voters} vote", cluster.voters));
        }
        (cluster.health != "healthy").then_some(cluster.summary)
    }

    /// Waits until it is whole; if it does not become so, why.
    pub(crate) async fn settled(&self, patience: Duration) -> Result<Duration> {
        let begun = Instant::now();
        while let Some(why) = self.unsettled().await {
            if begun.elapsed() > patience {
                bail!("after {patience:?}: {why}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(begun.elapsed())
    }

    /// All directed links between these nodes and those, both ways.
    pub(crate) fn between(ones: &[String], others: &[String]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for one in ones {
            for other in others.iter().filter(|other| *other != one) {
                pairs.push((one.clone(), other.clone()));
                pairs.push((other.clone(), one.clone()));
            }
        }
        pairs
    }

    /// The door through which a link leads: that of whoever is called, or of the node that a client calls.
    pub(crate) fn door_of(&self, pair: &Pair) -> Option<Door> {
        if pair.0 == link::CLIENT {
            return Some(self.node(&pair.1)?.place.http.clone());
        }
        Some(self.node(&pair.1)?.place.peer.clone())
    }

    /// Starts a node's process and opens its doors; it is not ready yet.
    pub(crate) async fn begin(&self, node: &Node) -> Result<u32> {
        let pid = node.begin().await?;
        self.doors.is(pid, Some(node.name()));
        self.doors.open(&node.place.peer).await?;
        self.doors.open(&node.place.http).await?;
        Ok(pid)
    }

    /// Kills a node's process, and takes its doors away; none: it did not run.
    pub(crate) async fn kill(&self, node: &Node) -> Result<Option<u32>> {
        let killed = node.kill().await?;
        self.gone(node, killed.unwrap_or(0)).await;
        Ok(killed)
    }

    /// A node's process is gone: its doors go too.
    pub(crate) async fn gone(&self, node: &Node, pid: u32) {
        self.doors.shut(&node.place.peer).await;
        self.doors.shut(&node.place.http).await;
        self.doors.is(pid, None);
    }

    /// Undoes what may be left: goes on with whoever is stopped, starts whoever is dead.
    pub(crate) async fn heal(&self) -> Result<()> {
        if !self.ours {
            return Ok(());
        }
        let mut begun = Vec::new();
        for node in &self.nodes {
            if node.pid() == 0 {
                let pid = self.begin(node).await?;
                self.recorder.nemesis("restart", json!({"node": node.name(), "pid": pid}));
                begun.push(node);
            } else if node::state(node.pid()) == Some('T') {
                node.hold(false).await?;
            }
        }
        for node in begun {
            node.ready(READY_MAX).await.context("after the heal")?;
        }
        Ok(())
    }

    /// Stops all nodes in order.
    pub(crate) async fn stop(&self) {
        if self.ours {
            join_all(self.nodes.iter().map(|node| node.stop(STOP_MAX))).await;
        }
    }
}
