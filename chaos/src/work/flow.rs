//! Everything that begins comes to its end: graphs, sleeps, children and signals, with workers that fail, hang and crash.
//!
//! ```text
//!   chain     a ─▶ b ─▶ c ─▶ d ─▶ e        nap     a ─▶ (sleep) ─▶ b
//!   diamond   a ─▶ b, c ─▶ d               child   a ─▶ a run of leaf ─▶ b
//!   fan       a ─▶ 50 items ─▶ b           signal  (wait) ─▶ b
//!   wild-N    a graph drawn from the seed  doomed  a task that fails always: its run has to fail
//! ```
//!
//! What a run must come to follows from its input, and stands in the history before it is started. A part of the tasks are processes, of
//! which 20 % fail, 5 % hang and 5 % crash; from the fourth attempt on they are well, so that bad luck is no excuse for a run that failed.
//! The law is in `check/liveness.rs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use oarlock_client::Error;
use oarlock_client::v1::Task;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::ask::{self, Hand};
use super::{Field, Record, Workload};
use crate::check::liveness;
use crate::history;
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "flow";
/// Unfinished runs that one client has at most.
const OPEN_MAX: usize = 6;
/// Items of the fan-out.
const FAN: u64 = 50;
/// Graphs drawn from the seed.
const WILD: u64 = 3;
/// Tasks of such a graph.
const WILD_TASKS: usize = 9;
/// How long after the healing all must be over.
const GRACE: Duration = Duration::from_secs(30);
/// Of stuck runs so many are looked at.
const STUCK_MAX: usize = 20;

/// The workload.
#[derive(Debug, Default)]
pub struct Flow {
    begun: AtomicU64,
    /// Signals of which nobody knows that they arrived: run and input.
    owed: Arc<Mutex<Vec<(String, u64)>>>,
}

/// A run that its client has not seen at its end.
struct Open {
    run: String,
    input: u64,
    /// Whether it waits for a signal that nobody has said to have arrived.
    owed: bool,
}

impl Workload for Flow {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "every accepted run ends as its input says, once everything is mended"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { ask::define(field, &definitions(field)).await })
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        for _ in 0..field.clients {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let (field, owed) = (field.clone(), Arc::clone(&self.owed));
            clients.spawn(async move { client(&field, number, &owed).await });
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let owed =
                std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner));
            deliver(field, owed).await?;
            let stuck = ask::settled(field, NAME, GRACE).await?;
            let stuck: Vec<String> = stuck.into_iter().map(|run| run.id).collect();
            say_why(field, &stuck).await?;
            let runs = ask::final_runs(field, NAME).await?;
            ask::final_results(field, NAME, &runs).await?;
            leftovers(field).await
        })
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        liveness::judge(NAME, record, verdict);
    }
}

/// Starts runs, signals those that wait, and looks at them until they are over.
async fn client(field: &Field, number: u64, owed: &Mutex<Vec<(String, u64)>>) -> Result<()> {
    let mut hand = Hand::new(field, NAME, number)?;
    let wild = wild_graphs(field.seed);
    let mut open: Vec<Open> = Vec::new();
    let mut turn = 0;
    while !hand.over() {
        turn += 1;
        if open.len() < OPEN_MAX {
            let input = number * 1_000_000 + turn;
            open.extend(start(&mut hand, &wild, input).await);
        }
        if !open.is_empty() {
            let place = hand.dice.random_range(0..open.len());
            let seen = &mut open[place];
            if seen.owed {
                seen.owed = !signal(&mut hand, &seen.run, seen.input).await;
            } else if over(&mut hand, &seen.run).await {
                open.swap_remove(place);
            }
        }
        hand.rest(Duration::from_millis(5)).await;
    }
    let left = open.into_iter().filter(|run| run.owed).map(|run| (run.run, run.input));
    owed.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
    Ok(())
}

/// Starts a run of any kind; none: it was certainly not started.
async fn start(hand: &mut Hand, wild: &[Graph], input: u64) -> Option<Open> {
    let kinds = ["chain", "diamond", "fan", "nap", "child", "signal", "doomed"];
    let drawn = hand.dice.random_range(0..kinds.len() + wild.len());
    let (workflow, expect) = match (kinds.get(drawn), drawn.checked_sub(kinds.len())) {
        (Some(kind), _) => (format!("flow-{kind}"), expected(kind, input)),
        (None, Some(graph)) => (format!("flow-wild-{graph}"), well(json!(wild[graph].sum * input))),
        (None, None) => unreachable!("one or the other"),
    };
    let run = oarlock_client::new_run_id();
    let (node, client) = hand.any();
    let asked = json!({"workflow": workflow, "n": input, "expect": expect});
    let pending = hand.pen.invoke("start", &run, asked, &node);
    let started = client.workflow(&workflow).start().run_id(&run).input("n", input).send().await;
    let undone = started.as_ref().is_err_and(ask::undone);
    ask::end(pending, started, |run| json!(run.name));
    (!undone).then(|| Open { run, input, owed: workflow == "flow-signal" })
}

/// What a run of this kind must come to.
fn expected(kind: &str, n: u64) -> Value {
    match kind {
        "chain" => well(json!(n + 2)),
        "diamond" | "child" => well(json!(2 * n)),
        "fan" => well(Value::from((0..FAN).map(|item| item + n).collect::<Vec<_>>())),
        "doomed" => json!({"status": "failed"}),
        _ => well(json!(n)),
    }
}

fn well(output: Value) -> Value {
    json!({"status": "completed", "output": {"v": output}})
}

/// Tells a run what it waits for; whether that is done with: it arrived, or the run is not there.
async fn signal(hand: &mut Hand, run: &str, input: u64) -> bool {
    let (node, client) = hand.any();
    let pending = hand.pen.invoke("signal", run, json!(input), &node);
    let sent = client.run(run).signal("go", Some(json!(input)), Some(&format!("{run}-go"))).await;
    let late = matches!(sent, Err(Error::Conflict(_)));
    // A run that is not there may have been asked for and be there yet: it is owed until the end.
    ask::end(pending, sent, |()| Value::Null).is_some() || late
}

async fn over(hand: &mut Hand, run: &str) -> bool {
    let (node, client) = hand.any();
    let pending = hand.pen.invoke("result", run, Value::Null, &node);
    let result = client.run(run).result().await;
    let gone = matches!(result, Err(Error::NotFound(_)));
    let result = ask::end(pending, result, ask::outcome);
    gone || result.is_some_and(|result| result.status.finished())
}

/// Signals that nobody knows to have arrived, sent again under the same id.
async fn deliver(field: &Field, owed: Vec<(String, u64)>) -> Result<()> {
    let client = ask::everywhere(field)?;
    let mut pen = history::Client::new(&field.recorder, NAME);
    for (run, input) in owed {
        let pending = pen.invoke("final-signal", &run, json!(input), "");
        let id = format!("{run}-go");
        let sent = client.run(&run).signal("go", Some(json!(input)), Some(&id)).await;
        ask::end(pending, sent, |()| Value::Null);
    }
    Ok(())
}

/// Of runs that do not end: which of their tasks are open, and what they wait for.
async fn say_why(field: &Field, stuck: &[String]) -> Result<()> {
    let client = ask::everywhere(field)?;
    let mut pen = history::Client::new(&field.recorder, NAME);
    for run in stuck.iter().take(STUCK_MAX) {
        let pending = pen.invoke("final-stuck", run, Value::Null, "");
        let tasks = client.run(run).tasks().take(1000).await;
        ask::end(pending, tasks, |(tasks, _)| {
            tasks.iter().filter(|task| !task.status.settled()).map(blocked).collect()
        });
    }
    Ok(())
}

fn blocked(task: &Task) -> Value {
    json!({
        "task": task.id, "status": task.status.as_str(), "attempt": task.attempt, "worker": task.worker, "node": task.node,
        "since": task.since, "waits_for": task.waits_for, "next_attempt_at": task.next_attempt_at, "needs": task.needs,
    })
}

/// What stands in the queue and who holds a lease, through every node.
async fn leftovers(field: &Field) -> Result<()> {
    for place in &field.nodes {
        let client = ask::patient(place)?;
        let mut pen = history::Client::new(&field.recorder, NAME);
        let pending = pen.invoke("final-queue", NAME, Value::Null, &place.name);
        ask::end(pending, client.queue(NAME).get().await, |queue| {
            let counts = &queue.counts;
            json!({"waiting": counts.waiting, "active": counts.active, "delayed": counts.delayed})
        });
        let pending = pen.invoke("final-workers", "", Value::Null, &place.name);
        ask::end(
            pending,
            client.workers().param("consistency", "linearizable").take(1000).await,
            |(workers, _)| workers.iter().map(|worker| json!(worker.id)).collect(),
        );
        let pending = pen.invoke("final-leases", "", Value::Null, &place.name);
        let list = client.tasks().param("status", "running").param("queue", NAME);
        ask::end(pending, list.take(1000).await, |(tasks, _)| {
            let held = tasks.iter().map(|task| (task.id.clone(), json!(task.worker)));
            Value::Object(held.collect::<Map<_, _>>())
        });
    }
    Ok(())
}

/// A graph drawn from the seed. Every task adds what the tasks before it came to, and the input.
struct Graph {
    needs: Vec<Vec<usize>>,
    /// How often the input is in what it comes to.
    sum: u64,
}

fn wild_graphs(seed: u64) -> Vec<Graph> {
    (0..WILD).map(|number| wild_graph(&mut StdRng::seed_from_u64(seed ^ number))).collect()
}

fn wild_graph(dice: &mut StdRng) -> Graph {
    let mut needs: Vec<Vec<usize>> = vec![Vec::new()];
    let mut sums = vec![1];
    for task in 1..WILD_TASKS {
        let before: Vec<usize> = (0..task).filter(|_| dice.random_bool(0.35)).collect();
        sums.push(1 + before.iter().map(|need| sums[*need]).sum::<u64>());
        needs.push(before);
    }
    Graph { needs, sum: sums.iter().sum() }
}

fn definitions(field: &Field) -> Vec<Value> {
    let v = |text: &str| json!({"noop": {"output": {"v": format!("${{{{ {text} }}}}")}}});
    let after = |needs: &[&str], mut task: Value| {
        task["needs"] = json!(needs);
        task
    };
    let shape = |name: &str, output: &str, tasks: Value| workflow(name, output, tasks);
    let chain = json!({
        "a": v("inputs.n"), "b": after(&["a"], work(field)), "c": after(&["b"], v("tasks.a.output.v + 1")),
        "d": after(&["c"], work(field)), "e": after(&["d"], v("tasks.c.output.v + 1")),
    });
    let diamond = json!({
        "a": v("inputs.n"), "b": after(&["a"], work(field)), "c": after(&["a"], work(field)),
        "d": after(&["b", "c"], v("tasks.a.output.v * 2")),
    });
    let mut items = v("item + inputs.n");
    items["noop"]["output"] = json!("${{ item + inputs.n }}");
    items["each"] = (0..FAN).collect();
    let fan = json!({"a": work(field), "b": after(&["a"], items), "c": after(&["b"], v("tasks.b.outputs"))});
    let nap = json!({"a": v("inputs.n"), "s": after(&["a"], json!({"sleep": "700ms"})), "b": after(&["s"], v("tasks.a.output.v"))});
    let child = json!({
        "a": work(field), "c": after(&["a"], json!({"workflow": "flow-leaf", "with": {"n": "${{ inputs.n }}"}})),
        "b": after(&["c"], v("tasks.c.output.v")),
    });
    let leaf = json!({"a": work(field), "b": after(&["a"], v("inputs.n * 2"))});
    let signal = json!({"w": {"wait": {"signal": "go", "timeout": "1h"}}, "b": after(&["w"], v("tasks.w.output"))});
    let mut doom = work(field);
    doom["run"] = command(field, &["--fail", "100", "--well-from", "0"]);
    doom["retry"] = json!({"max_attempts": 3, "initial_delay": "100ms"});
    let doomed = json!({"a": doom, "b": after(&["a"], v("inputs.n"))});
    let mut all = vec![
        shape("chain", "tasks.e.output.v", chain),
        shape("diamond", "tasks.d.output.v", diamond),
        shape("fan", "tasks.c.output.v", fan),
        shape("nap", "tasks.b.output.v", nap),
        shape("child", "tasks.b.output.v", child),
        shape("leaf", "tasks.b.output.v", leaf),
        shape("signal", "tasks.b.output.v", signal),
        shape("doomed", "tasks.b.output.v", doomed),
    ];
    all.extend(wild_graphs(field.seed).iter().enumerate().map(|(number, graph)| {
        let sums: Vec<String> =
            (0..WILD_TASKS).map(|task| format!("tasks.t{task}.output.v")).collect();
        let mut tasks = Map::new();
        for (task, needs) in graph.needs.iter().enumerate() {
            let sum: String = needs.iter().map(|need| format!(" + {}", sums[*need])).collect();
            let needs: Vec<String> = needs.iter().map(|need| format!("t{need}")).collect();
            let mut wanted = v(&format!("inputs.n{sum}"));
            wanted["needs"] = json!(needs);
            tasks.insert(format!("t{task}"), wanted);
            if task % 4 == 3 {
                let mut aside = work(field);
                aside["needs"] = json!([format!("t{task}")]);
                tasks.insert(format!("w{task}"), aside);
            }
        }
        workflow(&format!("wild-{number}"), &sums.join(" + "), Value::Object(tasks))
    }));
    all
}

fn workflow(name: &str, output: &str, mut tasks: Value) -> Value {
    for task in tasks.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let waits = ["sleep", "wait", "workflow"].iter().any(|kind| task.get(*kind).is_some());
        if !waits {
            task["queue"] = json!(NAME);
        }
    }
    json!({
        "kind": "workflow", "name": format!("flow-{name}"), "labels": {"chaos": NAME},
        "inputs": {"n": {"type": "integer"}}, "tasks": tasks, "outputs": {"v": format!("${{{{ {output} }}}}")},
    })
}

/// A task that is a process with moods.
fn work(field: &Field) -> Value {
    json!({
        "run": command(field, &["--fail", "20", "--hang", "5", "--crash", "5"]), "timeout": "3s",
        "retry": {"max_attempts": 12, "initial_delay": "100ms", "max_delay": "1s"},
    })
}

fn command(field: &Field, moods: &[&str]) -> Value {
    let seed = field.seed.to_string();
    let program = field.program.display().to_string();
    let start = [&program, "effect", "--sink", &field.sink, "--work", NAME, "--seed", &seed];
    start.iter().chain(moods).map(|word| json!(word)).collect()
}
