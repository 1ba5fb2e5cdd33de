//! Applying files: every definition in them, or none if one of them is wrong.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oarlock_engine::apply::Reply;
use oarlock_engine::catalog::{self, Command, Definition};
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::Version;
use oarlock_engine::store::View;
use oarlock_proto::v1::{Applied, AppliedDefinition, Change};

use super::In;
use super::workflows::{changed, if_match};
use crate::body::Raw;
use crate::convert;
use crate::file::{self, File};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Room, json};

/// Creates or changes workflows. The body is a workflow file: YAML (several documents with `---`) or the same as JSON.
#[utoipa::path(post, path = "/workflows", tag = "workflows",
    params(
        ("dry_run" = Option<bool>, Query, description = "Say what would change, and change nothing"),
        ("If-Match" = Option<String>, Header, description = "Only if the workflow is still at this version"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is no such workflow"),
    ),
    request_body(content = String, content_type = "application/yaml",
                 description = "A workflow file; its schema is at /schemas/v1/workflow.json"),
    responses((status = 200, body = Applied), (status = 201, body = Applied, description = "Something is new")))]
pub(crate) async fn apply(
    State(room): In,
    params: Params,
    headers: HeaderMap,
    Raw(bytes): Raw,
) -> Answer<Response> {
    let params = params.only(&["dry_run"])?;
    let dry_run = params.flag("dry_run")?;
    let text = text(&headers, &bytes)?;
    let File { definitions, warnings } = read(text).await?;
    let expected = expected(&headers)?;
    if expected.is_some() && definitions.len() != 1 {
        let detail = "a condition (`If-Match`) takes a file with one definition";
        return Err(Fault::new(&table::BAD_FIELD, detail));
    }
    let mut items: Vec<AppliedDefinition> = Vec::with_capacity(definitions.len());
    for one in definitions {
        let item =
            if dry_run { would(&room, &one, expected) } else { define(&room, one, expected).await };
        let item = item.map_err(|fault| stopped(fault, &items))?;
        items.push(item);
    }
    if let Some(first) = items.first_mut() {
        first.warnings = warnings;
    }
    let created = !dry_run && items.iter().any(|item| item.change == Change::Created);
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let applied = Applied { dry_run, items };
    let mut answer = (status, json(&applied)).into_response();
    if let [only] = applied.items.as_slice() {
        if let Ok(etag) = HeaderValue::from_str(&only.etag) {
            answer.headers_mut().insert(header::ETAG, etag);
        }
        if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/workflows/{}", only.name)) {
            answer.headers_mut().insert(header::LOCATION, place);
        }
    }
    Ok(answer)
}

/// A failure in the middle of a file: nothing in the file is wrong, so sending it again is the cure. It says what is done already.
fn stopped(fault: Fault, done: &[AppliedDefinition]) -> Fault {
    if done.is_empty() {
        return fault;
    }
    let done: Vec<String> =
        done.iter().map(|item| format!("`{}` (version {})", item.name, item.version)).collect();
    let detail = format!("{}; applied before that: {}", fault.problem().detail, done.join(", "));
    fault.detail(detail).hint("apply the file again: what is applied already stays as it is")
}

/// The body as text. A type that is neither text nor JSON nor YAML is refused; curl's own default is not.
fn text<'a>(headers: &HeaderMap, bytes: &'a [u8]) -> Answer<&'a str> {
    const KNOWN: [&str; 5] =
        ["yaml", "json", "text/plain", "x-www-form-urlencoded", "octet-stream"];
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(kind) = kind
        && !KNOWN.iter().any(|known| kind.contains(known))
    {
        let detail = format!("a workflow is sent as `application/yaml`, not as `{kind}`");
        return Err(Fault::new(&table::BAD_MEDIA, detail).hint(""));
    }
    std::str::from_utf8(bytes)
        .map_err(|fault| Fault::new(&table::MALFORMED, format!("the file is not UTF-8: {fault}")))
}

async fn read(text: &str) -> Answer<File> {
    let text = text.to_owned();
    // A large file takes milliseconds to check: not on the threads that answer others.
    let file = tokio::task::spawn_blocking(move || file::read(&text)).await;
    file.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

/// What the caller expects: a version, or (as 0) that there is none.
fn expected(headers: &HeaderMap) -> Answer<Option<Version>> {
    let none = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == b"*");
    if none { Ok(Some(Version(0))) } else { if_match(headers) }
}

async fn define(
    room: &Arc<Room>,
    definition: Definition,
    expected: Option<Version>,
) -> Answer<AppliedDefinition> {
    let name = definition.name.clone();
    // Others may apply at the same time: whoever made the first version of all has created it.
    let first = room.replica.read(|view| match catalog::find(view, &name) {
        Some(_) => Version(0),
        None => next(view, &name),
    });
    let command = Command::Define { definition: Box::new(definition), expected };
    let accepted = room.propose(Any::Catalog(command)).await?;
    let Reply::Defined { version, changed } = accepted.reply else {
        return Err(Fault::new(&table::INTERNAL, "a definition was answered with something else"));
    };
    let change = match (changed, version == first) {
        (true, true) => Change::Created,
        (true, false) => Change::Updated,
        (false, _) => Change::Unchanged,
    };
    Ok(applied(name, change, version))
}

fn would(
    room: &Room,
    definition: &Definition,
    expected: Option<Version>,
) -> Answer<AppliedDefinition> {
    room.replica.read(|view| {
        let name = definition.name.clone();
        let known = catalog::find(view, &name);
        let newest = known.as_ref().map_or(Version(0), |known| known.newest);
        if expected.is_some_and(|expected| expected != newest) {
            return Err(changed(&name, newest));
        }
        let (change, version) = match &known {
            None => (Change::Created, next(view, &name)),
            Some(known) if same(room, view, known, definition) => (Change::Unchanged, newest),
            Some(_) => (Change::Updated, Version(newest.0 + 1)),
        };
        Ok(applied(name, change, version))
    })
}

fn same(room: &Room, view: &dyn View, known: &catalog::Workflow, other: &Definition) -> bool {
    room.shelf.get(view, known.id, known.newest).is_some_and(|book| **book == *other)
}

/// The version that a new name begins with: a name that had been removed goes on where it stopped.
fn next(view: &dyn View, name: &str) -> Version {
    Version(catalog::find_any(view, name).map_or(1, |removed| removed.newest.0 + 1))
}

fn applied(name: String, change: Change, version: Version) -> AppliedDefinition {
    let etag = convert::workflow::etag(version);
    AppliedDefinition {
        kind: "workflow".to_owned(),
        name,
        change,
        version: version.0,
        etag,
        warnings: Vec::new(),
    }
}
