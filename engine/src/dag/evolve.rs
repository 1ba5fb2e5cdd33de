//! What happens to steps and questions.

use super::{Event, Progress, State, What, step};
use crate::blob::Slot;
use crate::id::{RunId, StepNo};
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Asked { role, question } => {
            schema::QUESTION.put(rows, &(*role, *question), &());
            if let What::Step(no) = question.what {
                change(rows, question.run, no, |row| row.state = State::Asking);
            }
        }
        Event::Answered { role, question } => {
            schema::QUESTION.delete(rows, &(*role, *question));
        }
        Event::Unblocked { run, step, needs_left } => {
            let row = Progress { needs_left: *needs_left, ..before(rows, *run, *step) };
            schema::STEP.put(rows, &(*run, *step), &row);
        }
        Event::Opened { run, step, items, opened } => change(rows, *run, *step, |row| {
            row.state = State::Open;
            row.items = *items;
            row.opened = *opened;
        }),
        Event::Stumped { run, step } => change(rows, *run, *step, |row| row.stumped = true),
        Event::Widened { run, step, opened } => {
            change(rows, *run, *step, |row| row.opened = *opened);
        }
        Event::Counted { run, step, succeeded, failed } => change(rows, *run, *step, |row| {
            row.succeeded = *succeeded;
            row.failed = *failed;
        }),
        Event::Settled { run, step, state, succeeded, failed } => {
            change(rows, *run, *step, |row| {
                row.state = *state;
                row.succeeded = *succeeded;
                row.failed = *failed;
            });
            schema::RUN.change(rows, run, |row| {
                row.steps_open -= 1;
                row.changes += 1;
            });
        }
        Event::Reset { run, step, progress } => {
            match progress {
                Some(progress) => schema::STEP.put(rows, &(*run, *step), progress),
                None => schema::STEP.delete(rows, &(*run, *step)),
            }
            if progress.as_ref().is_none_or(|row| row.opened == 0) {
                schema::BLOB.delete(rows, &(*run, Slot::Items(*step)));
            }
        }
    }
}

/// Changes a step that waits for nothing any more; the first event that concerns it makes its row.
fn change(rows: &mut Rows<'_>, run: RunId, no: StepNo, change: impl FnOnce(&mut Progress)) {
    let mut row = Progress { needs_left: 0, ..before(rows, run, no) };
    change(&mut row);
    schema::STEP.put(rows, &(run, no), &row);
}

fn before(rows: &Rows<'_>, run: RunId, no: StepNo) -> Progress {
    schema::STEP.get(rows, &(run, no)).unwrap_or(step::blocked(0))
}
