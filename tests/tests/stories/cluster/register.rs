//! Registers that are read and written at every node while leaders die, judged by a checker that is not ours.
//!
//! A register is the limit of a queue: whoever reads it must find what was written last, wherever and by whomever. Each is used for a
//! while only, by three clients, because the search for an order grows with what overlaps. A write of which nobody knows what became of
//! it may take effect at any later time, or never; a read without an answer says nothing. <https://github.com/anishathalye/porcupine>

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use oarlock_client::{Client, QueueHandle};
use porcupine_rs::{CheckResult, Model, Operation, check_operations_timeout};
use tokio::task::JoinSet;

use super::lab::{Lab, SETTLE_MAX};
use crate::node::until;

/// Registers, one after the other. While every second one is used the leader is killed.
const REGISTERS: usize = 8;
/// What each client does with a register; every third time it writes.
const TURNS: u32 = 45;
/// How long the search for an order may take.
const SEARCH_MAX: Duration = Duration::from_secs(60);

/// One register: what may be seen of it, one after the other.
#[derive(Debug, Clone)]
struct Register;

#[derive(Debug, Clone, Copy)]
enum Did {
    Read(Option<u32>),
    Write(u32),
}

impl Model for Register {
    type State = Option<u32>;
    type Op = Did;
    type Metadata = ();

    fn init() -> Option<u32> {
        None
    }

    fn step(state: &Option<u32>, op: &Did) -> (bool, Option<u32>) {
        match op {
            Did::Read(seen) => (seen == state, *state),
            Did::Write(value) => (true, Some(*value)),
        }
    }
}

fn operation(client: u32, op: Did, call: i64, done: i64) -> Operation<Register> {
    Operation { client_id: Some(client), call_time: call, return_time: done, op, metadata: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_are_linearizable_at_all_nodes_while_leaders_die() {
    let mut lab = Lab::of(3);
    lab.client().apply(queues()).send().await.expect("the file is right");
    lab.client().workflow("registers").start().send().await.expect("it is taken");
    until(SETTLE_MAX, "the queues are there", async || {
        lab.client().queues().take(100).await.is_ok_and(|(all, _)| all.len() >= REGISTERS)
    })
    .await;
    for register in 0..REGISTERS {
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for (number, node) in (0..).zip(lab.names()) {
            clients.spawn(client(number, lab.only(&node), register, begun));
        }
        if register % 2 == 1 {
            let leader = lab.leader().await;
            lab.kill(&leader);
            lab.settled(&lab.others(&leader)).await;
            lab.start(&leader);
        }
        let history = clients.join_all().await.concat();
        let reads = history.iter().filter(|done| matches!(done.op, Did::Read(Some(_)))).count();
        assert!(reads >= 30, "register {register}: only {reads} reads found something");
        let verdict = check_operations_timeout(&history, SEARCH_MAX);
        assert_eq!(verdict, CheckResult::Ok, "register {register}: {history:#?}");
    }
}

/// What a client at one node does with a register, and what came of it.
async fn client(
    number: u32,
    node: Client,
    register: usize,
    begun: Instant,
) -> Vec<Operation<Register>> {
    let queue = node.queue(&format!("r{register}"));
    let now = || i64::try_from(begun.elapsed().as_nanos()).expect("a story is short");
    let mut done = Vec::new();
    for turn in 0..TURNS {
        let call = now();
        let writes = (turn + number).is_multiple_of(3);
        let value = number * 1_000 + turn + 1;
        let well = if writes {
            let well = queue.set_limit(Some(value)).await.is_ok();
            let at = if well { now() } else { i64::MAX };
            done.push(operation(number, Did::Write(value), call, at));
            well
        } else {
            let seen = queue.get().await;
            if let Ok(seen) = &seen {
                done.push(operation(number, Did::Read(seen.concurrency), call, now()));
            }
            seen.is_ok()
        };
        if !well {
            // It is away, or has no majority: a few that are unknown are enough for a search.
            back(&queue).await;
        }
    }
    done
}

/// Waits until a node answers again.
async fn back(queue: &QueueHandle) {
    let begun = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while queue.get().await.is_err() {
        assert!(begun.elapsed() < SETTLE_MAX, "the node does not answer again");
        pace.tick().await;
    }
}

/// A workflow that brings the queues into being.
fn queues() -> String {
    let mut file = "kind: workflow\nname: registers\ntasks:\n".to_owned();
    for register in 0..REGISTERS {
        writeln!(file, "  t{register}: {{noop: {{}}, queue: r{register}}}").expect("a text");
    }
    file
}

#[test]
fn the_checker_finds_a_read_of_the_past() {
    let written = operation(0, Did::Write(1), 0, 10);
    let again = operation(1, Did::Write(2), 20, 30);
    let good = operation(2, Did::Read(Some(2)), 40, 50);
    let stale = operation(2, Did::Read(Some(1)), 40, 50);
    let judge = |last| {
        let history = [written.clone(), again.clone(), last];
        check_operations_timeout(&history, SEARCH_MAX)
    };
    assert_eq!(judge(good), CheckResult::Ok);
    assert_eq!(judge(stale), CheckResult::Illegal);
}
