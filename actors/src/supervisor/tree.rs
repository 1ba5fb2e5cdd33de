//! What stands under the supervisor of a node, and what each part is given. None of it is started here.
//!
//! Which parts a node has, its profile says; liaison and steward are for nodes that have others beside them.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use oarlock_engine::feed;
use oarlock_engine::member::profile::Duty;
use tokio::sync::watch;

use super::Supervisor;
use crate::crew::CrewConfig;
use crate::herald::{Herald, Routes};
use crate::link::Liaison;
use crate::link::line::Lines;
use crate::link::trunk::Trunk;
use crate::membership::Sentry;
use crate::membership::demand::Demand;
use crate::membership::presence::Presence;
use crate::membership::vigil::Vigil;
use crate::placement::Steward;
use crate::scheduler::Scheduler;
use crate::status::Board;
use crate::worker::Worker;
use crate::worker::turn::Turn;

/// What the nodes' actors know each other by is derived from the cluster's secret for this purpose.
const PURPOSE: &str = "actors";

/// Everything the supervisor needs, none of it started.
pub(crate) fn tree(
    config: &CrewConfig,
    presence: &Arc<Presence>,
    (demand, vigil): (&Arc<Mutex<Demand>>, &Arc<Vigil>),
    lines: &Arc<Lines>,
    board: &Arc<Board>,
    fate: &Arc<watch::Sender<Option<String>>>,
) -> Supervisor {
    let (node, pool) = (config.node, &presence.pool);
    let (replica, trunk) = (&pool.replica, &config.trunk);
    // Everything up to here is found in the tables by whoever starts.
    let routes = Arc::new(Routes::new(replica.read(|view| feed::revision(view))));
    let shared = || (Arc::clone(&routes), Arc::clone(board));
    let worker = || Worker {
        pool: Arc::clone(pool),
        routes: Arc::clone(&routes),
        board: Arc::clone(board),
        queues: config.queues.clone(),
        claims: Arc::new(AtomicUsize::new(0)),
        waits: Arc::default(),
        turn: Turn { node, demand: Arc::clone(demand) },
    };
    let scheduler = || Scheduler {
        node,
        replica: replica.clone(),
        routes: Arc::clone(&routes),
        pool: Arc::clone(pool),
        board: Arc::clone(board),
        keeper_every: config.keeper_every,
    };
    let liaison = |trunk: &Arc<Trunk>| Liaison {
        node,
        cookie: config.secret.as_ref().map_or_else(String::new, |secret| secret.derived(PURPOSE)),
        replica: replica.clone(),
        trunk: Arc::clone(trunk),
        lines: Arc::clone(lines),
        vigil: Arc::clone(vigil),
        board: Arc::clone(board),
    };
    let steward = |trunk: &Arc<Trunk>| {
        let ((routes, board), trunk) = (shared(), Arc::clone(trunk));
        Steward { node, replica: replica.clone(), trunk, vigil: Arc::clone(vigil), routes, board }
    };
    let sentry = Sentry {
        presence: Arc::clone(presence),
        trunk: trunk.clone(),
        lines: Arc::clone(lines),
        vigil: Arc::clone(vigil),
        routes: Arc::clone(&routes),
        board: Arc::clone(board),
        beat_every: config.beat_every,
        fate: Arc::clone(fate),
    };
    let (heralds, boards) = shared();
    let (replica, pool) = (replica.clone(), Arc::clone(pool));
    Supervisor {
        node,
        board: Arc::clone(board),
        worker: config.profile.is(Duty::Worker).then(worker),
        scheduler: config.profile.is(Duty::Scheduler).then(scheduler),
        steward: trunk.as_ref().map(steward),
        sentry,
        liaison: trunk.as_ref().map(liaison),
        herald: Herald { replica, routes: heralds, pool, board: boards },
        fate: Arc::clone(fate),
    }
}
