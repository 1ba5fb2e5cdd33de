//! One a node: keeps a connection to the actors of every other node.
//!
//! ```text
//!   members in the tables ─▶ who is missing? ─▶ the lower number dials, the higher one waits to be visited
//!                                                   │ stream of the replica, authenticated
//!   node server ◀───────────────────────────────────┘   ractor_cluster: challenge by cookie, exchange of actors
//!        └─▶ ready: a line ─▶ hints, questions              └─▶ closed: no line, dialled again after ever longer pauses
//! ```
//!
//! Names and process groups of the actor library belong to the process and not to the node, so a node calls itself by a name
//! that is drawn at random whenever its liaison starts; three nodes in one process then never meet each other's porters by
//! mistake. The node server wants a listener of its own: it gets a port on the loopback interface that nobody is told of, and
//! whoever finds it does not know the cookie.

pub(crate) mod line;
pub(crate) mod porter;
pub mod trunk;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use oarlock_engine::id::NodeId;
use oarlock_engine::member;
use oarlock_raft::Replica;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use ractor_cluster::node::NodeServerSessionInformation as Session;
use ractor_cluster::{
    ClusterBidiStream, NodeEventSubscription, NodeServer, NodeServerMessage, NodeSessionMessage,
    RactorMessage,
};
use tokio::task::JoinHandle;

use crate::membership::vigil::Vigil;
use crate::post::Post;
use crate::status::{ActorKind, Board, Entry, Load};
use crate::wire::MESSAGE_BYTES_MAX;
use line::Lines;
use porter::Porter;
use trunk::{Stream, Trunk};

/// The name on the liaison's card.
pub(crate) const ID: &str = "liaison";
/// How often it looks for who is missing.
const PERIOD: Duration = Duration::from_millis(500);
/// The first pause after a connection that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// No pause is longer, but for a little chance.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// A line over which nothing is heard for so long is closed: its other end does not read, and what is sent piles up.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Connections of one node, those included whose handshake is not done.
const SESSIONS_MAX: usize = 256;

/// What a liaison is told.
#[derive(RactorMessage)]
pub(crate) enum LiaisonMsg {
    /// A period is over, or a pause.
    Look,
    /// A stream that we asked for is there, or why not.
    Dialled(NodeId, Result<Stream, String>),
    /// Somebody opened a stream to us.
    Visited(Stream),
    /// A session began, and has to shake hands.
    Opened(Box<Session>),
    /// A session is ready.
    Ready(Box<Session>),
    /// A session is over.
    Closed(Box<Session>),
    /// Panic, for drills.
    Panic,
}

/// What it needs.
#[derive(Clone)]
pub(crate) struct Liaison {
    pub(crate) node: NodeId,
    pub(crate) cookie: String,
    pub(crate) replica: Replica,
    pub(crate) trunk: Arc<Trunk>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) vigil: Arc<Vigil>,
    pub(crate) board: Arc<Board>,
}

/// What it has.
pub(crate) struct LiaisonState {
    load: Arc<Load>,
    post: Post<LiaisonMsg>,
    server: ActorRef<NodeServerMessage>,
    porter: ActorCell,
    /// Sessions whose handshake is not done, and since when.
    shaking: HashMap<ActorId, (ActorRef<NodeSessionMessage>, Instant)>,
    dials: HashMap<NodeId, Dial>,
    visits: JoinHandle<()>,
}

impl Drop for LiaisonState {
    fn drop(&mut self) {
        self.visits.abort();
    }
}

/// How far we are with a node that we are to dial.
#[derive(Default)]
struct Dial {
    under_way: bool,
    tries: u32,
    not_before: Option<Instant>,
}

impl Actor for Liaison {
    type Msg = LiaisonMsg;
    type State = LiaisonState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<LiaisonMsg>,
        (): (),
    ) -> Result<LiaisonState, ActorProcessingErr> {
        self.lines.clear();
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::supervisor::ID.to_owned()),
            kind: ActorKind::Liaison,
            name: format!("n{}", self.node),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(LiaisonMsg::Panic))),
        });
        let post = Post::new(myself.clone(), Arc::clone(&load));
        let life = uuid::Uuid::now_v7().simple().to_string();
        let called = format!("{}@{life}", self.node);
        let porter = Porter {
            node: self.node,
            lines: Arc::clone(&self.lines),
            vigil: Arc::clone(&self.vigil),
            board: Arc::clone(&self.board),
        };
        let (porter, _) =
            Actor::spawn_linked(Some(porter::name(&called)), porter, (), myself.get_cell()).await?;
        let server =
            NodeServer::new(0, self.cookie.clone(), self.node.to_string(), life, None, None)
                .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST))
                .with_max_inbound_frame_size(2 * MESSAGE_BYTES_MAX as u64);
        let (server, _) = Actor::spawn_linked(None, server, (), myself.get_cell()).await?;
        let subscription = Box::new(Ears { post: post.clone() });
        server.cast(NodeServerMessage::SubscribeToEvents { id: ID.to_owned(), subscription })?;
        let (trunk, visiting) = (Arc::clone(&self.trunk), post.clone());
        let visits = tokio::spawn(async move {
            let mut visitors = trunk.visitors.lock().await;
            while let Some(stream) = visitors.next().await {
                visiting.send(LiaisonMsg::Visited(stream));
            }
        });
        post.send(LiaisonMsg::Look);
        let counter = Arc::clone(&load);
        myself.send_interval(PERIOD, move || {
            counter.sent();
            LiaisonMsg::Look
        });
        let (shaking, dials) = (HashMap::new(), HashMap::new());
        Ok(LiaisonState { load, post, server, porter: porter.get_cell(), shaking, dials, visits })
    }

    async fn handle(
        &self,
        _myself: ActorRef<LiaisonMsg>,
        message: LiaisonMsg,
        state: &mut LiaisonState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            LiaisonMsg::Look => self.on_look(state),
            LiaisonMsg::Dialled(node, stream) => self.on_dialled(node, stream, state),
            LiaisonMsg::Visited(stream) => self.on_visited(stream, state),
            LiaisonMsg::Opened(session) => {
                let since = Instant::now();
                state.shaking.insert(session.actor.get_id(), (session.actor, since));
            }
            LiaisonMsg::Ready(session) => self.on_ready(*session, state),
            LiaisonMsg::Closed(session) => self.on_closed(&session, state),
            LiaisonMsg::Panic => panic!("a drill: the liaison was told to panic"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<LiaisonMsg>,
        event: SupervisionEvent,
        state: &mut LiaisonState,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, why) = match event {
            SupervisionEvent::ActorFailed(cell, why) => (cell, why.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, why) => {
                (cell, why.unwrap_or_else(|| "stopped".to_owned()))
            }
            _ => return Ok(()),
        };
        let ours = [state.porter.get_id(), state.server.get_id()].contains(&cell.get_id());
        if ours { Err(format!("a part of the link died: {why}").into()) } else { Ok(()) }
    }
}

impl Liaison {
    /// Dials who is missing, and ends what leads nowhere.
    fn on_look(&self, state: &mut LiaisonState) {
        let now = Instant::now();
        for (session, since) in state.shaking.values() {
            if now.duration_since(*since) >= HANDSHAKE_MAX {
                session.stop(Some("the handshake took too long".to_owned()));
            }
        }
        for (node, session) in self.lines.silent(SILENCE_MAX) {
            tracing::info!(%node, "nothing is heard over a line, closing it");
            session.stop(Some("silent".to_owned()));
        }
        let others = self.replica.read(|view| member::list(view));
        let others = others.into_iter().filter(|other| other.state.present());
        let wanted: Vec<_> =
            others.map(|other| other.node).filter(|node| *node > self.node).collect();
        state.dials.retain(|node, dial| dial.under_way || wanted.contains(node));
        for node in wanted {
            self.dial(node, state);
        }
    }

    fn dial(&self, node: NodeId, state: &mut LiaisonState) {
        let dial = state.dials.entry(node).or_default();
        let rests = dial.not_before.is_some_and(|until| Instant::now() < until);
        if dial.under_way || rests || self.lines.has(node) {
            return;
        }
        dial.under_way = true;
        let (opening, post) = ((self.trunk.dial)(node), state.post.clone());
        tokio::spawn(async move {
            let opened = tokio::time::timeout(HANDSHAKE_MAX, opening).await;
            let opened = opened.unwrap_or_else(|_| Err("it takes too long".to_owned()));
            post.send(LiaisonMsg::Dialled(node, opened));
        });
    }

    fn on_dialled(&self, node: NodeId, stream: Result<Stream, String>, state: &mut LiaisonState) {
        match stream {
            Ok(stream) if !self.lines.has(node) => self.shake(stream, false, state),
            Ok(_) => {}
            Err(why) => {
                tracing::debug!(%node, why, "no way to a node's actors");
                self.vigil.undialled(node, &why);
            }
        }
        // The handshake may still fail: then the next try comes after a pause, too.
        let dial = state.dials.entry(node).or_default();
        dial.under_way = false;
        let pause = pause(dial.tries);
        dial.tries = dial.tries.saturating_add(1);
        dial.not_before = Some(Instant::now() + pause);
        let post = state.post.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            post.send(LiaisonMsg::Look);
        });
    }

    /// Whoever visits has lost the line that was there before, even if we have not noticed.
    fn on_visited(&self, stream: Stream, state: &mut LiaisonState) {
        let Some(before) = self.lines.session(stream.node()) else {
            return self.shake(stream, true, state);
        };
        self.lines.down(stream.node(), &before);
        let post = state.post.clone();
        tokio::spawn(async move {
            let visited_again = Some("visited again".to_owned());
            if before.stop_and_wait(visited_again, Some(HANDSHAKE_MAX)).await.is_ok() {
                post.send(LiaisonMsg::Visited(stream));
            }
        });
    }

    fn shake(&self, stream: Stream, is_server: bool, state: &LiaisonState) {
        if state.shaking.len() >= SESSIONS_MAX {
            tracing::warn!(node = %stream.node(), "too many connections shake hands at once");
            return;
        }
        let stream: Box<dyn ClusterBidiStream> = Box::new(stream);
        let opened = NodeServerMessage::ConnectionOpenedExternal { stream, is_server };
        if state.server.cast(opened).is_err() {
            tracing::debug!("the node server is gone; it comes back with the liaison");
        }
    }

    fn on_ready(&self, session: Session, state: &mut LiaisonState) {
        state.shaking.remove(&session.actor.get_id());
        let node = session.peer_addr.parse::<u64>().map(NodeId);
        let peer = session.peer_name.map(|peer| peer.name).unwrap_or_default();
        match node {
            Ok(node) if peer.starts_with(&format!("{node}@")) => {
                tracing::info!(%node, "connected to a node's actors");
                state.dials.remove(&node);
                if let Some(before) = self.lines.up(node, peer, session.actor.clone())
                    && before.get_id() != session.actor.get_id()
                {
                    before.stop(Some("replaced".to_owned()));
                }
                self.vigil.connected(node);
            }
            // Came through the loopback port, or says to be somebody else than the replica's handshake has proven.
            _ => session.actor.stop(Some("not who it says".to_owned())),
        }
    }

    fn on_closed(&self, session: &Session, state: &mut LiaisonState) {
        state.shaking.remove(&session.actor.get_id());
        let Ok(node) = session.peer_addr.parse::<u64>().map(NodeId) else { return };
        if self.lines.down(node, &session.actor) {
            tracing::info!(%node, "the connection to a node's actors is gone");
            self.vigil.disconnected(node);
        }
        self.on_look(state);
    }
}

/// How long to wait after so many tries: ever longer, and never quite the same.
fn pause(tries: u32) -> Duration {
    let pause = PAUSE.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
    // The last bits of an id are drawn at random.
    let chance = uuid::Uuid::now_v7().as_bytes()[15];
    pause + pause * u32::from(chance) / 512
}

/// Hands what the node server tells on to the liaison.
struct Ears {
    post: Post<LiaisonMsg>,
}

impl NodeEventSubscription for Ears {
    fn node_session_opened(&self, session: Session) {
        self.post.send(LiaisonMsg::Opened(Box::new(session)));
    }

    fn node_session_disconnected(&self, session: Session) {
        self.post.send(LiaisonMsg::Closed(Box::new(session)));
    }

    fn node_session_authenticated(&self, _session: Session) {}

    fn node_session_ready(&self, session: Session) {
        self.post.send(LiaisonMsg::Ready(Box::new(session)));
    }
}
