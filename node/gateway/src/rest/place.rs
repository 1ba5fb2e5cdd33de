//! Paths with names in them: `/runs/etl/1042/tasks/load` means the run `etl/1042`.
//!
//! A short name has a slash in it, and so do the ids of tasks. People type them as they are; the router wants one part for one
//! parameter. So before routing, the parts that belong together are joined with `%2F`; whoever escapes the slash gets the same.

use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts as Head;

use crate::problem::{Answer, Fault, table};

const BASE: &str = "/api/v1/";

/// Joins the parts of names; a path without such names is left as it is.
pub(crate) fn joined(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(BASE)?;
    let (resource, rest) = rest.split_once('/')?;
    let parts: Vec<&str> = rest.split('/').collect();
    let run_parts = match parts.as_slice() {
        [_, number, ..] if is_number(number) => 2,
        _ => 1,
    };
    let taken = match resource {
        "runs" => run_parts,
        // A task's id: the run, and one more.
        "tasks" | "dlq" if parts.len() > run_parts && !is_escaped(parts[0]) => {
            // `/dlq/groups` and the like have one part and do not come here; `/dlq/run_…/load` does.
            run_parts + 1
        }
        "actors" => actor_parts(&parts),
        _ => return None,
    };
    if taken < 2 {
        return None;
    }
    let mut path = format!("{BASE}{resource}/{}", parts[..taken].join("%2F"));
    for part in &parts[taken..] {
        path.push('/');
        path.push_str(part);
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    path.parse().ok()
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a part carries a whole id of a task already.
fn is_escaped(part: &str) -> bool {
    part.to_ascii_lowercase().contains("%2f")
}

/// An actor's id may have any number of slashes; only a last `restart` is not part of it.
fn actor_parts(parts: &[&str]) -> usize {
    match parts.last() {
        Some(&"restart") => parts.len() - 1,
        _ => parts.len(),
    }
}

/// A name from the path.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Head, state: &S) -> Answer<Id> {
        match Path::<String>::from_request_parts(head, state).await {
            Ok(Path(text)) => Ok(Id(text)),
            Err(fault) => Err(Fault::new(&table::MALFORMED, fault.body_text())),
        }
    }
}

/// Two names from the path.
#[derive(Debug)]
pub(crate) struct Ids(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Head, state: &S) -> Answer<Ids> {
        match Path::<(String, String)>::from_request_parts(head, state).await {
            Ok(Path((first, second))) => Ok(Ids(first, second)),
            Err(fault) => Err(Fault::new(&table::MALFORMED, fault.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(path: &str) -> String {
        let uri: Uri = path.parse().expect("a path");
        joined(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn names_are_joined_wherever_they_stand() {
        for (typed, meant) in [
            ("/api/v1/runs/etl/1042", "/api/v1/runs/etl%2F1042"),
            ("/api/v1/runs/etl/1042/tasks/load?x=1", "/api/v1/runs/etl%2F1042/tasks/load?x=1"),
            ("/api/v1/runs/run_1/cancel", "/api/v1/runs/run_1/cancel"),
            ("/api/v1/runs/etl%2F1042/cancel", "/api/v1/runs/etl%2F1042/cancel"),
            ("/api/v1/tasks/etl/1042/load", "/api/v1/tasks/etl%2F1042%2Fload"),
            ("/api/v1/tasks/run_1/load", "/api/v1/tasks/run_1%2Fload"),
            ("/api/v1/dlq/etl/7/load/retry", "/api/v1/dlq/etl%2F7%2Fload/retry"),
            ("/api/v1/dlq/etl%2F7%2Fload/retry", "/api/v1/dlq/etl%2F7%2Fload/retry"),
            ("/api/v1/dlq/groups", "/api/v1/dlq/groups"),
            ("/api/v1/workflows/etl/runs", "/api/v1/workflows/etl/runs"),
            ("/api/v1/actors/a/b/restart", "/api/v1/actors/a%2Fb/restart"),
            ("/healthz", "/healthz"),
        ] {
            assert_eq!(after(typed), meant);
        }
    }
}
