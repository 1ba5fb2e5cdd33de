//! The OpenAPI document: made from the handlers, so that it cannot say what is not there.
//!
//! Each operation has a name of its own, made from its path, by which programs and `oarlock rpc` call it: `runs.list`, `runs.get`,
//! `runs.cancel`, `workflows.versions.get`, `dlq.retry-many`. The words are those of the path, so that who knows one knows the other.

use std::collections::BTreeSet;

use oarlock_proto::v1::Problem;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};

/// The media type of failures.
const PROBLEM_JSON: &str = "application/problem+json";

/// Completes what the handlers say: title, version, and that anything may fail with a problem.
pub(crate) fn complete(mut api: OpenApi, version: &str) -> OpenApi {
    api.info = InfoBuilder::new()
        .title("Oarlock")
        .version(version)
        .description(Some(
            "Durable workflows and task queues. Every path takes `namespace` (only `default` in this release), every read \
             `consistency=linearizable|stale` and the header `Oarlock-Index`. Failures are `application/problem+json`; \
             `/docs/errors/CODE` explains their codes.",
        ))
        .build();
    api.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    let mut schemas = vec![(Problem::name().into_owned(), <Problem as PartialSchema>::schema())];
    <Problem as ToSchema>::schemas(&mut schemas);
    let components = api.components.get_or_insert_default();
    components.schemas.extend(schemas);
    name_all(&mut api);
    for item in api.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch];
        operations.into_iter().flatten().for_each(may_fail);
    }
    api
}

fn may_fail(operation: &mut Operation) {
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let response = ResponseBuilder::new()
        .description("What went wrong")
        .content(PROBLEM_JSON, content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

/// Gives each operation its name.
fn name_all(api: &mut OpenApi) {
    let mut taken = BTreeSet::new();
    // The one on a single thing has the plain name, the one on many the longer: `dlq.retry`, `dlq.retry-many`.
    let mut paths: Vec<(&String, &mut PathItem)> = api.paths.paths.iter_mut().collect();
    paths.sort_by_key(|(path, _)| !path.contains('{'));
    for (path, item) in paths {
        let readable = item.get.is_some();
        for (verb, operation) in [
            ("get", &mut item.get),
            ("create", &mut item.post),
            ("set", &mut item.put),
            ("delete", &mut item.delete),
            ("change", &mut item.patch),
        ] {
            let Some(operation) = operation else { continue };
            let mut name = named(path, verb, readable, is_list(operation));
            if taken.contains(&name) {
                name.push_str("-many");
            }
            taken.insert(name.clone());
            operation.operation_id = Some(name);
        }
    }
}

/// The name of an operation: the words of its path, and a verb where the last of them is not one.
fn named(path: &str, verb: &str, readable: bool, list: bool) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).skip(2).collect();
    let mut words: Vec<&str> =
        parts.iter().filter(|part| !part.starts_with('{')).copied().collect();
    let of_one = parts.last().is_some_and(|part| part.starts_with('{'));
    match verb {
        "get" if of_one => words.push("get"),
        "get" if list && words.len() == 1 => words.push("list"),
        // `runs.output`, `cluster`: what is read says so itself; `runs.cancel`: what is done, too.
        "get" => {}
        _ if of_one || readable => words.push(verb),
        _ => {}
    }
    words.join(".")
}

/// Whether it answers with a page of a list.
fn is_list(operation: &Operation) -> bool {
    let Some(RefOr::T(answer)) = operation.responses.responses.get("200") else { return false };
    answer.content.values().any(|content| {
        let RefOr::T(content) = content else { return false };
        matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location.contains("/Page_"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_words_of_the_path_and_a_verb() {
        assert_eq!(named("/api/v1/runs", "get", true, true), "runs.list");
        assert_eq!(named("/api/v1/cluster", "get", true, false), "cluster");
        assert_eq!(named("/api/v1/runs/{id}", "get", true, false), "runs.get");
        assert_eq!(named("/api/v1/runs/{id}", "delete", true, false), "runs.delete");
        assert_eq!(named("/api/v1/runs/{id}/cancel", "create", false, false), "runs.cancel");
        assert_eq!(named("/api/v1/runs/{id}/tasks", "get", true, true), "runs.tasks");
        assert_eq!(named("/api/v1/workflows", "create", true, false), "workflows.create");
        assert_eq!(named("/api/v1/queues/{name}/limit", "set", false, false), "queues.limit");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = crate::document();
        let mut names = BTreeSet::new();
        for (path, item) in &document.paths.paths {
            for operation in [&item.get, &item.post, &item.put, &item.delete].into_iter().flatten()
            {
                let name = operation.operation_id.clone().unwrap_or_default();
                assert!(names.insert(name.clone()), "{path}: {name} is taken");
            }
        }
        for name in ["runs.list", "runs.pause", "cluster.step-down", "roles.get", "dlq.retry-many"]
        {
            assert!(names.contains(name), "{name} is not among {names:?}");
        }
    }
}
