//! Bodies, read with care: not too large, not too deep, and what is wrong with them said precisely.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use oarlock_proto::v1::Violation;
use serde::de::DeserializeOwned;

use crate::limit::{BODY_BYTES_MAX, BODY_MAX, JSON_DEPTH_MAX};
use crate::problem::{Answer, Fault, table};

/// A body as bytes, at most [`BODY_BYTES_MAX`].
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Answer<Raw> {
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
            return Err(too_large());
        }
        let reading = to_bytes(request.into_body(), BODY_BYTES_MAX);
        let Ok(read) = tokio::time::timeout(BODY_MAX, reading).await else {
            let detail = format!("the body was not there after {} s", BODY_MAX.as_secs());
            return Err(Fault::new(&table::SLOW_BODY, detail));
        };
        read.map(Raw).map_err(|fault| {
            tracing::debug!(%fault, "a body was not read");
            if fault.to_string().contains("length limit") {
                return too_large();
            }
            Fault::new(&table::MALFORMED, "the body cannot be read to its end")
        })
    }
}

fn too_large() -> Fault {
    Fault::new(&table::TOO_LARGE, format!("a body has at most {BODY_BYTES_MAX} bytes"))
}

/// A body as JSON of a shape. No body at all is the shape's default where it has one: see [`Json::or_default`].
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Answer<Json<T>> {
        let headers = request.headers().clone();
        let Raw(bytes) = Raw::from_request(request, state).await?;
        Json::or_default(&headers, &bytes)
    }
}

impl<T: DeserializeOwned + Default> Json<T> {
    /// Reads a body; an empty one is the default.
    pub(crate) fn or_default(headers: &HeaderMap, bytes: &[u8]) -> Answer<Json<T>> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Json(T::default()));
        }
        must_be_json(headers)?;
        if bytes.trim_ascii_start().starts_with(b"[") {
            // The reader would take a list for the fields in their order, which nobody has promised.
            return Err(Fault::new(&table::MALFORMED, "this path takes an object, not a list"));
        }
        parse(bytes).map(Json)
    }
}

/// Refuses a body that says it is something else. A body that does not say what it is is taken for JSON.
fn must_be_json(headers: &HeaderMap) -> Answer<()> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // curl sends the form type where nobody asked for it: refusing it would only teach people a header.
    let json = essence == "application/json"
        || essence.ends_with("+json")
        || essence == "application/x-www-form-urlencoded";
    if json {
        return Ok(());
    }
    Err(Fault::new(&table::BAD_MEDIA, format!("this path takes JSON, not `{essence}`")))
}

/// Reads JSON of a shape.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    if depth(bytes) > JSON_DEPTH_MAX {
        return Err(Fault::new(
            &table::TOO_DEEP,
            format!("the body nests more than {JSON_DEPTH_MAX} levels"),
        ));
    }
    serde_json::from_slice(bytes).map_err(|fault| {
        let text = plain(&fault.to_string());
        let detail = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let line = u32::try_from(fault.line()).ok();
        let column = u32::try_from(fault.column()).ok();
        let place = Violation { line, column, detail, ..Violation::default() };
        Fault::new(&table::MALFORMED, text).violations(vec![place])
    })
}

/// The reader's words without those of its language.
fn plain(text: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("expected u8", "expected a number from 0 to 255"),
        ("expected u32", "expected a whole number from 0"),
        ("expected u64", "expected a whole number from 0"),
        ("EOF while parsing", "the text ends inside"),
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: list"),
    ];
    let text =
        WORDS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
    match text.split_once("expected struct ") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|letter: char| letter.is_alphanumeric());
            format!("{before}expected an object{rest}")
        }
        None => text,
    }
}

/// How deep brackets nest, strings left aside. Cheap, and done before anything is built.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in bytes {
        match (quoted, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (true, false, b'"') => quoted = false,
            (true, false, _) => {}
            (false, _, b'"') => quoted = true,
            (false, _, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, _, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, _, _) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(depth(br#"{"a": "[[[\"[", "b": [1]}"#), 2);
        assert_eq!(depth(b"7"), 0);
    }

    #[test]
    fn a_thousand_levels_are_refused_before_they_are_built() {
        let deep = [b"[".repeat(1_000), b"]".repeat(1_000)].concat();
        let fault = parse::<serde_json::Value>(&deep).expect_err("too deep");
        assert_eq!(fault.problem().code, "E0201");
    }

    #[test]
    fn a_list_is_not_taken_for_an_object() {
        let read = Json::<oarlock_proto::v1::QueueLimit>::or_default(&HeaderMap::new(), b" [3]");
        assert_eq!(read.expect_err("a list").problem().code, "E0200");
    }

    #[test]
    fn a_fault_is_told_without_words_of_the_reader() {
        let fault = parse::<oarlock_proto::v1::StartRuns>(br#"{"runs": [5]}"#).expect_err("wrong");
        let detail = &fault.problem().violations[0].detail;
        assert_eq!(detail, "invalid type: integer `5`, expected an object");
        let fault =
            parse::<oarlock_proto::v1::StartRun>(br#"{"priority": "x"}"#).expect_err("wrong");
        assert!(fault.problem().detail.contains("a number from 0 to 255"), "{fault:?}");
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let fault = parse::<oarlock_proto::v1::Signal>(b"{\n  \"nam\": 1}").expect_err("wrong");
        let place = &fault.problem().violations[0];
        assert_eq!((place.line, place.column), (Some(2), Some(7)));
        assert!(place.detail.contains("unknown field `nam`"), "{}", place.detail);
    }
}
