//! Histories made by hand, for planting what checks must find.

use serde_json::Value;

use crate::history::{Event, History, Process, Type};
use crate::sink::Effect;
use crate::verdict::{Outcome, Verdict};
use crate::work::Record;

/// A history in the making: one operation after the other, a microsecond each.
pub(crate) struct Tape {
    work: &'static str,
    events: Vec<Event>,
    effects: Vec<Effect>,
    process: u64,
}

impl Tape {
    pub(crate) fn new(work: &'static str) -> Tape {
        Tape { work, events: Vec::new(), effects: Vec::new(), process: 0 }
    }

    /// The time of what comes next.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.events.len() + self.effects.len()).expect("a short tape") * 1_000
    }

    fn push(&mut self, kind: Type, f: &str, key: &str, node: &str, value: Value) {
        self.events.push(Event {
            index: u64::try_from(self.events.len()).expect("a short tape"),
            time: self.now(),
            process: Process::Client(self.process),
            kind,
            work: self.work.to_owned(),
            f: f.to_owned(),
            key: key.to_owned(),
            value,
            rev: None,
            node: node.to_owned(),
            error: String::new(),
        });
    }

    fn both(&mut self, kind: Type, [f, key, node]: [&str; 3], asked: Value, told: Value) {
        self.process += 1;
        self.push(Type::Invoke, f, key, node, asked);
        self.push(kind, f, key, node, told);
    }

    pub(crate) fn ok(&mut self, f: &str, key: &str, node: &str, asked: Value, told: Value) {
        self.both(Type::Ok, [f, key, node], asked, told);
    }

    pub(crate) fn fail(&mut self, f: &str, key: &str, node: &str, asked: Value) {
        self.both(Type::Fail, [f, key, node], asked, Value::Null);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        let time = self.now();
        self.effects.push(Effect { time, work: self.work.to_owned(), ..effect });
    }

    /// Puts another answer into all operations of a kind and key.
    pub(crate) fn change(&mut self, f: &str, key: &str, value: Value) {
        let found = |event: &&mut Event| event.kind == Type::Ok && event.f == f && event.key == key;
        self.events.iter_mut().filter(found).for_each(|event| event.value = value.clone());
    }

    /// Changes the answers of a node to operations of a kind.
    pub(crate) fn change_at(&mut self, f: &str, node: &str, change: impl Fn(&mut Value)) {
        let found =
            |event: &&mut Event| event.kind == Type::Ok && event.f == f && event.node == node;
        self.events.iter_mut().filter(found).for_each(|event| change(&mut event.value));
    }

    pub(crate) fn record(self) -> Record {
        Record { history: History { events: self.events }, effects: self.effects }
    }
}

/// The worst of it, with the reasons where a test fails.
pub(crate) fn outcome(verdict: &Verdict) -> Outcome {
    let outcome = verdict.outcome();
    if outcome != Outcome::Valid {
        println!("{:#?}", verdict.findings);
    }
    outcome
}

/// Everything that was found to be broken, as one text.
pub(crate) fn broken(verdict: &Verdict) -> String {
    let bad = verdict.findings.iter().filter(|finding| finding.outcome == Outcome::Invalid);
    bad.map(|finding| format!("{}: {}\n", finding.law, finding.says)).collect()
}
