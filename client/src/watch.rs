//! The feed as a stream that survives: a broken connection is opened again behind the last event that was read.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use oarlock_proto::v1::{Event, LogChunk};
use reqwest::{Response, StatusCode};

use crate::endpoint::{Call, pause};
use crate::sse::Parser;
use crate::{Client, Error};

/// How long a feed is looked for again after its connection broke.
const RECONNECT_MAX: Duration = Duration::from_secs(120);
/// Servers send something at least every 15 s; a line that is silent for longer is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Events of one run or of all, in order, without gaps.
#[derive(Debug)]
pub struct Events {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    after: Option<u64>,
    over: bool,
    open: Option<(Response, Parser)>,
    read: VecDeque<Event>,
    /// Where the server last ended the stream: twice at the same place is a reason to pause.
    ended_at: Option<u64>,
    reconnect_max: Duration,
}

impl Events {
    pub(crate) fn new(client: &Client, path: String, after: Option<u64>) -> Events {
        Events {
            client: client.clone(),
            path,
            query: Vec::new(),
            after,
            over: false,
            open: None,
            read: VecDeque::new(),
            ended_at: None,
            reconnect_max: RECONNECT_MAX,
        }
    }

    /// Any further parameter that the feed takes.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl Into<String>) -> Events {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// How long to look for the server again after the connection broke; 2 min unless said otherwise.
    #[must_use]
    pub fn reconnect_max(mut self, reconnect_max: Duration) -> Events {
        self.reconnect_max = reconnect_max;
        self
    }

    /// The revision of the last event that was read, or that was asked for.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        self.after
    }

    /// The next event; none: the run is over, and nothing more will come.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        let mut lost_since: Option<Instant> = None;
        let mut attempt = 0;
        loop {
            if let Some(event) = self.read.pop_front() {
                if self.after.is_none_or(|after| event.revision > after) {
                    self.after = Some(event.revision);
                    return Ok(Some(event));
                }
                continue;
            }
            if self.over {
                return Ok(None);
            }
            let error = match self.read_more().await {
                Ok(()) => continue,
                Err(error) => error,
            };
            self.open = None;
            let since = *lost_since.get_or_insert_with(Instant::now);
            let first = self.after.unwrap_or(0) == 0 && attempt == 0;
            let hopeless = !error.is_retryable() || since.elapsed() > self.reconnect_max;
            if hopeless || (first && matches!(error, Error::Unreachable { .. })) {
                return Err(error);
            }
            attempt += 1;
            tracing::debug!(attempt, %error, after = self.after, "the feed is opened again");
            tokio::time::sleep(pause(attempt, &error)).await;
        }
    }

    /// Opens the feed if it is not, and reads at least one piece of it.
    async fn read_more(&mut self) -> Result<(), Error> {
        if self.open.is_none() {
            let mut call = Call::get(&self.path).queries(&self.query).endless("text/event-stream");
            if let Some(after) = self.after {
                call = call.header("last-event-id", after.to_string());
            }
            let response = self.client.send(call).await?;
            if response.status() == StatusCode::NO_CONTENT {
                self.over = true;
                return Ok(());
            }
            self.open = Some((response, Parser::default()));
        }
        let Some((response, parser)) = &mut self.open else { return Ok(()) };
        let addr = self.client.addr().to_owned();
        let late = Error::Timeout { addr, after: SILENCE_MAX };
        let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
            Ok(chunk) => chunk.map_err(|fault| self.client.lost(self.client.addr(), fault))?,
            Err(_) => return Err(late),
        };
        let Some(bytes) = chunk else {
            // The server ended it: the run is over, which it says when asked again, or it stops.
            self.open = None;
            let fresh = std::mem::replace(&mut self.ended_at, self.after);
            return if fresh == self.after { Err(late) } else { Ok(()) };
        };
        let too_long = |_| Error::Protocol("an event of the feed has no end".to_owned());
        for message in parser.feed(&bytes).map_err(too_long)? {
            match serde_json::from_str(&message.data) {
                Ok(event) => self.read.push_back(event),
                Err(fault) => {
                    let why = format!("an event of the feed is not what it should be: {fault}");
                    return Err(Error::Protocol(why));
                }
            }
        }
        Ok(())
    }
}

/// What attempts printed, piece by piece: one attempt each.
#[derive(Debug)]
pub struct Log {
    client: Client,
    response: Response,
    rest: Vec<u8>,
    ended: bool,
}

impl Log {
    pub(crate) async fn open(client: &Client, call: Call) -> Result<Log, Error> {
        let response = client.send(call.endless("application/x-ndjson")).await?;
        Ok(Log { client: client.clone(), response, rest: Vec::new(), ended: false })
    }

    /// What the next attempt printed; none: that was all.
    pub async fn next(&mut self) -> Result<Option<LogChunk>, Error> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return one(&line).map(Some);
            }
            if self.ended {
                let line = std::mem::take(&mut self.rest);
                let blank = line.iter().all(u8::is_ascii_whitespace);
                return if blank { Ok(None) } else { one(&line).map(Some) };
            }
            match self
                .response
                .chunk()
                .await
                .map_err(|fault| self.client.lost(self.client.addr(), fault))?
            {
                Some(bytes) => self.rest.extend_from_slice(&bytes),
                None => self.ended = true,
            }
        }
    }
}

/// Whether an event ends its run.
pub(crate) fn ends_run(event: &Event) -> bool {
    matches!(
        event.kind.as_str(),
        "run.completed" | "run.failed" | "run.cancelled" | "run.timed_out" | "run.deleted"
    )
}

fn one(line: &[u8]) -> Result<LogChunk, Error> {
    let wrong =
        |fault| Error::Protocol(format!("a line of the log is not what it should be: {fault}"));
    serde_json::from_slice(line).map_err(wrong)
}
