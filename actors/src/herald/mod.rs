//! Reads the feed and tells the others what concerns them: one reader a node, however many actors.
//!
//! ```text
//!   Replica::watch ──▶ pump ──sort──▶ scheduler: a role moved     role: a question, an earlier alarm
//!                                     worker: leases, attempts that are over, ready work
//!                                     sentry, steward: a node came, went, drains
//! ```
//!
//! What the herald says is a hint, and whoever starts (again) looks at the tables first; the leases alone carry their revision,
//! so that a worker can tell those it has seen in the tables from new ones. The pump remembers how far it came: a herald that is
//! started again goes on there.

pub(crate) mod route;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use oarlock_engine::id::{Revision, RoleId};
use oarlock_engine::time::Moment;
use oarlock_raft::Replica;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::task::JoinHandle;

use crate::membership::SentryMsg;
use crate::placement::StewardMsg;
use crate::post::{Bell, Post};
use crate::role::RoleMsg;
use crate::scheduler::SchedulerMsg;
use crate::status::{ActorKind, Board, Entry, Load};
use crate::worker::WorkerMsg;
use crate::worker::pool::Pool;

/// The name on the herald's card.
pub(crate) const ID: &str = "herald";

/// Who hears what. Shared by the herald and all who listen.
pub(crate) struct Routes {
    /// The newest revision that was told.
    told: AtomicU64,
    scheduler: Mutex<Option<Post<SchedulerMsg>>>,
    scheduler_bell: Bell,
    pool: Mutex<Option<Post<WorkerMsg>>>,
    pool_bell: Bell,
    roles: RwLock<HashMap<RoleId, Arc<Desk>>>,
    sentry: Mutex<Option<Post<SentryMsg>>>,
    sentry_bell: Bell,
    steward: Mutex<Option<Post<StewardMsg>>>,
    steward_bell: Bell,
}

/// Where a role listens.
pub(crate) struct Desk {
    /// Rung: there is something to look at.
    pub(crate) bell: Bell,
    /// When the role will look by itself, in milliseconds: a later alarm need not wake it.
    pub(crate) wakes_at: AtomicU64,
    /// Where to ring.
    pub(crate) post: Post<RoleMsg>,
}

impl Desk {
    fn look(&self) {
        if self.bell.ring() {
            self.post.send(RoleMsg::Look);
        }
    }
}

impl Routes {
    /// Nobody listens yet; what happened up to `told` is not told.
    pub(crate) fn new(told: Revision) -> Routes {
        Routes {
            told: AtomicU64::new(told.0),
            scheduler: Mutex::default(),
            scheduler_bell: Bell::default(),
            pool: Mutex::default(),
            pool_bell: Bell::default(),
            roles: RwLock::default(),
            sentry: Mutex::default(),
            sentry_bell: Bell::default(),
            steward: Mutex::default(),
            steward_bell: Bell::default(),
        }
    }

    /// The scheduler listens here from now on.
    pub(crate) fn schedule(&self, post: Post<SchedulerMsg>) -> &Bell {
        *self.scheduler.lock().expect("nothing panics while it holds a route") = Some(post);
        &self.scheduler_bell
    }

    /// The scheduler's bell, to be marked as heard.
    pub(crate) fn scheduler_bell(&self) -> &Bell {
        &self.scheduler_bell
    }

    /// The worker listens here from now on.
    pub(crate) fn work(&self, post: Post<WorkerMsg>) {
        *self.pool.lock().expect("nothing panics while it holds a route") = Some(post);
    }

    /// The worker's bell for ready work, to be marked as heard.
    pub(crate) fn worker_bell(&self) -> &Bell {
        &self.pool_bell
    }

    /// A role listens here from now on.
    pub(crate) fn drive(&self, role: RoleId, desk: Arc<Desk>) {
        self.roles.write().expect("nothing panics while it holds a route").insert(role, desk);
    }

    /// A role listens no longer, unless somebody else has taken its place.
    pub(crate) fn rest(&self, role: RoleId, desk: &Arc<Desk>) {
        let mut roles = self.roles.write().expect("nothing panics while it holds a route");
        if roles.get(&role).is_some_and(|current| Arc::ptr_eq(current, desk)) {
            roles.remove(&role);
        }
    }

    /// The sentry listens here from now on.
    pub(crate) fn guard(&self, post: Post<SentryMsg>) {
        *self.sentry.lock().expect("nothing panics while it holds a route") = Some(post);
    }

    /// The sentry's bell, to be marked as heard.
    pub(crate) fn sentry_bell(&self) -> &Bell {
        &self.sentry_bell
    }

    /// The steward listens here from now on.
    pub(crate) fn place(&self, post: Post<StewardMsg>) {
        *self.steward.lock().expect("nothing panics while it holds a route") = Some(post);
    }

    /// The steward's bell, to be marked as heard.
    pub(crate) fn steward_bell(&self) -> &Bell {
        &self.steward_bell
    }

    /// Something about members has changed, in the tables or in what is heard of them: the steward shall look.
    pub(crate) fn look_at_members(&self) {
        let steward = self.steward.lock().expect("nothing panics while it holds a route");
        if let Some(post) = &*steward
            && self.steward_bell.ring()
        {
            post.send(StewardMsg::Look);
        }
    }

    /// The node has begun another life: whoever works for it looks at the tables anew.
    pub(crate) fn look_around(&self) {
        self.look_at_roles();
        let worker = self.pool.lock().expect("nothing panics while it holds a route");
        if let Some(post) = &*worker {
            post.send(WorkerMsg::Renewed);
        }
    }

    fn look_at_roles(&self) {
        let scheduler = self.scheduler.lock().expect("nothing panics while it holds a route");
        if let Some(post) = &*scheduler
            && self.scheduler_bell.ring()
        {
            post.send(SchedulerMsg::Look);
        }
    }

    fn look_at_own_row(&self) {
        let sentry = self.sentry.lock().expect("nothing panics while it holds a route");
        if let Some(post) = &*sentry
            && self.sentry_bell.ring()
        {
            post.send(SentryMsg::Look);
        }
    }

    fn tell(&self, hints: route::Hints, pool: &Pool) {
        crate::metric::feed_told(hints.retried, hints.dead);
        if hints.members {
            self.look_at_own_row();
            self.look_at_members();
        }
        if hints.roles {
            self.look_at_roles();
        }
        if !hints.asked.is_empty() || !hints.alarms.is_empty() {
            self.tell_roles(&hints);
        }
        let over: Vec<_> = hints
            .over
            .into_iter()
            .filter(|(task, attempt)| pool.performs(*task, *attempt))
            .collect();
        let post = self.pool.lock().expect("nothing panics while it holds a route");
        let Some(post) = &*post else { return };
        if !hints.leases.is_empty() {
            post.send(WorkerMsg::Leased(hints.leases));
        }
        if !over.is_empty() {
            post.send(WorkerMsg::Over(over));
        }
        if let Some(since) = hints.ready
            && pool.wants(since)
            && self.pool_bell.ring()
        {
            post.send(WorkerMsg::Ready(since));
        }
    }

    fn tell_roles(&self, hints: &route::Hints) {
        let roles = self.roles.read().expect("nothing panics while it holds a route");
        for role in &hints.asked {
            if let Some(desk) = roles.get(role) {
                desk.look();
            }
        }
        for (role, Moment(at)) in &hints.alarms {
            if let Some(desk) = roles.get(role)
                && *at < desk.wakes_at.load(Ordering::Acquire)
            {
                desk.look();
            }
        }
    }
}

/// What the herald is told.
#[derive(RactorMessage)]
pub(crate) enum HeraldMsg {
    /// The feed has ended, or the pump died of this.
    Ended(Option<String>),
    /// Panic, for drills.
    Panic,
}

/// What a herald needs.
#[derive(Clone)]
pub(crate) struct Herald {
    pub(crate) replica: Replica,
    pub(crate) routes: Arc<Routes>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) board: Arc<Board>,
}

/// What it has: the pump, which ends with it.
pub(crate) struct HeraldState {
    pump: JoinHandle<()>,
    load: Arc<Load>,
}

impl Drop for HeraldState {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Actor for Herald {
    type Msg = HeraldMsg;
    type State = HeraldState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<HeraldMsg>,
        (): (),
    ) -> Result<HeraldState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::supervisor::ID.to_owned()),
            kind: ActorKind::Herald,
            name: "feed".to_owned(),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(HeraldMsg::Panic))),
        });
        let post = Post::new(myself, Arc::clone(&load));
        let herald = self.clone();
        let pump = tokio::spawn(async move {
            let inner = tokio::spawn(async move { herald.pump().await });
            let _abort = AbortOnDrop(inner.abort_handle());
            let ended = inner.await.err().map(|why| why.to_string());
            post.send(HeraldMsg::Ended(ended));
        });
        Ok(HeraldState { pump, load })
    }

    async fn handle(
        &self,
        _myself: ActorRef<HeraldMsg>,
        message: HeraldMsg,
        state: &mut HeraldState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            // The replica is closed: nothing more will happen on this node.
            HeraldMsg::Ended(None) => Ok(()),
            HeraldMsg::Ended(Some(why)) => Err(format!("the pump died: {why}").into()),
            HeraldMsg::Panic => panic!("a drill: the herald was told to panic"),
        }
    }
}

impl Herald {
    async fn pump(self) {
        let mut watch = self.replica.watch(Revision(self.routes.told.load(Ordering::Acquire)));
        while let Some(records) = watch.next().await {
            self.routes.tell(route::sort(&records, self.pool.worker()), &self.pool);
            if let Some(last) = records.last() {
                self.routes.told.store(last.revision.0, Ordering::Release);
            }
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
