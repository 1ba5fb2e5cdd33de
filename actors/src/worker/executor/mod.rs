//! The built-in kinds of work, and what they have in common.
//!
//! An executor gets a [`Job`], works until it is done or told to halt, and says how it ended. It knows one attempt and its
//! deadline and nothing of the graph, the log or the worker. A panic in here is caught one floor up and fails the attempt.

pub(crate) mod breaker;
mod http;
mod noop;
mod run;
mod watchman;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use oarlock_engine::task::{Failure, MESSAGE_BYTES_MAX};

use super::logs::Printer;

/// The kinds there are.
pub(crate) const KINDS: [&str; 3] = ["run", "http", "noop"];

/// One attempt, as an executor sees it.
pub(crate) struct Job {
    /// One of [`KINDS`].
    pub(crate) kind: String,
    /// What to do, as JSON.
    pub(crate) body: Vec<u8>,
    /// `OARLOCK_…` for processes.
    pub(crate) env: Vec<(&'static str, String)>,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

/// Why an attempt shall stop before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// It took too long.
    Timeout,
    /// It is no longer wanted: its run was cancelled, or somebody settled the task by hand.
    Revoked,
    /// The node stops, and the attempt is given back.
    Drained,
}

/// Resolves when the attempt shall stop.
pub(crate) type Halting = Pin<Box<dyn Future<Output = Halt> + Send>>;

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With this output, as JSON; empty: null.
    Done(Vec<u8>),
    /// Not well.
    Failed(Failure),
    /// Not at all: it was told to halt and did.
    Halted(Halt),
}

impl Outcome {
    /// The order's body is not what the kind needs: another attempt would find the same.
    fn bad_body(kind: &str, why: &dyn std::fmt::Display) -> Outcome {
        let message = format!("`{kind}` cannot be understood: {why}");
        Outcome::Failed(failure("order", message, false))
    }
}

/// A failure with its message cut to what the engine keeps.
pub(crate) fn failure(kind: impl Into<String>, mut message: String, retryable: bool) -> Failure {
    if message.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
    }
    Failure { kind: kind.into(), message, retryable }
}

/// What the executors of one node share: connections, breakers, the watchman.
pub(crate) struct Executors {
    workdir: PathBuf,
    watchman: watchman::Watchman,
    http: http::Http,
}

impl Executors {
    /// For a node whose `run` tasks begin in `workdir`.
    pub(crate) fn new(workdir: PathBuf) -> Executors {
        Executors { workdir, watchman: watchman::Watchman::default(), http: http::Http::default() }
    }

    /// Does work that needs neither time nor the outside; `None`: it is not of that kind.
    pub(crate) fn at_once(&self, job: &Job) -> Option<Outcome> {
        (job.kind == "noop").then(|| noop::execute(&job.body))
    }

    /// Does the work, or halts.
    pub(crate) async fn execute(&self, job: &Job, printer: &Printer, halting: Halting) -> Outcome {
        match job.kind.as_str() {
            "noop" => noop::execute(&job.body),
            "run" => run::execute(job, &self.workdir, &self.watchman, printer, halting).await,
            "http" => self.http.execute(job, printer, halting).await,
            other => {
                let message = format!("this node has no executor `{other}`");
                Outcome::Failed(failure("order", message, false))
            }
        }
    }

    /// Hosts whose breaker is not closed and at rest, for metrics.
    pub(crate) fn breakers(&self) -> Vec<(String, breaker::State)> {
        self.http.breakers()
    }
}
