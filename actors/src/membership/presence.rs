//! This node in the tables: how it enters, what it finds of itself there, how it leaves.
//!
//! ```text
//!   enter ─▶ here ──Drain──▶ draining ─▶ leave           here ──given up by the others──▶ lost ─▶ stop what runs ─▶ enter anew
//! ```
//!
//! A node that was paused or cut off for too long finds itself given up: its roles are driven elsewhere and its tasks are run
//! again, so whatever its slots still do is stale. It stops that first, takes the next boot and a new session for its worker,
//! and enters like a node that has just started. What it does not know of its past it need not know: the engine refuses reports
//! of the old session and ticks of old epochs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oarlock_engine::access::Principal;
use oarlock_engine::command::Command;
use oarlock_engine::id::{BootId, NodeId, WorkerId};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_engine::reject::Rejection;
use oarlock_engine::{member, version, worker};
use tokio::time::timeout;

use crate::proposal::{Verdict, patiently};
use crate::worker::executor::Halt;
use crate::worker::pool::Pool;

/// How long a cell may take to accept that the node enters.
const ENTER_MAX: Duration = Duration::from_secs(30);
/// How long a node waits for another one of its name to be given up, and how often it asks.
const NAMESAKE_MAX: Duration = Duration::from_secs(10);
const NAMESAKE_PAUSE: Duration = Duration::from_millis(200);
/// How long attempts that are told to stop may take.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long each word of goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// How often a node takes the next boot because the tables know a later one.
const BOOTS_MAX: usize = 8;

/// What a node finds of itself in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes part.
    Here,
    /// It takes part, and its worker has no session.
    Detached,
    /// It takes on nothing more.
    Draining,
    /// The others have given it up.
    Lost,
    /// Another life of it has begun: this one is over.
    Over,
    /// It is not there.
    Absent,
}

/// A node, as it presents itself.
pub(crate) struct Presence {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) profile: Profile,
    /// Which queues its worker serves; empty: all.
    pub(crate) queues: Vec<String>,
    pub(crate) slots: u32,
    pub(crate) pool: Arc<Pool>,
    pub(crate) boot: Mutex<BootId>,
}

impl Presence {
    /// Which life of the node this is.
    pub(crate) fn boot(&self) -> BootId {
        *self.boot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who proposes.
    pub(crate) fn by(&self) -> Principal {
        Principal(format!("node:{}", self.name))
    }

    /// Proposes what a node that starts has to say. A boot that is not later than the last one known is replaced by the next.
    pub(crate) async fn enter(&self) -> Result<(), String> {
        let began = Instant::now();
        let mut boots = 0;
        while boots < BOOTS_MAX {
            boots += 1;
            match self.say(self.entrance(), ENTER_MAX).await {
                Said::Well => return self.attach().await,
                Said::Refused(Rejection::StaleBoot { current, .. }) => self.follow(current),
                Said::Refused(Rejection::WrongMemberState { .. }) => self.follow(self.boot()),
                // The node that this one replaces may not have been given up yet.
                Said::Refused(Rejection::Invalid { field, .. })
                    if field == "name" && began.elapsed() < NAMESAKE_MAX =>
                {
                    boots = 0;
                    tokio::time::sleep(NAMESAKE_PAUSE).await;
                }
                Said::Refused(Rejection::Invalid { field, why }) if field == "name" => {
                    let name = &self.name;
                    return Err(format!("`{name}`: {why}: give this node another name (--node)"));
                }
                Said::Refused(why) => return Err(why.to_string()),
                Said::Nothing => return Err(format!("no answer within {ENTER_MAX:?}")),
            }
        }
        Err("other lives of this node keep beginning: is it started twice?".to_owned())
    }

    fn entrance(&self) -> Command {
        Command::Member(member::Command::Enter {
            node: self.node,
            name: self.name.clone(),
            boot: self.boot(),
            address: self.address.clone(),
            speaks: version::NEWEST,
            profile: Box::new(self.profile.clone()),
        })
    }

    /// Attaches the built-in worker, if the node is to have one.
    pub(crate) async fn attach(&self) -> Result<(), String> {
        if !self.profile.is(Duty::Worker) {
            return Ok(());
        }
        let attach = worker::Command::Attach {
            worker: self.pool.worker(),
            name: self.name.clone(),
            node: self.node,
            boot: self.boot(),
            queues: self.queues.clone(),
            calls: Vec::new(),
            builtin: true,
            slots: self.slots,
        };
        match self.say(Command::Worker(attach), ENTER_MAX).await {
            Said::Well => Ok(()),
            Said::Refused(why) => Err(why.to_string()),
            Said::Nothing => Err(format!("no answer within {ENTER_MAX:?}")),
        }
    }

    fn follow(&self, current: BootId) {
        let mut boot = self.boot.lock().unwrap_or_else(PoisonError::into_inner);
        *boot = boot.following(current);
    }

    /// What the tables say of this node.
    pub(crate) fn standing(&self) -> Standing {
        let (row, attached) = self.pool.replica.read(|view| {
            (member::get(view, self.node), worker::get(view, self.pool.worker()).is_some())
        });
        let Some(row) = row else { return Standing::Absent };
        match row.state {
            _ if row.boot > self.boot() => Standing::Over,
            _ if row.boot < self.boot() => Standing::Absent,
            member::State::Up if attached || !self.profile.is(Duty::Worker) => Standing::Here,
            member::State::Up => Standing::Detached,
            member::State::Draining => Standing::Draining,
            member::State::Lost => Standing::Lost,
            member::State::Left => Standing::Absent,
        }
    }

    /// Given up by the others: stops what is stale, and begins a new life.
    pub(crate) async fn enter_anew(&self) -> Result<(), String> {
        let stopped = self.pool.stop_all(Halt::Revoked);
        tracing::warn!(stopped, "this node was given up by the others: entering anew");
        if timeout(STOP_MAX, self.pool.emptied()).await.is_err() {
            tracing::warn!(left = self.pool.running().len(), "stale attempts do not stop");
        }
        // Before the tables know the session: no lease of it may be taken for somebody else's.
        self.pool.renew(WorkerId(uuid::Uuid::now_v7().as_u128()));
        self.follow(self.boot());
        self.enter().await
    }

    /// Hands the roles over and asks for nothing more.
    pub(crate) async fn drain(&self, why: &str) {
        let (node, boot) = (self.node, self.boot());
        let drain = member::Command::Drain { node, boot, why: why.to_owned() };
        self.farewell(Command::Member(drain)).await;
        if self.profile.is(Duty::Worker) {
            let drain = worker::Command::Drain { worker: self.pool.worker() };
            self.farewell(Command::Worker(drain)).await;
        }
    }

    /// Says goodbye: the worker's session ends, and the node is no longer waited for.
    pub(crate) async fn leave(&self) {
        if self.profile.is(Duty::Worker) {
            let detach = worker::Command::Detach { worker: self.pool.worker() };
            self.farewell(Command::Worker(detach)).await;
        }
        let (node, boot) = (self.node, self.boot());
        self.farewell(Command::Member(member::Command::Leave { node, boot })).await;
    }

    /// Proposes a word of goodbye: if nobody hears it, the next boot of this node says the same.
    async fn farewell(&self, command: Command) {
        match self.say(command, GOODBYE_MAX).await {
            Said::Well => {}
            Said::Refused(why) => tracing::debug!(%why, "a goodbye was refused"),
            Said::Nothing => tracing::warn!("a goodbye was not heard"),
        }
    }

    async fn say(&self, command: Command, within: Duration) -> Said {
        let began = Instant::now();
        let wanted = || began.elapsed() < within;
        let by = self.by();
        let said = patiently(&self.pool.replica, &by, || None, command, wanted);
        match timeout(within, said).await {
            Ok(Verdict::Accepted(_)) => Said::Well,
            Ok(Verdict::Refused(why)) => Said::Refused(why),
            Ok(Verdict::Unwanted) | Err(_) => Said::Nothing,
        }
    }
}

enum Said {
    Well,
    Refused(Rejection),
    Nothing,
}
