//! The threshold: what happens to every request, whatever it asks for.
//!
//! One layer around all rooms, in this order: the request gets an id (its own, or one made here); its origin and namespace are
//! checked; a change waits until this copy knows everything acknowledged before it, since it may be about that; the room answers,
//! and a panic in it becomes a 500 for this caller alone; a [`Fault`] becomes `application/problem+json`; one line of the access
//! log and one count of the metrics are written. Neither bodies nor tokens are ever logged.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::fresh::Mark;
use crate::limit::HEADER_BYTES_MAX;
use crate::problem::{Fault, Kind, table};
use crate::room::Room;

/// The header that carries a request's id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that names the namespace.
const NAMESPACE: HeaderName = HeaderName::from_static("oarlock-namespace");
/// The header that names the node that leads, on answers to changes.
const LEADER: HeaderName = HeaderName::from_static("oarlock-leader");
/// Where the API begins; what is outside is for probes and for people.
const API: &str = "/api/v1/";
/// The only namespace of this release.
const DEFAULT_NAMESPACE: &str = "default";

/// Lets a request in, and its answer out.
pub(crate) async fn enter(
    State(room): State<Arc<Room>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // Whatever is logged on the way says which request it belongs to.
    let span = tracing::info_span!("request", id = &*id);
    let mark = Mark::default();
    request.extensions_mut().insert(mark.clone());
    let changes = !room.alone() && changes(&method, &path);
    let refused = match refusal(&room, &request) {
        None if changes => room.certain().await.err(),
        refused => refused,
    };
    let answer = match refused {
        Some(fault) => fault.into_response(),
        None => AssertUnwindSafe(next.run(request).instrument(span))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| {
                tracing::error!(request_id = %id, %method, %path, panic = %words_of(&*panic),
                "a request met a bug");
                Fault::new(&table::INTERNAL, "the request met a bug").into_response()
            }),
    };
    let mut answer = finish(answer, &room, &path, &id);
    mark.show(&mut answer);
    if changes && let Some(leader) = room.leader_name() {
        answer.headers_mut().extend(HeaderValue::try_from(leader).ok().map(|name| (LEADER, name)));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let took = began.elapsed();
    crate::metric::answered(&method, route, answer.status(), took);
    note(&room, &id, method.as_str(), &path, answer.status(), took);
    answer
}

/// Why a request is not let in, if it is not.
fn refusal(room: &Room, request: &Request) -> Option<Fault> {
    if !room.config.api && request.uri().path().starts_with(API) {
        return Some(Fault::new(&table::NOT_HERE, "this node is not for callers"));
    }
    let foreign = crate::origin::fault(request, &room.config.address);
    foreign.or_else(|| namespace_fault(request))
}

/// Whether a request is to change what all nodes know.
fn changes(method: &Method, path: &str) -> bool {
    let of_this_node = |path: &str| path.starts_with("actors/");
    !method.is_safe() && path.strip_prefix(API).is_some_and(|path| !of_this_node(path))
}

fn note(room: &Room, id: &str, method: &str, path: &str, status: StatusCode, took: Duration) {
    tracing::info!(
        target: "oarlock::access",
        request_id = id,
        user = %room.config.principal,
        method,
        path,
        status = status.as_u16(),
        ms = took.as_secs_f64() * 1e3,
    );
}

/// The caller's id if it is short and plain, or a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| !id.is_empty() && id.len() <= HEADER_BYTES_MAX) {
        Some(id) => id.into(),
        None => {
            let mut letters = [0; uuid::fmt::Simple::LENGTH];
            format!("req_{}", uuid::Uuid::now_v7().simple().encode_lower(&mut letters)).into()
        }
    }
}

fn namespace_fault(request: &Request) -> Option<Fault> {
    let header = request.headers().get(NAMESPACE).and_then(|value| value.to_str().ok());
    let query = request.uri().query().and_then(|query| {
        query.split('&').find_map(|pair| pair.strip_prefix("namespace=")).filter(|n| !n.is_empty())
    });
    let asked = query.or(header)?;
    (asked != DEFAULT_NAMESPACE)
        .then(|| Fault::new(&table::NO_NAMESPACE, format!("there is no namespace `{asked}`")))
}

/// Gives a fault its body, and turns whatever the framework says about errors into one.
fn finish(mut answer: Response, room: &Room, path: &str, id: &str) -> Response {
    if let Some(mut fault) = answer.extensions_mut().remove::<Fault>() {
        fault.name_leader(room.leader_name());
        let mut finished = fault.finish(path, id);
        if let Some(allow) = answer.headers_mut().remove(header::ALLOW) {
            finished.headers_mut().insert(header::ALLOW, allow);
        }
        return finished;
    }
    let status = answer.status();
    if status.as_u16() < 400
        || answer.headers().contains_key(crate::room::INDEX)
        || is_ours(&answer)
    {
        return answer;
    }
    Fault::new(kind_of_status(status), status.canonical_reason().unwrap_or("refused"))
        .finish(path, id)
}

/// Whether an error's body was written by a room on purpose: a probe that is not ready, for instance.
fn is_ours(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    matches!(kind, Some(b"application/json" | b"application/problem+json"))
}

fn kind_of_status(status: StatusCode) -> &'static Kind {
    match status {
        StatusCode::NOT_FOUND => &table::NO_PATH,
        StatusCode::METHOD_NOT_ALLOWED => &table::BAD_METHOD,
        StatusCode::PAYLOAD_TOO_LARGE => &table::TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => &table::BAD_MEDIA,
        status if status.is_client_error() => &table::MALFORMED,
        _ => &table::INTERNAL,
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware;
    use axum::routing::get;
    use oarlock_actors::crew::{Crew, CrewConfig};
    use oarlock_engine::id::{BootId, NodeId};
    use oarlock_raft::Replica;
    use serde_json::Value;
    use tokio::net::TcpListener;

    use super::*;
    use crate::room::Config;

    async fn broken() -> &'static str {
        panic!("a drill: this room is broken");
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_for_its_caller_and_nobody_else() {
        let node = NodeId(1);
        let replica = Replica::open(oarlock_raft::Config::new(node, None)).await;
        let replica = replica.expect("a replica in memory opens");
        let crew = Crew::muster(replica.clone(), CrewConfig::new(node, BootId(7))).await;
        let room = Room::new(replica, crew.expect("a crew musters"), Config::default());
        let room = Arc::new(room);
        let doors = Router::new()
            .route("/broken", get(broken))
            .route("/whole", get(async || "whole"))
            .layer(middleware::from_fn_with_state(Arc::clone(&room), enter));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        tokio::spawn(async move { axum::serve(listener, doors).await });
        for _ in 0..3 {
            let answer = reqwest::get(format!("http://{address}/broken")).await.expect("one");
            assert_eq!(answer.status(), 500);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
            let problem: Value = answer.json().await.expect("JSON");
            assert_eq!((&problem["code"], &problem["status"]), (&"E0901".into(), &500.into()));
            assert_eq!(problem["request_id"], id.as_str());
            assert!(
                !problem.to_string().contains("a drill"),
                "what broke is for the log: {problem}"
            );
            let answer = reqwest::get(format!("http://{address}/whole")).await.expect("one");
            assert_eq!(answer.text().await.expect("text"), "whole");
        }
    }
}
