//! The lines to the other nodes' actors, shared by all who have something to say.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use ractor::rpc::CallResult;
use ractor::{ActorRef, ActorStatus as Life};
use ractor_cluster::NodeSessionMessage;
use tokio::sync::Semaphore;

use super::porter;
use crate::metric;
use crate::wire::{self, Answer, Hint, Question, WireMsg};

/// Questions that may wait for their answers at once.
const QUESTIONS_MAX: usize = 16;

/// A connection over which the handshake is done.
struct Line {
    session: ActorRef<NodeSessionMessage>,
    /// What the other end calls itself.
    peer: String,
    /// When something was last heard over it.
    heard: Instant,
}

impl Line {
    /// The porter at the other end, while there is one.
    fn porter(&self) -> Option<ActorRef<WireMsg>> {
        let name = porter::name(&self.peer);
        let there = |status: Life| status < Life::Draining;
        let mut children = self.session.get_children().into_iter();
        let found = children.find(|child| {
            !child.get_id().is_local()
                && there(child.get_status())
                && child.get_name().is_some_and(|its| its == name)
        });
        found.map(ActorRef::from)
    }
}

/// All lines of a node.
pub(crate) struct Lines {
    /// Whether everything is dropped that should be sent.
    mute: bool,
    lines: Mutex<BTreeMap<NodeId, Line>>,
    questions: Semaphore,
}

impl Lines {
    /// None yet. `mute`: nothing will ever be sent.
    pub(crate) fn new(mute: bool) -> Lines {
        Lines { mute, lines: Mutex::default(), questions: Semaphore::new(QUESTIONS_MAX) }
    }

    /// Forgets all lines: those of a liaison that died lead nowhere, and nobody is left to hear of their end.
    pub(crate) fn clear(&self) {
        for (node, line) in std::mem::take(&mut *self.lock()) {
            line.session.stop(Some("the liaison died".to_owned()));
            metric::line(node, false);
        }
    }

    /// There is a line to a node from now on. Gives the one before it.
    pub(crate) fn up(
        &self,
        node: NodeId,
        peer: String,
        session: ActorRef<NodeSessionMessage>,
    ) -> Option<ActorRef<NodeSessionMessage>> {
        metric::line(node, true);
        let line = Line { session, peer, heard: Instant::now() };
        self.lock().insert(node, line).map(|before| before.session)
    }

    /// A session is over. True: it was the line to that node.
    pub(crate) fn down(&self, node: NodeId, session: &ActorRef<NodeSessionMessage>) -> bool {
        let mut lines = self.lock();
        let ours = lines.get(&node).is_some_and(|line| line.session.get_id() == session.get_id());
        if ours {
            lines.remove(&node);
            metric::line(node, false);
        }
        ours
    }

    /// The session of the line to a node.
    pub(crate) fn session(&self, node: NodeId) -> Option<ActorRef<NodeSessionMessage>> {
        self.lock().get(&node).map(|line| line.session.clone())
    }

    /// Something was heard of a node.
    pub(crate) fn heard(&self, node: NodeId) {
        if let Some(line) = self.lock().get_mut(&node) {
            line.heard = Instant::now();
        }
    }

    /// Whether there is a line to a node.
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.lock().contains_key(&node)
    }

    /// Sessions over which nothing was heard for so long: their other end is gone, or does not read.
    pub(crate) fn silent(&self, since: Duration) -> Vec<(NodeId, ActorRef<NodeSessionMessage>)> {
        if self.mute {
            return Vec::new();
        }
        let lines = self.lock();
        let silent = lines.iter().filter(|(_, line)| line.heard.elapsed() >= since);
        silent.map(|(node, line)| (*node, line.session.clone())).collect()
    }

    /// Tells all nodes something, as far as there are lines.
    pub(crate) fn tell(&self, hint: &Hint) {
        if self.mute {
            return;
        }
        let Some(bytes) = wire::pack(hint) else { return };
        let porters: Vec<_> = self.lock().values().filter_map(Line::porter).collect();
        for porter in porters {
            if porter.send_message(WireMsg::Hint(bytes.clone())).is_ok() {
                metric::hint("sent");
            }
        }
    }

    /// Asks a node something.
    ///
    /// # Errors
    /// When there is no line to it, or no answer in time.
    pub(crate) async fn ask(
        &self,
        node: NodeId,
        question: &Question,
        deadline: Duration,
    ) -> Result<Answer, NoAnswer> {
        let no = |why: &str| NoAnswer { node, why: why.to_owned() };
        let _permit =
            self.questions.try_acquire().map_err(|_| no("too many questions wait already"))?;
        let porter = self.lock().get(&node).and_then(Line::porter);
        let porter = porter.filter(|_| !self.mute).ok_or_else(|| no("there is no connection"))?;
        let bytes = wire::pack(question).ok_or_else(|| no("the question is too long"))?;
        match porter.call(|reply| WireMsg::Ask(bytes, reply), Some(deadline)).await {
            Ok(CallResult::Success(bytes)) => {
                wire::unpack(&bytes).map_err(|_| no("its answer cannot be read"))
            }
            Ok(CallResult::Timeout) => Err(no("no answer in time")),
            Ok(CallResult::SenderError) | Err(_) => Err(no("the connection broke")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Line>> {
        self.lines.lock().expect("nothing panics while it holds the lines")
    }
}

/// Another node's actors did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {node} does not answer: {why}")]
pub struct NoAnswer {
    /// Which node.
    pub node: NodeId,
    /// Why.
    pub why: String,
}

impl NoAnswer {
    /// It answered something that is no answer to what was asked: it is of another release.
    pub(crate) fn strange(node: NodeId) -> NoAnswer {
        NoAnswer { node, why: "it does not understand the question".to_owned() }
    }
}
