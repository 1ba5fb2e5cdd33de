//! One question, one answer, and what can be said of it when there was none.
//!
//! A [`Hand`] is one client of a workload: it asks any node, writes each question down before it is sent, and never asks twice. What a
//! refusal means is decided here for all workloads: *failed* is only what the node certainly did not do.

use std::time::Duration;

use anyhow::Context as _;
use oarlock_client::v1::{Run, RunResult};
use oarlock_client::{Client, Error, RunStatus};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Field, Place};
use crate::history::{self, Pending};

/// How long a client waits for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long one waits who looks at what is left.
const LOOK_MAX: Duration = Duration::from_secs(20);
/// What is read of a list at most.
const ALL: usize = 1_000_000;

/// One client of a workload.
#[derive(Debug)]
pub struct Hand {
    /// What it writes with.
    pub pen: history::Client,
    /// What it decides with.
    pub dice: StdRng,
    /// The nodes, by name.
    pub nodes: Vec<(String, Client)>,
    over: watch::Receiver<bool>,
}

impl Hand {
    /// The client of this number.
    ///
    /// # Errors
    /// When a node's URL is none.
    pub fn new(field: &Field, work: &'static str, number: u64) -> anyhow::Result<Hand> {
        let nodes = field.nodes.iter().map(|place| Ok((place.name.clone(), once(place)?)));
        Ok(Hand {
            pen: history::Client::new(&field.recorder, work),
            dice: StdRng::seed_from_u64(seed(field.seed, work, number)),
            nodes: nodes.collect::<anyhow::Result<_>>()?,
            over: field.over.clone(),
        })
    }

    /// Any node.
    pub fn any(&mut self) -> (String, Client) {
        let number = self.dice.random_range(0..self.nodes.len());
        self.nodes[number].clone()
    }

    /// Whether it shall stop.
    #[must_use]
    pub fn over(&self) -> bool {
        *self.over.borrow()
    }

    /// Lets so much time pass, unless it shall stop.
    pub async fn rest(&mut self, span: Duration) {
        let stop = self.over.wait_for(|over| *over);
        // Time over or work over: both are looked at by the caller. Who cannot say it any more has ended.
        let _ = tokio::time::timeout(span, stop).await;
    }
}

/// A client that asks this node once.
///
/// # Errors
/// When its URL is none.
pub fn once(place: &Place) -> anyhow::Result<Client> {
    let builder = Client::builder().addr(&place.url).attempts_max(1).patient_connect(false);
    builder.timeout(ANSWER_MAX).build().with_context(|| format!("{} has no URL", place.name))
}

/// A client that asks this node, and has patience: for looking at what is left.
///
/// # Errors
/// When its URL is none.
pub fn patient(place: &Place) -> anyhow::Result<Client> {
    let builder = Client::builder().addr(&place.url).timeout(LOOK_MAX);
    builder.build().with_context(|| format!("{} has no URL", place.name))
}

/// A client of all nodes that has patience: for preparing.
///
/// # Errors
/// When a URL is none.
pub fn everywhere(field: &Field) -> anyhow::Result<Client> {
    let urls: Vec<&str> = field.nodes.iter().map(|place| place.url.as_str()).collect();
    Ok(Client::builder().addr(urls.join(",")).timeout(LOOK_MAX).build()?)
}

/// Applies definitions, each a JSON object, which is YAML as well.
///
/// # Errors
/// When they are refused.
pub async fn define(field: &Field, definitions: &[Value]) -> anyhow::Result<()> {
    let texts: Vec<String> = definitions.iter().map(Value::to_string).collect();
    let applied = everywhere(field)?.apply(texts.join("\n---\n")).send().await;
    applied.context("the workflows of the workload are refused")?;
    Ok(())
}

/// Writes the end of a question down, and gives what was answered.
pub fn end<T>(
    pending: Pending<'_>,
    answer: Result<T, Error>,
    shown: impl FnOnce(&T) -> Value,
) -> Option<T> {
    match answer {
        Ok(answer) => {
            pending.ok(shown(&answer), None);
            Some(answer)
        }
        Err(error) if undone(&error) => {
            pending.fail(&error.to_string());
            None
        }
        Err(error) => {
            pending.info(&error.to_string());
            None
        }
    }
}

/// Whether the node certainly did not do it: it said so, or was never reached.
#[must_use]
pub fn undone(error: &Error) -> bool {
    match error {
        Error::NotFound(_)
        | Error::Conflict(_)
        | Error::Invalid(_)
        | Error::Unauthenticated(_)
        | Error::PermissionDenied(_)
        | Error::RateLimited(_)
        | Error::Setup(_) => true,
        // Not taken in: no leader, no writes here, behind.
        Error::Unavailable(problem) => {
            matches!(problem.code.as_str(), "E0702" | "E0703" | "E0705")
        }
        Error::Unreachable { source, .. } => source.is_connect(),
        _ => false,
    }
}

/// Reads through each node which runs a workload has left, as the operation `final-runs`: their states by their ids. A workload's
/// runs are those with the label `chaos=WORK`. Gives the ids of all.
pub async fn final_runs(field: &Field, work: &'static str) -> anyhow::Result<Vec<String>> {
    let mut known = std::collections::BTreeSet::new();
    for place in &field.nodes {
        let mut pen = history::Client::new(&field.recorder, work);
        let pending = pen.invoke("final-runs", "", Value::Null, &place.name);
        let runs = patient(place)?.runs().label(format!("chaos={work}")).take(ALL).await;
        let runs = runs.map(|(runs, _)| runs);
        let states = |runs: &Vec<Run>| -> Value {
            let state = |run: &Run| (run.id.clone(), json!(run.status.as_str()));
            Value::Object(runs.iter().map(state).collect::<Map<_, _>>())
        };
        if let Some(runs) = end(pending, runs, states) {
            known.extend(runs.into_iter().map(|run| run.id));
        }
    }
    Ok(known.into_iter().collect())
}

/// Waits until all runs of a workload are over, at most so long; the ids of those that are not.
pub async fn settled(field: &Field, work: &str, grace: Duration) -> anyhow::Result<Vec<Run>> {
    let client = everywhere(field)?;
    let begun = std::time::Instant::now();
    loop {
        let open =
            [RunStatus::Queued, RunStatus::Running, RunStatus::Paused, RunStatus::Cancelling];
        let list = client.runs().label(format!("chaos={work}"));
        let list = open.into_iter().fold(list, oarlock_client::List::status);
        let left = list.take(ALL).await;
        match left {
            Ok((left, _)) if left.is_empty() || begun.elapsed() > grace => return Ok(left),
            Err(error) if begun.elapsed() > grace => return Err(error.into()),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// What was answered to `GET …/result`.
#[must_use]
pub fn outcome(result: &RunResult) -> Value {
    let error = result.error.as_ref().map(|error| error.kind.clone());
    json!({"status": result.status.as_str(), "output": result.output, "error": error})
}

/// Reads what each run came to, spread over the nodes, as operations `final-result`.
pub async fn final_results(
    field: &Field,
    work: &'static str,
    runs: &[String],
) -> anyhow::Result<()> {
    let shares = field.nodes.iter().enumerate().map(|(share, place)| async move {
        let client = patient(place)?;
        let mut pen = history::Client::new(&field.recorder, work);
        for run in runs.iter().skip(share).step_by(field.nodes.len()) {
            let pending = pen.invoke("final-result", run, Value::Null, &place.name);
            end(pending, client.run(run).result().await, outcome);
        }
        anyhow::Ok(())
    });
    futures::future::try_join_all(shares).await.map(drop)
}

/// Where the choices of one client come from.
fn seed(seed: u64, work: &str, number: u64) -> u64 {
    let begin = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    work.bytes().fold(begin, |hash, byte| hash.rotate_left(7) ^ u64::from(byte))
}
