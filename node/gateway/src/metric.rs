//! Every metric of this crate on one page, and the process itself.
//!
//! One recorder serves the whole process: other crates count through the `metrics` facade, and `/metrics` shows it all. What is
//! known to the replica and to the tables (queue depths, runs, roles) is read when somebody looks, so that it is never stale and
//! costs nothing in between.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use oarlock_engine::store::View;
use oarlock_engine::{catalog, queue, role, worker};

use crate::room::Room;

/// Answers by route, method and status.
const REQUESTS: &str = "oarlock_http_requests_total";
/// How long answers took.
const SECONDS: &str = "oarlock_http_request_seconds";
/// Bounds of what is counted together, in seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// How often samples are sorted into their buckets when nobody looks.
const KEEP_UP_EVERY: Duration = Duration::from_secs(5);
/// Queues and workflows that are shown one by one.
const SHOWN_MAX: usize = 200;

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record, once a process. Call it before anything is counted.
pub fn install() {
    recorder();
}

fn recorder() -> Option<&'static PrometheusHandle> {
    let installed = RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).ok()?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Another recorder (an embedding program's) keeps its place; ours then shows what it reads itself.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed: /metrics shows less");
        }
        describe();
        Some(handle)
    });
    installed.as_ref()
}

fn describe() {
    describe_counter!(REQUESTS, "Answers, by route, method and status");
    describe_histogram!(SECONDS, Unit::Seconds, "How long answers took, by route");
    for (name, help) in GAUGES {
        describe_gauge!(*name, *help);
    }
}

/// What is read when somebody looks.
const GAUGES: &[(&str, &str)] = &[
    ("oarlock_build_info", "Always 1; the version is a label"),
    ("oarlock_up_seconds", "How long this process has run"),
    ("oarlock_raft_term", "The Raft term"),
    ("oarlock_raft_is_leader", "1 on the node that leads"),
    ("oarlock_raft_log_last", "The last entry of the log"),
    ("oarlock_raft_applied", "The last entry applied here"),
    ("oarlock_raft_apply_lag", "Entries not applied here yet"),
    ("oarlock_raft_purged", "The last entry purged"),
    ("oarlock_raft_waiting", "Commands that wait to be proposed"),
    ("oarlock_read_only", "1 while this node takes no writes"),
    ("oarlock_feed_revision", "The newest revision of the feed"),
    ("oarlock_queue_ready", "Tasks that wait for a worker"),
    ("oarlock_queue_running", "Tasks that a worker has"),
    ("oarlock_queue_retrying", "Tasks that rest before their next attempt"),
    ("oarlock_queue_dead", "Dead letters"),
    ("oarlock_queue_completed", "Tasks done since the queue exists"),
    ("oarlock_queue_failed", "Tasks failed for good since the queue exists"),
    ("oarlock_workers", "Workers"),
    ("oarlock_worker_slots", "Their slots"),
    ("oarlock_worker_slots_used", "Slots in use"),
    ("oarlock_workers_desired", "Workers that the waiting tasks would keep busy, by queue"),
    ("oarlock_runs_unfinished", "Runs that are not finished, by workflow"),
    ("oarlock_runs_started", "Runs ever started, by workflow"),
    ("oarlock_roles", "Roles this node drives"),
    ("oarlock_roles_vacant", "Roles that nobody drives"),
    ("oarlock_actor_restarts", "How often an actor was started again, by kind"),
    ("oarlock_actor_mailbox", "Messages that wait, by kind of actor"),
    ("process_resident_memory_bytes", "Resident memory"),
    ("process_virtual_memory_bytes", "Virtual memory"),
    ("process_cpu_seconds", "Processor time, user and system"),
    ("process_open_fds", "Open file descriptors"),
    ("process_max_fds", "The most file descriptors that may be open"),
    ("process_threads", "Threads"),
];

/// Counts an answer.
pub(crate) fn answered(method: &Method, route: &str, status: StatusCode, took: Duration) {
    if recorder().is_none() {
        return;
    }
    let route = route.to_owned();
    let labels = [("route", route.clone()), ("method", word(method).to_owned())];
    counter!(REQUESTS, "route" => route, "method" => word(method), "status" => digits(status))
        .increment(1);
    histogram!(SECONDS, &labels).record(took.as_secs_f64());
}

fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        _ => "other",
    }
}

fn digits(status: StatusCode) -> String {
    status.as_str().to_owned()
}

/// Sorts what was counted since the last time, for as long as there is a room: what nobody looks at would pile up.
pub(crate) async fn keep_up(room: std::sync::Weak<Room>) {
    let mut pace = tokio::time::interval(KEEP_UP_EVERY);
    while room.strong_count() > 0 {
        pace.tick().await;
        if let Some(recorder) = recorder() {
            recorder.run_upkeep();
        }
    }
}

/// Everything, in the text format of Prometheus.
pub(crate) async fn metrics(State(room): State<Arc<Room>>) -> Response {
    look(&room);
    let Some(recorder) = recorder() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    recorder.run_upkeep();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], recorder.render()).into_response()
}

/// Reads what is only read when somebody looks.
fn look(room: &Room) {
    let status = room.replica.status();
    gauge!("oarlock_build_info", "version" => room.config.version.clone()).set(1.0);
    gauge!("oarlock_up_seconds").set(room.began.elapsed().as_secs_f64());
    gauge!("oarlock_raft_term").set(number(status.term));
    gauge!("oarlock_raft_is_leader").set(flag(status.leader == Some(status.node)));
    gauge!("oarlock_raft_log_last").set(number(status.log_last));
    gauge!("oarlock_raft_applied").set(number(status.applied));
    let lag = status.log_last.saturating_sub(status.applied);
    gauge!("oarlock_raft_apply_lag").set(number(lag));
    gauge!("oarlock_raft_purged").set(number(status.purged));
    gauge!("oarlock_raft_waiting").set(number(status.waiting as u64));
    gauge!("oarlock_read_only").set(flag(status.read_only.is_some()));
    gauge!("oarlock_feed_revision").set(number(status.revision.0));
    room.replica.read(|view| {
        tables(view);
        gauge!("oarlock_roles").set(number(role::of_node(view, status.node).len() as u64));
    });
    actors(room);
    process();
}

fn tables(view: &dyn View) {
    let workers = worker::list(view);
    let slots: u64 = workers.iter().map(|worker| u64::from(worker.slots)).sum();
    let used: u64 = workers.iter().map(|worker| u64::from(worker.leased)).sum();
    gauge!("oarlock_workers").set(number(workers.len() as u64));
    gauge!("oarlock_worker_slots").set(number(slots));
    gauge!("oarlock_worker_slots_used").set(number(used));
    let each = slots.checked_div(workers.len() as u64).unwrap_or(0).max(1);
    for row in queue::list(view).into_iter().take(SHOWN_MAX) {
        let counts = row.counts;
        let desired = (counts.ready + counts.leased).div_ceil(each);
        for (name, count) in [
            ("oarlock_queue_ready", counts.ready),
            ("oarlock_queue_running", counts.leased),
            ("oarlock_queue_retrying", counts.resting),
            ("oarlock_queue_dead", counts.dead),
            ("oarlock_queue_completed", counts.succeeded),
            ("oarlock_queue_failed", counts.failed),
            ("oarlock_workers_desired", desired),
        ] {
            gauge!(name, "queue" => row.name.clone()).set(number(count));
        }
    }
    for known in catalog::list(view, None, SHOWN_MAX) {
        let started = known.next_number.saturating_sub(1);
        gauge!("oarlock_runs_unfinished", "workflow" => known.name.clone())
            .set(number(known.unfinished));
        gauge!("oarlock_runs_started", "workflow" => known.name).set(number(started));
    }
    let vacant = role::list(view).iter().filter(|role| role.node.is_none()).count();
    gauge!("oarlock_roles_vacant").set(number(vacant as u64));
}

fn actors(room: &Room) {
    let mut by_kind = std::collections::BTreeMap::<&'static str, (u64, u64)>::new();
    for card in room.crew.tree() {
        let (restarts, mailbox) = by_kind.entry(card.kind.word()).or_default();
        *restarts += u64::from(card.restarts);
        *mailbox += card.mailbox as u64;
    }
    for (kind, (restarts, mailbox)) in by_kind {
        gauge!("oarlock_actor_restarts", "kind" => kind).set(number(restarts));
        gauge!("oarlock_actor_mailbox", "kind" => kind).set(number(mailbox));
    }
}

/// The process, as Linux tells. Elsewhere these are missing.
fn process() {
    const TICKS_A_SECOND: f64 = 100.0;
    const PAGE_BYTES: u64 = 4096;
    if let Ok(text) = std::fs::read_to_string("/proc/self/statm") {
        let mut pages = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        if let (Some(all), Some(resident)) = (pages.next(), pages.next()) {
            gauge!("process_virtual_memory_bytes").set(number(all * PAGE_BYTES));
            gauge!("process_resident_memory_bytes").set(number(resident * PAGE_BYTES));
        }
    }
    // The name in brackets may hold spaces: fields are counted behind it.
    if let Ok(text) = std::fs::read_to_string("/proc/self/stat")
        && let Some((_, rest)) = text.rsplit_once(')')
    {
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|word| word.parse::<u64>().ok());
        if let (Some(user), Some(system)) = (field(11), field(12)) {
            gauge!("process_cpu_seconds").set(number(user + system) / TICKS_A_SECOND);
        }
        if let Some(threads) = field(17) {
            gauge!("process_threads").set(number(threads));
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(number(open.count() as u64));
    }
    if let Ok(text) = std::fs::read_to_string("/proc/self/limits")
        && let Some(line) = text.lines().find(|line| line.starts_with("Max open files"))
        && let Some(max) = line.split_whitespace().nth(3).and_then(|word| word.parse::<u64>().ok())
    {
        gauge!("process_max_fds").set(number(max));
    }
}

fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floats; 2^53 is far away")]
fn number(count: u64) -> f64 {
    count as f64
}
