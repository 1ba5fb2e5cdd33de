//! Histories by hand, for the tests of the checkers: good ones, and those with a fault put in.

use serde_json::Value;

use crate::history::{Event, Operation, Process, Type};

/// An operation from `begin` to `end`, by process 0, at node `n1`, on key `k`. The setters below say what is different.
pub(crate) fn done(f: &str, begin: u64, end: u64, asked: Value, answered: Value) -> Operation {
    let invoke = event(Type::Invoke, f, begin, asked);
    Operation { invoke, end: Some(event(Type::Ok, f, end, answered)) }
}

/// One of which nobody knows.
pub(crate) fn unknown(f: &str, begin: u64, asked: Value) -> Operation {
    let invoke = event(Type::Invoke, f, begin, asked);
    Operation { invoke, end: Some(event(Type::Info, f, begin + 1, Value::Null)) }
}

/// One that was certainly not done.
pub(crate) fn refused(f: &str, begin: u64, end: u64, asked: Value, why: &str) -> Operation {
    let mut end = event(Type::Fail, f, end, Value::Null);
    why.clone_into(&mut end.error);
    Operation { invoke: event(Type::Invoke, f, begin, asked), end: Some(end) }
}

impl Operation {
    fn each(mut self, change: impl Fn(&mut Event)) -> Operation {
        change(&mut self.invoke);
        self.end.iter_mut().for_each(change);
        self
    }

    pub(crate) fn key(self, key: &str) -> Operation {
        self.each(|event| key.clone_into(&mut event.key))
    }

    pub(crate) fn node(self, node: &str) -> Operation {
        self.each(|event| node.clone_into(&mut event.node))
    }

    pub(crate) fn by(self, process: u64) -> Operation {
        self.each(|event| event.process = Process::Client(process))
    }

    pub(crate) fn rev(mut self, rev: u64) -> Operation {
        self.end.iter_mut().for_each(|event| event.rev = Some(rev));
        self
    }
}

fn event(kind: Type, f: &str, time: u64, value: Value) -> Event {
    Event {
        index: time,
        time,
        process: Process::Client(0),
        kind,
        work: "test".to_owned(),
        f: f.to_owned(),
        key: "k".to_owned(),
        value,
        rev: None,
        node: "n1".to_owned(),
        error: String::new(),
    }
}
