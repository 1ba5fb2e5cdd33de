//! What is asked without a look at the tables.

use std::collections::BTreeMap;

use oarlock_engine::blob::Payload;
use oarlock_engine::command::Command;
use oarlock_engine::dag::{Answer, Question, What};
use oarlock_engine::id::{
    Attempt, BootId, Epoch, Item, NodeId, Priority, Revision, RoleId, RunId, StepNo, TaskId,
    WorkerId,
};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_engine::run::{Request, Start};
use oarlock_engine::task::Failure;
use oarlock_engine::time::{Moment, Span};
use oarlock_engine::{
    catalog, dag, feed, member, queue, role, run, setting, task, timer, version, worker,
};

use super::{Throw, flows};

/// Any command at all.
pub(crate) fn command(throw: Throw) -> Command {
    let [a, b, c, d] = throw.dice;
    match throw.kind / 2 % 32 {
        0..=5 => start(throw).into(),
        6 => run::Command::Cancel { run: run(a), reason: String::new() }.into(),
        7 => run::Command::Terminate { run: run(a), reason: "enough".to_owned() }.into(),
        8 => run::Command::Pause { run: run(a), reason: String::new() }.into(),
        9 => run::Command::Resume { run: run(a) }.into(),
        10 => {
            let from = (b % 2 == 0).then_some(StepNo(u16::from(c % 5)));
            run::Command::Retry { run: run(a), from }.into()
        }
        11 => run::Command::Signal {
            run: run(a),
            name: if b % 4 == 0 { "stop" } else { "go" }.to_owned(),
            payload: Payload::from("1"),
            dedup: if c % 2 == 0 { String::new() } else { format!("s{}", d % 2) },
        }
        .into(),
        12 => {
            let labels = BTreeMap::from([("k".to_owned(), "v".repeat(usize::from(b % 3)))]);
            run::Command::Tag { run: run(a), labels }.into()
        }
        13 => run::Command::Purge { runs: vec![run(a), run(b)] }.into(),
        14 => complete(throw).into(),
        15 => fail(throw).into(),
        16 => {
            let (task, attempt) = (some_task(throw.dice), Attempt(u32::from(d % 3)));
            task::Command::Return { task, attempt, worker: who(b) }.into()
        }
        17 => task::Command::Revive { tasks: vec![some_task(throw.dice)] }.into(),
        18 => {
            let tasks = vec![some_task(throw.dice)];
            task::Command::Discard { tasks, reason: String::new() }.into()
        }
        19 => {
            timer::Command::Tick { role: RoleId(u32::from(a % 8)), epoch: Epoch(u64::from(b % 3)) }
                .into()
        }
        20 => answer(throw).into(),
        21 => roles(throw).into(),
        22 => feed::Command::Trim { before: Revision(u64::from(a) * 4) }.into(),
        23 => setting::Command::Set {
            name: setting::KNOWN[usize::from(a % 2)].to_owned(),
            value: if b % 3 == 0 { String::new() } else { b.to_string() },
        }
        .into(),
        24 => queues(throw).into(),
        25 => workflows(throw).into(),
        26 | 27 => members(throw).into(),
        28 | 29 => workers(throw).into(),
        _ => task::Command::Claim.into(),
    }
}

fn run(die: u8) -> RunId {
    RunId(u128::from(die % 6) + 1)
}

fn who(die: u8) -> WorkerId {
    WorkerId(u128::from(die % 4) + 1)
}

fn some_task([a, b, c, _]: [u8; 4]) -> TaskId {
    TaskId { run: run(a), step: StepNo(u16::from(b % 5)), item: Item(u32::from(c % 3)) }
}

fn name(die: u8) -> String {
    let names = ["diamond", "wide", "waits", "fails", "alone", "nobody"];
    names[usize::from(die) % names.len()].to_owned()
}

fn start(throw: Throw) -> run::Command {
    let [a, b, c, d] = throw.dice;
    let request = (d % 5 == 0).then(|| Request { key: format!("q{}", d % 3), digest: [d % 2; 16] });
    run::Command::Start(Box::new(Start {
        run: run(a),
        workflow: name(b),
        version: None,
        input: Payload::from("{}"),
        key: if c % 4 == 0 { format!("k{}", c % 3) } else { String::new() },
        lane: if b % 6 == 4 { format!("l{}", c % 2) } else { String::new() },
        priority: (c % 3 == 0).then_some(Priority(d % 12)),
        labels: BTreeMap::new(),
        due_at: (d % 7 == 0).then_some(Moment(u64::from(a) * 100)),
        request,
    }))
}

/// How things go wrong.
pub(crate) fn failure(die: u8) -> Failure {
    Failure {
        kind: "exit:1".to_owned(),
        message: "no".to_owned(),
        retryable: !die.is_multiple_of(3),
    }
}

fn complete(throw: Throw) -> task::Command {
    let [_, b, _, d] = throw.dice;
    task::Command::Complete {
        task: some_task(throw.dice),
        attempt: Attempt(u32::from(d % 3)),
        worker: (d % 5 != 0).then(|| who(b)),
        output: Payload::from("1"),
        log: Payload::EMPTY,
    }
}

fn fail(throw: Throw) -> task::Command {
    let [_, b, c, d] = throw.dice;
    task::Command::Fail {
        task: some_task(throw.dice),
        attempt: Attempt(u32::from(d % 3)),
        worker: (d % 5 != 0).then(|| who(b)),
        failure: failure(c),
        log: Payload::from("oh"),
    }
}

fn answer(throw: Throw) -> dag::Command {
    let [a, b, c, d] = throw.dice;
    let step = StepNo(u16::from(b % 5));
    let what = match c % 3 {
        0 => What::Step(step),
        1 => What::Item(step, Item(u32::from(d % 3))),
        _ => What::Output,
    };
    dag::Command::Answer {
        role: RoleId(u32::from(c % 8)),
        epoch: Epoch(u64::from(d % 3)),
        answers: vec![(Question { run: run(a), what }, an_answer(d))],
    }
}

/// An answer, which may be of the wrong kind.
pub(crate) fn an_answer(die: u8) -> Answer {
    match die % 6 {
        0 => Answer::Skip,
        1 => Answer::Proceed(None),
        2 => Answer::Proceed(flows::step("x", &[]).order),
        3 => Answer::Spread { items: Payload::from("[1,2,3]"), count: u32::from(die) % 4 },
        4 => Answer::Output(Payload::from("{}")),
        _ => Answer::Fail(failure(die)),
    }
}

fn queues(throw: Throw) -> queue::Command {
    let [a, b, c, _] = throw.dice;
    let name = ["default", "slow", "none"][usize::from(a % 3)].to_owned();
    match b % 3 {
        0 => queue::Command::Pause { name },
        1 => queue::Command::Resume { name },
        _ => queue::Command::Limit {
            name,
            concurrency_max: (c % 2 == 0).then_some(u32::from(c % 3)),
        },
    }
}

fn workflows(throw: Throw) -> catalog::Command {
    let [a, b, c, _] = throw.dice;
    match b % 6 {
        0 => catalog::Command::Pause { name: name(a) },
        1 | 2 => catalog::Command::Resume { name: name(a) },
        3 => catalog::Command::Remove { name: name(a) },
        _ => {
            let all = flows::flows();
            let mut definition = all[usize::from(a) % all.len()].clone();
            definition.description = format!("the {}th", c % 3);
            catalog::Command::Define { definition: Box::new(definition), expected: None }
        }
    }
}

fn members(throw: Throw) -> member::Command {
    let [a, b, c, d] = throw.dice;
    let (node, boot) = (NodeId(u64::from(a % 3) + 1), BootId(u128::from(b % 4) + 1));
    let (name, address) = (format!("n{node}"), String::new());
    match c % 8 {
        0 => member::Command::Leave { node, boot },
        1 => member::Command::Lose { node, boot },
        2 => {
            let silent = (d % 2 == 0).then_some(Span(u64::from(d)));
            member::Command::GiveUp { node, boot, silent, why: "dice".to_owned() }
        }
        3 => member::Command::Drain { node, boot, why: String::new() },
        4 => member::Command::Undrain { node, boot },
        5 => member::Command::Join { node, name, boot, address, speaks: u32::from(d % 3) },
        _ => {
            let profile = Box::new(profile(d));
            let speaks = version::NEWEST;
            member::Command::Enter { node, name, boot, address, speaks, profile }
        }
    }
}

/// What a node is for: mostly everything.
pub(crate) fn profile(die: u8) -> Profile {
    let zone = ["a", "b"][usize::from(die / 4 % 2)].to_owned();
    let mut profile = Profile {
        labels: BTreeMap::from([("zone".to_owned(), zone)]),
        capacity: u32::from(die % 3) * 50,
        ..Profile::default()
    };
    if die.is_multiple_of(5) {
        profile.duties.remove(&Duty::Scheduler);
    }
    profile
}

fn roles(throw: Throw) -> role::Command {
    let [a, b, c, d] = throw.dice;
    let (role, node) = (RoleId(u32::from(a % 8)), NodeId(u64::from(b % 4)));
    let why = "dice".to_owned();
    match c % 8 {
        0 | 1 => role::Command::Move { role, node, why },
        2 => role::Command::Pin { role, node },
        3 => role::Command::Unpin { role },
        4 => {
            let zone = ["a", "b", "c"][usize::from(d % 3)].to_owned();
            let labels = BTreeMap::from([("zone".to_owned(), zone)]);
            let labels = if d % 2 == 0 { BTreeMap::new() } else { labels };
            role::Command::Want { role, labels, weight: u32::from(b % 4) }
        }
        5 => role::Command::Rebalance { why },
        _ => {
            let trim = feed::Command::Trim { before: Revision(u64::from(d)) };
            let epoch = Epoch(u64::from(b % 3));
            role::Command::Act { role, epoch, command: Box::new(trim.into()) }
        }
    }
}

fn workers(throw: Throw) -> worker::Command {
    let [a, b, c, d] = throw.dice;
    let worker = who(a);
    match d % 4 {
        0 => worker::Command::Detach { worker },
        1 => worker::Command::Drain { worker },
        _ => worker::Command::Attach {
            worker,
            name: "w".to_owned(),
            node: NodeId(u64::from(b % 3) + 1),
            boot: BootId(u128::from(c % 4) + 1),
            queues: if c % 3 == 0 { vec!["slow".to_owned()] } else { Vec::new() },
            calls: Vec::new(),
            builtin: c % 4 != 0,
            slots: u32::from(d % 4),
        },
    }
}
