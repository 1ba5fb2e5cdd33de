//! Who is where: the links to all other members, and what was last heard of each.
//!
//! The book follows the membership in the log. A member that is not in it any more is not dialled any more; one whose address has
//! changed is dialled there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use tokio::sync::watch;

use super::hello::{Card, Refusal};
use super::link::{Ears, Link};
use crate::cluster;

/// How long a connection through the wall lives: as long as a real one whose packets are lost.
const WALLED_FOR: Duration = Duration::from_secs(2);

/// The links to all other members.
pub(crate) struct Book {
    /// Who this node is; none for a node without peers.
    pub(crate) card: Option<Card>,
    links: Mutex<BTreeMap<u64, Arc<Link>>>,
    /// What watchers see.
    pub(crate) told: watch::Sender<BTreeMap<NodeId, cluster::Link>>,
    heard: Mutex<BTreeMap<u64, Instant>>,
    pub(crate) wall: Wall,
    /// Why the others do not want this node any more.
    expelled: Mutex<Option<String>>,
}

impl Book {
    pub(crate) fn new(card: Option<Card>) -> Arc<Book> {
        Arc::new(Book {
            card,
            links: Mutex::default(),
            told: watch::Sender::default(),
            heard: Mutex::default(),
            wall: Wall::default(),
            expelled: Mutex::default(),
        })
    }

    /// The link to a member, made if there is none.
    pub(crate) fn link(self: &Arc<Book>, target: u64, address: &str) -> Option<Arc<Link>> {
        let card = self.card.clone()?;
        let mut links = self.links();
        let link = links
            .entry(target)
            .or_insert_with(|| Link::new(target, address.to_owned(), card, self.ears(target)));
        Some(link.clone())
    }

    /// The link to a member, if there is one.
    pub(crate) fn find(&self, target: u64) -> Option<Arc<Link>> {
        self.links().get(&target).cloned()
    }

    /// All links.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.links().values().cloned().collect()
    }

    /// These are the members now, with their addresses.
    pub(crate) fn follow(self: &Arc<Book>, members: &BTreeMap<u64, String>) {
        let Some(card) = &self.card else { return };
        let gone = {
            let mut links = self.links();
            let (kept, gone) = std::mem::take(&mut *links)
                .into_iter()
                .partition(|(node, _)| members.contains_key(node));
            *links = kept;
            let gone: BTreeMap<u64, Arc<Link>> = gone;
            gone
        };
        for (node, link) in gone {
            self.told.send_modify(|told| drop(told.remove(&NodeId(node))));
            link.end();
        }
        for (node, address) in members {
            if *node != card.node
                && let Some(link) = self.link(*node, address)
            {
                link.move_to(address);
            }
        }
    }

    /// Something was heard of a member.
    pub(crate) fn hear(&self, node: u64) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(node, Instant::now());
    }

    /// How long ago something was heard of a member.
    pub(crate) fn heard(&self, node: u64) -> Option<Duration> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(&node).map(Instant::elapsed)
    }

    /// Why the others do not want this node any more, if they said so.
    pub(crate) fn expelled(&self) -> Option<String> {
        self.expelled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all links.
    pub(crate) fn close(&self) {
        for link in std::mem::take(&mut *self.links()).into_values() {
            link.end();
        }
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ears(self: &Arc<Book>, target: u64) -> Ears {
        let (here, there) = (Arc::downgrade(self), Arc::downgrade(self));
        let judge = Arc::downgrade(self);
        Ears {
            heard: Box::new(move || {
                if let Some(book) = here.upgrade() {
                    book.hear(target);
                }
            }),
            changed: Box::new(move |state| {
                if let Some(book) = there.upgrade() {
                    let (node, state) = (NodeId(target), state.clone());
                    // A link that ends says so once more; who is no member any more is not told of.
                    if book.find(target).is_some() {
                        book.told.send_modify(|told| drop(told.insert(node, state)));
                    }
                }
            }),
            refused: Box::new(move |why| {
                if let (Some(book), Refusal::Removed(_)) = (judge.upgrade(), why) {
                    let words = why.to_string();
                    *book.expelled.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
                }
            }),
            wall: self.wall.clone(),
        }
    }
}

/// A drill: nodes that are treated as if no packet went to or came from them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wall {
    behind: watch::Sender<BTreeSet<u64>>,
}

impl Wall {
    /// Cuts off exactly these nodes.
    pub(crate) fn set(&self, nodes: BTreeSet<u64>) {
        self.behind.send_replace(nodes);
    }

    /// An error as of a lost packet, if a node is cut off.
    pub(crate) fn open(&self, node: u64) -> io::Result<()> {
        if self.behind.borrow().contains(&node) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "cut off for a drill"));
        }
        Ok(())
    }

    /// Returns when a node has been cut off for so long that its connections break.
    pub(crate) async fn shut_for_long(&self, node: u64) {
        let mut behind = self.behind.subscribe();
        loop {
            if behind.wait_for(|behind| behind.contains(&node)).await.is_err() {
                return std::future::pending().await;
            }
            let opened = behind.wait_for(|behind| !behind.contains(&node));
            if tokio::time::timeout(WALLED_FOR, opened).await.is_err() {
                return;
            }
        }
    }
}
