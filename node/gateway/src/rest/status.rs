//! One screen of health.

use std::collections::BTreeMap;

use axum::extract::State;
use oarlock_engine::run::list::{self, Filter, STATES};
use oarlock_engine::store::View;
use oarlock_engine::worker::Worker;
use oarlock_engine::{catalog, feed, queue, role, worker};
use oarlock_proto::v1::{ClusterStatus, Status, Totals};

use super::In;
use crate::convert::node::Sight;
use crate::convert::{self, name, time};
use crate::fresh::Stale;
use crate::limit::{COUNT_MAX, PAGE_MAX};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// Queues on the screen.
const QUEUES_SHOWN_MAX: usize = 50;

/// The whole at a glance.
#[utoipa::path(get, path = "/status", tag = "cluster", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(room): In, _: Stale, params: Params) -> Answer<Read<Status>> {
    params.only(&[])?;
    let asked = tokio::task::spawn_blocking(move || room.read(|view| Ok(shown(&room, view)))).await;
    asked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

fn shown(room: &Room, view: &dyn View) -> Status {
    let readiness = super::health::readiness(room);
    let log = room.replica.status();
    let workers = worker::list(view);
    let queues = queue::list(view);
    let now = time::now();
    let sight = Sight::of(room);
    Status {
        version: room.config.version.clone(),
        uptime_ms: u64::try_from(room.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        health: if readiness.ready { "healthy" } else { "degraded" }.to_owned(),
        readiness,
        cluster: ClusterStatus {
            leader: log.leader.map(|leader| name::node(view, leader)),
            term: log.term,
            log_last: log.log_last,
            applied: log.applied,
            purged: log.purged,
            revision: feed::revision(view).0,
            oldest_revision: feed::oldest(view).0,
            waiting: log.waiting as u64,
            read_only: log.read_only.clone(),
        },
        totals: totals(view, &workers, &queues),
        members: sight.all(view),
        queues: queues
            .iter()
            .take(QUEUES_SHOWN_MAX)
            .map(|row| convert::queue::shown(view, row, &workers, now))
            .collect(),
    }
}

fn totals(view: &dyn View, workers: &[Worker], queues: &[queue::Queue]) -> Totals {
    let mut totals = Totals {
        workers: workers.len() as u64,
        slots: workers.iter().map(|worker| u64::from(worker.slots)).sum(),
        running_tasks: workers.iter().map(|worker| u64::from(worker.leased)).sum(),
        ready_tasks: queues.iter().map(|queue| queue.counts.ready).sum(),
        dead_letters: queues.iter().map(|queue| queue.counts.dead).sum(),
        ..Totals::default()
    };
    let mut last: Option<String> = None;
    loop {
        let some = catalog::list(view, last.as_deref(), PAGE_MAX);
        totals.workflows += some.len() as u64;
        totals.unfinished_runs += some.iter().map(|known| known.unfinished).sum::<u64>();
        let ended = some.len() < PAGE_MAX;
        last = some.into_iter().next_back().map(|known| known.name);
        if ended {
            break;
        }
    }
    let roles = role::list(view);
    totals.roles = roles.len() as u64;
    totals.vacant_roles = roles.iter().filter(|role| role.node.is_none()).count() as u64;
    totals.runs = unfinished(view);
    totals
}

fn unfinished(view: &dyn View) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for state in STATES.into_iter().filter(|state| !state.finished()) {
        let filter = Filter { states: vec![state], ..Filter::default() };
        let mut count = 0;
        let mut after = None;
        loop {
            let page = list::page(view, &filter, after, PAGE_MAX);
            count += page.runs.len();
            after = page.next;
            if after.is_none() || count > COUNT_MAX {
                break;
            }
        }
        if count <= COUNT_MAX {
            counts.insert(convert::run::status(state).as_str().to_owned(), count as u64);
        }
    }
    counts
}
