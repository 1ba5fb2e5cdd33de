//! Whoever watches misses nothing and sees nothing twice, wherever they come back.
//!
//! Watchers of the whole feed and watchers of single runs read for a while, hang up, and go on at any other node behind the last
//! revision they saw. They open their streams by hand: the client library would hide a repetition. What one stream brought is one
//! operation: the place from which it was asked for, and revisions with a digest of each record. The law is in `check/feed.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::BoxFuture;
use oarlock_client::{Answer, Client, Error};
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::ask::{self, Hand};
use super::{Field, Record, Workload};
use crate::check::feed;
use crate::history;
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "live";
/// Watchers of the whole feed.
const WATCHERS: usize = 3;
/// Watchers of each run.
const FOLLOWERS: usize = 2;
/// Records of one operation at most.
const RECORDS_MAX: usize = 2_000;
/// How long a run is followed at most.
const FOLLOW_MAX: Duration = Duration::from_secs(60);
/// How long after the healing all must be over.
const GRACE: Duration = Duration::from_secs(30);
/// Runs whose events are read once more at the end.
const CHECKED_MAX: usize = 200;

/// The workload.
#[derive(Debug, Default)]
pub struct Live {
    begun: AtomicU64,
    /// The newest revision that any watcher has seen: where those of the next phase begin.
    newest: Arc<AtomicU64>,
}

/// What one stream brought.
#[derive(Debug, Default)]
struct Brought {
    records: Vec<Value>,
    last: Option<u64>,
    /// The server ended it and had nothing more.
    over: bool,
}

impl Workload for Live {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "a feed has no gap and no repetition, and is the same at every node"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        let definition = json!({
            "kind": "workflow", "name": NAME, "labels": {"chaos": NAME},
            "tasks": {
                "a": {"noop": {}, "queue": NAME}, "s": {"needs": ["a"], "sleep": "400ms"},
                "b": {"needs": ["s"], "noop": {}, "queue": NAME},
            },
        });
        Box::pin(async move { ask::define(field, &[definition]).await })
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        let number = || self.begun.fetch_add(1, Ordering::Relaxed);
        for _ in 0..WATCHERS {
            clients.spawn(watcher(field.clone(), number(), Arc::clone(&self.newest)));
        }
        for _ in 0..field.clients.max(2) {
            clients.spawn(follower(field.clone(), number()));
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            ask::settled(field, NAME, GRACE).await?;
            let runs = ask::final_runs(field, NAME).await?;
            final_events(field, &runs).await
        })
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        feed::judge(NAME, record, verdict);
    }
}

/// Reads the whole feed, a while at one node, a while at another.
async fn watcher(field: Field, number: u64, newest: Arc<AtomicU64>) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    let key = format!("w{number}");
    let mut after = newest.load(Ordering::Relaxed);
    while !hand.over() {
        let (node, client) = hand.any();
        let span = Duration::from_millis(hand.dice.random_range(100..2500));
        let pending = hand.pen.invoke("watch", &key, json!({"after": after}), &node);
        let opened = open(&client, "/events", &[], after).await;
        let brought = match opened {
            Ok(mut stream) => Ok(read(&mut stream, span, RECORDS_MAX).await),
            Err(error) => Err(error),
        };
        if let Some(brought) =
            ask::end(pending, brought, |brought| json!({"records": brought.records}))
        {
            after = brought.last.unwrap_or(after);
            newest.fetch_max(after, Ordering::Relaxed);
        } else {
            hand.rest(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Starts a run and has it followed to its end by several, each of whom changes nodes.
async fn follower(field: Field, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    let mut turn = 0;
    while !hand.over() {
        turn += 1;
        let run = oarlock_client::new_run_id();
        let (node, client) = hand.any();
        let pending = hand.pen.invoke("start", &run, Value::Null, &node);
        let started = client.workflow(NAME).start().run_id(&run).send().await;
        if ask::end(pending, started, |run| json!(run.name)).is_none() {
            hand.rest(Duration::from_millis(50)).await;
            continue;
        }
        let all = (0..FOLLOWERS).map(|who| {
            let number = (number * 1_000 + turn) * 10 + u64::try_from(who).unwrap_or_default();
            follow(&field, number, &run, who)
        });
        futures::future::try_join_all(all).await?;
    }
    Ok(())
}

async fn follow(field: &Field, number: u64, run: &str, who: usize) -> Result<()> {
    let mut hand = Hand::new(field, NAME, number)?;
    let key = format!("{run}#{who}");
    let begun = Instant::now();
    let mut after = 0;
    while !hand.over() && begun.elapsed() < FOLLOW_MAX {
        let (node, client) = hand.any();
        let many = hand.dice.random_range(1..20);
        let pending = hand.pen.invoke("follow", &key, json!({"after": after}), &node);
        let parts = [("id".to_owned(), run.to_owned())];
        let opened = open(&client, "/runs/{id}/events", &parts, after).await;
        let brought = match opened {
            Ok(stream) if !stream.is_stream() => Ok(Brought { over: true, ..Brought::default() }),
            Ok(mut stream) => Ok(read(&mut stream, Duration::from_millis(1500), many).await),
            Err(error) => Err(error),
        };
        let shown = |brought: &Brought| json!({"records": brought.records, "over": brought.over});
        match ask::end(pending, brought, shown) {
            Some(brought) if brought.over => return Ok(()),
            Some(brought) => after = brought.last.unwrap_or(after),
            None => hand.rest(Duration::from_millis(50)).await,
        }
    }
    Ok(())
}

async fn open(
    client: &Client,
    path: &str,
    parts: &[(String, String)],
    after: u64,
) -> Result<Answer, Error> {
    client.raw("GET", path, parts)?.query("after", after.to_string()).events().send().await
}

/// Reads a stream for so long, or so many records of it.
async fn read(stream: &mut Answer, span: Duration, many: usize) -> Brought {
    let mut brought = Brought::default();
    let end = tokio::time::Instant::now() + span;
    while brought.records.len() < many {
        // Whether its time is over, the server has ended it or the line broke: what came before stands.
        let Ok(Ok(Some(text))) = tokio::time::timeout_at(end, stream.next()).await else { break };
        let Ok(record) = serde_json::from_str::<Value>(&text) else { break };
        let revision = record["revision"].as_u64();
        let kind = record["type"].as_str().unwrap_or_default();
        let ends = kind.starts_with("run.") && record["workflow"] == NAME;
        let told = if ends { json!([kind, record["run"]]) } else { Value::Null };
        if kind == "feed.trimmed" {
            brought.records.push(json!([revision, "trimmed"]));
        } else {
            brought.records.push(match told {
                Value::Null => json!([revision, digest(&text)]),
                told => json!([revision, digest(&text), told[0], told[1]]),
            });
        }
        brought.last = revision.or(brought.last);
    }
    brought
}

/// A short form of a record, for comparing it with what others were told: FNV-1a.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}

/// The revisions of each run once more, as a page, from one node or another.
async fn final_events(field: &Field, runs: &[String]) -> Result<()> {
    let mut pen = history::Client::new(&field.recorder, NAME);
    for (number, run) in runs.iter().take(CHECKED_MAX).enumerate() {
        let place = &field.nodes[number % field.nodes.len()];
        let client = ask::patient(place)?;
        let pending = pen.invoke("final-events", run, Value::Null, &place.name);
        let parts = [("id".to_owned(), run.clone())];
        let raw = client.raw("GET", "/runs/{id}/events", &parts)?.query("page_size", "1000");
        let text = match raw.send().await {
            Ok(answer) => answer.text().await,
            Err(error) => Err(error),
        };
        ask::end(pending, text, |text| {
            let page: Value = serde_json::from_str(text).unwrap_or_default();
            let items = page["items"].as_array().into_iter().flatten();
            items.map(|item| item["revision"].clone()).collect()
        });
    }
    Ok(())
}
