//! Pages for people: what is here, the API's documentation, what an error means.
//!
//! All of them are in the binary and load nothing from elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::In;
use super::place::Id;
use super::workflows::accepts;
use crate::problem::{Answer, Fault, TABLE, explain, table};

const HOME: &str = include_str!("../assets/home.html");
const DOCS: &str = include_str!("../assets/docs.html");

/// Nothing may be loaded from elsewhere, and nobody may frame these pages.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     img-src data:; frame-ancestors 'none'";

/// What is here: for people a page, for programs JSON.
pub(crate) async fn home(State(room): In, headers: HeaderMap) -> Response {
    if accepts(&headers, "application/json") {
        return crate::room::json(&serde_json::json!({
            "name": "oarlock",
            "version": room.config.version,
            "api": "/api/v1",
            "openapi": "/api/openapi.json",
            "docs": "/api/docs",
            "metrics": "/metrics",
            "health": "/healthz",
            "ready": "/readyz",
        }));
    }
    page(HOME.replace("{version}", &escaped(&room.config.version)))
}

/// The API's documentation, drawn from `/api/openapi.json` in the browser.
pub(crate) async fn docs() -> Response {
    page(DOCS.to_owned())
}

/// What an error code means.
pub(crate) async fn error(Id(code): Id, headers: HeaderMap) -> Answer<Response> {
    let text = explain(&code)
        .ok_or_else(|| Fault::new(&table::NO_PATH, format!("no error has the code `{code}`")))?;
    if !accepts(&headers, "text/html") {
        return Ok(text.into_response());
    }
    Ok(page(format!(
        "<!doctype html><meta charset=utf-8><title>{0}</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:44rem;margin:3rem auto;padding:0 1rem;\
         color-scheme:light dark}}pre{{white-space:pre-wrap;font:inherit}}</style><pre>{1}</pre>\
         <p><a href=/docs/errors>all errors</a>",
        escaped(&code),
        escaped(&text)
    )))
}

/// Every error there is.
pub(crate) async fn errors() -> String {
    let lines =
        TABLE.iter().map(|kind| format!("{}  {}  {}\n", kind.code, kind.status, kind.title));
    lines.collect()
}

/// The OpenAPI document.
pub(crate) async fn openapi(State(document): State<Arc<str>>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], document.to_string()).into_response()
}

/// The JSON Schema of workflow files, for editors.
pub(crate) async fn schema() -> Response {
    let kind = HeaderValue::from_static("application/schema+json");
    ([(header::CONTENT_TYPE, kind)], crate::yaml::workflow_schema().to_string()).into_response()
}

fn page(text: String) -> Response {
    let mut answer = Html(text).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
