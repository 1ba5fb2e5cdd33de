//! A run is opened again: retried as a whole, from a step, or because a dead letter was taken up.
//!
//! Two sets of steps are worked out first, and nothing is changed before they are known to be good:
//!
//! ```text
//!   anew     as if nothing had happened: their tasks are forgotten, their conditions asked again, their results dropped
//!   resumed  in place: what succeeded stays, what failed or was cancelled is tried again with fresh attempts
//!
//!   retry            resumed: what failed or was cancelled          anew: what was barred, everything behind
//!   retry from s     resumed: –                                     anew: s and everything behind
//!   revive task t    resumed: t's step, only t in it                anew: everything behind
//! ```
//!
//! *Everything behind* includes steps that ran because of the failure (`always()`, handlers): they will see another outcome.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, Run, State, get, start};
use crate::catalog::OnFailure;
use crate::catalog::graph::Graph;
use crate::dag::walk::{Todo, Walk};
use crate::dag::{self, Progress, What, flow, step};
use crate::id::{Attempt, RunId, StepNo, TaskId};
use crate::reject::Rejection;
use crate::store::{Tx, schema};
use crate::task::{self, Task, perform};
use crate::timer::{self, Alarm};

/// What is to be opened again.
struct Plan {
    /// Steps that begin anew.
    anew: BTreeSet<StepNo>,
    /// Steps that go on, and which of their tasks are tried again.
    resumed: BTreeMap<StepNo, Vec<Task>>,
}

/// Opens a finished run again.
pub(crate) fn retry(tx: &mut Tx<'_>, id: RunId, from: Option<StepNo>) -> Result<(), Rejection> {
    let run = get(tx, id).ok_or(Rejection::NoRun(id))?;
    if !run.state.finished() || (from.is_none() && run.state == State::Completed) {
        return Err(Rejection::WrongRunState(run.state));
    }
    let mut walk = Walk::new(tx);
    let graph = walk.graph(&run);
    may_reopen(&mut walk, &run)?;
    let plan = match from {
        Some(no) => {
            graph.step(no).ok_or(Rejection::NoStep(id))?;
            let mut anew = flow::behind(&graph, std::iter::once(no));
            anew.insert(no);
            Plan { anew, resumed: BTreeMap::new() }
        }
        None => whole(&walk, &run, &graph),
    };
    reopen(&mut walk, &run, &graph, plan);
    walk.finish();
    Ok(())
}

/// Takes a dead letter up again: its task is ready, its run open.
pub(crate) fn revive(walk: &mut Walk<'_, '_>, id: TaskId) -> Result<(), Rejection> {
    let run = walk.run(id.run);
    let task = task::get(walk.tx, id).ok_or(Rejection::NoTask(id))?;
    match run.state {
        State::Queued | State::Running | State::Paused => {}
        State::Completed | State::Failed => may_reopen(walk, &run)?,
        State::Cancelling | State::Cancelled | State::TimedOut => {
            return Err(Rejection::WrongRunState(run.state));
        }
    }
    let graph = walk.graph(&run);
    let row = dag::progress(walk.tx, run.id, id.step).ok_or(Rejection::WrongTaskState(id))?;
    if row.state == dag::State::Open && !row.stumped {
        let waits = graph.step(id.step).map(|step| step.on_failure) == Some(OnFailure::DeadLetter);
        if !waits {
            // It was counted when it died.
            let (succeeded, failed) = (row.succeeded, row.failed.saturating_sub(1));
            let (run, step) = (run.id, id.step);
            walk.tx.emit(dag::Event::Counted { run, step, succeeded, failed });
        }
        again(walk, &run, &graph, &task);
        return Ok(());
    }
    let behind = flow::behind(&graph, std::iter::once(id.step));
    if behind.iter().any(|no| step::state(walk, run.id, *no) == dag::State::Open) {
        // What runs already because of the failure cannot be told to have been in vain: when it is done, this can be tried again.
        return Err(Rejection::WrongTaskState(id));
    }
    let mut plan = Plan { anew: behind, resumed: BTreeMap::new() };
    if row.stumped {
        plan.anew.insert(id.step);
    } else {
        plan.resumed.insert(id.step, vec![task]);
    }
    reopen(walk, &run, &graph, plan);
    Ok(())
}

/// Refuses to open a finished run whose place is taken, or whose workflow is gone.
fn may_reopen(walk: &mut Walk<'_, '_>, run: &Run) -> Result<(), Rejection> {
    let workflow = schema::WORKFLOW.get(walk.tx, &run.workflow);
    let workflow = workflow.expect("a run's workflow is kept while it has runs");
    if workflow.removed {
        return Err(Rejection::NoWorkflow(workflow.name));
    }
    start::vacant(walk.tx, run)?;
    if !start::has_room(walk, run) {
        return Err(Rejection::LaneFull(run.lane.clone()));
    }
    Ok(())
}

/// What failed or was cancelled goes on, what never ran and what lies behind begins anew.
fn whole(walk: &Walk<'_, '_>, run: &Run, graph: &Graph) -> Plan {
    let rows: BTreeMap<StepNo, Progress> = dag::steps(walk.view(), run.id).into_iter().collect();
    let broken = |row: &Progress| match row.state {
        dag::State::Failed | dag::State::Cancelled | dag::State::Barred => true,
        dag::State::Blocked
        | dag::State::Asking
        | dag::State::Open
        | dag::State::Succeeded
        | dag::State::Skipped => false,
    };
    let seeds: Vec<StepNo> =
        rows.iter().filter(|(_, row)| broken(row)).map(|(no, _)| *no).collect();
    let mut anew = flow::behind(graph, seeds.iter().copied());
    let mut resumed = BTreeMap::new();
    for no in seeds.into_iter().filter(|no| !anew.contains(no)).collect::<Vec<_>>() {
        let row = &rows[&no];
        if row.opened == 0 || row.stumped {
            anew.insert(no);
        } else {
            let tasks = schema::TASK.under(walk.view(), &(run.id, no)).map(|(_, task)| task);
            let tasks = tasks.filter(|task| task.state != task::State::Succeeded);
            resumed.insert(no, tasks.collect());
        }
    }
    Plan { anew, resumed }
}

/// Carries a plan out.
fn reopen(walk: &mut Walk<'_, '_>, run: &Run, graph: &Graph, plan: Plan) {
    let touched = || plan.anew.iter().chain(plan.resumed.keys());
    let standing = |walk: &Walk<'_, '_>, no: &StepNo| step::state(walk, run.id, *no);
    let settled = touched().filter(|no| standing(walk, no).settled()).count();
    let failed = touched().filter(|no| standing(walk, no) == dag::State::Failed).count();
    let count = |steps: usize| u32::try_from(steps).expect("a definition has few steps");
    let over = run.state.finished();
    let deadline = match graph.definition.timeout {
        Some(span) if over => Some(walk.tx.now().after(span)),
        Some(_) | None => run.deadline,
    };
    step::unask(walk, run, What::Output);
    walk.tx.emit(Event::Reopened {
        run: run.id,
        state: match (over, run.began_at) {
            (false, _) => run.state,
            (true, Some(_)) => State::Running,
            (true, None) => State::Queued,
        },
        steps_open: run.steps_open + count(settled),
        steps_failed: run.steps_failed.saturating_sub(count(failed)),
        deadline,
    });
    if let Some(deadline) = deadline.filter(|_| over) {
        timer::set(walk.tx, run.role, deadline, Alarm::RunOver(run.id));
    }
    let run = walk.run(run.id);
    for (no, tasks) in &plan.resumed {
        resume(walk, &run, graph, *no, tasks);
    }
    for no in &plan.anew {
        forget(walk, &run, *no);
    }
    for no in &plan.anew {
        block(walk, &run, graph, *no);
    }
    // There may be nothing to do again but the output.
    walk.then(Todo::Rest(run.id));
}

/// A step goes on with some of its tasks.
fn resume(walk: &mut Walk<'_, '_>, run: &Run, graph: &Graph, no: StepNo, tasks: &[Task]) {
    let before = dag::progress(walk.tx, run.id, no).expect("a step that had tasks has a row");
    let counted = tasks.iter().filter(|task| task.state == task::State::Failed).count();
    let counted = u32::try_from(counted).expect("a step has few tasks");
    let progress = Progress {
        state: dag::State::Open,
        failed: before.failed.saturating_sub(counted),
        ..before
    };
    walk.tx.emit(dag::Event::Reset { run: run.id, step: no, progress: Some(progress) });
    for task in tasks {
        again(walk, run, graph, task);
    }
    walk.then(Todo::Widen(run.id, no));
}

/// A task gets a fresh round of attempts, numbered on from the last.
fn again(walk: &mut Walk<'_, '_>, run: &Run, graph: &Graph, task: &Task) {
    let used = schema::TRY.has(walk.tx, &(task.id, task.attempt));
    let attempt = Attempt(task.attempt.0 + u32::from(used));
    let allowed = graph.step(task.id.step).map_or(1, |step| step.retry.attempts_max);
    let attempts_max = (attempt.0 - 1).saturating_add(allowed);
    walk.tx.emit(task::Event::Revived { task: task.id, attempt, attempts_max });
    if perform::has_order(walk, run, task) {
        walk.then(Todo::Begin(task.id));
    } else {
        step::ask(walk, run, What::Item(task.id.step, task.id.item));
    }
}

/// What a step did is forgotten; it is as good as unsettled for those that wait for it.
fn forget(walk: &mut Walk<'_, '_>, run: &Run, no: StepNo) {
    step::unask(walk, run, What::Step(no));
    let tasks: Vec<TaskId> =
        schema::TASK.under(walk.view(), &(run.id, no)).map(|(id, _)| id).collect();
    for task in tasks {
        walk.tx.emit(task::Event::Forgotten { task });
    }
    if dag::progress(walk.tx, run.id, no).is_some() {
        walk.tx.emit(dag::Event::Reset { run: run.id, step: no, progress: None });
    }
}

/// A step waits again for what is not settled now, or is looked at at once.
fn block(walk: &mut Walk<'_, '_>, run: &Run, graph: &Graph, no: StepNo) {
    let needs = flow::waits_for(graph, no);
    let left = needs.iter().filter(|need| !step::state(walk, run.id, **need).settled()).count();
    if left < needs.len() {
        let left = u16::try_from(left).expect("a step has fewer needs than there are steps");
        let progress = Some(step::blocked(left));
        walk.tx.emit(dag::Event::Reset { run: run.id, step: no, progress });
    }
    // A handler may be called by a failure that stays.
    walk.then(Todo::Look(run.id, no));
}
