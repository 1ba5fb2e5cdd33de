//! What is done is done once, and what is over stays as it is.
//!
//! Three processes in a row tell the sink when they begin and when they have finished; some fail, some hang, some crash, and some answer
//! when their attempt is long over, with an old attempt number. Meanwhile clients read finished runs again and again at every node,
//! and try to complete tasks by hand with an attempt that is not the current one. Each process prints its own attempt, so that what a run
//! comes to names the attempts that Oarlock took. The law is in `check/effect.rs`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use oarlock_client::Error;
use oarlock_client::v1::{Attempt, Task};
use rand::Rng as _;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::ask::{self, Hand};
use super::{Field, Record, Workload};
use crate::check::effect;
use crate::history;
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "effects";
/// Unfinished runs that one client has at most.
const OPEN_MAX: usize = 4;
/// Finished runs that are read again.
const KEPT: usize = 300;
/// How long after the healing all must be over.
const GRACE: Duration = Duration::from_secs(30);
/// Tasks that were tried more than once, whose attempts are looked at.
const TRIED_MAX: usize = 100;
/// The tasks of a chain.
const CHAIN: [&str; 3] = ["a", "b", "c"];
/// How often a doomed task is tried.
const DOOM: u32 = 3;

/// The workload.
#[derive(Debug, Default)]
pub struct Effects {
    begun: AtomicU64,
    /// Runs that are over, for all clients.
    done: Arc<Mutex<VecDeque<String>>>,
}

/// What a read has shown of a run.
enum Seen {
    Open,
    Over,
    Absent,
}

impl Workload for Effects {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "a result never changes, tasks keep their order, and one attempt of each counts"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { ask::define(field, &definitions(field)).await })
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        for _ in 0..field.clients {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let (field, done) = (field.clone(), Arc::clone(&self.done));
            clients.spawn(async move { client(&field, number, &done).await });
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            ask::settled(field, NAME, GRACE).await?;
            let runs = ask::final_runs(field, NAME).await?;
            ask::final_results(field, NAME, &runs).await?;
            final_tasks(field, &runs).await
        })
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        effect::judge(NAME, record, verdict);
    }
}

async fn client(field: &Field, number: u64, done: &Mutex<VecDeque<String>>) -> Result<()> {
    let mut hand = Hand::new(field, NAME, number)?;
    let mut open: Vec<String> = Vec::new();
    while !hand.over() {
        let turn = hand.dice.random_range(0..100);
        if open.len() < OPEN_MAX {
            open.push(start(&mut hand).await);
        } else if turn < 35 {
            let place = hand.dice.random_range(0..open.len());
            match read(&mut hand, &open[place]).await {
                Seen::Open => {}
                Seen::Absent => drop(open.swap_remove(place)),
                Seen::Over => keep(done, open.swap_remove(place)),
            }
        } else if turn < 85 {
            if let Some(run) = one_of(&mut hand, done) {
                read(&mut hand, &run).await;
            }
        } else {
            let old = one_of(&mut hand, done).filter(|_| turn < 92);
            let run = old.unwrap_or_else(|| open[hand.dice.random_range(0..open.len())].clone());
            forge(&mut hand, &run).await;
        }
        hand.rest(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn keep(done: &Mutex<VecDeque<String>>, run: String) {
    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
    done.push_back(run);
    if done.len() > KEPT {
        done.pop_front();
    }
}

fn one_of(hand: &mut Hand, done: &Mutex<VecDeque<String>>) -> Option<String> {
    let done = done.lock().unwrap_or_else(PoisonError::into_inner);
    (!done.is_empty()).then(|| done[hand.dice.random_range(0..done.len())].clone())
}

async fn start(hand: &mut Hand) -> String {
    let workflow = match hand.dice.random_range(0..10) {
        0 => "effects-doomed",
        1 | 2 => "effects-http",
        _ => "effects-chain",
    };
    let run = oarlock_client::new_run_id();
    let (node, client) = hand.any();
    let pending = hand.pen.invoke("start", &run, json!({"workflow": workflow}), &node);
    let started = client.workflow(workflow).start().run_id(&run).send().await;
    ask::end(pending, started, |run| json!(run.name));
    run
}

/// Reads what a run came to.
async fn read(hand: &mut Hand, run: &str) -> Seen {
    let (node, client) = hand.any();
    let pending = hand.pen.invoke("read", run, Value::Null, &node);
    let result = client.run(run).result().await;
    if matches!(result, Err(Error::NotFound(_))) {
        // An answer like any other: of a run that was accepted it is a wrong one.
        pending.ok(json!({"status": "absent"}), None);
        return Seen::Absent;
    }
    match ask::end(pending, result, ask::outcome) {
        Some(result) if result.status.finished() => Seen::Over,
        _ => Seen::Open,
    }
}

/// Completes a task by hand, with an attempt that is over.
async fn forge(hand: &mut Hand, run: &str) {
    let name = CHAIN[hand.dice.random_range(0..CHAIN.len())];
    let (node, client) = hand.any();
    let key = format!("{run}/{name}");
    let pending = hand.pen.invoke("task", &key, Value::Null, &node);
    let task = client.run(run).task(name).get().await;
    let Some(task) = ask::end(pending, task, |task| json!(task.attempt)) else { return };
    if task.attempt < 2 {
        return;
    }
    let stale = hand.dice.random_range(1..task.attempt);
    let (node, client) = hand.any();
    let asked = json!({"attempt": stale, "current": task.attempt});
    let pending = hand.pen.invoke("complete-stale", &key, asked, &node);
    let forged = Some(json!({"attempt": stale, "forged": true}));
    let done = client.run(run).task(name).complete(forged, Some(stale)).await;
    ask::end(pending, done, |task| json!(task.attempt));
}

/// The tasks of all runs, spread over the nodes; and each try of some of those that were tried more than once.
async fn final_tasks(field: &Field, runs: &[String]) -> Result<()> {
    let shares = field.nodes.iter().enumerate().map(|(share, place)| async move {
        let client = ask::patient(place)?;
        let mut pen = history::Client::new(&field.recorder, NAME);
        let mut tried = 0;
        for run in runs.iter().skip(share).step_by(field.nodes.len()) {
            let pending = pen.invoke("final-tasks", run, Value::Null, &place.name);
            let tasks = client.run(run).tasks().take(100).await;
            let shown = |(tasks, _): &(Vec<Task>, bool)| -> Value {
                Value::Object(tasks.iter().map(|task| (task.name.clone(), task_as(task))).collect())
            };
            let Some((tasks, _)) = ask::end(pending, tasks, shown) else { continue };
            for task in tasks.iter().filter(|task| task.attempt > 1) {
                tried += 1;
                if tried > TRIED_MAX {
                    break;
                }
                let key = format!("{run}/{}", task.name);
                let asked = json!({"max": task.max_attempts, "status": task.status.as_str()});
                let pending = pen.invoke("final-attempts", &key, asked, &place.name);
                let attempts = client.run(run).task(&task.name).attempts().take(100).await;
                ask::end(pending, attempts, |(attempts, _)| {
                    Value::Object(attempts.iter().map(attempt_as).collect::<Map<_, _>>())
                });
            }
        }
        anyhow::Ok(())
    });
    futures::future::try_join_all(shares).await.map(drop)
}

fn task_as(task: &Task) -> Value {
    json!({"status": task.status.as_str(), "attempt": task.attempt, "max": task.max_attempts})
}

fn attempt_as(attempt: &Attempt) -> (String, Value) {
    (attempt.attempt.to_string(), json!(attempt.status))
}

fn definitions(field: &Field) -> Vec<Value> {
    let moods = ["--fail", "15", "--hang", "3", "--crash", "3", "--late", "7"];
    let mut chain = Map::new();
    let mut before: Option<&str> = None;
    for name in CHAIN {
        let mut task = json!({
            "run": command(field, &moods), "timeout": "3s", "queue": NAME,
            "retry": {"max_attempts": 12, "initial_delay": "100ms", "max_delay": "1s"},
        });
        task["needs"] = before.into_iter().collect();
        before = Some(name);
        chain.insert(name.to_owned(), task);
    }
    let outputs =
        CHAIN.map(|name| (name.to_owned(), json!(format!("${{{{ tasks.{name}.output }}}}"))));
    let doom = json!({"a": {
        "run": command(field, &["--fail", "100", "--well-from", "0"]), "timeout": "10s", "queue": NAME,
        "retry": {"max_attempts": DOOM, "initial_delay": "100ms"},
    }});
    let call = |task: &str, needs: &[&str]| {
        json!({
            "needs": needs, "queue": NAME, "timeout": "5s",
            "retry": {"max_attempts": 12, "initial_delay": "100ms", "max_delay": "1s"},
            "http": {"method": "POST", "url": format!("{}/effect", field.sink), "json": {
                "work": NAME, "f": "done", "run": "${{ run.id }}", "task": task,
                "idempotency_key": format!("${{{{ run.id }}}}/{task}"),
            }},
        })
    };
    let http = json!({"a": call("a", &[]), "b": call("b", &["a"])});
    let workflow = |name: &str, tasks: Value, outputs: Value| {
        json!({
            "kind": "workflow", "name": format!("effects-{name}"), "labels": {"chaos": NAME}, "tasks": tasks, "outputs": outputs,
        })
    };
    let outputs: Value = Value::Object(outputs.into_iter().collect());
    vec![
        workflow("chain", Value::Object(chain), outputs),
        workflow("doomed", doom, json!({})),
        workflow("http", http, json!({})),
    ]
}

fn command(field: &Field, moods: &[&str]) -> Value {
    let seed = field.seed.to_string();
    let program = field.program.display().to_string();
    let start = [&program, "effect", "--sink", &field.sink, "--work", NAME, "--seed", &seed];
    start.iter().chain(moods).map(|word| json!(word)).collect()
}
