//! Which fields of each resource people want to see, and in which order.

mod cluster;

use jiff::Timestamp;
use serde_json::Value;

use crate::output::{Cell, Show, Table, Tint, at, moment, plain, span_ms, tint_of};

pub(super) use cluster::{CLUSTER, PEERS, RAFT};

/// Runs.
pub(super) const RUNS: Table = Table {
    columns: &[
        ("RUN", "name", Show::Text),
        ("VERSION", "version", Show::Number),
        ("STATUS", "status", Show::Status),
        ("TASKS", "tasks_total", Show::With(done_of)),
        ("FAILED AT", "error.task", Show::With(failed_at)),
        ("ERROR", "error.message", Show::With(error)),
        ("KEY", "key", Show::Text),
        ("CREATED", "created_at", Show::Moment),
        ("TOOK", "duration_ms", Show::With(took)),
        ("+ID", "id", Show::Text),
        ("+BY", "created_by", Show::Text),
        ("+PRIORITY", "priority", Show::Number),
        ("+SCHEDULED", "scheduled_at", Show::Moment),
        ("+STARTED", "started_at", Show::Moment),
        ("+ENDED", "completed_at", Show::Moment),
        ("+DEADLINE", "deadline", Show::Moment),
        ("+CONCURRENCY", "concurrency_key", Show::Text),
        ("+PARENT", "parent", Show::Text),
        ("+RETRIES", "retries", Show::Number),
        ("+LABELS", "labels", Show::Text),
    ],
    name: "name",
    empty: "No run is active or of the last hour; --all shows older ones. Start one: oarlock run FILE",
};

/// Tasks.
pub(super) const TASKS: Table = Table {
    columns: &[
        ("TASK", "id", Show::With(task_name)),
        ("STATUS", "status", Show::Status),
        ("ATTEMPT", "attempt", Show::With(attempt)),
        ("QUEUE", "queue", Show::Text),
        ("NODE", "node", Show::Text),
        ("TOOK", "duration_ms", Show::With(took)),
        ("WAITS FOR", "waits_for", Show::With(waits_for)),
        ("ERROR", "error.message", Show::With(error)),
        ("+TYPE", "type", Show::Text),
        ("+PRIORITY", "priority", Show::Number),
        ("+WORKER", "worker", Show::Text),
        ("+STARTED", "started_at", Show::Moment),
        ("+ENDED", "completed_at", Show::Moment),
        ("+NEEDS", "needs", Show::Text),
        ("+TIMEOUT", "policy.timeout_ms", Show::Span),
        ("+ON FAILURE", "policy.on_failure", Show::Text),
        ("+ID", "id", Show::Text),
    ],
    name: "id",
    empty: "No tasks.",
};

/// Attempts.
pub(super) const ATTEMPTS: Table = Table {
    columns: &[
        ("ATTEMPT", "attempt", Show::Number),
        ("STATUS", "status", Show::Status),
        ("STARTED", "started_at", Show::Moment),
        ("TOOK", "duration_ms", Show::Span),
        ("ERROR", "error.message", Show::With(error)),
        ("+WORKER", "worker", Show::Text),
        ("+ID", "id", Show::Text),
    ],
    name: "id",
    empty: "It has not been tried yet.",
};

/// Workflows.
pub(super) const WORKFLOWS: Table = Table {
    columns: &[
        ("WORKFLOW", "name", Show::Text),
        ("VERSION", "version", Show::Number),
        ("TASKS", "tasks_total", Show::Number),
        ("ACTIVE", "unfinished_runs", Show::Number),
        ("RUNS", "total_runs", Show::Number),
        ("UPDATED", "updated_at", Show::Moment),
        ("PAUSED", "paused", Show::Yes),
        ("DESCRIPTION", "description", Show::Text),
        ("+ROLE", "role", Show::Text),
        ("+NODE", "node", Show::Text),
        ("+TIMEOUT", "timeout_ms", Show::Span),
        ("+RETENTION", "retention_ms", Show::Span),
        ("+LABELS", "labels", Show::Text),
    ],
    name: "name",
    empty: "No workflows. Create one: oarlock apply -f FILE",
};

/// Versions of a workflow.
pub(super) const VERSIONS: Table = Table {
    columns: &[
        ("VERSION", "version", Show::Number),
        ("APPLIED", "created_at", Show::Moment),
        ("BY", "created_by", Show::Text),
        ("NEWEST", "newest", Show::Yes),
    ],
    name: "version",
    empty: "No versions.",
};

/// Definitions that were applied.
pub(super) const APPLIED: Table = Table {
    columns: &[
        ("KIND", "kind", Show::Text),
        ("NAME", "name", Show::Text),
        ("CHANGE", "change", Show::Status),
        ("VERSION", "version", Show::Number),
    ],
    name: "name",
    empty: "There is no definition in it.",
};

/// Queues.
pub(super) const QUEUES: Table = Table {
    columns: &[
        ("QUEUE", "name", Show::Text),
        ("READY", "counts.waiting", Show::Number),
        ("RUNNING", "counts.active", Show::Number),
        ("DELAYED", "counts.delayed", Show::Number),
        ("DEAD", "counts.dead", Show::Number),
        ("OLDEST", "oldest_ms", Show::Span),
        ("DONE", "counts.completed", Show::Number),
        ("FAILED", "counts.failed", Show::Number),
        ("WORKERS", "workers", Show::With(workers)),
        ("LIMIT", "concurrency", Show::Number),
        ("PAUSED", "paused", Show::Yes),
    ],
    name: "name",
    empty: "No queues: a queue comes into being with its first task.",
};

/// Dead letters.
pub(super) const DEAD: Table = Table {
    columns: &[
        ("TASK", "id", Show::With(dead_name)),
        ("ERROR", "error.message", Show::With(error)),
        ("ATTEMPTS", "attempts", Show::Number),
        ("QUEUE", "queue", Show::Text),
        ("SINCE", "created_at", Show::Moment),
        ("+KIND", "error.kind", Show::Text),
        ("+GROUP", "fingerprint", Show::Text),
        ("+WORKFLOW", "workflow", Show::Text),
        ("+ID", "id", Show::Text),
    ],
    name: "id",
    empty: "No dead letters.",
};

/// Dead letters by error.
pub(super) const DEAD_GROUPS: Table = Table {
    columns: &[
        ("ERROR", "error", Show::Text),
        ("TASKS", "tasks", Show::Number),
        ("WORKFLOWS", "workflows", Show::Text),
        ("FIRST", "first_at", Show::Moment),
        ("LAST", "last_at", Show::Moment),
        ("EXAMPLE", "example", Show::Text),
        ("GROUP", "fingerprint", Show::Text),
    ],
    name: "fingerprint",
    empty: "No dead letters.",
};

/// Roles.
pub(super) const ROLES: Table = Table {
    columns: &[
        ("ROLE", "name", Show::Text),
        ("NODE", "node", Show::With(driver)),
        ("EPOCH", "epoch", Show::Number),
        ("SINCE", "since", Show::Moment),
        ("FROM", "from", Show::Text),
        ("WHY", "why", Show::Text),
        ("PINNED", "pinned", Show::Text),
        ("+LABELS", "labels", Show::Text),
        ("+WEIGHT", "weight", Show::Number),
        ("+ID", "id", Show::Number),
    ],
    name: "name",
    empty: "No roles.",
};

/// Nodes.
pub(super) const NODES: Table = Table {
    columns: &[
        ("NODE", "name", Show::Text),
        ("ADDRESS", "address", Show::Text),
        ("STATE", "state", Show::Status),
        ("LEADER", "leader", Show::Yes),
        ("ROLES", "roles", Show::Number),
        ("WORKERS", "workers", Show::Number),
        ("RUNNING", "running", Show::Number),
        ("SINCE", "since", Show::Moment),
        ("+RAFT", "raft", Show::Text),
        ("+LAG", "lag", Show::Number),
        ("+PEER ADDRESS", "peer_address", Show::Text),
        ("+FOR", "duties", Show::Text),
        ("+LABELS", "labels", Show::Text),
        ("+CAPACITY", "capacity", Show::Number),
        ("+UNREACHABLE", "unreachable", Show::Text),
        ("+BOOT", "boot", Show::Text),
        ("+ID", "id", Show::Number),
    ],
    name: "name",
    empty: "No nodes.",
};

/// Workers.
pub(super) const WORKERS: Table = Table {
    columns: &[
        ("WORKER", "id", Show::Text),
        ("NAME", "name", Show::Text),
        ("NODE", "node", Show::Text),
        ("SLOTS", "slots", Show::With(slots)),
        ("QUEUES", "queues", Show::With(serves)),
        ("CALLS", "calls", Show::Text),
        ("SINCE", "since", Show::Moment),
        ("DRAINING", "draining", Show::Yes),
        ("+TASKS", "tasks", Show::Text),
    ],
    name: "id",
    empty: "No workers: nothing will run.",
};

/// Actors.
pub(super) const ACTORS: Table = Table {
    columns: &[
        ("ACTOR", "id", Show::Text),
        ("KIND", "kind", Show::Text),
        ("STATE", "state", Show::Status),
        ("NODE", "node", Show::Text),
        ("RESTARTS", "restarts", Show::Number),
        ("SINCE", "since", Show::Moment),
        ("LAST FAILURE", "last_failure", Show::Text),
        ("+DETAILS", "details", Show::Text),
    ],
    name: "id",
    empty: "No actors.",
};

fn number(item: &Value, path: &str) -> u64 {
    at(item, path).as_u64().unwrap_or(0)
}

/// Milliseconds from a moment to another.
fn passed(since: &str, now: Timestamp) -> Option<u64> {
    let ms = now.as_millisecond() - moment(since)?.as_millisecond();
    Some(ms.max(0).unsigned_abs())
}

fn done_of(run: &Value) -> Cell {
    let total = number(run, "tasks_total");
    Cell::plain(format!("{}/{total}", total.saturating_sub(number(run, "tasks_open"))))
}

fn failed_at(run: &Value) -> Cell {
    let (run, task) = (plain(&run["name"]), plain(at(run, "error.task")));
    let short = task.strip_prefix(&run).map_or(task.as_str(), |rest| rest.trim_start_matches('/'));
    Cell::plain(short)
}

fn error(item: &Value) -> Cell {
    let (kind, message) = (plain(at(item, "error.kind")), plain(at(item, "error.message")));
    let settled = matches!(item["status"].as_str(), Some("completed" | "running" | "queued"));
    let tint = if settled { Tint::Faint } else { Tint::Bad };
    Cell { text: if message.is_empty() { kind } else { message }, tint }
}

/// How long it took, or has taken until now.
fn took(item: &Value) -> Cell {
    if let Some(ms) = item["duration_ms"].as_u64() {
        return Cell::plain(span_ms(ms));
    }
    let live = matches!(item["status"].as_str(), Some("running" | "cancelling"));
    let since = item["started_at"].as_str().and_then(moment);
    match (live, since) {
        (true, Some(since)) => {
            let ms = Timestamp::now().as_millisecond() - since.as_millisecond();
            Cell { text: span_ms(ms.max(0).unsigned_abs()), tint: Tint::Live }
        }
        _ => Cell::default(),
    }
}

/// The task as people say it: by its run's short name.
fn task_name(task: &Value) -> Cell {
    let item = task["item"].as_u64().map_or(String::new(), |item| format!("[{item}]"));
    Cell::plain(format!("{}/{}{item}", plain(&task["run_name"]), plain(&task["name"])))
}

fn dead_name(letter: &Value) -> Cell {
    Cell::plain(plain(&letter["id"]))
}

fn attempt(task: &Value) -> Cell {
    let (now, max) = (number(task, "attempt"), number(task, "max_attempts"));
    let tint = if now > 1 { Tint::Warn } else { Tint::None };
    if now == 0 { Cell::default() } else { Cell { text: format!("{now}/{max}"), tint } }
}

/// What keeps a task from going on, in words.
fn waits_for(task: &Value) -> Cell {
    let what = &task["waits_for"];
    let name = plain(&what["name"]);
    let text = match (task["status"].as_str(), what["what"].as_str()) {
        (Some("retrying"), _) => format!("attempt {}", number(task, "attempt") + 1),
        (_, Some("signal")) => format!("signal {name}"),
        (_, Some("run")) => format!("run {name}"),
        (_, Some("time")) => "time".to_owned(),
        (Some("queued"), _) => "a worker".to_owned(),
        (Some("blocked"), _) => plain(&task["needs"]).replace(',', ", "),
        _ => String::new(),
    };
    Cell { text, tint: Tint::Faint }
}

fn workers(queue: &Value) -> Cell {
    let (workers, slots) = (number(queue, "workers"), number(queue, "slots"));
    if workers > 0 {
        return Cell::plain(format!("{workers} ({slots} slots)"));
    }
    if number(queue, "counts.waiting") > 0 {
        return Cell { text: "0  ← no worker serves this queue".to_owned(), tint: Tint::Bad };
    }
    Cell::plain("0")
}

fn driver(role: &Value) -> Cell {
    match role["node"].as_str() {
        Some(node) => Cell::plain(node),
        None => Cell { text: "nobody".to_owned(), tint: tint_of("failed") },
    }
}

fn slots(worker: &Value) -> Cell {
    Cell::plain(format!("{}/{}", number(worker, "running"), number(worker, "slots")))
}

fn serves(worker: &Value) -> Cell {
    let queues = plain(&worker["queues"]);
    Cell::plain(if queues.is_empty() { "all".to_owned() } else { queues })
}
