//! Health: does the process live, and can it be sent work?

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oarlock_proto::v1::{Health, Readiness};

use super::In;
use crate::room::{Room, json};

/// Entries of the log that a ready node may be behind.
const LAG_MAX: u64 = 10_000;

/// Whether the process lives. Always 200: nothing but the process is asked.
#[utoipa::path(get, path = "/health", tag = "cluster", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(room): In) -> Response {
    let uptime_ms = u64::try_from(room.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let version = room.config.version.clone();
    fresh(json(&Health { status: "ok".to_owned(), version, uptime_ms }))
}

/// Whether the node can be sent work, and what is missing if not (503).
#[utoipa::path(get, path = "/ready", tag = "cluster",
    responses((status = 200, body = Readiness),
              (status = 503, body = Readiness, description = "Something is missing: it says what")))]
pub(crate) async fn ready(State(room): In) -> Response {
    let readiness = readiness(&room);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, fresh(json(&readiness))).into_response()
}

/// What is missing, if anything is.
pub(crate) fn readiness(room: &Room) -> Readiness {
    let status = room.replica.status();
    let lag = status.log_last.saturating_sub(status.applied);
    let mut missing = Vec::new();
    if status.leader.is_none() {
        missing.push("no leader: nothing can be written".to_owned());
    } else if !status.sure {
        missing
            .push("no majority answers: nothing can be written, and reads may be old".to_owned());
    }
    if let Some(why) = &status.read_only {
        missing.push(format!("read-only: {why}"));
    }
    if lag > LAG_MAX {
        missing.push(format!("{lag} entries of the log are not applied here yet"));
    }
    Readiness {
        ready: missing.is_empty(),
        missing,
        node: room.node_name(status.node),
        leader: status.leader.map(|leader| room.node_name(leader)),
        revision: status.revision.0,
        lag,
    }
}

fn fresh(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
