//! Every role has one owner at a time, and whoever was replaced can do no harm.
//!
//! Thirty-two workflows are thirty-two roles. They are moved about, evened out, and looked at through every node all the while, both as it
//! certainly is and as the node that is asked believes. Their tasks carry the epoch of their role to the sink, dawdle, and tell
//! it again: if the role has changed hands meanwhile and somebody newer was there before, the sink refuses them, and they fail.
//! The law is in `check/epoch.rs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use oarlock_client::v1::Role;
use oarlock_client::{Client, List};
use rand::Rng as _;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::ask::{self, Hand};
use super::{Field, Place, Record, Workload};
use crate::check::epoch;
use crate::history;
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "owner";
/// Roles.
const ROLES: usize = 32;
/// Milliseconds that a task dawdles at most.
const BUSY_MAX: &str = "900";
/// How long after the healing all must be over.
const GRACE: Duration = Duration::from_secs(30);

/// The workload.
#[derive(Debug, Default)]
pub struct Owner {
    begun: AtomicU64,
}

impl Workload for Owner {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "a role has one node an epoch, epochs rise, and old ones are refused outside"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        let definitions: Vec<Value> = (0..ROLES).map(|role| definition(field, role)).collect();
        Box::pin(async move { ask::define(field, &definitions).await })
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        let number = || self.begun.fetch_add(1, Ordering::Relaxed);
        for place in &field.nodes {
            clients.spawn(watcher(field.clone(), place.clone(), number()));
        }
        clients.spawn(mover(field.clone(), number()));
        for _ in 0..field.clients {
            clients.spawn(starter(field.clone(), number()));
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            ask::settled(field, NAME, GRACE).await?;
            let runs = ask::final_runs(field, NAME).await?;
            ask::final_results(field, NAME, &runs).await?;
            for place in &field.nodes {
                let mut pen = history::Client::new(&field.recorder, NAME);
                let pending = pen.invoke("final-roles", "", Value::Null, &place.name);
                ask::end(pending, certain(&ask::patient(place)?).take(1000).await, roles);
            }
            Ok(())
        })
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        epoch::judge(NAME, record, verdict);
    }
}

fn workflow(role: usize) -> String {
    format!("owner-{role:02}")
}

fn definition(field: &Field, role: usize) -> Value {
    let program = field.program.display().to_string();
    let seed = field.seed.to_string();
    let command: [&str; 11] = [
        &program,
        "effect",
        "--sink",
        &field.sink,
        "--work",
        NAME,
        "--seed",
        &seed,
        "--fence",
        "--busy",
        BUSY_MAX,
    ];
    json!({
        "kind": "workflow", "name": workflow(role), "labels": {"chaos": NAME},
        "tasks": {"t": {
            "run": command, "timeout": "10s", "queue": NAME,
            "retry": {"max_attempts": 20, "initial_delay": "50ms", "max_delay": "500ms"},
        }},
        "outputs": {"t": "${{ tasks.t.output }}"},
    })
}

/// Roles by name, each with its node and its epoch.
fn roles((roles, _): &(Vec<Role>, bool)) -> Value {
    let own = roles.iter().filter(|role| role.name.starts_with("dag-owner-"));
    let shown = own.map(|role| (role.name.clone(), json!([role.node, role.epoch])));
    Value::Object(shown.collect::<Map<_, _>>())
}

/// All roles, as they certainly are: the list shows what the node believes unless it is asked for more.
fn certain(client: &Client) -> List<Role> {
    client.roles().param("consistency", "linearizable")
}

/// Looks at all roles through one node: certain and, now and then, as the node believes.
async fn watcher(field: Field, place: Place, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    let client = ask::once(&place)?;
    while !hand.over() {
        let stale = hand.dice.random_bool(0.4);
        let (f, list) =
            if stale { ("roles-stale", client.roles()) } else { ("roles", certain(&client)) };
        let pending = hand.pen.invoke(f, "", Value::Null, &place.name);
        ask::end(pending, list.take(1000).await, roles);
        hand.rest(Duration::from_millis(40)).await;
    }
    Ok(())
}

/// Moves one role after the other to any node; sometimes lets the cluster even them out.
async fn mover(field: Field, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    while !hand.over() {
        let (node, client) = hand.any();
        if hand.dice.random_ratio(1, 40) {
            let pending = hand.pen.invoke("rebalance", "", Value::Null, &node);
            ask::end(pending, client.rebalance().await, |_| Value::Null);
        } else {
            let role = format!("dag-{}-1-of-1", workflow(hand.dice.random_range(0..ROLES)));
            let (to, _) = hand.any();
            let pending = hand.pen.invoke("move", &role, json!(to), &node);
            let moved = client.role(&role).move_to(&to, Some("the suite moves it")).await;
            ask::end(pending, moved, |role| json!([role.node, role.epoch]));
        }
        let pause = hand.dice.random_range(20..160);
        hand.rest(Duration::from_millis(pause)).await;
    }
    Ok(())
}

/// Starts runs, a few at a time, so that tasks of most roles are under way when they move.
async fn starter(field: Field, number: u64) -> Result<()> {
    let mut hand = Hand::new(&field, NAME, number)?;
    while !hand.over() {
        let workflow = workflow(hand.dice.random_range(0..ROLES));
        let run = oarlock_client::new_run_id();
        let (node, client) = hand.any();
        let pending = hand.pen.invoke("start", &run, json!({"workflow": workflow}), &node);
        let started = client.workflow(&workflow).start().run_id(&run).send().await;
        ask::end(pending, started, |run| json!(run.name));
        hand.rest(Duration::from_millis(70)).await;
    }
    Ok(())
}
