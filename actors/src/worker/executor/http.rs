//! A request to somebody else: `{"method", "url", "headers", "json" | "body", "expect"}`.
//!
//! The output is `{"status", "headers", "body"}`, the body as JSON where it is some and as text otherwise. What the other side
//! may mend by itself (no connection, 5xx, 429, 408) is worth another attempt, what it says about the request (other 4xx) is not.
//! Each host has a circuit breaker: see [`super::breaker`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use oarlock_engine::blob::PAYLOAD_BYTES_MAX;
use oarlock_engine::task::Failure;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::breaker::{Admission, Breakers, State};
use super::{Halt, Halting, Job, Outcome, failure};
use crate::worker::logs::Printer;

#[derive(Deserialize)]
struct Body {
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    json: Option<Value>,
    body: Option<Value>,
    expect: Option<Value>,
}

/// The node's connections and breakers.
#[derive(Default)]
pub(crate) struct Http {
    client: OnceLock<Client>,
    breakers: Mutex<Breakers>,
}

/// What a failed call says about the host it was made to.
struct Fault {
    failure: Failure,
    /// True: the host is in trouble. False: the request was wrong, the host is well.
    trouble: bool,
}

impl Http {
    /// Makes the request.
    pub(crate) async fn execute(
        &self,
        job: &Job,
        printer: &Printer,
        mut halting: Halting,
    ) -> Outcome {
        let (request, body) = match self.prepare(&job.body) {
            Ok(prepared) => prepared,
            Err(outcome) => return outcome,
        };
        let host = host(request.url());
        if let Admission::Wait(pause) = self.lock().admit(&host, Instant::now()) {
            let message = format!("{host} failed too often: left alone for {pause:.0?}");
            return Outcome::Failed(failure("breaker", message, true));
        }
        printer.print(format!("{} {}\n", request.method(), request.url()).as_bytes());
        let result = tokio::select! {
            result = self.call(request, &body) => result,
            halt = &mut halting => {
                if halt == Halt::Timeout {
                    self.lock().failed(&host, Instant::now());
                }
                return Outcome::Halted(halt);
            }
        };
        match &result {
            Err(Fault { trouble: true, .. }) => self.lock().failed(&host, Instant::now()),
            Ok(_) | Err(_) => self.lock().succeeded(&host),
        }
        match result {
            Ok(output) => Outcome::Done(output),
            Err(fault) => {
                printer.print(format!("{}\n", fault.failure.message).as_bytes());
                Outcome::Failed(fault.failure)
            }
        }
    }

    /// Hosts with something wrong.
    pub(crate) fn breakers(&self) -> Vec<(String, State)> {
        self.lock().hosts().map(|(host, state)| (host.to_owned(), state)).collect()
    }

    /// The request as it will be sent.
    fn prepare(&self, body: &[u8]) -> Result<(reqwest::Request, Body), Outcome> {
        let wrong = |why: &dyn std::fmt::Display| Outcome::bad_body("http", why);
        let body: Body = serde_json::from_slice(body).map_err(|why| wrong(&why))?;
        let url = Url::parse(&body.url).map_err(|why| wrong(&format!("{}: {why}", body.url)))?;
        let method = match &body.method {
            Some(method) => Method::from_bytes(method.to_uppercase().as_bytes())
                .map_err(|_| wrong(&format!("method `{method}`")))?,
            None => Method::GET,
        };
        let mut request = self.client()?.request(method, url);
        for (name, value) in &body.headers {
            request = request.header(name, plain(value));
        }
        request = match (&body.json, &body.body) {
            (Some(json), _) => request.json(json),
            (None, Some(text)) => request.body(plain(text)),
            (None, None) => request,
        };
        let request = request.build().map_err(|why| wrong(&whole(&why)))?;
        Ok((request, body))
    }

    /// Sends it and judges the answer.
    async fn call(&self, request: reqwest::Request, body: &Body) -> Result<Vec<u8>, Fault> {
        let client = self.client().map_err(|_| lost("the client is gone".to_owned()))?;
        let response = client.execute(request).await.map_err(|why| lost(whole(&why)))?;
        let status = response.status();
        let headers = headers(&response);
        let bytes = read(response).await?;
        if !expected(body.expect.as_ref(), status) {
            return Err(unexpected(status, &bytes));
        }
        let content = content(&headers, &bytes);
        let output = json!({"status": status.as_u16(), "headers": headers, "body": content});
        let output = output.to_string().into_bytes();
        if output.len() > PAYLOAD_BYTES_MAX { Err(too_large()) } else { Ok(output) }
    }

    /// Made with the first request: it reads the machine's certificates.
    fn client(&self) -> Result<&Client, Outcome> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let agent = concat!("oarlock/", env!("CARGO_PKG_VERSION"));
        match Client::builder().user_agent(agent).build() {
            Ok(client) => Ok(self.client.get_or_init(|| client)),
            Err(why) => {
                let message = format!("no HTTP client: {}", whole(&why));
                Err(Outcome::Failed(failure("http:client", message, true)))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().expect("nothing panics while it holds the breakers")
    }
}

fn host(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// A header or a body that may have been written as a number or a list.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn headers(response: &Response) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.get_mut(name.as_str()) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            _ => {
                headers.insert(name.as_str().to_owned(), Value::String(value.into_owned()));
            }
        }
    }
    headers
}

async fn read(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| lost(whole(&why)))? {
        if bytes.len() + chunk.len() > PAYLOAD_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn content(headers: &Map<String, Value>, bytes: &[u8]) -> Value {
    let says_json = headers
        .get("content-type")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.ends_with("json")));
    let parsed = says_json.then(|| serde_json::from_slice(bytes).ok()).flatten();
    parsed.unwrap_or_else(|| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// `expect`: `2xx` (the default), `204`, or a list of such.
fn expected(expect: Option<&Value>, status: StatusCode) -> bool {
    match expect {
        None | Some(Value::Null) => status.is_success(),
        Some(Value::Array(several)) => several.iter().any(|one| expected(Some(one), status)),
        Some(one) => {
            let pattern = plain(one);
            let code = status.as_str();
            pattern.len() == code.len()
                && pattern.chars().zip(code.chars()).all(|(p, c)| p == 'x' || p == 'X' || p == c)
        }
    }
}

fn unexpected(status: StatusCode, body: &[u8]) -> Fault {
    let trouble = status.is_server_error();
    let passing = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let start = String::from_utf8_lossy(&body[..body.len().min(512)]).trim().to_owned();
    let message = if start.is_empty() { status.to_string() } else { format!("{status}: {start}") };
    let kind = format!("http:{}", status.as_u16());
    Fault { failure: failure(kind, message, trouble || passing), trouble }
}

fn lost(why: String) -> Fault {
    Fault { failure: failure("http:connect", why, true), trouble: true }
}

fn too_large() -> Fault {
    let message = format!("the answer is larger than {PAYLOAD_BYTES_MAX} bytes");
    Fault { failure: failure("http:too_large", message, false), trouble: false }
}

/// An error with everything it was caused by: the outermost one alone says little.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
