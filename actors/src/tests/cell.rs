//! Several nodes in one process: crews of their own over one replica in memory, with roads between them that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use oarlock_engine::id::{BootId, NodeId};
use oarlock_engine::member::{self, Member, State};
use oarlock_engine::role::{self, Role};
use oarlock_raft::{Config, Lead, Replica, Secret};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::home::{Home, within};
use crate::crew::{Crew, CrewConfig};
use crate::link::trunk::{Stream, Trunk};

/// Nodes 1, 2, … of one cell. Node 1 leads.
pub(super) struct Cell {
    pub(super) home: Home,
    pub(super) crews: BTreeMap<NodeId, Crew>,
    pub(super) roads: Arc<Roads>,
}

/// What lies between nodes.
pub(super) struct Roads {
    doors: Mutex<BTreeMap<NodeId, mpsc::UnboundedSender<Stream>>>,
    /// Streams that are open, by who has opened them to whom.
    open: Mutex<Vec<(NodeId, NodeId, AbortHandle)>>,
    /// How many streams were ever opened.
    opened: AtomicUsize,
    /// Of whom the replicas hear nothing.
    silent: Mutex<BTreeSet<NodeId>>,
    pub(super) lead: watch::Sender<Lead>,
}

impl Roads {
    fn new() -> Roads {
        let lead = Lead { leader: Some(NodeId(1)), term: 1, sure: true };
        Roads {
            doors: Mutex::default(),
            open: Mutex::default(),
            opened: AtomicUsize::default(),
            silent: Mutex::default(),
            lead: watch::Sender::new(lead),
        }
    }

    /// Nothing is heard of a node from now on.
    pub(super) fn silence(&self, node: NodeId) {
        self.silent.lock().expect("nothing panics here").insert(node);
    }

    /// It is heard of again.
    pub(super) fn hear(&self, node: NodeId) {
        self.silent.lock().expect("nothing panics here").remove(&node);
    }

    /// Breaks every stream between two nodes; new ones can be opened.
    pub(super) fn cut(&self, one: NodeId, other: NodeId) {
        let mut open = self.open.lock().expect("nothing panics here");
        open.retain(|(from, to, pump)| {
            let between = [(one, other), (other, one)].contains(&(*from, *to));
            if between {
                pump.abort();
            }
            !between
        });
    }

    /// How many streams were ever opened.
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    fn dial(&self, from: NodeId, to: NodeId) -> Result<Stream, String> {
        let doors = self.doors.lock().expect("nothing panics here");
        let door = doors.get(&to).ok_or("nobody lives there")?;
        let (here, mut near) = tokio::io::duplex(1 << 16);
        let (mut far, there) = tokio::io::duplex(1 << 16);
        let pump = tokio::spawn(async move {
            // Whoever hangs up ends it.
            let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
        door.send(Stream::new(from, there)).map_err(|_| "nobody opens")?;
        self.open.lock().expect("nothing panics here").push((from, to, pump.abort_handle()));
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Stream::new(to, here))
    }

    fn trunk(self: &Arc<Self>, node: NodeId) -> Trunk {
        let (door, visitors) = mpsc::unbounded_channel();
        self.doors.lock().expect("nothing panics here").insert(node, door);
        let visitors = futures::stream::unfold(visitors, |mut visitors| async move {
            Some((visitors.recv().await?, visitors))
        });
        let (dialled, heard, led) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        // Nobody tells of links: whoever holds the sender would have to.
        let (links, told) = watch::channel(BTreeMap::new());
        drop(links);
        Trunk {
            dial: Box::new(move |to| {
                let opened = dialled.dial(node, to);
                async move { opened }.boxed()
            }),
            visitors: tokio::sync::Mutex::new(visitors.boxed()),
            links: told,
            lead: self.lead.subscribe(),
            heard: Box::new(move || {
                let doors = heard.doors.lock().expect("nothing panics here");
                let silent = heard.silent.lock().expect("nothing panics here");
                let heard = doors.keys().filter(|other| **other != node && !silent.contains(other));
                heard.map(|other| (*other, Duration::ZERO)).collect()
            }),
            stand_back: Box::new(|_| {}),
            hand_over: Box::new(move || {
                let lead = Lead { leader: Some(NodeId(2)), term: 2, sure: true };
                led.lead.send_replace(lead);
                async { Ok(()) }.boxed()
            }),
        }
    }
}

impl Cell {
    /// So many nodes, which send no hints: whatever must work works without.
    pub(super) async fn mute(nodes: u64, slots: u32) -> Cell {
        Cell::of(nodes, |config| CrewConfig { slots, mute: true, ..config }).await
    }

    /// So many nodes, each configured so.
    pub(super) async fn of(nodes: u64, with: impl Fn(CrewConfig) -> CrewConfig) -> Cell {
        let replica = Replica::open(Config::new(NodeId(1), None)).await.expect("it opens");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let roads = Arc::new(Roads::new());
        let mut crews = BTreeMap::new();
        for node in (1..=nodes).map(NodeId) {
            let boot = BootId(uuid::Uuid::now_v7().as_u128());
            let config = CrewConfig {
                workdir: dir.path().to_owned(),
                secret: Some(Secret::new("between us")),
                trunk: Some(Arc::new(roads.trunk(node))),
                ..CrewConfig::new(node, boot)
            };
            let crew = within(Crew::muster(replica.clone(), with(config))).await;
            crews.insert(node, crew.expect("it musters"));
        }
        let crew = crews[&NodeId(1)].clone();
        Cell { home: Home { replica, crew, dir }, crews, roads }
    }

    pub(super) fn crew(&self, node: u64) -> &Crew {
        &self.crews[&NodeId(node)]
    }

    pub(super) fn member(&self, node: u64) -> Member {
        self.home.read(|view| member::get(view, NodeId(node)).expect("it has entered"))
    }

    pub(super) fn state(&self, node: u64) -> State {
        self.member(node).state
    }

    pub(super) fn roles(&self, node: u64) -> Vec<Role> {
        self.home.read(|view| role::of_node(view, NodeId(node)))
    }

    /// The cards of a node's role actors.
    pub(super) fn driven(&self, node: u64) -> Vec<String> {
        let tree = self.crew(node).tree().into_iter();
        tree.filter(|actor| actor.id.starts_with("role:")).map(|actor| actor.id).collect()
    }
}
