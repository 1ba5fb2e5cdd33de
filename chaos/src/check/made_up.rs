//! Histories made up for tests: who does what when, without a cluster.
//!
//! A tale is told in milliseconds and in any order; it becomes a history sorted by time. Each operation has a process of its own,
//! so that any two may overlap.

use serde_json::{Value, json};

use crate::history::{Event, History, Nemesis, Process, Type};

/// A history in the making.
#[derive(Debug, Default)]
pub(crate) struct Tale {
    events: Vec<Event>,
    processes: u64,
    now_ms: u64,
    node: String,
}

impl Tale {
    pub(crate) fn new() -> Tale {
        Tale { node: "n1".to_owned(), ..Tale::default() }
    }

    /// What is told next happens at this moment.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Tale {
        self.now_ms = ms;
        self
    }

    /// What is told next is asked of this node.
    pub(crate) fn on(&mut self, node: &str) -> &mut Tale {
        node.clone_into(&mut self.node);
        self
    }

    pub(crate) fn phase(&mut self, name: &str) {
        self.nemesis("phase", json!({ "phase": name }));
    }

    pub(crate) fn leader(&mut self, leader: &str, term: u64) {
        self.nemesis("leader", json!({"leader": leader, "term": term}));
    }

    pub(crate) fn start(&mut self, nemesis: &str, id: u64, targets: &[&str]) {
        let value = json!({
            "id": id, "nemesis": nemesis, "targets": targets, "planned": true,
            "proven": true, "proof": format!("{} was seen to be struck", targets.join(", ")),
        });
        self.nemesis(&format!("start-{nemesis}"), value);
    }

    pub(crate) fn stop(&mut self, nemesis: &str, id: u64) {
        self.nemesis(&format!("stop-{nemesis}"), json!({"id": id, "nemesis": nemesis}));
    }

    pub(crate) fn nemesis(&mut self, f: &str, value: Value) {
        let event = self.event(self.now_ms, Process::Nemesis(Nemesis::Nemesis), Type::Info);
        self.events.push(Event {
            work: "nemesis".to_owned(),
            f: f.to_owned(),
            value,
            node: String::new(),
            ..event
        });
    }

    /// An operation that takes so many milliseconds.
    pub(crate) fn op(&mut self, work: &str, f: &str, took_ms: u64, kind: Type) {
        self.asked(work, f, "", Value::Null, took_ms, kind, Value::Null);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "an operation is all of this, and tests want it on one line"
    )]
    pub(crate) fn asked(
        &mut self,
        work: &str,
        f: &str,
        key: &str,
        asked: Value,
        took_ms: u64,
        kind: Type,
        answered: Value,
    ) {
        let process = Process::Client(self.processes);
        self.processes += 1;
        for (at, kind, value) in
            [(self.now_ms, Type::Invoke, asked), (self.now_ms + took_ms, kind, answered)]
        {
            let event = self.event(at, process, kind);
            self.events.push(Event {
                work: work.to_owned(),
                f: f.to_owned(),
                key: key.to_owned(),
                value,
                ..event
            });
        }
    }

    /// It, in the order of time.
    pub(crate) fn history(mut self) -> History {
        self.events.sort_by_key(|event| event.time);
        for (index, event) in (0..).zip(&mut self.events) {
            event.index = index;
        }
        History { events: self.events }
    }

    fn event(&self, ms: u64, process: Process, kind: Type) -> Event {
        Event {
            index: 0,
            time: ms * 1_000_000,
            process,
            kind,
            work: String::new(),
            f: String::new(),
            key: String::new(),
            value: Value::Null,
            rev: None,
            node: self.node.clone(),
            error: String::new(),
        }
    }
}

/// A minute like many: two workloads, five faults of three kinds, each followed by a second in which little is answered.
pub(crate) fn minute() -> Tale {
    let mut tale = Tale::new();
    let phases = [
        (0, "setup"),
        (2_000, "warm-up"),
        (12_000, "faults"),
        (72_000, "heal"),
        (74_000, "recovery"),
        (78_000, "fresh"),
        (88_000, "look"),
        (89_000, "end"),
    ];
    for (at, name) in phases {
        tale.at(at).phase(name);
    }
    let faults = [
        (14_000, 4_000, "kill", vec!["n1"]),
        (24_000, 6_000, "partition", vec!["n2", "n3"]),
        (36_000, 3_000, "pause", vec!["n2"]),
        (47_000, 5_000, "kill", vec!["n3"]),
        (50_000, 12_000, "partition", vec!["n1"]),
    ];
    for (id, (at, lasts, nemesis, targets)) in (1..).zip(&faults) {
        tale.at(*at).start(nemesis, id, targets);
        tale.at(at + lasts).stop(nemesis, id);
        tale.at(at + 700).leader(["n1", "n2", "n3"][usize::from(id % 3 == 0)], id + 1);
    }
    tale.at(2_500).leader("n1", 1);
    tale.at(55_000).nemesis("stall", json!({"late_ms": 420}));
    for ms in (2_000..74_000).chain(78_000..88_000).step_by(10) {
        let hurt = faults.iter().any(|(at, ..)| (*at..at + 900 + at % 700).contains(&ms));
        let kind = if hurt { Type::Info } else { Type::Ok };
        let node = ["n1", "n2", "n3"][usize::try_from(ms / 10 % 3).expect("small")];
        let f = if ms % 40 == 0 { "write" } else { "read" };
        tale.at(ms).on(node).op("register", f, 3 + ms / 7 % 6, kind);
        if ms % 20 == 0 && (ms / 1_000 % 7 != 3 || ms % 60 == 0) {
            let refused = hurt && ms % 100 == 0;
            tale.op("submit", "start", 6, if refused { Type::Fail } else { kind });
        }
    }
    for node in ["n1", "n2", "n3"] {
        tale.at(88_100).on(node).op("register", "final-read", 9, Type::Ok);
        tale.at(88_200).on(node).op("submit", "final-list", 30, Type::Ok);
    }
    tale
}
