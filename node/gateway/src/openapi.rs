//! The OpenAPI document: made from the handlers, so that it cannot say what is not there.

use oarlock_proto::v1::Problem;
use utoipa::openapi::path::Operation;
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
