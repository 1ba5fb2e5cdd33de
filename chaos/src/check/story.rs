//! What happened to the cluster: phases, faults, leaders and stalls, read out of a history.
//!
//! The guards, the figures and the pictures all ask the same questions: what was broken from when until when, what did clients
//! do meanwhile, who led. So the history is folded once, here, and nothing is copied that can be borrowed.
//!
//! ```text
//!   setup │ warm-up │ faults ······ │ heal │ recovery │ fresh │ look │ end      phases: each lasts until the next begins
//!                      ├─ kill n2 ─┤                                            a fault: `start-kill` to `stop-kill`, one id
//!                           ▲ n3 leads                                          `leader`, at each change that was seen
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::{Event, History, Nemesis, Process, Type};

/// The prefix of what is looked at when all is mended; no part of the load.
pub const FINAL: &str = "final-";

/// A history, folded.
#[derive(Debug, Default)]
pub struct Story<'a> {
    /// What clients did, in the order in which it was begun.
    pub ops: Vec<Op<'a>>,
    /// What the harness was at, in order.
    pub phases: Vec<Phase>,
    /// What was broken, in the order in which it was.
    pub faults: Vec<Fault>,
    /// Who led, at each change.
    pub leaders: Vec<Leader>,
    /// When the harness itself was late.
    pub stalls: Vec<Stall>,
    /// What this machine could not do.
    pub lacks: Vec<Lack>,
    /// The last moment of the history.
    pub end: u64,
}

/// An operation, with the lines of both its ends.
#[derive(Debug, Clone, Copy)]
pub struct Op<'a> {
    /// Its beginning.
    pub invoke: &'a Event,
    /// Its end; none: the harness ended first.
    pub end: Option<&'a Event>,
}

/// What the harness was at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `warm-up`, `faults` …
    pub name: String,
    /// Nanoseconds since the history began.
    pub from: u64,
    /// When the next one began.
    pub until: u64,
    /// The nodes that were there, where the harness says so: in `look` those that must answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

/// Something that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The number that its beginning and its end share.
    pub id: u64,
    /// Which family: `kill`.
    pub nemesis: String,
    /// Which kind of it: `leader`; empty if there is but one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What was struck.
    pub targets: Vec<String>,
    /// When it took effect.
    pub from: u64,
    /// When it was undone; none: never, as far as the history tells.
    pub until: Option<u64>,
    /// Whether it was seen to have happened.
    pub proven: bool,
    /// How that was seen.
    pub proof: String,
    /// What else the nemesis tells of it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// Somebody leads, or nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// When that was seen.
    pub at: u64,
    /// Who; empty: nobody.
    pub leader: String,
    /// In which term.
    pub term: u64,
}

/// The harness was late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// When its ticker came at last.
    pub at: u64,
    /// By how much it was late.
    pub late_ms: u64,
}

/// Something this machine cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// What.
    pub name: String,
    /// Why.
    pub why: String,
}

impl Op<'_> {
    /// What is known of it.
    #[must_use]
    pub fn kind(&self) -> Type {
        self.end.map_or(Type::Info, |end| end.kind)
    }

    /// Whether it was done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.kind() == Type::Ok
    }

    /// Whether it belongs to the last look, and not to the load.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.invoke.f.starts_with(FINAL)
    }

    /// Its class: the workload and the operation.
    #[must_use]
    pub fn class(&self) -> String {
        format!("{}/{}", self.invoke.work, self.invoke.f)
    }
}

impl Fault {
    /// Family and kind: `kill-leader`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.kind.is_empty() {
            return self.nemesis.clone();
        }
        format!("{}-{}", self.nemesis, self.kind)
    }

    /// When it ended, with an end for those that never did.
    #[must_use]
    pub fn until_or(&self, end: u64) -> u64 {
        self.until.unwrap_or(end).max(self.from)
    }
}

impl Stall {
    /// When it began.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.at.saturating_sub(self.late_ms.saturating_mul(1_000_000))
    }
}

impl<'a> Story<'a> {
    /// Folds a history.
    #[must_use]
    pub fn of(history: &'a History) -> Story<'a> {
        let mut story = Story::default();
        let mut open: BTreeMap<Process, usize> = BTreeMap::new();
        for event in &history.events {
            story.end = story.end.max(event.time);
            if event.process == Process::Nemesis(Nemesis::Nemesis) {
                story.broken(event);
            } else if event.kind == Type::Invoke {
                open.insert(event.process, story.ops.len());
                story.ops.push(Op { invoke: event, end: None });
            } else if let Some(place) = open.remove(&event.process) {
                story.ops[place].end = Some(event);
            }
        }
        if let Some(last) = story.phases.last_mut() {
            last.until = story.end;
        }
        story
    }

    /// A phase, by its name.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// What clients did as load: everything but the last look.
    pub fn load(&self) -> impl Iterator<Item = &Op<'a>> {
        self.ops.iter().filter(|op| !op.is_final())
    }

    /// When the first thing was broken, or the phase for it began.
    #[must_use]
    pub fn first_fault(&self) -> Option<u64> {
        let phase = self.phase("faults").map(|phase| phase.from);
        let fault = self.faults.first().map(|fault| fault.from);
        phase.into_iter().chain(fault).min()
    }

    /// Whether the harness itself was late somewhere in between.
    #[must_use]
    pub fn stalled(&self, from: u64, until: u64) -> bool {
        self.stalls.iter().any(|stall| stall.from() < until && stall.at > from)
    }

    /// How often the lead changed hands or terms.
    #[must_use]
    pub fn changes(&self) -> u64 {
        let led = self.leaders.iter().filter(|leader| !leader.leader.is_empty());
        let seen: Vec<_> = led.map(|leader| (&leader.leader, leader.term)).collect();
        seen.windows(2).filter(|two| two[0] != two[1]).count() as u64
    }

    fn broken(&mut self, event: &Event) {
        let text = |key: &str| event.value[key].as_str().unwrap_or_default().to_owned();
        match event.f.as_str() {
            "phase" => self.enter(text("phase"), names(&event.value["nodes"]), event.time),
            "leader" => self.leaders.push(Leader {
                at: event.time,
                leader: text("leader"),
                term: event.value["term"].as_u64().unwrap_or_default(),
            }),
            "stall" => self.stalls.push(Stall {
                at: event.time,
                late_ms: event.value["late_ms"].as_u64().unwrap_or_default(),
            }),
            "capability" if event.value["there"] == Value::Bool(false) => {
                self.lacks.push(Lack { name: text("name"), why: text("why") });
            }
            f => match f.split_once('-') {
                Some(("start", name)) => self.struck(name, event),
                Some(("stop", name)) => self.mended(name, event),
                _ => {}
            },
        }
    }

    fn enter(&mut self, name: String, nodes: Vec<String>, at: u64) {
        if let Some(last) = self.phases.last_mut() {
            last.until = at;
        }
        self.phases.push(Phase { name, from: at, until: at, nodes });
    }

    fn struck(&mut self, name: &str, event: &Event) {
        let value = &event.value;
        self.faults.push(Fault {
            id: value["id"].as_u64().unwrap_or(event.index),
            nemesis: value["nemesis"].as_str().unwrap_or(name).to_owned(),
            kind: value["kind"].as_str().unwrap_or_default().to_owned(),
            targets: names(&value["targets"]),
            from: event.time,
            until: None,
            proven: value["proven"].as_bool().unwrap_or(false),
            proof: value["proof"].as_str().unwrap_or_default().to_owned(),
            detail: value["detail"].clone(),
        });
    }

    /// The end of a fault: of the one with its id, or else of the last of its kind that is still open.
    fn mended(&mut self, name: &str, event: &Event) {
        let id = event.value["id"].as_u64();
        let nemesis = event.value["nemesis"].as_str().unwrap_or(name);
        let open = self.faults.iter_mut().rev().filter(|fault| fault.until.is_none());
        let found = open.into_iter().find(|fault| match id {
            Some(id) => fault.id == id,
            None => fault.nemesis == nemesis,
        });
        if let Some(fault) = found {
            fault.until = Some(event.time);
        }
    }
}

/// The strings of a list.
pub(crate) fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::made_up::Tale;

    #[test]
    fn a_fault_ends_with_the_stop_of_its_own_id() {
        let mut tale = Tale::new();
        tale.at(1_000).start("kill", 1, &["n1"]);
        tale.at(1_100).start("kill", 2, &["n2"]);
        tale.at(1_200).stop("kill", 1);
        let history = tale.history();
        let story = Story::of(&history);
        let ends: Vec<_> = story.faults.iter().map(|fault| (fault.id, fault.until)).collect();
        assert_eq!(ends, [(1, Some(1_200_000_000)), (2, None)]);
    }

    #[test]
    fn a_phase_lasts_until_the_next_and_the_last_until_the_end() {
        let mut tale = Tale::new();
        tale.at(0).phase("setup");
        tale.at(10).phase("warm-up");
        tale.at(40).op("register", "read", 5, Type::Ok);
        let history = tale.history();
        let story = Story::of(&history);
        assert_eq!(story.phase("setup").map(|phase| phase.until), Some(10_000_000));
        assert_eq!(story.phase("warm-up").map(|phase| phase.until), Some(45_000_000));
    }

    #[test]
    fn the_same_leader_seen_twice_is_no_change() {
        let mut tale = Tale::new();
        for (at, leader, term) in
            [(1, "n1", 1), (2, "n1", 1), (3, "", 1), (4, "n2", 2), (5, "n2", 3)]
        {
            tale.at(at).leader(leader, term);
        }
        let history = tale.history();
        assert_eq!(Story::of(&history).changes(), 2);
    }
}
