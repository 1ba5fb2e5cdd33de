//! Runs.

use oarlock_engine::blob::{self, Slot};
use oarlock_engine::catalog::Definition;
use oarlock_engine::dag::{self, Progress};
use oarlock_engine::id::{Item, StepNo, TaskId};
use oarlock_engine::run::{Run, State};
use oarlock_engine::store::View;
use oarlock_engine::{feed, task as tasks};
use oarlock_proto::v1;
use oarlock_proto::v1::{RunStatus, RunStep, TaskStatus};

use super::{failure, name, some, task, time, value};
use crate::shelf::Shelf;

/// Where a run stands.
pub(crate) fn status(state: State) -> RunStatus {
    match state {
        State::Queued => RunStatus::Queued,
        State::Running => RunStatus::Running,
        State::Paused => RunStatus::Paused,
        State::Cancelling => RunStatus::Cancelling,
        State::Completed => RunStatus::Completed,
        State::Failed => RunStatus::Failed,
        State::Cancelled => RunStatus::Cancelled,
        State::TimedOut => RunStatus::TimedOut,
    }
}

/// The state that a word means.
pub(crate) fn state(word: &str) -> Option<State> {
    [
        State::Queued,
        State::Running,
        State::Paused,
        State::Cancelling,
        State::Completed,
        State::Failed,
        State::Cancelled,
        State::TimedOut,
    ]
    .into_iter()
    .find(|state| status(*state).as_str() == word)
}

/// A run as lists show it.
pub(crate) fn basic(view: &dyn View, shelf: &Shelf, run: &Run) -> v1::Run {
    let definition = shelf.get(view, run.workflow, run.version);
    let workflow = name::of_workflow(view, run);
    let short = name::run(&workflow, run.number);
    let error = run.cause.as_ref().map(|cause| v1::Failure {
        task: run.failed_step.and_then(|step| {
            let step = definition.as_ref()?.steps.get(usize::from(step.0))?;
            Some(format!("{short}/{}", step.name))
        }),
        ..failure(cause)
    });
    v1::Run {
        id: run.id.to_string(),
        name: short,
        workflow,
        version: run.version.0,
        number: run.number.0,
        status: status(run.state),
        key: some(&run.key),
        concurrency_key: some(&run.lane),
        labels: run.labels.clone(),
        priority: run.priority.0,
        created_by: run.by.clone(),
        created_at: time::rfc3339(run.created_at),
        updated_at: None,
        scheduled_at: (run.due_at > run.created_at).then(|| time::rfc3339(run.due_at)),
        started_at: time::maybe(run.began_at),
        completed_at: time::maybe(run.settled_at),
        duration_ms: time::between(run.began_at, run.settled_at),
        deadline: time::maybe(run.deadline),
        parent: run.parent.and_then(|(parent, _)| task_name(view, shelf, parent)),
        tasks_total: definition.as_ref().map_or(0, |known| count(known.steps.len())),
        tasks_open: run.steps_open,
        tasks_failed: run.steps_failed,
        retries: run.retries,
        changes: run.changes,
        error,
        input: None,
        output: None,
        tasks: Vec::new(),
    }
}

/// A run with its payloads and the state of its graph.
pub(crate) fn full(view: &dyn View, shelf: &Shelf, run: &Run) -> v1::Run {
    let mut shown = with_output(view, shelf, run);
    shown.input = blob::get(view, run.id, Slot::Input).as_ref().and_then(value);
    let last = feed::of_run_back(view, run.id, oarlock_engine::id::Revision(u64::MAX), 1);
    shown.updated_at = last.first().map(|record| time::rfc3339(record.at));
    if let Some(definition) = shelf.get(view, run.workflow, run.version) {
        shown.tasks = graph(view, run, &definition);
    }
    shown
}

/// A run with what it came to.
pub(crate) fn with_output(view: &dyn View, shelf: &Shelf, run: &Run) -> v1::Run {
    let mut shown = basic(view, shelf, run);
    if run.state.finished() {
        shown.output = blob::get(view, run.id, Slot::Output).as_ref().and_then(value);
    }
    shown
}

/// What a run came to, alone.
pub(crate) fn result(view: &dyn View, shelf: &Shelf, run: &Run) -> v1::RunResult {
    let shown = with_output(view, shelf, run);
    v1::RunResult {
        run: shown.id,
        name: shown.name,
        status: shown.status,
        output: shown.output,
        error: shown.error,
    }
}

/// The full name of a task of any run.
pub(crate) fn task_name(view: &dyn View, shelf: &Shelf, id: TaskId) -> Option<String> {
    let run = oarlock_engine::run::get(view, id.run)?;
    let definition = shelf.get(view, run.workflow, run.version)?;
    let short = name::run(&name::of_workflow(view, &run), run.number);
    Some(name::task(&short, &definition, id))
}

fn graph(view: &dyn View, run: &Run, definition: &Definition) -> Vec<RunStep> {
    let mut touched = dag::steps(view, run.id).into_iter().peekable();
    let mut shown = Vec::with_capacity(definition.steps.len());
    for (place, step) in definition.steps.iter().enumerate() {
        let no = StepNo(u16::try_from(place).unwrap_or(u16::MAX));
        let progress = touched.next_if(|(known, _)| *known == no).map(|(_, progress)| progress);
        let needs = step.needs.iter().filter_map(|need| definition.steps.get(usize::from(need.0)));
        shown.push(RunStep {
            name: step.name.clone(),
            needs: needs.map(|need| need.name.clone()).collect(),
            status: step_status(view, run, no, step.each.is_some(), progress.as_ref()),
            action: task::action(step).to_owned(),
            items: step.each.as_ref().and(progress.as_ref()).map(|progress| progress.items),
            succeeded: progress.as_ref().map_or(0, |progress| progress.succeeded),
            failed: progress.as_ref().map_or(0, |progress| progress.failed),
        });
    }
    shown
}

/// Where a step stands; a single task is asked itself, because it knows more.
fn step_status(
    view: &dyn View,
    run: &Run,
    step: StepNo,
    fan_out: bool,
    progress: Option<&Progress>,
) -> TaskStatus {
    let Some(progress) = progress else { return TaskStatus::Blocked };
    if progress.state == dag::State::Open && !fan_out {
        let id = TaskId { run: run.id, step, item: Item(0) };
        if let Some(row) = tasks::get(view, id) {
            return task::status(&row.state);
        }
    }
    task::status_of_step(progress.state)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
