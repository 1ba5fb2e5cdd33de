//! While this node leads: sees to it that every role has a living driver.
//!
//! ```text
//!   leads, and is sure of it? ─no─▶ forget everything
//!        │ yes, since when
//!        ▼
//!   members and roles in the tables + verdicts of the vigil ─▶ orders (pure) ─▶ propose: GiveUp, Rebalance ─▶ look again
//! ```
//!
//! A reconciler without input: what rings it only says "look". Who drives what is not decided here: the engine's plan moves the
//! roles in the same entry that gives a node up. A new leader starts from the tables and not from anybody's memory, and listens
//! for a while before it judges by silence alone.

pub(crate) mod orders;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oarlock_engine::access::Principal;
use oarlock_engine::command::Command;
use oarlock_engine::id::NodeId;
use oarlock_engine::{member, role};
use oarlock_raft::{Replica, Standing};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::task::JoinHandle;

use crate::herald::Routes;
use crate::link::trunk::Trunk;
use crate::membership::vigil::Vigil;
use crate::post::Post;
use crate::status::{ActorKind, Board, Entry, Load};
use orders::{Order, Sight, orders};

/// The name on the steward's card.
pub(crate) const ID: &str = "steward";
/// How often it looks without being asked.
const PERIOD: Duration = Duration::from_millis(250);
/// The pause after an order that was not accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// What a steward is told.
#[derive(RactorMessage)]
pub(crate) enum StewardMsg {
    /// Look.
    Look,
    /// Orders were carried out, or refused.
    Ordered,
    /// Panic, for drills.
    Panic,
}

/// What it needs.
#[derive(Clone)]
pub(crate) struct Steward {
    pub(crate) node: NodeId,
    pub(crate) replica: Replica,
    pub(crate) trunk: Arc<Trunk>,
    pub(crate) vigil: Arc<Vigil>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) board: Arc<Board>,
}

/// What it has.
pub(crate) struct StewardState {
    load: Arc<Load>,
    post: Post<StewardMsg>,
    /// Since when this node leads without a doubt.
    leads_since: Option<Instant>,
    ordering: bool,
    lead: JoinHandle<()>,
}

impl Drop for StewardState {
    fn drop(&mut self) {
        self.lead.abort();
    }
}

impl Actor for Steward {
    type Msg = StewardMsg;
    type State = StewardState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<StewardMsg>,
        (): (),
    ) -> Result<StewardState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::supervisor::ID.to_owned()),
            kind: ActorKind::Steward,
            name: "placement".to_owned(),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(StewardMsg::Panic))),
        });
        let post = Post::new(myself.clone(), Arc::clone(&load));
        self.routes.place(post.clone());
        post.send(StewardMsg::Look);
        let counter = Arc::clone(&load);
        myself.send_interval(PERIOD, move || {
            counter.sent();
            StewardMsg::Look
        });
        let (mut lead, routes) = (self.trunk.lead.clone(), Arc::clone(&self.routes));
        let lead = tokio::spawn(async move {
            while lead.changed().await.is_ok() {
                routes.look_at_members();
            }
        });
        Ok(StewardState { load, post, leads_since: None, ordering: false, lead })
    }

    async fn handle(
        &self,
        _myself: ActorRef<StewardMsg>,
        message: StewardMsg,
        state: &mut StewardState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            StewardMsg::Look => {}
            StewardMsg::Ordered => state.ordering = false,
            StewardMsg::Panic => panic!("a drill: the steward was told to panic"),
        }
        self.look(state);
        Ok(())
    }
}

impl Steward {
    fn look(&self, state: &mut StewardState) {
        self.routes.steward_bell().heard();
        let lead = *self.trunk.lead.borrow();
        if lead.leader != Some(self.node) || !lead.sure {
            state.leads_since = None;
            return;
        }
        let now = Instant::now();
        let leads_since = *state.leads_since.get_or_insert(now);
        if state.ordering {
            return;
        }
        let verdicts = self.vigil.verdicts(now, leads_since);
        if self.is_cut_off(|node| verdicts.contains_key(&node)) {
            return;
        }
        let orders = self.replica.read(|view| {
            let sight = Sight {
                here: self.node,
                members: member::list(view),
                verdicts,
                adrift: orders::adrift(view, &role::list(view)),
            };
            orders(&sight)
        });
        if orders.is_empty() {
            return;
        }
        state.ordering = true;
        let (steward, post) = (self.clone(), state.post.clone());
        tokio::spawn(async move {
            if !steward.carry_out(orders).await {
                tokio::time::sleep(PAUSE).await;
            }
            post.send(StewardMsg::Ordered);
        });
    }

    /// Whether too few voters are heard of to decide anything: then it is this node that is cut off, and not the others.
    fn is_cut_off(&self, lost: impl Fn(NodeId) -> bool) -> bool {
        let members = self.replica.members().into_iter();
        let voters: Vec<NodeId> = members
            .filter(|member| member.standing == Standing::Voter)
            .map(|member| member.node)
            .collect();
        let heard = voters.iter().filter(|node| **node == self.node || !lost(**node)).count();
        heard * 2 <= voters.len()
    }

    /// Proposes, for as long as this node leads; false: something was not accepted. It is not repeated: the next look may see it
    /// differently, and another leader sees with its own eyes.
    async fn carry_out(&self, orders: Vec<Order>) -> bool {
        for order in orders {
            let mut lead = self.trunk.lead.clone();
            if lead.borrow_and_update().leader != Some(self.node) {
                return false;
            }
            tracing::info!(%order, "placement");
            let by = Principal("placement".to_owned());
            let command: Command = order.into();
            let proposed = tokio::select! {
                proposed = self.replica.propose(by, None, command) => proposed,
                _ = lead.wait_for(|lead| lead.leader != Some(self.node)) => return false,
            };
            if let Err(why) = proposed {
                tracing::warn!(%why, "placement could not do what is needed");
                return false;
            }
        }
        true
    }
}
