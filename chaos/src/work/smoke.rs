//! The smallest workload: runs are started, and every one that was acknowledged is there in the end, at every node.
//!
//! It shows whether the harness works; for the promises themselves there are better ones.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use oarlock_client::{Client, Error};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Field, Record, Workload};
use crate::history;
use crate::verdict::Verdict;

const NAME: &str = "smoke";
/// How long a client waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const LOOK_MAX: Duration = Duration::from_secs(30);
/// Between two starts of one client.
const EVERY: Duration = Duration::from_millis(10);

/// The workload.
#[derive(Debug)]
pub(super) struct Smoke;

fn client(url: &str, patience: Duration) -> Result<Client> {
    let builder = Client::builder().addr(url).attempts_max(1).patient_connect(false);
    Ok(builder.timeout(patience).build()?)
}

impl Workload for Smoke {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "a run whose start was acknowledged is found at every node in the end"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let first = field.nodes.first().context("no node")?;
            let client = Client::builder().addr(&first.url).build()?;
            let file = "kind: workflow\nname: smoke\ntasks:\n  one: {run: sleep 0.2}\n";
            client.apply(file).send().await.context("the workflow")?;
            Ok(())
        })
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        for number in 0..field.clients {
            clients.spawn(work(field.clone(), number));
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for place in &field.nodes {
                let client = client(&place.url, LOOK_MAX)?;
                let mut pen = history::Client::new(&field.recorder, NAME);
                let pending = pen.invoke("final-list", "", Value::Null, &place.name);
                match client.runs().take(1_000_000).await {
                    Ok((runs, _)) => {
                        let ids: Vec<String> = runs.into_iter().map(|run| run.id).collect();
                        pending.ok(json!(ids), None);
                    }
                    Err(why) => pending.info(&why.to_string()),
                }
            }
            Ok(())
        })
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        let operations = record.history.operations(NAME);
        let of =
            |f: &'static str| operations.iter().filter(move |operation| operation.invoke.f == f);
        let done = |f| of(f).filter_map(|operation| operation.ok());
        let acknowledged: Vec<&str> =
            done("start").filter_map(|event| event.value.as_str()).collect();
        for event in done("final-list") {
            let Some(list) = event.value.as_array() else { continue };
            let seen: std::collections::BTreeSet<_> =
                list.iter().filter_map(Value::as_str).collect();
            let lost: Vec<_> = acknowledged.iter().filter(|id| !seen.contains(**id)).collect();
            if !lost.is_empty() {
                verdict.broken("smoke/kept", format!("{} lacks {lost:?}", event.node));
            }
        }
        if done("final-list").next().is_none() || acknowledged.is_empty() {
            verdict
                .unknown("smoke/kept", "nothing was acknowledged, or nothing was seen in the end");
        } else {
            verdict.held("smoke/kept", format!("{} starts were looked for", acknowledged.len()));
        }
    }
}

async fn work(field: Field, number: usize) -> Result<()> {
    let mut pen = history::Client::new(&field.recorder, NAME);
    let mut turn = number;
    let clients: Vec<_> = field
        .nodes
        .iter()
        .map(|place| Ok((place.name.clone(), client(&place.url, ANSWER_MAX)?)))
        .collect::<Result<_>>()?;
    while !*field.over.borrow() {
        turn += 1;
        let (node, client) = &clients[turn % clients.len()];
        let pending = pen.invoke("start", "", Value::Null, node);
        match client.workflow(NAME).start().send().await {
            Ok(run) => pending.ok(json!(run.id), None),
            Err(why @ Error::Unreachable { .. }) if why.to_string().contains("refused") => {
                pending.fail(&why.to_string());
            }
            Err(why) => pending.info(&why.to_string()),
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}
