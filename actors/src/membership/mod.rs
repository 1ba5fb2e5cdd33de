//! One a node: tells the others that it lives, listens for them, and looks what the tables say of this node itself.
//!
//! ```text
//!   every beat:  what the replica has heard ─┐
//!                hints of the other sentries ┼─▶ vigil (detector) ─▶ steward: who is lost?
//!                connections that break ─────┘
//!                own load ─▶ hint to the others
//!   feed, period: own row ─▶ draining: take on nothing      lost: stop what runs, enter anew      over: end this process
//! ```
//!
//! Two sources, so that neither is depended upon: the replica hears of the other nodes all the time while it replicates and
//! elects, and the sentries' own beats come over other connections and say more. Losing all hints makes nobody lost.

pub(crate) mod demand;
pub mod detector;
pub(crate) mod presence;
pub(crate) mod vigil;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oarlock_engine::member::profile::Duty;
use oarlock_engine::{member, role};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::herald::Routes;
use crate::link::line::Lines;
use crate::link::trunk::Trunk;
use crate::post::Post;
use crate::status::{ActorKind, Board, Entry, Load, now};
use crate::wire::{Beat, Hint, Load as Busy};
use presence::{Presence, Standing};
use vigil::Vigil;

/// The name on the sentry's card.
pub(crate) const ID: &str = "sentry";
/// How often a node that is alone looks at its own row without being asked.
const PERIOD: Duration = Duration::from_secs(1);
/// The pause after an entrance that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What a sentry is told.
#[derive(RactorMessage)]
pub(crate) enum SentryMsg {
    /// Look at this node's row: something about members has changed, or a period is over.
    Look,
    /// It is time for a sign of life.
    Beat,
    /// The replica's connections have changed.
    Links,
    /// An entrance ended.
    Entered(Result<(), String>),
    /// Panic, for drills.
    Panic,
}

/// What a sentry needs.
#[derive(Clone)]
pub(crate) struct Sentry {
    pub(crate) presence: Arc<Presence>,
    pub(crate) trunk: Option<Arc<Trunk>>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) vigil: Arc<Vigil>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) board: Arc<Board>,
    /// How often it tells the others that it lives.
    pub(crate) beat_every: Duration,
    /// Where it says that this process must end, and why.
    pub(crate) fate: Arc<watch::Sender<Option<String>>>,
}

/// What it has.
pub(crate) struct SentryState {
    load: Arc<Load>,
    post: Post<SentryMsg>,
    entering: bool,
    links: Option<JoinHandle<()>>,
}

impl Drop for SentryState {
    fn drop(&mut self) {
        if let Some(links) = &self.links {
            links.abort();
        }
    }
}

impl Actor for Sentry {
    type Msg = SentryMsg;
    type State = SentryState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<SentryMsg>,
        (): (),
    ) -> Result<SentryState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::supervisor::ID.to_owned()),
            kind: ActorKind::Sentry,
            name: self.presence.name.clone(),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(SentryMsg::Panic))),
        });
        let post = Post::new(myself.clone(), Arc::clone(&load));
        self.routes.guard(post.clone());
        post.send(SentryMsg::Look);
        let counter = Arc::clone(&load);
        myself.send_interval(PERIOD, move || {
            counter.sent();
            SentryMsg::Look
        });
        let links = self.trunk.as_ref().map(|trunk| {
            let counter = Arc::clone(&load);
            myself.send_interval(self.beat_every, move || {
                counter.sent();
                SentryMsg::Beat
            });
            let (mut links, post) = (trunk.links.clone(), post.clone());
            tokio::spawn(async move {
                while links.changed().await.is_ok() {
                    post.send(SentryMsg::Links);
                }
            })
        });
        Ok(SentryState { load, post, entering: false, links })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SentryMsg>,
        message: SentryMsg,
        state: &mut SentryState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            SentryMsg::Look => self.on_look(state),
            SentryMsg::Beat => self.on_beat(),
            SentryMsg::Links => self.on_links(),
            SentryMsg::Entered(ended) => self.on_entered(ended, state),
            SentryMsg::Panic => panic!("a drill: the sentry was told to panic"),
        }
        Ok(())
    }
}

impl Sentry {
    fn on_look(&self, state: &mut SentryState) {
        self.routes.sentry_bell().heard();
        let members = self.presence.pool.replica.read(|view| member::list(view));
        self.vigil.expect(self.presence.node, &members, Instant::now());
        let standing = self.presence.standing();
        let pool = &self.presence.pool;
        pool.hold(standing != Standing::Here);
        if let Some(trunk) = &self.trunk {
            (trunk.stand_back)(standing == Standing::Draining || !pool.takes_part());
        }
        match standing {
            Standing::Lost | Standing::Detached if !state.entering && pool.takes_part() => {
                self.enter(standing, state);
            }
            Standing::Over if pool.takes_part() => {
                let why = "another life of this node has begun: this process is the past one";
                self.fate.send_if_modified(|fate| {
                    let silent = fate.is_none();
                    fate.get_or_insert_with(|| why.to_owned());
                    silent
                });
            }
            Standing::Here
            | Standing::Detached
            | Standing::Draining
            | Standing::Lost
            | Standing::Over
            | Standing::Absent => {}
        }
    }

    fn enter(&self, standing: Standing, state: &mut SentryState) {
        state.entering = true;
        let (presence, post) = (Arc::clone(&self.presence), state.post.clone());
        tokio::spawn(async move {
            let entered = match standing {
                // An entrance was cut short, or the tables here are a little behind: repeating it changes nothing.
                Standing::Detached => presence.attach().await,
                _ => presence.enter_anew().await,
            };
            if entered.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            post.send(SentryMsg::Entered(entered));
        });
    }

    fn on_entered(&self, ended: Result<(), String>, state: &mut SentryState) {
        state.entering = false;
        match ended {
            Ok(()) => tracing::info!(boot = %self.presence.boot(), "this node takes part again"),
            Err(why) => tracing::warn!(why, "could not enter, trying again"),
        }
        self.routes.look_around();
        self.on_look(state);
    }

    fn on_beat(&self) {
        let Some(trunk) = &self.trunk else { return };
        let now = Instant::now();
        // First whether we slept: what is heard next was on its way meanwhile.
        let lost = self.vigil.tick(now);
        self.vigil.replica_heard((trunk.heard)(), now);
        self.vigil.replica_links(&trunk.links.borrow(), now);
        self.lines.tell(&Hint::Beat(Box::new(self.beat())));
        if lost {
            self.routes.look_at_members();
        }
    }

    fn on_links(&self) {
        let Some(trunk) = &self.trunk else { return };
        self.vigil.replica_links(&trunk.links.borrow(), Instant::now());
        self.routes.look_at_members();
    }

    fn beat(&self) -> Beat {
        let Presence { node, pool, profile, .. } = &*self.presence;
        let status = pool.replica.status();
        let (used, free) = pool.slots();
        let roles = pool.replica.read(|view| role::count_of(view, *node));
        let works = profile.is(Duty::Worker);
        Beat {
            node: *node,
            boot: self.presence.boot(),
            sent_at: now(),
            load: Busy {
                worker: works.then(|| pool.worker()),
                free,
                running: used,
                roles: u32::try_from(roles).unwrap_or(u32::MAX),
                draining: !pool.takes_part(),
            },
            applied: status.applied,
            print: status.print,
        }
    }
}
