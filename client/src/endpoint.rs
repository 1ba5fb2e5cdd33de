//! Patience: one call, sent as often as is safe, until the caller's time is over.
//!
//! ```text
//!   send ──▶ answer below 400 ─────────────────────────▶ Ok
//!    ▲  │
//!    │  ├──▶ not connected ─────────┐ certainly not done
//!    │  ├──▶ 429, 503: not taken in ┤ certainly not done     any call may be sent again
//!    │  ├──▶ connection lost, 502 …─┤ nobody knows           only a safe or keyed call may
//!    │  └──▶ any other answer ──────┼────────────────────────▶ Err
//!    └──────── pause, at random ◀───┘
//! ```
//!
//! Where several addresses are known, a node that does not answer, or says that it cannot now, is left for the next one at once; only
//! when all have been asked comes a pause. Any node takes any call and finds the leader itself.
//!
//! Three kinds of call, by what a repetition would do ([`Repeat`]). Pauses double from 50 ms to 2 s; each is drawn from the
//! whole span below it, so that many clients that lost one node do not come back together. A server that says when to come
//! back is believed.

use std::time::{Duration, Instant};

use oarlock_proto::v1::Problem;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{Client, Error, path};

/// The first pause is at most this long; each further one twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// No pause is longer, unless the server asks for it.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long one of several nodes may take to answer: nodes that live say within 5 s at least that they cannot.
const NODE_MAX: Duration = Duration::from_secs(7);
/// The code of a node that is not for callers.
const NOT_HERE: &str = "E0316";
/// An error's body is read up to here.
const PROBLEM_BYTES_MAX: usize = 1 << 20;

/// What sending a call twice would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Nothing more than sending it once: a read, or a change that says what is to be afterwards.
    Safe,
    /// The server recognises it by the key that goes with it.
    Keyed,
    /// Perhaps a second change.
    Once,
}

/// One call, before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    /// `/api/v1`; for what describes it `/api`.
    root: &'static str,
    /// Below it.
    path: String,
    query: Vec<(String, String)>,
    repeat: Repeat,
    body: Option<(&'static str, Vec<u8>)>,
    accept: &'static str,
    headers: Vec<(&'static str, String)>,
    /// The caller's own time for this call; none: the client's.
    timeout: Option<Duration>,
    /// Whether the answer's body comes for as long as it likes.
    endless: bool,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Call {
        Call::new(Method::GET, path, Repeat::Safe)
    }

    pub(crate) fn post(path: impl Into<String>, repeat: Repeat) -> Call {
        Call::new(Method::POST, path, repeat)
    }

    pub(crate) fn put(path: impl Into<String>) -> Call {
        Call::new(Method::PUT, path, Repeat::Safe)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Call {
        Call::new(Method::DELETE, path, Repeat::Once)
    }

    pub(crate) fn new(method: Method, path: impl Into<String>, repeat: Repeat) -> Call {
        Call {
            method,
            root: "/api/v1",
            path: path.into(),
            query: Vec::new(),
            repeat,
            body: None,
            accept: "application/json",
            headers: Vec::new(),
            timeout: None,
            endless: false,
        }
    }

    /// It is not in the contract, but about it.
    pub(crate) fn above(mut self) -> Call {
        self.root = "/api";
        self
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn query(mut self, name: &str, value: impl Into<String>) -> Call {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn queries(mut self, pairs: &[(String, String)]) -> Call {
        self.query.extend_from_slice(pairs);
        self
    }

    pub(crate) fn json(mut self, body: &impl serde::Serialize) -> Call {
        let bytes = serde_json::to_vec(body).expect("the shapes of the contract are JSON");
        self.body = Some(("application/json", bytes));
        self
    }

    pub(crate) fn text(mut self, kind: &'static str, body: &str) -> Call {
        self.body = Some((kind, body.as_bytes().to_vec()));
        self
    }

    pub(crate) fn if_match(self, etag: &str) -> Call {
        self.header(IF_MATCH.as_str(), format!("\"{}\"", etag.trim_matches('"')))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.headers.push((name, value.into()));
        self
    }

    /// The server recognises it by the key that goes with it.
    pub(crate) fn keyed(mut self) -> Call {
        self.repeat = Repeat::Keyed;
        self
    }

    /// The body comes for as long as it likes, as `kind`.
    pub(crate) fn endless(mut self, kind: &'static str) -> Call {
        self.accept = kind;
        self.endless = true;
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Call {
        self.timeout = Some(timeout);
        self
    }
}

/// How one sending ended.
enum Outcome {
    Answer(Response),
    /// It failed; the flag says whether it certainly was not done.
    Failure(Error, bool),
}

impl Client {
    /// Sends a call and reads its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.ask_tagged(call).await.map(|(body, _etag)| body)
    }

    /// Sends a call and reads its answer, and the ETag that came with it.
    pub(crate) async fn ask_tagged<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<(T, Option<String>), Error> {
        let what = format!("{} {}", call.method, call.path);
        let response = self.send(call).await?;
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        let etag = etag.map(str::to_owned);
        let bytes = response.bytes().await.map_err(|fault| self.lost(self.addr(), fault))?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let body = serde_json::from_slice(bytes).map_err(|fault| {
            Error::Protocol(format!("the answer to {what} is not what it should be: {fault}"))
        })?;
        Ok((body, etag))
    }

    /// Sends a call, again and again where that is safe, and hands back the first good answer, its body unread.
    pub(crate) async fn send(&self, mut call: Call) -> Result<Response, Error> {
        if self.inner.stale && call.method == Method::GET && call.root == "/api/v1" {
            call = call.query("consistency", "stale");
        }
        if call.repeat == Repeat::Keyed {
            let fresh = || format!("cli-{}", Uuid::now_v7());
            let key = self.inner.idempotency_key.clone().unwrap_or_else(fresh);
            call = call.header("idempotency-key", key);
        }
        let timeout = call.timeout.unwrap_or(self.inner.timeout);
        let deadline = Instant::now() + timeout;
        let (mut attempt, mut asked) = (1, 0);
        loop {
            let addr = self.addr().to_owned();
            let left = deadline.saturating_duration_since(Instant::now());
            let (error, undone) = match self.send_once(&addr, &call, left).await {
                Outcome::Answer(response) => return Ok(response),
                Outcome::Failure(error, undone) => (error, undone),
            };
            let elsewhere = self.inner.nodes.len() > 1 && concerns_node(&error);
            if elsewhere {
                self.leave(&addr);
                asked += 1;
            }
            let fresh = elsewhere && asked % self.inner.nodes.len() != 0;
            let pause = if fresh { Duration::ZERO } else { pause(attempt, &error) };
            let in_time = Instant::now() + pause < deadline;
            let may = self.may_repeat(&call, &error, undone, fresh);
            if !may || !in_time || attempt >= self.inner.attempts_max {
                return Err(error);
            }
            tracing::debug!(path = %call.path, attempt, ?pause, %error, "is sent again");
            tokio::time::sleep(pause).await;
            attempt += u32::from(!fresh);
        }
    }

    /// `fresh`: another node is asked, that has not been asked yet.
    fn may_repeat(&self, call: &Call, error: &Error, undone: bool, fresh: bool) -> bool {
        if error.code() == NOT_HERE {
            return fresh;
        }
        let impatient = !self.inner.patient_connect && !fresh;
        if matches!(error, Error::Unreachable { .. }) && undone && impatient {
            return false;
        }
        if let Some(problem) = error.problem()
            && !problem.retryable
        {
            return false;
        }
        error.is_retryable() && (undone || call.repeat != Repeat::Once)
    }

    /// How long one node may take where others could be asked instead.
    fn share(&self, call: &Call, left: Duration) -> Duration {
        let waits = call.endless || call.query.iter().any(|(name, _)| name == "wait");
        if self.inner.nodes.len() == 1 || waits || call.repeat == Repeat::Once {
            return left;
        }
        left.min(NODE_MAX)
    }

    async fn send_once(&self, addr: &str, call: &Call, left: Duration) -> Outcome {
        let left = self.share(call, left);
        let url = format!("{addr}{}{}{}", call.root, call.path, path::query(&call.query));
        let mut request = self.inner.http.request(call.method.clone(), url);
        request = request.header(ACCEPT, call.accept);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some((kind, bytes)) = &call.body {
            request = request.header(CONTENT_TYPE, *kind).body(bytes.clone());
        }
        if !call.endless {
            request = request.timeout(left);
        }
        // An endless body has no time of its own, but its head has.
        let sent = tokio::time::timeout(left, request.send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => {
                let undone = fault.is_connect();
                return Outcome::Failure(self.lost(addr, fault), undone);
            }
            Err(_) => {
                let late = Error::Timeout { addr: addr.to_owned(), after: left };
                return Outcome::Failure(late, false);
            }
        };
        if response.status().is_success() {
            return Outcome::Answer(response);
        }
        let error = Error::of(problem(response).await);
        let undone = certainly_undone(&error);
        Outcome::Failure(error, undone)
    }

    /// What a failure of the network means to the caller.
    pub(crate) fn lost(&self, addr: &str, fault: reqwest::Error) -> Error {
        let addr = addr.to_owned();
        if fault.is_timeout() && !fault.is_connect() {
            return Error::Timeout { addr, after: self.inner.timeout };
        }
        Error::Unreachable { addr, why: why(&fault), source: fault }
    }
}

/// Whether another node may do better: this one is not there, or cannot now.
fn concerns_node(error: &Error) -> bool {
    let cannot =
        matches!(error, Error::Unreachable { .. } | Error::Timeout { .. } | Error::Unavailable(_));
    cannot || error.code() == NOT_HERE
}

/// Whether the server said that it had not taken the call in: busy, no leader, no writes, behind. "Unknown" is not among them.
fn certainly_undone(error: &Error) -> bool {
    match error {
        Error::RateLimited(_) => true,
        Error::Unavailable(problem) => {
            matches!(problem.code.as_str(), "E0702" | "E0703" | "E0705")
        }
        _ => false,
    }
}

/// The server's words, or words made from the status if what answers does not speak this language.
async fn problem(mut response: Response) -> Problem {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| text.trim().parse::<u64>().ok()).map(|s| s * 1000);
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > PROBLEM_BYTES_MAX {
            break;
        }
    }
    if let Ok(mut problem) = serde_json::from_slice::<Problem>(&body) {
        problem.retry_after_ms = problem.retry_after_ms.or(after);
        return problem;
    }
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().next().unwrap_or("").trim();
    let line: String = line.chars().take(200).collect();
    let title = status.canonical_reason().unwrap_or("the request failed").to_owned();
    let detail = match line.is_empty() {
        true => format!("HTTP {status}"),
        false => format!("HTTP {status}: {line}"),
    };
    Problem {
        kind: "about:blank".to_owned(),
        title,
        status: status.as_u16(),
        detail,
        instance: String::new(),
        code: String::new(),
        hint: String::new(),
        violations: Vec::new(),
        request_id: String::new(),
        retryable: matches!(status.as_u16(), 429 | 502 | 503 | 504),
        retry_after_ms: after,
        leader: None,
    }
}

/// The innermost reason of a failure, in few words.
fn why(fault: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = fault;
    while let Some(source) = deepest.source() {
        if let Some(io) = source.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::ConnectionRefused => return "connection refused".to_owned(),
                std::io::ErrorKind::ConnectionReset => return "connection reset".to_owned(),
                std::io::ErrorKind::TimedOut => return "no connection in time".to_owned(),
                _ => {}
            }
        }
        deepest = source;
    }
    if fault.is_timeout() { "no connection in time".to_owned() } else { deepest.to_string() }
}

/// How long to wait before the next sending.
pub(crate) fn pause(attempt: u32, error: &Error) -> Duration {
    if let crate::Advice::Retry { after: Some(after) } = error.advice() {
        return after.max(Duration::from_millis(1));
    }
    let grown = PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(PAUSE_MAX);
    grown.mul_f64(chance())
}

/// A number from 0 to 1 by chance, from the random half of an id.
fn chance() -> f64 {
    let bits = Uuid::now_v7().as_u128() & u128::from(u32::MAX);
    let bits = u32::try_from(bits).expect("32 bits were taken");
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(after: Option<u64>) -> Error {
        Error::of(Problem {
            kind: String::new(),
            title: "busy".to_owned(),
            status: 429,
            detail: String::new(),
            instance: String::new(),
            code: "E0501".to_owned(),
            hint: String::new(),
            violations: Vec::new(),
            request_id: String::new(),
            retryable: true,
            retry_after_ms: after,
            leader: None,
        })
    }

    #[test]
    fn pauses_grow_and_stay_below_their_cap() {
        for attempt in 1..40 {
            let cap = PAUSE.saturating_mul(1 << (attempt - 1).min(16)).min(PAUSE_MAX);
            assert!(pause(attempt, &refused(None)) <= cap);
        }
    }

    #[test]
    fn a_server_that_names_a_moment_is_believed() {
        assert_eq!(pause(1, &refused(Some(1500))), Duration::from_millis(1500));
    }
}
