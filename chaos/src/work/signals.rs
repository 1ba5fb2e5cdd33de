//! Signals: each that was acknowledged is consumed once, in one order, and every reader sees that order.
//!
//! A run fans out into tasks that all wait for one signal. Whoever has waited longest gets the next, so the outputs of the tasks,
//! item by item, are the signals in the order in which the run consumed them: a list that is only appended to. Half of the runs
//! let all tasks wait at once; in the others one waits at a time, and what comes in between rests in the run's box. One of five
//! signals is sent twice with the same id, to two nodes: it is one signal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use oarlock_client::{Client, Error, TaskStatus, new_run_id};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::shift::{self, Door, Shift};
use super::{Field, Place, Record, Workload};
use crate::check;
use crate::history::{self, Recorder};
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "signals";
/// Its workflows: all tasks wait, or one after the other.
const WORKFLOWS: [(&str, &str); 2] = [("signals-all", ""), ("signals-one", "max_parallel: 1, ")];
/// The signal.
const SIGNAL: &str = "go";
/// Tasks of a run: more than signals are sent to it.
const TASKS: u32 = 160;
/// Runs in use at a time, for each unit of clients.
const TEAMS: usize = 2;
/// Clients that share a run.
const CLIENTS: usize = 4;
/// Between two operations of a client.
const EVERY: Duration = Duration::from_millis(50);
/// Operations on a run.
const USES_MAX: u32 = 150;
/// Of them those of which nobody knows.
const UNKNOWN_MAX: u32 = 6;
/// Of a hundred operations those that signal.
const APPENDS: u32 = 60;
/// Of a hundred signals those that are sent twice.
const TWICE: u32 = 20;
/// How often a new run is looked at until its tasks wait.
const LOOKS_MAX: u32 = 100;

/// The workload.
#[derive(Debug, Default)]
pub struct Signals {
    lists: Arc<Mutex<Vec<List>>>,
}

/// A list: its name in the history, and the run that is it.
#[derive(Debug, Clone)]
struct List {
    key: String,
    run: String,
}

/// Who shares a run.
#[derive(Debug)]
struct Team {
    recorder: Recorder,
    live: Mutex<Live>,
    lists: Arc<Mutex<Vec<List>>>,
}

#[derive(Debug, Default)]
struct Live {
    list: Option<List>,
    used: u32,
    unknown: u32,
    /// Somebody starts a new run.
    renewing: bool,
}

/// What a member of a team does next.
enum Turn {
    Use(List, u32),
    Renew,
    Wait,
}

impl Team {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Turn {
        let mut live = self.live();
        let spent = live.used >= USES_MAX || live.unknown >= UNKNOWN_MAX;
        match live.list.clone().filter(|_| !spent) {
            Some(list) => {
                live.used += 1;
                Turn::Use(list, live.used)
            }
            None if live.renewing => Turn::Wait,
            None => {
                live.renewing = true;
                Turn::Renew
            }
        }
    }

    /// The next run: it is used when its tasks wait.
    async fn renew(&self, shift: &mut Shift) {
        let (workflow, _) = WORKFLOWS[usize::from(shift.chance(50))];
        let key = format!("signals-{}", self.recorder.process());
        let run = new_run_id();
        let door = shift.any();
        let started = door.client.workflow(workflow).start().run_id(&run).send().await.is_ok();
        let list = List { key, run };
        let waits = started && waits(shift, &list.run).await;
        if started {
            // It is looked at in the end, and cancelled, also if nobody has used it.
            self.lists.lock().unwrap_or_else(PoisonError::into_inner).push(list.clone());
        }
        *self.live() = Live { list: waits.then_some(list), ..Live::default() };
    }
}

/// Waits until a task of the run waits; false: it does not.
async fn waits(shift: &mut Shift, run: &str) -> bool {
    for _ in 0..LOOKS_MAX {
        if !shift.goes_on().await {
            return false;
        }
        let tasks = shift.any().client.run(run).tasks().page_size(1).page(None).await;
        let first = tasks.ok().and_then(|page| page.items.into_iter().next());
        if first.is_some_and(|task| task.status == TaskStatus::Waiting) {
            return true;
        }
    }
    false
}

impl Workload for Signals {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "signals to a run are totally ordered, and each that was acknowledged is consumed once"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        async {
            let client = shift::patient(field)?;
            let items: Vec<String> = (0..TASKS).map(|item| item.to_string()).collect();
            let items = items.join(", ");
            for (name, width) in WORKFLOWS {
                let file = format!(
                    "kind: workflow\nname: {name}\ntasks:\n  hear: {{each: [{items}], {width}wait: {{signal: {SIGNAL}, timeout: 24h}}}}\n"
                );
                client.apply(file).send().await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        for _ in 0..TEAMS * field.clients {
            let team = Arc::new(Team {
                recorder: field.recorder.clone(),
                live: Mutex::default(),
                lists: Arc::clone(&self.lists),
            });
            for _ in 0..CLIENTS {
                let client = history::Client::new(&field.recorder, NAME);
                clients.spawn(work(field.clone(), client, Arc::clone(&team)));
            }
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move {
            let each = |place| last(field.recorder.clone(), place, lists.clone());
            futures::future::try_join_all(field.nodes.iter().map(each)).await?;
            ended(&shift::patient(field)?, &lists).await
        }
        .boxed()
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        let operations = record.history.operations(NAME);
        check::append::serializable(&operations, "signals/order", verdict);
        check::append::folded(&operations, "signals/once", verdict);
    }
}

/// Reads these lists for the last time, through one node.
async fn last(recorder: Recorder, place: &Place, lists: Vec<List>) -> Result<()> {
    let door = shift::door(place, |builder| builder)?;
    let mut client = history::Client::new(&recorder, NAME);
    for List { key, run } in &lists {
        let ask = || {
            let (client, key, run) = (door.client.clone(), key.clone(), run.clone());
            async move { Ok((read(&client, &key, &run).await?, None)) }.boxed()
        };
        let asked = ("final-txn", key.as_str(), json!([["r", key, null]]));
        shift::last(&mut client, asked, &door.node, ask).await?;
    }
    Ok(())
}

/// Cancels the runs: they would wait for signals that nobody sends any more.
async fn ended(client: &Client, lists: &[List]) -> Result<()> {
    for List { run, .. } in lists {
        match client.run(run).cancel("the signals are over").await {
            Ok(_) | Err(Error::Conflict(_)) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

/// A member of a team.
async fn work(field: Field, mut client: history::Client, team: Arc<Team>) -> Result<()> {
    let mut shift = Shift::new(&field, client.process(), EVERY)?;
    while shift.goes_on().await {
        match team.turn() {
            Turn::Wait => {}
            Turn::Renew => team.renew(&mut shift).await,
            Turn::Use(list, element) => {
                if shift.chance(APPENDS) {
                    let known = append(&mut client, &mut shift, &list, element).await;
                    team.live().unknown += u32::from(!known);
                } else {
                    look(&mut client, &mut shift, &list).await;
                }
            }
        }
    }
    Ok(())
}

/// Sends a signal, perhaps to two nodes at once; false: nobody knows.
async fn append(
    client: &mut history::Client,
    shift: &mut Shift,
    List { key, run }: &List,
    element: u32,
) -> bool {
    let id = format!("{key}-{element}");
    let steps = json!([["append", key, element]]);
    let (one, other) = (shift.home(), shift.any());
    let send = async |door: &Door| {
        door.client.run(run).signal(SIGNAL, Some(json!(element)), Some(&id)).await
    };
    let twice = shift.chance(TWICE);
    let pending = client.invoke("txn", key, steps.clone(), &one.node);
    let answer = if twice {
        // It was done if either says so, and was not only if both say that.
        match futures::join!(send(&one), send(&other)) {
            (Ok(()), _) | (_, Ok(())) => Ok(()),
            (Err(first), Err(second)) if shift::undone(&first) => Err(second),
            (Err(first), Err(_)) => Err(first),
        }
    } else {
        send(&one).await
    };
    match answer {
        Ok(()) => pending.ok(steps, None),
        Err(why) => {
            let known = shift::undone(&why);
            shift::end(pending, &why);
            return known;
        }
    }
    true
}

/// Reads what the run has consumed.
async fn look(client: &mut history::Client, shift: &mut Shift, List { key, run }: &List) {
    let Door { node, client: door } = shift.home();
    let pending = client.invoke("txn", key, json!([["r", key, null]]), &node);
    match read(&door, key, run).await {
        Ok(steps) => pending.ok(steps, None),
        Err(why) => shift::end(pending, &why),
    }
}

async fn read(door: &Client, key: &str, run: &str) -> Result<Value, Error> {
    let tasks = door.run(run).tasks().param("view", "full").param("status", "completed");
    let page = tasks.page_size(1_000).page(None).await?;
    let all: Vec<Value> =
        page.items.into_iter().map(|task| task.output.unwrap_or_default()).collect();
    Ok(json!([["r", key, all]]))
}
