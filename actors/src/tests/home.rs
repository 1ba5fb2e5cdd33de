//! A node in memory, and short words for what tests do with it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use oarlock_engine::access::Principal;
use oarlock_engine::blob::{self, Payload, Slot};
use oarlock_engine::catalog::{Definition, Each, OnFailure, Order, Rule, Step};
use oarlock_engine::command::Command;
use oarlock_engine::event::Event;
use oarlock_engine::feed::Record;
use oarlock_engine::id::{BootId, Item, NodeId, Priority, Revision, RunId, StepNo, TaskId};
use oarlock_engine::run::{self, Run, Start};
use oarlock_engine::task::retry::Retry;
use oarlock_engine::task::{self, Task};
use oarlock_engine::time::Span;
use oarlock_engine::{catalog, law};
use oarlock_raft::{Accepted, Config, Local, ProposeError, Replica};
use serde_json::{Value, json};

use crate::crew::{Crew, CrewConfig};
use crate::role::action;

/// Nothing in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node, its crew, and a directory for its processes.
pub(super) struct Home {
    pub(super) replica: Replica,
    pub(super) crew: Crew,
    pub(super) dir: tempfile::TempDir,
}

impl Home {
    pub(super) async fn new(slots: u32) -> Home {
        let replica = Replica::open(Config::new(NodeId(1), None)).await.expect("it opens");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let crew = muster(&replica, slots, dir.path()).await;
        Home { replica, crew, dir }
    }

    /// Another life of the node on the same data.
    pub(super) async fn reboot(&mut self, slots: u32) {
        self.crew = muster(&self.replica, slots, self.dir.path()).await;
    }

    pub(super) async fn propose(&self, command: Command) -> Result<Accepted, ProposeError> {
        let by = Principal("user:test".to_owned());
        within(self.replica.propose(by, self.crew.offer(), command)).await
    }

    pub(super) async fn define(&self, definition: Definition) {
        let define = catalog::Command::Define { definition: Box::new(definition), expected: None };
        self.propose(Command::Catalog(define)).await.expect("it is well formed");
    }

    pub(super) async fn start(&self, workflow: &str, input: Value) -> RunId {
        let (run, start) = start(workflow, input);
        self.propose(start).await.expect("it can start");
        run
    }

    /// Starts a run without offering anybody's slots with it.
    pub(super) async fn start_without_offer(&self, workflow: &str, input: Value) -> RunId {
        let (run, start) = start(workflow, input);
        let by = Principal("user:test".to_owned());
        within(self.replica.propose(by, None, start)).await.expect("it can start");
        run
    }

    /// Waits for the first record that is meant, from the beginning of the feed on.
    pub(super) async fn until(&self, meant: impl Fn(&Record) -> bool) -> Record {
        let mut watch = self.replica.watch(Revision(0));
        within(async {
            loop {
                let records = watch.next().await.expect("the replica is open");
                if let Some(found) = records.iter().find(|record| meant(record)) {
                    return found.clone();
                }
            }
        })
        .await
    }

    /// Waits for the end of a run, and checks the laws.
    pub(super) async fn settled(&self, id: RunId) -> Run {
        self.until(|record| {
            matches!(&record.event, Event::Run(run::Event::Settled { run, .. }) if *run == id)
        })
        .await;
        self.read(|view| {
            assert_eq!(law::check(view), []);
            run::get(view, id).expect("it was not purged")
        })
    }

    /// Starts a workflow and waits for its end.
    pub(super) async fn ran(&self, workflow: &str, input: Value) -> Run {
        let run = self.start(workflow, input).await;
        self.settled(run).await
    }

    pub(super) fn read<R>(&self, reader: impl FnOnce(&Local<'_>) -> R) -> R {
        self.replica.read(reader)
    }

    pub(super) fn task(&self, run: RunId, step: u16) -> Task {
        self.read(|view| task::get(view, id(run, step, 0)).expect("the step has been opened"))
    }

    /// The kind of failure a task ended with.
    pub(super) fn failure(&self, run: RunId, step: u16) -> String {
        self.task(run, step).failure.expect("it failed").kind
    }

    pub(super) fn output(&self, run: RunId, step: u16) -> Value {
        self.blob(run, Slot::Result(StepNo(step), Item(0)))
    }

    pub(super) fn blob(&self, run: RunId, slot: Slot) -> Value {
        let payload = self.read(|view| blob::get(view, run, slot));
        payload.map_or(Value::Null, |payload| {
            if payload.is_empty() {
                return Value::Null;
            }
            serde_json::from_slice(&payload.0).expect("payloads are JSON")
        })
    }

    pub(super) fn log(&self, run: RunId, step: u16, attempt: u32) -> String {
        let slot = Slot::Log(StepNo(step), Item(0), oarlock_engine::id::Attempt(attempt));
        let payload = self.read(|view| blob::get(view, run, slot)).unwrap_or_default();
        String::from_utf8_lossy(&payload.0).into_owned()
    }

    /// How often an actor was started again.
    pub(super) fn restarts(&self, id: &str) -> u32 {
        let tree = self.crew.tree();
        tree.into_iter().find(|actor| actor.id == id).expect("there is such an actor").restarts
    }
}

/// What starts a run, and its id.
fn start(workflow: &str, input: Value) -> (RunId, Command) {
    let run = RunId(uuid::Uuid::now_v7().as_u128());
    let start = Start {
        run,
        workflow: workflow.to_owned(),
        version: None,
        input: Payload(input.to_string().into_bytes()),
        key: String::new(),
        lane: String::new(),
        priority: None,
        labels: BTreeMap::new(),
        due_at: None,
        request: None,
    };
    (run, Command::Run(run::Command::Start(Box::new(start))))
}

async fn muster(replica: &Replica, slots: u32, dir: &std::path::Path) -> Crew {
    let boot = BootId(uuid::Uuid::now_v7().as_u128());
    let config = CrewConfig { slots, workdir: dir.to_owned(), ..CrewConfig::new(NodeId(1), boot) };
    within(Crew::muster(replica.clone(), config)).await.expect("it musters")
}

/// The value of a future that takes no longer than tests do.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it does not take for ever")
}

/// Waits for what has no event to wait for: processes that end, actors that come back.
pub(super) async fn eventually(so: impl Fn() -> bool) {
    within(async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

pub(super) fn id(run: RunId, step: u16, item: u32) -> TaskId {
    TaskId { run, step: StepNo(step), item: Item(item) }
}

/// A workflow of these steps.
pub(super) fn workflow(name: &str, steps: Vec<Step>) -> Definition {
    Definition {
        name: name.to_owned(),
        description: String::new(),
        steps,
        inputs: Payload::EMPTY,
        outputs: Payload::EMPTY,
        timeout: None,
        priority: Priority::NORMAL,
        concurrency: None,
        labels: BTreeMap::new(),
        retention: None,
        source: Payload::EMPTY,
    }
}

/// A step that needs others and does this, once.
pub(super) fn step(name: &str, needs: &[u16], action: Value) -> Step {
    let computed = action.to_string().contains("${{");
    let (order, template): (Option<Order>, Payload) = match computed {
        true => (None, Payload(action.to_string().into_bytes())),
        false => (Some(action::order(action).expect("it is an action")), Payload::EMPTY),
    };
    Step {
        name: name.to_owned(),
        needs: needs.iter().map(|need| StepNo(*need)).collect(),
        rule: Rule::Succeeded,
        condition: None,
        each: None,
        order,
        template,
        queue: "default".to_owned(),
        priority: None,
        timeout: Span(30_000),
        retry: retry(1, 0),
        on_failure: OnFailure::Fail,
        handler: false,
    }
}

pub(super) fn each(items: Value, step: Step) -> Step {
    let items = Payload(items.to_string().into_bytes());
    Step { each: Some(Each { items, parallel_max: None }), ..step }
}

pub(super) fn retry(attempts_max: u32, initial_ms: u64) -> Retry {
    Retry {
        attempts_max,
        initial: Span(initial_ms),
        cap: Span(60_000),
        factor_milli: 2_000,
        jitter: false,
        not_on: Vec::new(),
    }
}

pub(super) fn noop() -> Value {
    json!({"noop": {}})
}

pub(super) fn sh(command: &str) -> Value {
    json!({"run": {"command": command}})
}
