//! The world of a script: a store, an engine, a clock that is told what time it is.

use oarlock_engine::access::Principal;
use oarlock_engine::apply::{Engine, Entry, Parcel, Reply};
use oarlock_engine::catalog;
use oarlock_engine::feed::Record;
use oarlock_engine::id::{Attempt, RunId, StepNo, TaskId};
use oarlock_engine::run;
use oarlock_engine::store::mem::MemStore;
use oarlock_engine::time::Moment;

use super::parse;
use super::print;

/// Everything a script happens in.
pub(crate) struct World {
    /// The tables.
    pub store: MemStore,
    /// Who decides.
    pub engine: Engine,
    /// The moment of what follows.
    pub now: Moment,
    /// Who asks.
    pub by: Principal,
    /// Everything recorded so far.
    pub records: Vec<Record>,
    /// Everything asked so far.
    pub parcels: Vec<Parcel>,
}

impl Default for World {
    fn default() -> Self {
        World {
            store: MemStore::default(),
            engine: Engine::default(),
            now: Moment(0),
            by: Principal("user:test".to_owned()),
            records: Vec::new(),
            parcels: Vec::new(),
        }
    }
}

impl World {
    /// Applies one parcel, and tells what came of it.
    pub(crate) fn apply(&mut self, entries: Vec<Entry>) -> Vec<String> {
        let parcel = Parcel { entries };
        let applied = self.engine.apply(&self.store, &parcel);
        self.parcels.push(parcel);
        self.store.write(applied.batch);
        let mut told: Vec<String> =
            applied.records.iter().map(|record| print::event(&self.store, &record.event)).collect();
        for outcome in &applied.outcomes {
            match outcome {
                Ok(Reply::Done) => {}
                Ok(Reply::Defined { version, changed: true }) => {
                    told.push(format!("→ version {version}"))
                }
                Ok(Reply::Defined { version, changed: false }) => {
                    told.push(format!("→ version {version}, unchanged"));
                }
                Ok(Reply::Started { run, number, repeated }) => {
                    let again = if *repeated { ", again" } else { "" };
                    told.push(format!("→ {} is number {number}{again}", print::run(*run)));
                }
                Ok(Reply::Changed { count }) => told.push(format!("→ {count} changed")),
                Err(rejection) => {
                    told.push(format!("refused: {}", print::refusal(&self.store, rejection)))
                }
            }
        }
        self.records.extend(applied.records);
        told
    }

    /// `r1` as a run; `^r1/call@2` as the child that attempt 2 of its task started.
    pub(crate) fn run(&self, text: &str) -> Result<RunId, String> {
        if let Some(rest) = text.strip_prefix('^') {
            let (task, attempt) = rest.split_once('@').unwrap_or((rest, "1"));
            let attempt = Attempt(parse::number(attempt).ok_or("an attempt is a number")?);
            return Ok(RunId::child_of(self.task(&task.replacen('/', ".", 1))?, attempt));
        }
        parse::number(text).map(RunId).ok_or_else(|| format!("`{text}` is no run"))
    }

    /// `r1.load` or `r1.load[3]` as a task.
    pub(crate) fn task(&self, text: &str) -> Result<TaskId, String> {
        let (run, step, item) = self.place(text)?;
        Ok(TaskId { run, step, item: oarlock_engine::id::Item(item.unwrap_or(0)) })
    }

    /// The same, with the item only if it was said.
    pub(crate) fn place(&self, text: &str) -> Result<(RunId, StepNo, Option<u32>), String> {
        let (run, rest) = text.split_once('.').ok_or_else(|| format!("`{text}` is no task"))?;
        let (name, item) = match rest.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((name, item)) => (name, Some(parse::number(item).ok_or("an item is a number")?)),
            None => (rest, None),
        };
        let run = self.run(run)?;
        Ok((run, self.step(run, name)?, item))
    }

    /// A step of a run by its name.
    pub(crate) fn step(&self, run: RunId, name: &str) -> Result<StepNo, String> {
        let row = run::get(&self.store, run);
        let definition =
            row.and_then(|row| catalog::definition(&self.store, row.workflow, row.version));
        let known = definition
            .and_then(|known| known.steps.iter().position(|step| step.name == name))
            .and_then(|place| u16::try_from(place).ok());
        // A step that is not there can still be asked for by its number.
        let place = known.or_else(|| name.parse().ok());
        place.map(StepNo).ok_or_else(|| format!("{} has no step `{name}`", print::run(run)))
    }
}
