//! How a run ends: when no step is open any more, as its steps say or as it was decided before.

use super::{Event, Run, State};
use crate::dag::walk::{Todo, Walk};
use crate::dag::{What, step};
use crate::id::RunId;
use crate::task;
use crate::timer::Alarm;

/// A run may have nothing left to do.
pub(crate) fn rest(walk: &mut Walk<'_, '_>, run: RunId) {
    let run = walk.run(run);
    if run.steps_open > 0 || run.state.finished() {
        return;
    }
    match run.fate {
        Some(fate) => end(walk, &run, fate),
        None if run.steps_failed > 0 => end(walk, &run, State::Failed),
        None => {
            let graph = walk.graph(&run);
            if graph.definition.outputs.is_empty() {
                end(walk, &run, State::Completed);
            } else {
                step::ask(walk, &run, What::Output);
            }
        }
    }
}

/// A run is over.
pub(crate) fn end(walk: &mut Walk<'_, '_>, run: &Run, state: State) {
    step::unask(walk, run, What::Output);
    disarm(walk, run);
    walk.tx.emit(Event::Settled { run: run.id, state });
    if !run.lane.is_empty() {
        walk.then(Todo::Lane(run.workflow, run.lane.clone()));
    }
    if run.parent.is_some() {
        walk.then(Todo::Report(run.id));
    }
}

/// Takes the alarms away that would have begun a run or ended it.
pub(crate) fn disarm(walk: &mut Walk<'_, '_>, run: &Run) {
    if let Some(deadline) = run.deadline {
        task::settle::disarm(walk.tx, run.role, deadline, Alarm::RunOver(run.id));
    }
    task::settle::disarm(walk.tx, run.role, run.due_at, Alarm::RunDue(run.id));
}
