//! An index has exactly the rows that its table implies.

use super::Court;
use crate::dag;
use crate::feed::Subject;
use crate::id::{RoleId, RunId};
use crate::queue::order::Class;
use crate::run::Run;
use crate::store::key::Falling;
use crate::store::{View, schema};
use crate::task::{self, Awaited, Task};
use crate::time::Moment;
use crate::timer::Alarm;

pub(super) fn check(court: &mut Court<'_>) {
    cell(court);
    runs(court);
    tasks(court);
    alarms(court);
    owned(court);
}

fn cell(court: &mut Court<'_>) {
    let view = court.view;
    let workflows = schema::WORKFLOW.under(view, &());
    let names = workflows.map(|(_, row)| row.name);
    court.index("workflows are found by name", &schema::WORKFLOW_BY_NAME, names);
    let definitions = schema::DEFINITION.under(view, &()).map(|(key, _)| key);
    court.index("every version has its edition", &schema::EDITION, definitions);
    let roles = schema::ROLE.under(view, &()).map(|(_, row)| row.name);
    court.index("roles are found by name", &schema::ROLE_BY_NAME, roles);
    let held = schema::ROLE.under(view, &());
    let held = held.filter_map(|(id, row)| row.node.map(|node| (node, id)));
    court.index("what a node drives is found", &schema::ROLE_OF_NODE, held);
    let queues: Vec<String> = schema::QUEUE.under(view, &()).map(|(name, _)| name).collect();
    let names = schema::QUEUE_NAMES.get(view, &()).unwrap_or_default();
    let law = "the names of all queues are one row";
    court.expect(law, names == queues, || format!("{names:?}, {queues:?}"));
    let workers = schema::WORKER.under(view, &()).map(|(id, row)| (row.node, id));
    court.index("a node's workers are found", &schema::WORKER_OF_NODE, workers);
}

fn every_run(view: &dyn View) -> impl Iterator<Item = Run> + use<'_> {
    schema::RUN.under(view, &()).map(|(_, run)| run)
}

fn runs(court: &mut Court<'_>) {
    let view = court.view;
    let numbers = every_run(view).map(|run| (run.workflow, run.number));
    court.index("runs are found by number", &schema::RUN_BY_NUMBER, numbers);
    let created = every_run(view).map(|run| (run.created_at, run.id));
    court.index("runs are listed by age", &schema::RUN_BY_CREATED, created);
    let states = every_run(view).map(|run| (run.state, run.created_at, run.id));
    court.index("runs are listed by state", &schema::RUN_BY_STATE, states);
    let states = every_run(view).map(|run| (run.workflow, run.state, run.number));
    let law = "a workflow's runs are listed by state";
    court.index(law, &schema::RUN_BY_WORKFLOW_STATE, states);
    let settled = every_run(view).filter_map(|run| {
        run.settled_at.filter(|_| run.state.finished()).map(|at| (run.workflow, at, run.id))
    });
    court.index("finished runs are listed for retention", &schema::RUN_SETTLED, settled);
    let keys = every_run(view).filter(|run| !run.state.finished() && !run.key.is_empty());
    let keys = keys.map(|run| (run.workflow, run.key));
    court.index("unfinished runs are found by key", &schema::RUN_BY_KEY, keys);
    let lanes = || every_run(view).filter(|run| !run.state.finished() && !run.lane.is_empty());
    let holders = lanes().filter(|run| run.released_at.is_some());
    let holders = holders.map(|run| (run.workflow, run.lane, run.id));
    court.index("who has its turn holds its concurrency key", &schema::LANE_HOLDER, holders);
}

fn every_task(view: &dyn View) -> impl Iterator<Item = Task> + use<'_> {
    schema::TASK.under(view, &()).map(|(_, task)| task)
}

fn tasks(court: &mut Court<'_>) {
    let view = court.view;
    let ready = every_task(view).filter_map(|task| {
        let task::State::Ready { since } = task.state else { return None };
        let class = Class::from(task.kind.as_ref()?);
        Some((task.queue, class, Falling(task.priority), since, task.id))
    });
    court.index("ready tasks stand in the ready index", &schema::READY, ready);
    let leased = every_task(view).filter_map(|task| {
        let task::State::Leased { worker, since: _ } = task.state else { return None };
        Some((worker, task.id))
    });
    court.index("leased tasks are found by worker", &schema::LEASED, leased);
    let waiting = every_task(view).filter_map(|task| {
        let task::State::Waiting { what, since: _ } = task.state else { return None };
        let Awaited::Signal { name, until: _ } = what else { return None };
        Some((task.id.run, name, task.id))
    });
    court.index("who waits for a signal is found", &schema::SIGNAL_WAITER, waiting);
    let dead = schema::DEAD.under(view, &()).map(|(task, letter)| (letter.at, task));
    court.index("dead letters are listed by age", &schema::DEAD_BY_TIME, dead);
}

fn alarms(court: &mut Court<'_>) {
    let view = court.view;
    let role = |run: RunId| schema::RUN.get(view, &run).map_or(RoleId(0), |run| run.role);
    let of_tasks = every_task(view).filter_map(|task| {
        let (at, alarm) = match task.state {
            task::State::Resting { until } => (until, Alarm::RetryDue(task.id)),
            task::State::Waiting { what, since: _ } => match what {
                Awaited::Time { until } => (until, Alarm::SleepOver(task.id)),
                Awaited::Signal { name: _, until } => (until?, Alarm::WaitOver(task.id)),
                Awaited::Child { .. } => return None,
            },
            task::State::Unresolved
            | task::State::Held
            | task::State::Ready { .. }
            | task::State::Leased { .. }
            | task::State::Succeeded
            | task::State::Failed
            | task::State::Cancelled => return None,
        };
        Some((role(task.id.run), at, alarm))
    });
    let of_runs = every_run(view).filter(|run| !run.state.finished()).flat_map(|run| {
        // Of a run that is being stopped already the alarm may have fired.
        let row = run.deadline.map(|at| (run.role, at, Alarm::RunOver(run.id)));
        let over = row.filter(|row| run.fate.is_none() || schema::TIMER.has(view, row));
        let delayed = run.released_at.is_none() && run.due_at > run.created_at;
        let due =
            (delayed && set(view, &run)).then_some((run.role, run.due_at, Alarm::RunDue(run.id)));
        over.into_iter().chain(due)
    });
    // Whose alarm it is that forgets a request is the run's role, which may be purged: it is looked up.
    let of_requests = schema::RUN_BY_REQUEST.under(view, &()).filter_map(|(key, asked)| {
        let alarm = Alarm::RequestOver(key);
        let mut rows = schema::TIMER.under(view, &()).map(|(row, ())| row);
        rows.find(|(_, at, known)| *at == asked.until && *known == alarm)
    });
    let implied: Vec<(RoleId, Moment, Alarm)> =
        of_tasks.chain(of_runs).chain(of_requests).collect();
    court.index("an alarm is set for what is awaited", &schema::TIMER, implied.into_iter());
}

/// A delayed run's alarm goes when its moment has come, although it may then wait for its concurrency key.
fn set(view: &dyn View, run: &Run) -> bool {
    !schema::LANE_WAITER.has(view, &(run.workflow, run.lane.clone(), run.number))
}

/// What belongs to a run goes with it.
fn owned(court: &mut Court<'_>) {
    let view = court.view;
    let known = |run: &RunId| schema::RUN.has(view, run);
    let law = "what belongs to a run goes with it";
    let mut orphans: Vec<String> = Vec::new();
    let mut tell = |table: &str, run: RunId| {
        if !known(&run) {
            orphans.push(format!("{table} of {run}"));
        }
    };
    schema::STEP.under(view, &()).for_each(|((run, _), _)| tell("step", run));
    schema::TASK.under(view, &()).for_each(|(task, _)| tell("task", task.run));
    schema::TRY.under(view, &()).for_each(|((task, _), _)| tell("attempt", task.run));
    schema::DEAD.under(view, &()).for_each(|(task, _)| tell("dead letter", task.run));
    schema::SIGNAL.under(view, &()).for_each(|((run, _, _), ())| tell("signal", run));
    schema::SIGNAL_SEEN.under(view, &()).for_each(|((run, _), ())| tell("signal id", run));
    schema::QUESTION.under(view, &()).for_each(|((_, asked), ())| tell("question", asked.run));
    schema::HISTORY.under(view, &()).for_each(|((subject, _), _)| {
        if let Subject::Run(run) = subject {
            tell("history", run);
        }
    });
    // Payloads are no records: only their keys are looked at.
    schema::BLOB.keys(view).for_each(|(run, _)| tell("payload", run));
    for place in orphans {
        court.expect(law, false, || place);
    }
    let asking: Vec<_> = schema::STEP.under(view, &()).collect();
    for ((run, no), row) in asking {
        let role = schema::RUN.get(view, &run).map_or(RoleId(0), |run| run.role);
        let question = dag::Question { run, what: dag::What::Step(no) };
        let asked = schema::QUESTION.has(view, &(role, question));
        let holds = asked == (row.state == dag::State::Asking);
        court.expect("a step asks what its role is asked", holds, || format!("{run} step {no}"));
    }
}
