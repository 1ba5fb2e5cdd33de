//! Large graphs and long lists: an entry costs what it is about, never what there is.
//!
//! The cost of an entry is counted in rows written, which is the same on every machine, not in time.

use std::cell::Cell;
use std::collections::BTreeMap;

use oarlock_engine::access::Principal;
use oarlock_engine::apply::{Engine, Entry, Offer, Parcel};
use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{self, Definition, Each, Kind, OnFailure, Order, Rule, Step};
use oarlock_engine::command::Command;
use oarlock_engine::dag::{self, Answer, Question, What};
use oarlock_engine::id::{
    Attempt, BootId, Epoch, Item, NodeId, Priority, RoleId, RunId, StepNo, TaskId, WorkerId,
};
use oarlock_engine::law;
use oarlock_engine::member;
use oarlock_engine::queue;
use oarlock_engine::run::{self, Start};
use oarlock_engine::store::mem::MemStore;
use oarlock_engine::store::{Row, View};
use oarlock_engine::task::retry::Retry;
use oarlock_engine::task::{self, Failure};
use oarlock_engine::time::{Moment, Span};
use oarlock_engine::worker;

const RUN: RunId = RunId(1);
const WORKER: WorkerId = WorkerId(7);
/// The keeper is the first role, the workflow's the second.
const ROLE: RoleId = RoleId(2);

/// More than one entry about one task may write, whatever the size of its run.
const ROWS_MAX: usize = 40;

#[derive(Default)]
struct World {
    store: MemStore,
    engine: Engine,
}

impl World {
    /// A node, a worker with so many slots, a workflow of these steps, and a run of it.
    fn with(steps: Vec<Step>, slots: u32) -> Self {
        let mut world = World::default();
        let (node, boot) = (NodeId(1), BootId(1));
        let text = || "x".to_owned();
        let speaks = oarlock_engine::version::NEWEST;
        world.say(member::Command::Join { node, name: text(), boot, address: text(), speaks });
        let (queues, calls) = (Vec::new(), Vec::new());
        let (worker, builtin) = (WORKER, true);
        let name = text();
        world.say(worker::Command::Attach {
            worker,
            name,
            node,
            boot,
            queues,
            calls,
            builtin,
            slots,
        });
        let definition = Box::new(definition(steps));
        world.say(catalog::Command::Define { definition, expected: None });
        world.offer(run::Command::Start(Box::new(start())), slots);
        world
    }

    fn say(&mut self, command: impl Into<Command>) -> usize {
        self.entry(command.into(), None)
    }

    fn offer(&mut self, command: impl Into<Command>, tasks_max: u32) -> usize {
        self.entry(command.into(), Some(Offer { worker: WORKER, tasks_max }))
    }

    /// One entry, accepted: how many rows it changed.
    fn entry(&mut self, command: Command, offer: Option<Offer>) -> usize {
        let by = Principal("user:test".to_owned());
        let version = oarlock_engine::version::NEWEST;
        let entry = Entry { at: Moment(1), by, version, offer, command };
        let applied = self.engine.apply(&self.store, &Parcel { entries: vec![entry] });
        assert!(applied.outcomes[0].is_ok(), "{:?}", applied.outcomes);
        let rows = applied.batch.changes.len();
        self.store.write(applied.batch);
        rows
    }

    fn complete(&mut self, step: u16, item: u32) -> usize {
        let task = TaskId { run: RUN, step: StepNo(step), item: Item(item) };
        let (attempt, worker) = (Attempt(1), Some(WORKER));
        let (output, log) = (Payload::from("1"), Payload::EMPTY);
        self.offer(task::Command::Complete { task, attempt, worker, output, log }, 1)
    }

    fn answer(&mut self, step: u16, answer: Answer, offer: u32) -> usize {
        let question = Question { run: RUN, what: What::Step(StepNo(step)) };
        let answers = vec![(question, answer)];
        self.offer(dag::Command::Answer { role: ROLE, epoch: Epoch(1), answers }, offer)
    }

    fn state(&self) -> run::State {
        run::get(&self.store, RUN).expect("the run was started").state
    }

    fn lawful(&self) {
        assert_eq!(law::check(&self.store), Vec::new());
    }
}

fn start() -> Start {
    Start {
        run: RUN,
        workflow: "large".to_owned(),
        version: None,
        input: Payload::EMPTY,
        key: String::new(),
        lane: String::new(),
        priority: None,
        labels: BTreeMap::new(),
        due_at: None,
        request: None,
    }
}

fn definition(steps: Vec<Step>) -> Definition {
    Definition {
        name: "large".to_owned(),
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

fn step(no: u16, needs: impl IntoIterator<Item = u16>) -> Step {
    let kind = Kind::Builtin("noop".to_owned());
    Step {
        name: format!("s{no}"),
        needs: needs.into_iter().map(StepNo).collect(),
        rule: Rule::Succeeded,
        condition: None,
        each: None,
        order: Some(Order::Work { kind, body: Payload::EMPTY }),
        template: Payload::EMPTY,
        queue: "default".to_owned(),
        priority: None,
        timeout: Span(30_000),
        retry: Retry {
            attempts_max: 1,
            initial: Span(0),
            cap: Span(0),
            factor_milli: 1_000,
            jitter: false,
            not_on: Vec::new(),
        },
        on_failure: OnFailure::Fail,
        handler: false,
    }
}

fn chain(length: u16) -> Vec<Step> {
    (0..length).map(|no| step(no, no.checked_sub(1))).collect()
}

#[test]
fn a_chain_of_five_thousand_skipped_steps_needs_no_stack() {
    let mut steps = chain(5_000);
    steps[0].condition = Some("false".to_owned());
    let mut world = World::with(steps, 1);
    world.answer(0, Answer::Skip, 0);
    assert_eq!(world.state(), run::State::Completed);
    world.lawful();
}

#[test]
fn a_failure_spreads_through_five_thousand_steps_and_is_retried() {
    let mut world = World::with(chain(5_000), 1);
    let task = TaskId { run: RUN, step: StepNo(0), item: Item(0) };
    let failure = Failure { kind: "exit:1".to_owned(), message: String::new(), retryable: false };
    let (attempt, worker, log) = (Attempt(1), Some(WORKER), Payload::EMPTY);
    world.say(task::Command::Fail { task, attempt, worker, failure, log });
    assert_eq!(world.state(), run::State::Failed);
    world.say(run::Command::Retry { run: RUN, from: None });
    assert_eq!(world.state(), run::State::Running);
    world.say(run::Command::Cancel { run: RUN, reason: String::new() });
    assert_eq!(world.state(), run::State::Cancelled);
    world.lawful();
    world.say(run::Command::Purge { runs: vec![RUN] });
    world.lawful();
}

#[test]
fn a_step_of_a_long_chain_costs_what_a_step_costs() {
    let mut world = World::with(chain(1_000), 1);
    for no in 0..1_000 {
        let rows = world.complete(no, 0);
        assert!(rows <= ROWS_MAX, "step {no} changed {rows} rows");
    }
    assert_eq!(world.state(), run::State::Completed);
    world.lawful();
}

#[test]
fn one_to_a_thousand_to_one_costs_what_is_opened() {
    let mut steps = vec![step(0, None)];
    steps.extend((1..=1_000).map(|no| step(no, [0])));
    steps.push(step(1_001, 1..=1_000));
    let mut world = World::with(steps, 1);
    world.complete(0, 0);
    for no in 1..=1_000 {
        let rows = world.complete(no, 0);
        assert!(rows <= ROWS_MAX, "step {no} changed {rows} rows");
    }
    world.complete(1_001, 0);
    assert_eq!(world.state(), run::State::Completed);
    world.lawful();
}

#[test]
fn ten_thousand_items_are_opened_as_they_are_done() {
    let mut only = step(0, None);
    only.each = Some(Each { items: Payload::from("[]"), parallel_max: None });
    let mut world = World::with(vec![only], 4);
    let items = Payload::from("[]");
    world.answer(0, Answer::Spread { items, count: 10_000 }, 4);
    let progress = dag::progress(&world.store, RUN, StepNo(0)).expect("the step is open");
    assert_eq!(progress.opened, dag::WINDOW_MAX);
    for item in 0..10_000 {
        let rows = world.complete(0, item);
        assert!(rows <= ROWS_MAX, "item {item} changed {rows} rows");
    }
    assert_eq!(world.state(), run::State::Completed);
    world.lawful();
}

/// A store that counts what is read from it.
struct Counting<'a> {
    store: &'a MemStore,
    reads: Cell<usize>,
}

impl Counting<'_> {
    fn read(&self) {
        self.reads.set(self.reads.get() + 1);
    }
}

impl View for Counting<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.read();
        self.store.get(key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        Box::new(self.store.scan(from, to).inspect(|_| self.read()))
    }

    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        Box::new(self.store.scan_back(from, to).inspect(|_| self.read()))
    }
}

#[test]
fn asking_for_the_counts_of_a_queue_costs_the_same_however_many_stand_in_it() {
    let cost = |runs: u128| {
        let mut world = World::with(vec![step(0, None)], 1);
        for run in 2..=runs {
            world.say(run::Command::Start(Box::new(Start { run: RunId(run), ..start() })));
        }
        let view = Counting { store: &world.store, reads: Cell::new(0) };
        let queues = queue::list(&view);
        assert_eq!(u128::from(queues[0].counts.ready) + 1, runs);
        assert!(queue::oldest(&view, "default").is_some());
        view.reads.get()
    };
    let few = cost(10);
    assert!(few < 20, "{few} rows were read");
    assert_eq!(cost(10_000), few);
}
