//! Starts: each that was acknowledged is there, once, at once, and nothing that nobody asked for.
//!
//! A start has a serial number, in its inputs and in its labels, and a key: the run's id, chosen by the client, or an
//! `Idempotency-Key` while the server chooses the id. Three of ten are sent again, later or at the same moment at another node.
//! Others read single runs, and lists in pages. In the end the whole list is read through every node.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};
use oarlock_client::v1::Run;
use oarlock_client::{Client, Error, new_run_id};
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::shift::{self, Door, Shift};
use super::{Field, Place, Record, Workload};
use crate::check;
use crate::history::{self, Recorder};
use crate::verdict::Verdict;

/// Its name, and the name of its workflow.
const NAME: &str = "submit";
/// Clients, for each unit of them.
const CLIENTS: usize = 6;
/// Between two operations of a client.
const EVERY: Duration = Duration::from_millis(50);
/// Of a hundred operations those that start.
const STARTS: u32 = 60;
/// Of a hundred starts those that were sent before.
const AGAIN: u32 = 30;
/// Of a hundred that are sent again those that two nodes get at the same moment.
const AT_ONCE: u32 = 40;
/// Of a hundred that do not start those that list.
const LISTS: u32 = 25;
/// Runs of a page, and of the longer lists, which have several.
const PAGE: u32 = 50;
/// Starts that a client may send again, and runs that are read.
const KEPT: usize = 100;

/// The workload.
#[derive(Debug, Default)]
pub struct Submit {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    serial: AtomicU64,
    recent: Mutex<VecDeque<String>>,
}

/// A start.
#[derive(Debug, Clone)]
struct Start {
    serial: u64,
    key: String,
    /// The key is the run's id.
    named: bool,
}

impl Workload for Submit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "no acknowledged start is lost, phantom or double; the same key is the same run"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        async {
            let file = format!(
                "kind: workflow\nname: {NAME}\ninputs: {{serial: {{type: integer}}}}\ntasks: {{done: {{noop: {{}}}}}}\n"
            );
            shift::patient(field)?.apply(file).send().await?;
            Ok(())
        }
        .boxed()
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        for _ in 0..CLIENTS * field.clients {
            let worker = Worker {
                client: history::Client::new(&field.recorder, NAME),
                twin: history::Client::new(&field.recorder, NAME),
                sent: VecDeque::new(),
                shared: Arc::clone(&self.shared),
                field: field.clone(),
            };
            clients.spawn(worker.work());
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        let looks = field.nodes.iter().map(|place| last(field.recorder.clone(), place));
        futures::future::try_join_all(looks).map_ok(drop).boxed()
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        let operations = record.history.operations(NAME);
        check::set::kept(&operations, NAME, verdict);
        check::set::visible(&operations, "submit/visible", verdict);
        check::set::numbered(&operations, "submit/order", verdict);
    }
}

/// Reads the whole list, through one node.
async fn last(recorder: Recorder, place: &Place) -> Result<()> {
    let door = shift::door(place, |builder| builder)?;
    let mut client = history::Client::new(&recorder, NAME);
    let ask = || {
        let runs = door.client.runs().workflow(NAME).stream();
        async move {
            let rows: Vec<Value> = runs.map_ok(|run| row(&run)).try_collect().await?;
            Ok((Value::Array(rows), None))
        }
        .boxed()
    };
    shift::last(&mut client, ("final-list", "", Value::Null), &door.node, ask).await
}

/// A client.
struct Worker {
    client: history::Client,
    /// Sends at the same moment.
    twin: history::Client,
    sent: VecDeque<Start>,
    shared: Arc<Shared>,
    field: Field,
}

impl Worker {
    async fn work(mut self) -> Result<()> {
        let mut shift = Shift::new(&self.field.clone(), self.client.process(), EVERY)?;
        while shift.goes_on().await {
            if shift.chance(STARTS) {
                self.start(&mut shift).await?;
            } else if shift.chance(LISTS) {
                self.list(&mut shift).await;
            } else {
                self.get(&mut shift).await;
            }
        }
        Ok(())
    }

    async fn start(&mut self, shift: &mut Shift) -> Result<()> {
        let sent = self.sent.len();
        let start = match sent {
            1.. if shift.chance(AGAIN) => {
                let place = shift.dice.random_range(0..sent);
                self.sent.remove(place).expect("the place is among them")
            }
            _ => self.fresh(shift.chance(50)),
        };
        let home = if self.sent.len() < sent { shift.any() } else { shift.home() };
        let doors = [self.opened(&start, home)?, self.opened(&start, shift.any())?];
        let first = add(&mut self.client, &start, &doors[0]);
        let run = if shift.chance(AGAIN) && shift.chance(AT_ONCE) {
            let (one, other) = futures::join!(first, add(&mut self.twin, &start, &doors[1]));
            one.or(other)
        } else {
            first.await
        };
        if let Some(run) = run {
            let mut recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.push_back(run);
            let surplus = recent.len().saturating_sub(KEPT);
            recent.drain(..surplus);
        }
        self.sent.push_back(start);
        let surplus = self.sent.len().saturating_sub(KEPT);
        self.sent.drain(..surplus);
        Ok(())
    }

    fn fresh(&self, named: bool) -> Start {
        let serial = self.shared.serial.fetch_add(1, Ordering::Relaxed);
        let key = if named { new_run_id() } else { format!("start-{serial}") };
        Start { serial, key, named }
    }

    /// A door for a start: with its key, where that does not stand in the body.
    fn opened(&self, start: &Start, door: Door) -> Result<Door> {
        if start.named {
            return Ok(door);
        }
        let place = self.field.nodes.iter().find(|place| place.name == door.node);
        let place = place.expect("doors are of nodes");
        shift::door(place, |builder| builder.idempotency_key(&start.key))
    }

    /// Reads a run, one of the newest more often than not.
    async fn get(&mut self, shift: &mut Shift) {
        let run = {
            let recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let newest = if shift.chance(60) { 5 } else { KEPT };
            let from = recent.len().saturating_sub(newest);
            if from == recent.len() {
                return;
            }
            recent[shift.dice.random_range(from..recent.len())].clone()
        };
        let Door { node, client } = shift.home();
        let pending = self.client.invoke("get", &run, Value::Null, &node);
        match client.run(&run).get().await {
            Ok(run) => {
                pending.ok(run.input.map_or(Value::Null, |input| input["serial"].clone()), None)
            }
            Err(Error::NotFound(_)) => pending.ok(Value::Null, None),
            Err(why) => shift::end(pending, &why),
        }
    }

    /// Reads the newest runs, in one page or in several.
    async fn list(&mut self, shift: &mut Shift) {
        let wanted = if shift.chance(70) { PAGE } else { PAGE * 3 };
        let Door { node, client } = shift.home();
        let pending = self.client.invoke("list", "", json!(wanted), &node);
        match pages(&client, wanted as usize).await {
            Ok(runs) => pending.ok(runs.iter().map(row).collect(), None),
            Err(why) => shift::end(pending, &why),
        }
    }
}

async fn pages(client: &Client, wanted: usize) -> Result<Vec<Run>, Error> {
    let list = client.runs().workflow(NAME).page_size(PAGE);
    list.take(wanted).await.map(|(runs, _more)| runs)
}

/// A run as lists in the history have it.
fn row(run: &Run) -> Value {
    let serial = run.labels.get("serial").and_then(|serial| serial.parse::<u64>().ok());
    json!([run.number, serial, run.id])
}

/// Sends a start, and gives the run's id.
async fn add(client: &mut history::Client, start: &Start, door: &Door) -> Option<String> {
    let pending = client.invoke("add", &start.key, json!(start.serial), &door.node);
    let sent = if start.named { named(start, door).await } else { keyed(start, door).await };
    match sent {
        Ok(run) => {
            let Run { id, number, .. } = run;
            pending.ok(json!({"serial": start.serial, "run": id, "number": number}), None);
            Some(id)
        }
        Err(why) => {
            shift::end(pending, &why);
            None
        }
    }
}

/// Starts a run whose id the client has chosen.
async fn named(start: &Start, door: &Door) -> Result<Run, Error> {
    let workflow = door.client.workflow(NAME).start();
    let run = workflow.run_id(&start.key).input("serial", start.serial);
    run.label("serial", start.serial.to_string()).send().await
}

/// Starts a run whose id the server chooses, under a key.
async fn keyed(start: &Start, door: &Door) -> Result<Run, Error> {
    let serial = start.serial;
    let body = json!({"input": {"serial": serial}, "labels": {"serial": serial.to_string()}});
    let name = [("name".to_owned(), NAME.to_owned())];
    let call = door.client.raw("POST", "/workflows/{name}/runs", &name)?;
    let text = call.json(&body).keyed().send().await?.text().await?;
    serde_json::from_str(&text).map_err(|why| Error::Protocol(format!("no run: {why}: {text}")))
}
