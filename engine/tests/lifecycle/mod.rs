//! Histories read as lives: which transition each event was, for whom.

pub(crate) mod drawn;

use std::collections::BTreeMap;

use oarlock_engine::dag::{self, What};
use oarlock_engine::event::Event;
use oarlock_engine::feed::Record;
use oarlock_engine::id::{RunId, StepNo, TaskId};
use oarlock_engine::{catalog, member, queue, role, run, task, worker};

/// From where, by what, to where; of which concept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Transition {
    /// `run`, `task` …
    pub(crate) concept: &'static str,
    /// The state before; `nothing` before the first.
    pub(crate) from: String,
    /// The event.
    pub(crate) event: &'static str,
    /// The state after.
    pub(crate) to: String,
}

/// Whoever has a life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Workflow(u32),
    Run(RunId),
    Step(RunId, StepNo),
    Task(TaskId),
    Queue(String),
    Role(u32),
    Member(u64),
    Worker(u128),
}

/// What an event means for somebody: the concept, who, the event, the state after it.
type Move = (&'static str, Whose, &'static str, String);

/// Where everybody stands, as told by the feed alone.
#[derive(Default)]
pub(crate) struct Lives {
    states: BTreeMap<Whose, String>,
    began: BTreeMap<RunId, bool>,
}

const NOTHING: &str = "nothing";

impl Lives {
    /// The transitions of a history.
    pub(crate) fn read(records: &[Record]) -> Vec<Transition> {
        let mut lives = Lives::default();
        records.iter().filter_map(|record| lives.follow(&record.event)).collect()
    }

    fn follow(&mut self, event: &Event) -> Option<Transition> {
        let (concept, whose, event, to) = self.moved(event)?;
        let before = self.states.insert(whose.clone(), to.clone());
        if to == NOTHING {
            self.bury(&whose);
        }
        let from = before.unwrap_or_else(|| NOTHING.to_owned());
        Some(Transition { concept, from, event, to })
    }

    /// Who is gone takes along what belongs to it.
    fn bury(&mut self, whose: &Whose) {
        self.states.remove(whose);
        if let Whose::Run(gone) = whose {
            self.states.retain(|whose, _| match whose {
                Whose::Step(run, _) => run != gone,
                Whose::Task(task) => task.run != *gone,
                _ => true,
            });
        }
    }

    fn moved(&mut self, event: &Event) -> Option<Move> {
        match event {
            Event::Catalog(event) => self.workflow(event),
            Event::Run(event) => self.run(event),
            Event::Dag(event) => step(event),
            Event::Task(event) => a_task(event),
            Event::Queue(event) => a_queue(event),
            Event::Role(event) => a_role(event),
            Event::Member(event) => a_member(event),
            Event::Worker(event) => a_worker(event),
            Event::Timer(_) | Event::Feed(_) | Event::Setting(_) | Event::Blob(_) => None,
        }
    }

    fn workflow(&self, event: &catalog::Event) -> Option<Move> {
        use catalog::Event as E;
        let (id, name, to) = match event {
            E::Named { workflow, .. } => (workflow, "Named", "open"),
            E::Defined { workflow, .. } => {
                let now = self.states.get(&Whose::Workflow(workflow.0))?.clone();
                return Some(("workflow", Whose::Workflow(workflow.0), "Defined", now));
            }
            E::Paused { workflow } => (workflow, "Paused", "paused"),
            E::Resumed { workflow } => (workflow, "Resumed", "open"),
            E::Removed { workflow } => (workflow, "Removed", "removed"),
        };
        Some(("workflow", Whose::Workflow(id.0), name, to.to_owned()))
    }

    fn run(&mut self, event: &run::Event) -> Option<Move> {
        use run::Event as E;
        let (id, name, to) = match event {
            E::Started { run, .. } => (run.id, "Started", lower(run.state)),
            E::Held { run } => {
                // It may have been paused before its moment came.
                let now = self.states.get(&Whose::Run(*run))?.clone();
                (*run, "Held", now)
            }
            E::Began { run } => {
                self.began.insert(*run, true);
                (*run, "Began", "running".to_owned())
            }
            E::Paused { run, .. } => (*run, "Paused", "paused".to_owned()),
            E::Resumed { run } => {
                let began = self.began.contains_key(run);
                (*run, "Resumed", if began { "running" } else { "queued" }.to_owned())
            }
            E::Doomed { run, .. } => (*run, "Doomed", "cancelling".to_owned()),
            E::Settled { run, state } => (*run, "Settled", lower(*state)),
            E::Reopened { run, state, .. } => (*run, "Reopened", lower(*state)),
            E::Purged { run, .. } => {
                self.began.remove(run);
                (*run, "Purged", NOTHING.to_owned())
            }
            _ => return None,
        };
        Some(("run", Whose::Run(id), name, to))
    }
}

fn lower(state: impl std::fmt::Debug) -> String {
    let text = format!("{state:?}").to_lowercase();
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn step(event: &dag::Event) -> Option<Move> {
    use dag::Event as E;
    let (run, step, name, to) = match event {
        E::Unblocked { run, step, .. } => (run, step, "Unblocked", "blocked".to_owned()),
        E::Asked { question, .. } => match &question.what {
            What::Step(step) => (&question.run, step, "Asked", "asking".to_owned()),
            What::Item(..) | What::Output => return None,
        },
        E::Opened { run, step, .. } => (run, step, "Opened", "open".to_owned()),
        E::Settled { run, step, state, .. } => (run, step, "Settled", lower(state)),
        E::Reset { run, step, progress } => {
            let to = progress.as_ref().map_or(NOTHING.to_owned(), |row| lower(row.state));
            (run, step, "Reset", to)
        }
        _ => return None,
    };
    Some(("step", Whose::Step(*run, *step), name, to))
}

fn a_task(event: &task::Event) -> Option<Move> {
    use task::Event as E;
    let (id, name, to) = match event {
        E::Opened { task } => (&task.id, "Opened", lower(&task.state)),
        E::Readied { task, .. } => (task, "Readied", "ready".to_owned()),
        E::Withheld { task } => (task, "Withheld", "held".to_owned()),
        E::Leased { task, .. } => (task, "Leased", "leased".to_owned()),
        E::Waited { task, .. } => (task, "Waited", "waiting".to_owned()),
        E::Returned { task, .. } => (task, "Returned", "held".to_owned()),
        E::Rested { task, .. } => (task, "Rested", "resting".to_owned()),
        E::Succeeded { task, .. } => (task, "Succeeded", "succeeded".to_owned()),
        E::Died { task, .. } => (task, "Died", "failed".to_owned()),
        E::Revoked { task, .. } => (task, "Revoked", "cancelled".to_owned()),
        E::Revived { task, .. } => (task, "Revived", "unresolved".to_owned()),
        E::Forgotten { task } => (task, "Forgotten", NOTHING.to_owned()),
        _ => return None,
    };
    Some(("task", Whose::Task(*id), name, to))
}

fn a_queue(event: &queue::Event) -> Option<Move> {
    use queue::Event as E;
    let (name, event, to) = match event {
        E::Created { name } => (name, "Created", "open"),
        E::Paused { name } => (name, "Paused", "paused"),
        E::Resumed { name } => (name, "Resumed", "open"),
        E::Limited { .. } => return None,
    };
    Some(("queue", Whose::Queue(name.clone()), event, to.to_owned()))
}

fn a_role(event: &role::Event) -> Option<Move> {
    let (id, name, to) = match event {
        role::Event::Created { role, .. } => (role, "Created", "vacant"),
        role::Event::Assigned { role, node: None, .. } => (role, "Assigned", "vacant"),
        role::Event::Assigned { role, node: Some(_), .. } => (role, "Assigned", "held"),
        role::Event::Wished { .. } => return None,
    };
    Some(("role", Whose::Role(id.0), name, to.to_owned()))
}

fn a_member(event: &member::Event) -> Option<Move> {
    let (node, name, to) = match event {
        member::Event::Joined { member } => {
            return Some(("member", Whose::Member(member.node.0), "Joined", lower(member.state)));
        }
        member::Event::Left { node } => (node, "Left", "left"),
        member::Event::Lost { node } => (node, "Lost", "lost"),
        member::Event::Drained { node, .. } => (node, "Drained", "draining"),
        member::Event::Undrained { node } => (node, "Undrained", "up"),
        member::Event::Agreed { .. }
        | member::Event::Profiled { .. }
        | member::Event::Forgotten { .. }
        | member::Event::Departed { .. } => return None,
    };
    Some(("member", Whose::Member(node.0), name, to.to_owned()))
}

fn a_worker(event: &worker::Event) -> Option<Move> {
    let (id, name, to) = match event {
        worker::Event::Attached { worker } => (worker.id, "Attached", "attached"),
        worker::Event::Drained { worker } => (*worker, "Drained", "draining"),
        worker::Event::Detached { worker, .. } => (*worker, "Detached", NOTHING),
    };
    Some(("worker", Whose::Worker(id.0), name, to.to_owned()))
}
