//! What clients asked and what they were told, in the order in which it happened.
//!
//! A history is a file of JSON lines. Every operation has two: `invoke`, on the disk before the request is sent, and one of
//!
//! ```text
//!   ok      it was done, and this was the answer
//!   fail    it was certainly not done, now or later
//!   info    nobody knows: it may have been done, may be done yet, or never
//! ```
//!
//! Only an explicit refusal before anything was written counts as `fail`; a timeout, a broken connection and "the leader
//! changed" are `info`. A process has one operation at a time, and after `info` its number is never used again: the
//! operation it left behind may still take effect. Nemeses write into the same history, as process `nemesis`, with the targets they
//! really struck. Times are nanoseconds of the monotonic clock since the history began. These are Jepsen's conventions
//! (<https://github.com/jepsen-io/history>), so that its checkers can read what is written here; see `edn.rs`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of a history in its folder.
pub const FILE: &str = "history.jsonl";

/// What is known of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// It was begun.
    Invoke,
    /// It was done.
    Ok,
    /// It was certainly not done.
    Fail,
    /// Nobody knows.
    Info,
}

/// Who did it: a client by its number, or the one who breaks things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Process {
    /// A client.
    Client(u64),
    /// Whoever breaks things.
    Nemesis(Nemesis),
}

/// The word for it in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Nemesis {
    /// The only one.
    #[serde(rename = "nemesis")]
    Nemesis,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the history.
    pub index: u64,
    /// Nanoseconds since the history began.
    pub time: u64,
    /// Who.
    pub process: Process,
    /// What is known.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The workload, or `nemesis`.
    pub work: String,
    /// The operation.
    pub f: String,
    /// What it was done to; empty if there is but one such thing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// What was asked, or what was answered.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// The revision of the feed or the log index that the answer carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<u64>,
    /// The node that was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Why, of a `fail` or an `info`: a sentence for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// An operation with both its ends, as checkers want it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its beginning.
    pub invoke: Event,
    /// Its end; none: the harness ended first, which is as good as `info`.
    pub end: Option<Event>,
}

impl Operation {
    /// What is known of it.
    #[must_use]
    pub fn kind(&self) -> Type {
        self.end.as_ref().map_or(Type::Info, |end| end.kind)
    }

    /// What was answered, if it was done.
    #[must_use]
    pub fn ok(&self) -> Option<&Event> {
        self.end.as_ref().filter(|end| end.kind == Type::Ok)
    }
}

/// A whole history.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Its lines, in order.
    pub events: Vec<Event>,
}

impl History {
    /// Reads the history of a folder. A torn last line, left by a harness that was killed, is dropped.
    ///
    /// # Errors
    /// When there is none, or a line before the last cannot be understood.
    pub fn read(folder: &Path) -> anyhow::Result<History> {
        let path = folder.join(FILE);
        let file = File::open(&path).with_context(|| {
            format!("{}: no history here; a folder of `oarlock chaos run` has one", path.display())
        })?;
        let lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>()?;
        let mut events = Vec::with_capacity(lines.len());
        for (number, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(event) => events.push(event),
                Err(_) if number + 1 == lines.len() => {}
                Err(why) => anyhow::bail!("{}, line {}: {why}", path.display(), number + 1),
            }
        }
        Ok(History { events })
    }

    /// The operations of a workload, in the order in which they were begun.
    #[must_use]
    pub fn operations(&self, work: &str) -> Vec<Operation> {
        let mut found: Vec<Operation> = Vec::new();
        let mut open = std::collections::BTreeMap::new();
        for event in self.events.iter().filter(|event| event.work == work) {
            if event.kind == Type::Invoke {
                open.insert(event.process, found.len());
                found.push(Operation { invoke: event.clone(), end: None });
            } else if let Some(place) = open.remove(&event.process) {
                found[place].end = Some(event.clone());
            }
        }
        found
    }

    /// What was broken and mended.
    pub fn nemesis(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.process == Process::Nemesis(Nemesis::Nemesis))
    }
}

/// Writes a history. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    begun: Instant,
    tape: Mutex<Tape>,
}

#[derive(Debug)]
struct Tape {
    /// None: it could not be written any more.
    file: Option<File>,
    why_not: String,
    next: u64,
    processes: u64,
}

impl Recorder {
    /// Begins a history in a folder.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(folder: &Path) -> anyhow::Result<Recorder> {
        let path = folder.join(FILE);
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let tape =
            Mutex::new(Tape { file: Some(file), why_not: String::new(), next: 0, processes: 0 });
        Ok(Recorder { shared: Arc::new(Shared { begun: Instant::now(), tape }) })
    }

    /// Nanoseconds since it began.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.shared.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A new process.
    #[must_use]
    pub fn process(&self) -> u64 {
        let mut tape = self.shared.tape.lock().unwrap_or_else(PoisonError::into_inner);
        tape.processes += 1;
        tape.processes - 1
    }

    /// Writes a line: the whole of it reaches the kernel before this returns. `index` and `time` are set here.
    ///
    /// A disk of the harness that is full ends the history there: one with holes proves nothing. See [`Recorder::broken`].
    ///
    /// # Panics
    /// Never: an event is JSON.
    pub fn write(&self, mut event: Event) {
        let mut tape = self.shared.tape.lock().unwrap_or_else(PoisonError::into_inner);
        event.index = tape.next;
        event.time = self.now();
        let mut line = serde_json::to_vec(&event).expect("an event is JSON");
        line.push(b'\n');
        let Some(file) = &mut tape.file else { return };
        match file.write_all(&line) {
            Ok(()) => tape.next += 1,
            Err(why) => {
                tape.file = None;
                tape.why_not = why.to_string();
            }
        }
    }

    /// Why nothing can be written any more, if so.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        let tape = self.shared.tape.lock().unwrap_or_else(PoisonError::into_inner);
        tape.file.is_none().then(|| tape.why_not.clone())
    }

    /// Writes down that something was broken or mended, and what it really came to.
    pub fn nemesis(&self, f: &str, value: Value) {
        self.write(Event {
            process: Process::Nemesis(Nemesis::Nemesis),
            f: f.to_owned(),
            value,
            ..Event::empty(Type::Info, "nemesis")
        });
    }
}

impl Event {
    fn empty(kind: Type, work: &str) -> Event {
        Event {
            index: 0,
            time: 0,
            process: Process::Client(0),
            kind,
            work: work.to_owned(),
            f: String::new(),
            key: String::new(),
            value: Value::Null,
            rev: None,
            node: String::new(),
            error: String::new(),
        }
    }
}

/// One client, which does one thing after the other.
#[derive(Debug)]
pub struct Client {
    recorder: Recorder,
    work: &'static str,
    process: u64,
}

impl Client {
    /// A client of a workload.
    #[must_use]
    pub fn new(recorder: &Recorder, work: &'static str) -> Client {
        Client { recorder: recorder.clone(), work, process: recorder.process() }
    }

    /// Its number now: another one after each operation of which nobody knows.
    #[must_use]
    pub fn process(&self) -> u64 {
        self.process
    }

    /// Writes down that it begins something, and gives what to write its end with.
    pub fn invoke<'a>(
        &'a mut self,
        f: &'a str,
        key: &'a str,
        value: Value,
        node: &'a str,
    ) -> Pending<'a> {
        self.recorder.write(Event {
            process: Process::Client(self.process),
            f: f.to_owned(),
            key: key.to_owned(),
            value,
            node: node.to_owned(),
            ..Event::empty(Type::Invoke, self.work)
        });
        Pending { client: self, f, key, node }
    }
}

/// An operation that was begun. Dropping it leaves it open, which says "nobody knows".
#[derive(Debug)]
#[must_use = "an operation wants its end"]
pub struct Pending<'a> {
    client: &'a mut Client,
    f: &'a str,
    key: &'a str,
    node: &'a str,
}

impl Pending<'_> {
    /// It was done.
    pub fn ok(self, value: Value, rev: Option<u64>) {
        self.end(Type::Ok, value, rev, "");
    }

    /// It was certainly not done.
    pub fn fail(self, why: &str) {
        self.end(Type::Fail, Value::Null, None, why);
    }

    /// Nobody knows.
    pub fn info(self, why: &str) {
        self.end(Type::Info, Value::Null, None, why);
    }

    fn end(self, kind: Type, value: Value, rev: Option<u64>, why: &str) {
        self.client.recorder.write(Event {
            process: Process::Client(self.client.process),
            f: self.f.to_owned(),
            key: self.key.to_owned(),
            value,
            rev,
            node: self.node.to_owned(),
            error: why.to_owned(),
            ..Event::empty(kind, self.client.work)
        });
        if kind == Type::Info {
            self.client.process = self.client.recorder.process();
        }
    }
}
