//! Starting runs, one or many.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use oarlock_engine::run::Request;
use oarlock_proto::v1::{Execution, Run, StartOutcome, StartRun, StartRuns, Started};

use super::In;
use super::place::Id;
use crate::body::{Json, Raw};
use crate::convert::name;
use crate::digest::fnv128;
use crate::limit::{BATCH_MAX, BATCH_PARALLEL_MAX, HEADER_BYTES_MAX, WAIT_MAX};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room, json};
use crate::start::{Ask, Begun, begin, start as start_run};

/// The caller's name for this request: sending it again does nothing again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Starts a run. With `wait` the answer comes when the run has ended (200), or when the time is over (202).
#[utoipa::path(post, path = "/workflows/{name}/runs", tag = "runs",
    params(
        ("name" = String, Path, description = "The workflow's name"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: `30s`, at most 5m"),
        ("Idempotency-Key" = Option<String>, Header, description = "Sending it twice is starting once"),
    ),
    request_body = StartRun,
    responses((status = 202, body = Run, description = "Accepted"),
              (status = 200, body = Run, description = "Accepted, and ended within `wait`")))]
pub(crate) async fn start(
    State(room): In,
    Id(name): Id,
    params: Params,
    headers: HeaderMap,
    body: Raw,
) -> Answer<Response> {
    let (begun, shown, keyed) = one(&room, &name, params, &headers, &body).await?;
    let body = shown.value;
    Ok(answer(begun, &body, &body, keyed))
}

/// Starts a run, under the path and with the words that callers of LinkFlow know.
#[utoipa::path(post, path = "/workflows/{name}/execute", tag = "runs",
    params(
        ("name" = String, Path, description = "The workflow's name"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: `30s`, at most 5m"),
        ("Idempotency-Key" = Option<String>, Header, description = "Sending it twice is starting once"),
    ),
    request_body = StartRun,
    responses((status = 202, body = Execution, description = "Accepted"),
              (status = 200, body = Execution, description = "Accepted, and ended within `wait`")))]
pub(crate) async fn execute(
    State(room): In,
    Id(name): Id,
    params: Params,
    headers: HeaderMap,
    body: Raw,
) -> Answer<Response> {
    let (begun, shown, keyed) = one(&room, &name, params, &headers, &body).await?;
    let body = Execution { execution_id: shown.value.id.clone(), run: shown.value };
    Ok(answer(begun, &body.run, &body, keyed))
}

/// Starts many runs. Each is accepted or refused for itself.
#[utoipa::path(post, path = "/workflows/{name}/runs/batch", tag = "runs",
    params(("name" = String, Path, description = "The workflow's name")),
    request_body = StartRuns,
    responses((status = 202, body = Started)))]
pub(crate) async fn batch(
    State(room): In,
    Id(name): Id,
    params: Params,
    Json(body): Json<StartRuns>,
) -> Answer<Response> {
    params.only(&[])?;
    if body.runs.len() > BATCH_MAX {
        let detail = format!("a batch has at most {BATCH_MAX} runs, not {}", body.runs.len());
        return Err(Fault::new(&table::TOO_MANY, detail));
    }
    room.read(|view| name::find_workflow(view, &name).map(drop))?;
    let starts = body.runs.into_iter().map(|body| {
        let ask = Ask { workflow: &name, ..Ask::default() };
        begin(&room, ask, body)
    });
    let outcomes: Vec<Answer<Begun>> =
        futures::stream::iter(starts).buffered(BATCH_PARALLEL_MAX).collect().await;
    let mut started = Started::default();
    for outcome in outcomes {
        started.items.push(match outcome {
            Ok(begun) => {
                started.accepted += 1;
                StartOutcome {
                    id: Some(begun.run.to_string()),
                    name: Some(name::run(&name, begun.number)),
                    repeated: begun.repeated,
                    problem: None,
                }
            }
            Err(fault) => {
                started.refused += 1;
                StartOutcome { problem: Some(fault.problem().clone()), ..StartOutcome::default() }
            }
        });
    }
    Ok((StatusCode::ACCEPTED, json(&started)).into_response())
}

async fn one(
    room: &Arc<Room>,
    name: &str,
    params: Params,
    headers: &HeaderMap,
    Raw(bytes): &Raw,
) -> Answer<(Begun, Read<Run>, bool)> {
    let params = params.only(&["wait"])?;
    let wait = params.span("wait")?.filter(|wait| !wait.is_zero());
    if wait.is_some_and(|wait| wait > WAIT_MAX) {
        let detail = format!("`wait` is at most {}s", WAIT_MAX.as_secs());
        return Err(Fault::new(&table::BAD_QUERY, detail));
    }
    let Json(body) = Json::<StartRun>::or_default(headers, bytes)?;
    let request = request(headers, name, bytes)?;
    let keyed = request.is_some();
    let ask = Ask { workflow: name, request, wait };
    let (begun, shown) = start_run(room, ask, body).await?;
    Ok((begun, shown, keyed))
}

fn answer<T: serde::Serialize>(begun: Begun, run: &Run, body: &T, keyed: bool) -> Response {
    let status = if run.status.finished() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut answer = json(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/runs/{}", run.name)) {
        headers.insert(header::LOCATION, place);
    }
    headers.insert(crate::room::INDEX, HeaderValue::from(begun.revision.0));
    if begun.repeated && keyed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

fn request(headers: &HeaderMap, name: &str, body: &[u8]) -> Answer<Option<Request>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| {
        !key.is_empty()
            && key.len() <= HEADER_BYTES_MAX.min(oarlock_engine::catalog::NAME_BYTES_MAX)
    });
    let Some(key) = key else {
        let detail = "an Idempotency-Key has 1 to 128 plain letters";
        return Err(Fault::new(&table::MALFORMED, detail));
    };
    let digest = fnv128(&[name.as_bytes(), body]);
    Ok(Some(Request { key: key.to_owned(), digest }))
}
