//! Registers: read, written and compared-and-set at every node; there is one order that explains every answer.
//!
//! Two things of Oarlock are registers. The definition of a workflow, whose description is the value: applying a file is a write,
//! applying it `If-Match` a compare-and-set, and every answer has the version. And a label of a run. Four clients share a key for
//! some hundred operations, then take a new one, because a search for an order grows with what overlaps; a key with operations of
//! which nobody knows is given up sooner. A fifth client is content with old copies, and must not see them go back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use oarlock_client::{Client, Error, new_run_id};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::shift::{self, Door, Shift};
use super::{Field, Place, Record, Workload};
use crate::check;
use crate::history::{self, Recorder, Type};
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "register";
/// The workflow whose runs are registers.
const RUNS: &str = "register-runs";
/// Keys in use at a time, for each unit of clients.
const TEAMS: usize = 3;
/// Clients that share a key.
const CLIENTS: usize = 4;
/// Between two operations of a client.
const EVERY: Duration = Duration::from_millis(40);
/// Operations on a key.
const USES_MAX: u32 = 180;
/// Of them those of which nobody knows.
const UNKNOWN_MAX: u32 = 3;
/// Keys that are read once more when all is mended, the newest.
const LAST_MAX: usize = 60;

/// The workload.
#[derive(Debug, Default)]
pub struct Register {
    keys: Arc<Mutex<Vec<Key>>>,
}

/// A register.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// The definition of this workflow.
    Definition(String),
    /// A label of this run.
    Run(String),
}

impl Key {
    fn name(&self) -> &str {
        match self {
            Key::Definition(name) | Key::Run(name) => name,
        }
    }
}

/// Who shares a key.
#[derive(Debug)]
struct Team {
    recorder: Recorder,
    live: Mutex<Live>,
    keys: Arc<Mutex<Vec<Key>>>,
}

#[derive(Debug, Default)]
struct Live {
    key: Option<Key>,
    used: u32,
    unknown: u32,
    value: i64,
    /// Somebody makes a new key.
    renewing: bool,
}

/// What a member of a team does next.
enum Turn {
    Use(Key, i64),
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
        match live.key.clone().filter(|_| !spent) {
            Some(key) => {
                live.used += 1;
                live.value += 1;
                Turn::Use(key, live.value)
            }
            None if live.renewing => Turn::Wait,
            None => {
                live.renewing = true;
                Turn::Renew
            }
        }
    }

    /// The next key: a definition or a run. A run must have been accepted first.
    async fn renew(&self, shift: &mut Shift) {
        let number = self.recorder.process();
        let key = if shift.chance(50) {
            Some(Key::Definition(format!("register-{number}")))
        } else {
            let id = new_run_id();
            let door = shift.any();
            let start = door.client.workflow(RUNS).start().run_id(&id);
            start.send().await.is_ok().then_some(Key::Run(id))
        };
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).extend(key.clone());
        let mut live = self.live();
        *live = Live { key, value: live.value, ..Live::default() };
    }
}

impl Workload for Register {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "linearizable state: registers read, written and compared-and-set at every node have one order"
    }

    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        async {
            let file = format!("kind: workflow\nname: {RUNS}\ntasks: {{done: {{noop: {{}}}}}}\n");
            shift::patient(field)?.apply(file).send().await?;
            Ok(())
        }
        .boxed()
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        for _ in 0..TEAMS * field.clients {
            let team = Arc::new(Team {
                recorder: field.recorder.clone(),
                live: Mutex::default(),
                keys: Arc::clone(&self.keys),
            });
            for _ in 0..CLIENTS {
                let client = history::Client::new(&field.recorder, NAME);
                clients.spawn(work(field.clone(), client, Arc::clone(&team)));
            }
            let client = history::Client::new(&field.recorder, NAME);
            clients.spawn(watch(field.clone(), client, team));
        }
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = keys[keys.len().saturating_sub(LAST_MAX)..].to_vec();
        let looks =
            field.nodes.iter().map(|place| last(field.recorder.clone(), place, newest.clone()));
        futures::future::try_join_all(looks).map_ok(drop).boxed()
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        let operations = record.history.operations(NAME);
        check::register::linearizable(&operations, "register/linearizable", verdict);
        check::oracle::revisions(&operations, "register/revisions", verdict);
        check::oracle::sessions(&operations, "register/stale-sessions", verdict);
    }
}

/// Reads these keys once more, through one node.
async fn last(recorder: Recorder, place: &Place, keys: Vec<Key>) -> Result<()> {
    let door = shift::door(place, |builder| builder)?;
    let mut client = history::Client::new(&recorder, NAME);
    for key in &keys {
        let ask = || {
            let (client, key) = (door.client.clone(), key.clone());
            async move { read(&client, &key).await }.boxed()
        };
        let asked = ("final-read", key.name(), Value::Null);
        shift::last(&mut client, asked, &door.node, ask).await?;
    }
    Ok(())
}

/// A member of a team.
async fn work(field: Field, mut client: history::Client, team: Arc<Team>) -> Result<()> {
    let mut shift = Shift::new(&field, client.process(), EVERY)?;
    // What it saw last of the key: what it compares with.
    let mut seen: Option<(Key, Value, u64)> = None;
    while shift.goes_on().await {
        match team.turn() {
            Turn::Wait => {}
            Turn::Renew => team.renew(&mut shift).await,
            Turn::Use(key, value) => {
                let known = seen.take().filter(|(of, ..)| *of == key);
                let (kind, saw) = act(&mut client, &mut shift, &key, value, known.as_ref()).await;
                seen = saw.map(|(value, version)| (key, value, version)).or(known);
                team.live().unknown += u32::from(kind == Type::Info);
            }
        }
    }
    Ok(())
}

/// One operation, and what was seen of the key by it.
async fn act(
    client: &mut history::Client,
    shift: &mut Shift,
    key: &Key,
    value: i64,
    known: Option<&(Key, Value, u64)>,
) -> (Type, Option<(Value, u64)>) {
    let Door { node, client: door } = shift.home();
    let known = known.filter(|(.., version)| *version > 0 && matches!(key, Key::Definition(_)));
    let roll = if shift.chance(50) { 0 } else { 1 + u32::from(shift.chance(60)) };
    let (pending, answer) = match (roll, known) {
        (0, _) => {
            let pending = client.invoke("read", key.name(), Value::Null, &node);
            (pending, read(&door, key).await)
        }
        (2, Some((_, old, version))) => {
            let pending = client.invoke("cas", key.name(), json!([old, value]), &node);
            let done = write(&door, key, value, Some(*version)).await;
            (pending, done.map(|(new, version)| (json!([old, new]), version)))
        }
        _ => {
            let pending = client.invoke("write", key.name(), json!(value), &node);
            (pending, write(&door, key, value, None).await)
        }
    };
    match answer {
        Ok((said, version)) => {
            pending.ok(said.clone(), version);
            let value = if said.is_array() { said[1].clone() } else { said };
            (Type::Ok, version.map(|version| (value, version)))
        }
        Err(why) => {
            let kind = if shift::undone(&why) { Type::Fail } else { Type::Info };
            shift::end(pending, &why);
            (kind, None)
        }
    }
}

async fn read(door: &Client, key: &Key) -> Result<(Value, Option<u64>), Error> {
    let number = |text: &str| text.parse::<i64>().map_or(Value::Null, Value::from);
    match key {
        Key::Definition(name) => match door.workflow(name).get().await {
            Ok(it) => Ok((number(&it.description), Some(u64::from(it.version)))),
            Err(Error::NotFound(_)) => Ok((Value::Null, Some(0))),
            Err(why) => Err(why),
        },
        Key::Run(id) => {
            let run = door.run(id).get().await?;
            Ok((run.labels.get("value").map_or(Value::Null, |text| number(text)), None))
        }
    }
}

async fn write(
    door: &Client,
    key: &Key,
    value: i64,
    expected: Option<u64>,
) -> Result<(Value, Option<u64>), Error> {
    let version = match key {
        Key::Definition(name) => {
            let mut apply = door.apply(definition(name, value));
            if let Some(expected) = expected {
                apply = apply.if_match(format!("v{expected}"));
            }
            apply.send().await?.items.first().map(|item| u64::from(item.version))
        }
        Key::Run(id) => {
            let labels = BTreeMap::from([("value".to_owned(), value.to_string())]);
            door.run(id).tag(labels).await?;
            None
        }
    };
    Ok((json!(value), version))
}

fn definition(name: &str, value: i64) -> String {
    format!(
        "kind: workflow\nname: {name}\ndescription: \"{value}\"\ntasks: {{done: {{noop: {{}}}}}}\n"
    )
}

/// Reads what one node has, however old, for as long as it answers; then of another one, as somebody else.
async fn watch(field: Field, mut client: history::Client, team: Arc<Team>) -> Result<()> {
    let mut shift = Shift::new(&field, client.process(), EVERY)?;
    let mut session: Option<Door> = None;
    while shift.goes_on().await {
        let Some(Key::Definition(name)) = team.live().key.clone() else { continue };
        let door = match session.take() {
            Some(door) => door,
            None => {
                let node = shift.any().node;
                let place = field.nodes.iter().find(|place| place.name == node);
                shift::door(place.expect("doors are of nodes"), |builder| builder.stale(true))?
            }
        };
        let pending = client.invoke("stale-read", &name, Value::Null, &door.node);
        match read(&door.client, &Key::Definition(name.clone())).await {
            Ok((value, version)) => {
                pending.ok(value, version);
                session = Some(door);
            }
            Err(why) => {
                shift::end(pending, &why);
                client = history::Client::new(&field.recorder, NAME);
            }
        }
    }
    Ok(())
}
