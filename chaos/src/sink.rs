//! The effect sink: who really did what, seen from outside the cluster.
//!
//! A part of the harness that no fault touches. Every task that a workload lets run tells it so, with what Oarlock told the task of
//! itself. What stands here happened, whatever the cluster believes: a call is in the file before it is answered.
//!
//! ```text
//!   task ── POST /effect {work, f, run, task, attempt, epoch, idempotency_key} ──▶ fence ──▶ effects.jsonl ──▶ {"accepted": …}
//! ```
//!
//! The fence is what anybody would build who changes the world on behalf of a workflow: it remembers the highest epoch of each role, and
//! refuses whoever comes with an older one. A refused call is written down like any other. A call without an epoch passes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::history::Recorder;

/// The name of the sink's file in the folder of a run.
pub const FILE: &str = "effects.jsonl";

/// One call: a line of the file. Empty or zero: the task did not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// Nanoseconds since the history began.
    pub time: u64,
    /// The workload.
    pub work: String,
    /// What the task says it does: `begin`, `done` …
    pub f: String,
    /// The run.
    pub run: String,
    /// The task.
    pub task: String,
    /// The attempt.
    pub attempt: u32,
    /// The epoch of the role under which it was given out.
    pub epoch: u64,
    /// The key that is the same for all attempts.
    pub idempotency_key: String,
    /// The role that drives its run.
    pub role: String,
    /// Whether the sink took it: it refuses an epoch that is older than one it has seen of the same role.
    pub accepted: bool,
}

/// Reads what a sink saw. None: nothing.
///
/// # Errors
/// When a line before the last cannot be understood.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Effect>> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut effects = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(effect) => effects.push(effect),
            Err(_) if number + 1 == lines.len() => {}
            Err(why) => anyhow::bail!("{}, line {}: {why}", path.display(), number + 1),
        }
    }
    Ok(effects)
}

/// The sink at work. Dropping it ends it.
#[derive(Debug)]
pub struct Sink {
    url: String,
    book: Arc<Mutex<Book>>,
    server: JoinHandle<()>,
}

/// What it has written, and what it must remember to refuse.
#[derive(Debug)]
struct Book {
    file: File,
    epochs: BTreeMap<String, u64>,
    tally: Tally,
}

/// How many calls there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Taken.
    pub accepted: u64,
    /// Refused because they came with an old epoch.
    pub refused: u64,
}

impl Sink {
    /// Begins to listen on a free port of the loopback, and to write into a folder.
    ///
    /// # Errors
    /// When the file cannot be made or no port is free.
    pub async fn begin(folder: &Path, recorder: &Recorder) -> anyhow::Result<Sink> {
        let path = folder.join(FILE);
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("the sink has no port")?;
        let url = format!("http://{}", listener.local_addr()?);
        let book = Book { file, epochs: BTreeMap::new(), tally: Tally::default() };
        let book = Arc::new(Mutex::new(book));
        let routes = Router::new()
            .route("/effect", post(take))
            .route("/tally", get(tell))
            .with_state((Arc::clone(&book), recorder.clone()));
        let server = tokio::spawn(async move {
            // It ends with the harness.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Sink { url, book, server })
    }

    /// Where tasks find it: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many calls there were so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).tally
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Book {
    /// Judges a call and writes it down.
    fn enter(&mut self, mut effect: Effect, now: u64) -> bool {
        effect.time = now;
        if effect.role.is_empty() {
            effect.role = role_of(&effect.task).unwrap_or_default();
        }
        let known = self.epochs.entry(effect.role.clone()).or_default();
        let fenced = effect.epoch > 0 && !effect.role.is_empty();
        effect.accepted = !fenced || effect.epoch >= *known;
        if fenced && effect.accepted {
            *known = effect.epoch;
        }
        let count =
            if effect.accepted { &mut self.tally.accepted } else { &mut self.tally.refused };
        *count += 1;
        let mut line = serde_json::to_vec(&effect).expect("an effect is JSON");
        line.push(b'\n');
        self.file.write_all(&line).expect("the file of effects can be written");
        effect.accepted
    }
}

async fn take(
    State((book, recorder)): State<(Arc<Mutex<Book>>, Recorder)>,
    Json(effect): Json<Effect>,
) -> Json<Value> {
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    // Under the lock, so that times rise from line to line.
    let accepted = book.enter(effect, recorder.now());
    Json(json!({"accepted": accepted}))
}

async fn tell(State((book, _)): State<(Arc<Mutex<Book>>, Recorder)>) -> Json<Tally> {
    Json(book.lock().unwrap_or_else(PoisonError::into_inner).tally)
}

/// The role that drives a task: `etl/1042/load` is driven by `dag-etl-1-of-1`.
fn role_of(task: &str) -> Option<String> {
    let (workflow, _) = task.split_once('/')?;
    Some(format!("dag-{workflow}-1-of-1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(folder: &Path) -> Book {
        let file = File::create(folder.join(FILE)).expect("a file");
        Book { file, epochs: BTreeMap::new(), tally: Tally::default() }
    }

    fn call(task: &str, epoch: u64) -> Effect {
        Effect { task: task.to_owned(), epoch, ..Effect::default() }
    }

    #[test]
    fn an_older_epoch_is_refused_and_written_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = book(folder.path());
        assert!(book.enter(call("etl/1/load", 3), 1));
        assert!(!book.enter(call("etl/2/load", 2), 2), "the role has moved on");
        assert!(book.enter(call("etl/2/load", 3), 3));
        assert!(book.enter(call("other/1/load", 1), 4), "another role");
        assert!(book.enter(call("etl/3/load", 0), 5), "it does not know its epoch");
        assert_eq!(book.tally, Tally { accepted: 4, refused: 1 });
        let lines = read(folder.path()).expect("lines");
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[1].accepted, lines[1].role.as_str()), (false, "dag-etl-1-of-1"));
    }

    #[tokio::test]
    async fn a_call_is_in_the_file_when_it_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::begin(folder.path()).expect("a history");
        let sink = Sink::begin(folder.path(), &recorder).await.expect("a sink");
        let url = sink.url().to_owned();
        let effect = Effect { f: "begin".to_owned(), ..call("etl/1/load", 1) };
        let told = tokio::task::spawn_blocking(move || crate::effect::tell(&url, &effect));
        assert!(told.await.expect("it ends").expect("it is answered"));
        assert_eq!(read(folder.path()).expect("lines")[0].f, "begin");
        assert_eq!(sink.tally(), Tally { accepted: 1, refused: 0 });
    }
}
