//! A count is how many there are.

use std::collections::BTreeMap;

use super::Court;
use crate::catalog::OnFailure;
use crate::dag;
use crate::id::{RunId, StepNo};
use crate::queue::Counts;
use crate::store::{View, schema};
use crate::task::State;

pub(super) fn check(court: &mut Court<'_>) {
    workflows(court);
    queues(court);
    workers(court);
    steps(court);
    versions(court);
}

fn workflows(court: &mut Court<'_>) {
    let view = court.view;
    let mut unfinished: BTreeMap<_, u64> = BTreeMap::new();
    let mut last: BTreeMap<_, u64> = BTreeMap::new();
    for (_, run) in schema::RUN.under(view, &()) {
        *unfinished.entry(run.workflow).or_default() += u64::from(!run.state.finished());
        let last = last.entry(run.workflow).or_default();
        *last = run.number.0.max(*last);
    }
    let workflows: Vec<_> = schema::WORKFLOW.under(view, &()).collect();
    for (id, row) in workflows {
        let counted = unfinished.remove(&id).unwrap_or_default();
        court.equal("a workflow counts its unfinished runs", &row.name, row.unfinished, counted);
        let fresh = last.remove(&id).unwrap_or_default() < row.next_number;
        court.expect("a run's number is given once", fresh, || row.name.clone());
        let law = "a workflow is not removed while runs are unfinished";
        court.expect(law, !row.removed || row.unfinished == 0, || row.name.clone());
    }
    for (id, _) in last {
        court.expect("a run's workflow exists", false, || format!("workflow {id}"));
    }
}

fn queues(court: &mut Court<'_>) {
    let view = court.view;
    let mut counted: BTreeMap<String, Counts> = BTreeMap::new();
    for (id, task) in schema::TASK.under(view, &()) {
        let counts = counted.entry(task.queue).or_default();
        match task.state {
            State::Ready { .. } => counts.ready += 1,
            State::Leased { .. } => counts.leased += 1,
            State::Resting { .. } => counts.resting += 1,
            State::Unresolved
            | State::Held
            | State::Waiting { .. }
            | State::Succeeded
            | State::Failed
            | State::Cancelled => {}
        }
        counts.dead += u64::from(schema::DEAD.has(view, &id));
    }
    let queues: Vec<_> = schema::QUEUE.under(view, &()).collect();
    for (name, row) in queues {
        let found = counted.remove(&name).unwrap_or_default();
        // What succeeded and failed is counted over all time, also of runs that are gone.
        let counts = Counts { succeeded: row.counts.succeeded, failed: row.counts.failed, ..found };
        court.equal("a queue counts its tasks", &name, row.counts, counts);
    }
    for (name, counts) in counted {
        let holds = counts == Counts::default();
        court.expect("a task's queue exists", holds, || name);
    }
}

fn workers(court: &mut Court<'_>) {
    let view = court.view;
    let mut counted: BTreeMap<_, u32> = BTreeMap::new();
    for ((worker, _), ()) in schema::LEASED.under(view, &()) {
        *counted.entry(worker).or_default() += 1;
    }
    let workers: Vec<_> = schema::WORKER.under(view, &()).collect();
    for (id, row) in workers {
        let holds = counted.remove(&id).unwrap_or_default();
        court.equal("a worker counts what it holds", id, row.leased, holds);
        let law = "a worker holds no more than it has slots";
        court.expect(law, row.leased <= row.slots, || format!("{id}: {}", row.leased));
    }
    for (id, _) in counted {
        court.expect("who holds a task is attached", false, || id.to_string());
    }
}

fn steps(court: &mut Court<'_>) {
    let view = court.view;
    let mut settled: BTreeMap<_, (usize, u32)> = BTreeMap::new();
    let mut rows: BTreeMap<_, (u32, u32, u32)> = BTreeMap::new();
    for (id, task) in schema::TASK.under(view, &()) {
        let counts = rows.entry((id.run, id.step)).or_default();
        counts.0 += 1;
        counts.1 += u32::from(task.state == State::Succeeded);
        counts.2 += u32::from(task.state == State::Failed);
    }
    let steps: Vec<_> = schema::STEP.under(view, &()).collect();
    for ((run, no), row) in steps {
        let counts = settled.entry(run).or_default();
        counts.0 += usize::from(row.state.settled());
        counts.1 += u32::from(row.state == dag::State::Failed);
        let (opened, succeeded, failed) = rows.remove(&(run, no)).unwrap_or_default();
        let place = || format!("{run} step {no}: {row:?}, {opened} {succeeded} {failed}");
        let law = "a step counts the tasks it has opened";
        court.expect(law, opened == row.opened && row.opened <= row.items, place);
        // A dead letter may keep its step open: it counts once it is discarded. Of a step that is cancelled nobody counts
        // what still comes.
        let letters = if row.state == dag::State::Open { dead(view, run, no) } else { 0 };
        let counted = row.failed..=row.failed.saturating_add(letters);
        let exact = row.succeeded == succeeded && counted.contains(&failed);
        let law = "a step counts how its tasks ended";
        court.expect(law, exact || row.state == dag::State::Cancelled, place);
    }
    for ((run, no), _) in rows {
        court.expect("a task's step has a row", false, || format!("{run} step {no}"));
    }
    let runs: Vec<_> = schema::RUN.under(view, &()).collect();
    for (id, run) in runs {
        let all = schema::DEFINITION.get(view, &(run.workflow, run.version));
        let all = all.map_or(0, |definition| definition.steps.len());
        let (over, _) = settled.remove(&id).unwrap_or_default();
        let law = "a run counts its open steps";
        court.equal(law, id, run.steps_open as usize, all.saturating_sub(over));
    }
}

/// Dead letters that keep a step open.
fn dead(view: &dyn View, run: RunId, step: StepNo) -> u32 {
    let row = schema::RUN.get(view, &run);
    let known = row.and_then(|row| schema::DEFINITION.get(view, &(row.workflow, row.version)));
    let known = known.and_then(|known| known.steps.into_iter().nth(usize::from(step.0)));
    if !known.is_some_and(|step| step.on_failure == OnFailure::DeadLetter) {
        return 0;
    }
    let letters = schema::DEAD.under(view, &(run, step)).count();
    u32::try_from(letters).unwrap_or(u32::MAX)
}

fn versions(court: &mut Court<'_>) {
    let view = court.view;
    let workflows: Vec<_> = schema::WORKFLOW.under(view, &()).collect();
    for (id, row) in workflows {
        let versions = schema::EDITION.under(view, &(id,));
        let numbers: Vec<u32> = versions.map(|((_, version), _)| version.0).collect();
        let expected: Vec<u32> = (1..=row.newest.0).collect();
        court.equal("versions have no gaps", &row.name, numbers, expected);
    }
}
