//! Random histories: what anybody might ask, in any order, right or wrong.
//!
//! Ids are few, so that most of what is asked hits something. Half of the dice are loaded: they look at the tables and ask what
//! would come next (complete what is leased, answer what is asked, tick when something is due), or else no run would ever get
//! far; the other half ask blindly.

#![allow(dead_code, reason = "each test binary uses its own part")]

mod aim;
mod blind;
mod flows;

use oarlock_engine::access::Principal;
use oarlock_engine::apply::{Engine, Entry, Offer, Outcome, Parcel};
use oarlock_engine::command::Command;
use oarlock_engine::event::Event;
use oarlock_engine::feed::Record;
use oarlock_engine::id::WorkerId;
use oarlock_engine::store::Batch;
use oarlock_engine::store::mem::MemStore;
use oarlock_engine::time::Moment;
use oarlock_engine::version;
use proptest::prelude::*;

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub(crate) use flows::{flow, flows, step};

/// One throw: what to ask, with numbers for the details.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throw {
    /// Which kind of question.
    pub(crate) kind: u8,
    /// Details.
    pub(crate) dice: [u8; 4],
    /// Milliseconds since the last one; now and then the clock of the proposer is behind.
    pub(crate) later: i16,
    /// Whose slots are offered, if any.
    pub(crate) offer: Option<(u8, u8)>,
    /// Whether it travels with the one before it.
    pub(crate) together: bool,
}

/// Histories of at most so many throws.
pub(crate) fn throws(max: usize) -> impl Strategy<Value = Vec<Throw>> {
    let throw = (
        any::<u8>(),
        any::<[u8; 4]>(),
        prop_oneof![8 => 0i16..2_000, 1 => -500i16..0],
        proptest::option::of((1u8..5, 0u8..4)),
        proptest::bool::weighted(0.2),
    );
    let throw = throw.prop_map(|(kind, dice, later, offer, together)| Throw {
        kind,
        dice,
        later,
        offer,
        together,
    });
    proptest::collection::vec(throw, 1..max)
}

/// The same throws for the same seed, without the machinery of proptest (an LCG with Knuth's numbers).
pub(crate) fn thrown(seed: u64, count: usize) -> Vec<Throw> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut die = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    let throws = (0..count).map(|_| Throw {
        kind: die(),
        dice: [die(), die(), die(), die()],
        later: i16::from(die()) * 6,
        offer: (die() % 3 != 0).then(|| (die() % 2 + 1, die() % 4)),
        together: die() % 5 == 0,
    });
    throws.collect()
}

/// What kind of event it is: `Task.Leased`.
pub(crate) fn kind(event: &Event) -> String {
    let text = format!("{event:?}");
    let mut words =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let (concept, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("{concept}.{name}")
}

/// Every kind of event that a history should bring about.
pub(crate) const KINDS: &[&str] = &[
    "Catalog.Defined",
    "Catalog.Named",
    "Catalog.Paused",
    "Catalog.Removed",
    "Catalog.Resumed",
    "Dag.Answered",
    "Dag.Asked",
    "Dag.Counted",
    "Dag.Opened",
    "Dag.Reset",
    "Dag.Settled",
    "Dag.Stumped",
    "Dag.Unblocked",
    "Dag.Widened",
    "Member.Agreed",
    "Member.Departed",
    "Member.Drained",
    "Member.Joined",
    "Member.Left",
    "Member.Lost",
    "Member.Profiled",
    "Member.Undrained",
    "Queue.Created",
    "Queue.Limited",
    "Queue.Paused",
    "Queue.Resumed",
    "Role.Assigned",
    "Role.Created",
    "Role.Wished",
    "Run.Began",
    "Run.Doomed",
    "Run.Heard",
    "Run.Held",
    "Run.Marred",
    "Run.Paused",
    "Run.Purged",
    "Run.Released",
    "Run.Reopened",
    "Run.Resumed",
    "Run.Settled",
    "Run.Signalled",
    "Run.Started",
    "Run.Tagged",
    "Setting.Changed",
    "Task.Died",
    "Task.Discarded",
    "Task.Emitted",
    "Task.Forgotten",
    "Task.Leased",
    "Task.Opened",
    "Task.Ordered",
    "Task.Readied",
    "Task.Rested",
    "Task.Returned",
    "Task.Revived",
    "Task.Revoked",
    "Task.Succeeded",
    "Task.Waited",
    "Task.Withheld",
    "Timer.Cleared",
    "Timer.Set",
    "Worker.Attached",
    "Worker.Detached",
    "Worker.Drained",
];

/// Tables, an engine, a clock.
#[derive(Default)]
pub(crate) struct Play {
    /// The tables.
    pub(crate) store: MemStore,
    /// Who decides.
    pub(crate) engine: Engine,
    /// The proposers' clock.
    pub(crate) now: Moment,
    /// Every parcel so far, with what it wrote.
    pub(crate) log: Vec<(Parcel, Batch, Vec<Outcome>)>,
    /// Everything recorded so far.
    pub(crate) records: Vec<Record>,
}

impl Play {
    /// A cell with one node, two workers and all workflows.
    pub(crate) fn begun() -> Self {
        let mut play = Play { now: Moment(1_000), ..Play::default() };
        for command in flows::opening() {
            let entry = play.entry(command, None);
            play.apply(vec![entry]);
        }
        play
    }

    /// A command with its circumstances.
    pub(crate) fn entry(&self, command: impl Into<Command>, offer: Option<Offer>) -> Entry {
        Entry {
            at: self.now,
            by: Principal("user:dice".to_owned()),
            version: version::NEWEST,
            offer,
            command: command.into(),
        }
    }

    /// Applies one parcel.
    pub(crate) fn apply(&mut self, entries: Vec<Entry>) -> Vec<Outcome> {
        let parcel = Parcel { entries };
        let applied = self.engine.apply(&self.store, &parcel);
        self.store.write(applied.batch.clone());
        self.records.extend(applied.records);
        self.log.push((parcel, applied.batch, applied.outcomes.clone()));
        applied.outcomes
    }

    /// What a throw comes to, as seen from the tables.
    pub(crate) fn ask(&mut self, throw: Throw) -> Entry {
        self.now = Moment(self.now.0.saturating_add_signed(i64::from(throw.later)));
        let offer = throw.offer.map(|(worker, tasks)| Offer {
            worker: WorkerId(u128::from(worker)),
            tasks_max: u32::from(tasks),
        });
        let aimed =
            if throw.kind.is_multiple_of(2) { aim::command(&self.store, throw) } else { None };
        let command = aimed.unwrap_or_else(|| blind::command(throw));
        self.entry(command, offer)
    }

    /// Plays all throws, and looks after each parcel.
    pub(crate) fn play(&mut self, throws: &[Throw], mut look: impl FnMut(&Play)) {
        let mut waiting: Vec<Entry> = Vec::new();
        for throw in throws {
            let entry = self.ask(*throw);
            waiting.push(entry);
            if !throw.together {
                let entries = std::mem::take(&mut waiting);
                self.apply(entries);
                look(self);
            }
        }
        self.apply(waiting);
        look(self);
    }
}
