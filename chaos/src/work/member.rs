//! Members come and go under load, by the API, and nothing that was acknowledged is lost.
//!
//! One client drains nodes and takes them back, takes the vote from voters and gives it back, and hands leadership about; it
//! heals one thing before it begins the next. A cluster of three refuses to let a voter go, which is a step as well. Others start
//! runs, and one per node looks who leads in which term. When all is over every node is wanted back as a voter, and all must say
//! the same of all. The law is in `check/member.rs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::BoxFuture;
use oarlock_client::v1::{Cluster, MemberState};
use oarlock_client::{Client, Error};
use rand::Rng as _;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::ask::{self, Hand};
use super::{Field, Place, Record, Workload};
use crate::check::member;
use crate::history;
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "member";
/// How long it may take until every node is back as a voter.
const BACK_MAX: Duration = Duration::from_secs(30);
/// How often it is tried to undo a step while others break the cluster.
const UNDO_MAX: usize = 20;

/// The workload.
#[derive(Debug, Default)]
pub struct Member {
    begun: AtomicU64,
}

/// What is done to a node, and what undoes it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Drain,
    Undrain,
    Demote,
    Promote,
}

impl Workload for Member {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "nothing acknowledged is lost while members come and go, and one leads a term"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        let definition = json!({
            "kind": "workflow", "name": NAME, "labels": {"chaos": NAME},
            "tasks": {"t": {"noop": {}, "queue": NAME}},
        });
        Box::pin(async move { ask::define(field, &[definition]).await })
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        let number = || self.begun.fetch_add(1, Ordering::Relaxed);
        for place in &field.nodes {
            clients.spawn(observer(field.clone(), place.clone(), number()));
        }
        clients.spawn(operator(field.clone(), number()));
        for _ in 0..field.clients {
            clients.spawn(starter(field.clone(), number()));
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            bring_back(field).await?;
            ask::settled(field, NAME, BACK_MAX).await?;
            ask::final_runs(field, NAME).await?;
            for place in &field.nodes {
                let mut pen = history::Client::new(&field.recorder, NAME);
                let names: Vec<&str> = field.nodes.iter().map(|node| node.name.as_str()).collect();
                let pending = pen.invoke("final-members", "", json!(names), &place.name);
                ask::end(pending, ask::patient(place)?.cluster().await, members);
            }
            Ok(())
        })
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        member::judge(NAME, record, verdict);
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Drain => "drain",
            Step::Undrain => "undrain",
            Step::Demote => "demote",
            Step::Promote => "promote",
        }
    }

    async fn ask(self, client: &Client, node: &str) -> Result<oarlock_client::v1::Member, Error> {
        let node = client.node(node);
        match self {
            Step::Drain => node.drain(Some("the suite drains it"), false).await,
            Step::Undrain => node.undrain().await,
            Step::Demote => node.demote().await,
            Step::Promote => node.promote().await,
        }
    }
}

/// Where each node stands, and whether it votes.
fn members(cluster: &Cluster) -> Value {
    let shown = cluster.members.iter().map(|member| {
        let votes = matches!(member.raft.as_deref(), Some("leader" | "follower"));
        (member.name.clone(), json!({"state": member.state, "votes": votes}))
    });
    Value::Object(shown.collect::<Map<_, _>>())
}

async fn step(hand: &mut Hand, step: Step, node: &str) -> bool {
    let (asked, client) = hand.any();
    let pending = hand.pen.invoke(step.name(), node, Value::Null, &asked);
    ask::end(pending, step.ask(&client, node).await, |member| json!(member.state)).is_some()
}

/// Takes a node out in one way or the other, waits, and takes it back.
async fn operator(field: Field, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    while !hand.over() {
        let (node, client) = hand.any();
        if hand.dice.random_bool(0.4) {
            let pending = hand.pen.invoke("step-down", &node, Value::Null, &node);
            let handed = client.step_down(Some(&node)).await;
            ask::end(pending, handed, |cluster| json!([cluster.leader, cluster.term]));
            hand.rest(Duration::from_millis(400)).await;
            continue;
        }
        let [there, back] = if hand.dice.random_bool(0.6) {
            [Step::Drain, Step::Undrain]
        } else {
            [Step::Demote, Step::Promote]
        };
        step(&mut hand, there, &node).await;
        let away = hand.dice.random_range(200..1500);
        hand.rest(Duration::from_millis(away)).await;
        for _ in 0..UNDO_MAX {
            if step(&mut hand, back, &node).await || hand.over() {
                break;
            }
            hand.rest(Duration::from_millis(250)).await;
        }
        hand.rest(Duration::from_millis(300)).await;
    }
    Ok(())
}

/// Starts runs that do nothing, as fast as they are taken.
async fn starter(field: Field, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    while !hand.over() {
        let run = oarlock_client::new_run_id();
        let (node, client) = hand.any();
        let pending = hand.pen.invoke("start", &run, Value::Null, &node);
        let started = client.workflow(NAME).start().run_id(&run).send().await;
        ask::end(pending, started, |run| json!(run.name));
        hand.rest(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Asks one node again and again how it stands in which term.
async fn observer(field: Field, place: Place, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    let client = ask::once(&place)?;
    while !hand.over() {
        let pending = hand.pen.invoke("standing", "", Value::Null, &place.name);
        let told = client.raft().await;
        ask::end(
            pending,
            told,
            |raft| json!({"node": raft.node, "standing": raft.standing, "term": raft.term, "leader": raft.leader}),
        );
        hand.rest(Duration::from_millis(40)).await;
    }
    Ok(())
}

/// Undoes whatever is left of the steps.
async fn bring_back(field: &Field) -> Result<()> {
    let client = ask::everywhere(field)?;
    let mut pen = history::Client::new(&field.recorder, NAME);
    let begun = Instant::now();
    while begun.elapsed() < BACK_MAX {
        let Ok(cluster) = client.cluster().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let mut whole = true;
        for member in &cluster.members {
            let draining = member.state == MemberState::Draining;
            let silent = !matches!(member.raft.as_deref(), Some("leader" | "follower"));
            whole &= member.state == MemberState::Up && !silent;
            for (is, back) in [(draining, Step::Undrain), (silent, Step::Promote)] {
                if is {
                    let f = format!("final-{}", back.name());
                    let pending = pen.invoke(&f, &member.name, Value::Null, "");
                    let done = back.ask(&client, &member.name).await;
                    ask::end(pending, done, |member| json!(member.state));
                }
            }
        }
        if whole {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
