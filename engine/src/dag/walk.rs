//! The work list of one entry: what follows from what has just happened, one thing after the other.
//!
//! A task that settles may settle its step, that may open the next steps, one of those may be done at once, a run may end, its
//! parent may go on. Each of these is a line on the list and never a call inside a call, so a chain of five thousand skipped
//! steps needs a list of one line and no stack. Whatever is on the list is looked at anew when its turn comes: what happened
//! before may have made it pointless.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::step;
use crate::blob::Payload;
use crate::catalog::graph::Graph;
use crate::id::{RunId, StepNo, TaskId, WorkflowId};
use crate::run::{self, Run, stop::Manner};
use crate::store::{Tx, View, schema};
use crate::task::{self, Failure};

/// Child runs begun at once by one walk; further ones are delayed by a moment, so that no entry starts runs without end.
pub(crate) const CHILDREN_MAX: usize = 64;

/// Something that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Todo {
    /// A run may begin, if its concurrency key is free.
    Admit(RunId),
    /// A step may go on: are its needs settled?
    Look(RunId, StepNo),
    /// A step has settled: who waits for it?
    Passed(RunId, StepNo),
    /// A step may have room for more items.
    Widen(RunId, StepNo),
    /// A task may begin, if its run is not paused.
    Begin(TaskId),
    /// A task has settled; none: well.
    Count(TaskId, Option<Failure>),
    /// A run may have nothing left to do.
    Rest(RunId),
    /// A child run has settled: its parent's task goes on.
    Report(RunId),
    /// A concurrency key may have room.
    Lane(WorkflowId, String),
    /// A child run is to stop with its parent.
    Stop(RunId, Manner),
}

/// An entry's transaction and its work list.
pub(crate) struct Walk<'t, 'a> {
    /// The transaction.
    pub(crate) tx: &'t mut Tx<'a>,
    /// Child runs begun so far.
    pub(crate) children: usize,
    list: VecDeque<Todo>,
}

impl<'t, 'a> Walk<'t, 'a> {
    /// An empty list.
    pub(crate) fn new(tx: &'t mut Tx<'a>) -> Self {
        Walk { tx, children: 0, list: VecDeque::new() }
    }

    /// Puts a line at the end of the list.
    pub(crate) fn then(&mut self, todo: Todo) {
        self.list.push_back(todo);
    }

    /// The graph of a run.
    pub(crate) fn graph(&mut self, run: &Run) -> Arc<Graph> {
        self.tx.graph(run.workflow, run.version)
    }

    /// A run that something on the list is about. It exists: nothing is purged while it is walked.
    pub(crate) fn run(&self, run: RunId) -> Rc<Run> {
        let run = schema::RUN.look(self.view(), &run);
        run.expect("what is on the list is about runs that exist")
    }

    /// To read only.
    pub(crate) fn view(&self) -> &dyn View {
        &*self.tx
    }

    /// Works the list off.
    pub(crate) fn finish(mut self) {
        while let Some(todo) = self.list.pop_front() {
            match todo {
                Todo::Admit(run) => run::start::admit(&mut self, run),
                Todo::Look(run, no) => step::look(&mut self, run, no),
                Todo::Passed(run, no) => step::passed(&mut self, run, no),
                Todo::Widen(run, no) => step::widen(&mut self, run, no),
                Todo::Begin(task) => task::perform::begin(&mut self, task),
                Todo::Count(task, failure) => step::count(&mut self, task, failure),
                Todo::Rest(run) => run::settle::rest(&mut self, run),
                Todo::Report(run) => report(&mut self, run),
                Todo::Lane(workflow, lane) => run::start::lane(&mut self, workflow, &lane),
                Todo::Stop(run, manner) => run::stop::with_parent(&mut self, run, manner),
            }
        }
    }
}

/// A child run is over: the task that waits for it succeeds with its output, or fails as it did.
fn report(walk: &mut Walk<'_, '_>, child: RunId) {
    let child = walk.run(child);
    let Some((parent, _)) = child.parent else { return };
    let Some(task) = task::get(walk.tx, parent) else { return };
    let awaited = task::Awaited::Child { run: child.id };
    match &task.state {
        task::State::Waiting { what, .. } if *what == awaited => {}
        task::State::Waiting { .. }
        | task::State::Unresolved
        | task::State::Ready { .. }
        | task::State::Held
        | task::State::Leased { .. }
        | task::State::Resting { .. }
        | task::State::Succeeded
        | task::State::Failed
        | task::State::Cancelled => return,
    }
    let kind = match child.state {
        run::State::Completed => {
            let output = crate::blob::get(walk.tx, child.id, crate::blob::Slot::Output);
            task::settle::succeed(walk, &task, &output.unwrap_or(Payload::EMPTY));
            return;
        }
        run::State::Failed => "child:failed",
        run::State::Cancelled => "child:cancelled",
        run::State::TimedOut => "child:timed_out",
        run::State::Queued | run::State::Running | run::State::Paused | run::State::Cancelling => {
            return;
        }
    };
    let cause = child.cause.as_ref();
    let message = cause.map_or_else(|| kind.to_owned(), |cause| cause.message.clone());
    let failure = Failure { kind: kind.to_owned(), message, retryable: false };
    task::settle::fail(walk, &task, failure);
}
