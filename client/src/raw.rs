//! Calls by hand: any operation of the contract by its path, for consoles and for what has no method yet.
//!
//! Everything else of this crate is typed. Here a path with holes is filled, a body goes as it is, and what comes back is text, whole or
//! item by item. A read may be sent again, as always; anything else is sent once, unless a key goes with it by which it is recognised.

use std::collections::VecDeque;

use reqwest::Method;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::endpoint::{Call, Repeat};
use crate::sse::Parser;
use crate::{Client, Error, path};

/// The media type of a stream of events.
const EVENTS: &str = "text/event-stream";
/// The media type of JSON, an item a line.
const LINES: &str = "application/x-ndjson";

/// A call by hand, before it is sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct Raw {
    client: Client,
    call: Call,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    client: Client,
    response: Response,
    kind: String,
    parser: Parser,
    rest: Vec<u8>,
    read: VecDeque<String>,
    ended: bool,
}

impl Client {
    /// A call by its method and its path below `/api/v1`, whose holes (`{id}`) are filled with these values.
    ///
    /// # Errors
    /// When the method is none, or a hole stays open.
    pub fn raw(
        &self,
        method: &str,
        template: &str,
        parts: &[(String, String)],
    ) -> Result<Raw, Error> {
        let wrong = |_| Error::Setup(format!("`{method}` is not a method of HTTP"));
        let method = Method::from_bytes(method.as_bytes()).map_err(wrong)?;
        let mut filled = template.strip_prefix("/api/v1").unwrap_or(template).to_owned();
        for (name, value) in parts {
            filled = filled.replace(&format!("{{{name}}}"), &path::part(value));
        }
        if filled.contains('{') {
            return Err(Error::Setup(format!("`{filled}` has a part that nobody has named")));
        }
        let repeat = match method {
            Method::GET | Method::PUT => Repeat::Safe,
            _ => Repeat::Once,
        };
        Ok(Raw { client: self.clone(), call: Call::new(method, filled, repeat) })
    }

    /// The contract itself: the OpenAPI document of the node that answers.
    ///
    /// # Errors
    /// When no node answers, or what answers is not JSON.
    pub async fn contract(&self) -> Result<Value, Error> {
        self.ask(Call::get("/openapi.json").above()).await
    }
}

impl Raw {
    /// With a parameter behind the question mark.
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Raw {
        self.call = self.call.query(name, value);
        self
    }

    /// With a body of JSON.
    pub fn json(mut self, body: &Value) -> Raw {
        self.call = self.call.json(body);
        self
    }

    /// With a body of YAML.
    pub fn yaml(mut self, body: &str) -> Raw {
        self.call = self.call.text("application/yaml", body);
        self
    }

    /// With the client's idempotency key, or a fresh one: for what the server recognises by it, so that it may be sent again.
    pub fn keyed(mut self) -> Raw {
        self.call = self.call.keyed();
        self
    }

    /// For events, as they happen.
    pub fn events(mut self) -> Raw {
        self.call = self.call.endless(EVENTS);
        self
    }

    /// For items, a line each.
    pub fn lines(mut self) -> Raw {
        self.call = self.call.endless(LINES);
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// As any call: when nobody answers, or the answer is a refusal.
    pub async fn send(self) -> Result<Answer, Error> {
        let Raw { client, call } = self;
        let response = client.send(call).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let (parser, rest, read) = (Parser::default(), Vec::new(), VecDeque::new());
        Ok(Answer { client, response, kind, parser, rest, read, ended: false })
    }
}

impl Answer {
    /// Its media type, without parameters.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether it comes item by item.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.kind.as_str(), EVENTS | LINES)
    }

    /// All of it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn text(self) -> Result<String, Error> {
        let Answer { client, response, .. } = self;
        response.text().await.map_err(|fault| client.lost(client.addr(), fault))
    }

    /// The next item; none: that was all.
    ///
    /// # Errors
    /// When the connection breaks, or an item has no end.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(item) = self.read.pop_front() {
                return Ok(Some(item));
            }
            if self.ended {
                return Ok(None);
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|fault| self.client.lost(self.client.addr(), fault))? {
                Some(bytes) => self.take(&bytes)?,
                None => {
                    self.ended = true;
                    let rest = std::mem::take(&mut self.rest);
                    self.keep(&rest);
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.kind == EVENTS {
            let endless = |_| Error::Protocol("an item of the answer has no end".to_owned());
            let messages = self.parser.feed(bytes).map_err(endless)?;
            self.read.extend(messages.into_iter().map(|message| message.data));
            return Ok(());
        }
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.keep(&line);
        }
        Ok(())
    }

    fn keep(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).trim().to_owned();
        if !line.is_empty() {
            self.read.push_back(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_filled_and_a_hole_is_refused() {
        let client = Client::builder().build().expect("the default address is one");
        let id = [("id".to_owned(), "etl/1".to_owned())];
        let raw = client.raw("POST", "/api/v1/runs/{id}/cancel", &id).expect("it is filled");
        assert_eq!(raw.call.path(), "/runs/etl%2F1/cancel");
        assert!(client.raw("GET", "/api/v1/runs/{id}", &[]).is_err());
        assert!(client.raw("NO METHOD", "/api/v1/runs", &[]).is_err());
    }
}
