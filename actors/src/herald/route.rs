//! What a piece of the feed means to whom: a pure sorting.

use std::collections::BTreeSet;

use oarlock_engine::catalog::Kind;
use oarlock_engine::event::Event;
use oarlock_engine::feed::Record;
use oarlock_engine::id::{Attempt, Revision, RoleId, TaskId, WorkerId};
use oarlock_engine::time::Moment;
use oarlock_engine::{dag, queue, role, run, task, timer};

/// What the actors of a node need to hear of some records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    /// Attempts our worker holds now.
    pub(crate) leases: Vec<(TaskId, Attempt, Revision)>,
    /// Attempts that are over, whoever ended them; none for the attempt: all of the task.
    pub(crate) over: Vec<(TaskId, Option<Attempt>)>,
    /// Built-in work became ready, at this revision, and nobody got it yet.
    pub(crate) ready: Option<Revision>,
    /// Roles with something to compute.
    pub(crate) asked: BTreeSet<RoleId>,
    /// Roles with a new alarm, and the earliest of them.
    pub(crate) alarms: Vec<(RoleId, Moment)>,
    /// Some role came to be or changed hands.
    pub(crate) roles: bool,
    /// Some node came, went, drains, or was given up.
    pub(crate) members: bool,
    /// Tasks that will be tried again.
    pub(crate) retried: u64,
    /// Tasks that failed for good.
    pub(crate) dead: u64,
}

/// Sorts records, in order and without gaps.
pub(crate) fn sort(records: &[Record], worker: WorkerId) -> Hints {
    let mut hints = Hints::default();
    let mut ready: BTreeSet<TaskId> = BTreeSet::new();
    for record in records {
        match &record.event {
            Event::Task(event) => {
                about_task(event, record.revision, worker, &mut ready, &mut hints);
            }
            Event::Dag(dag::Event::Asked { role, .. }) => {
                hints.asked.insert(*role);
            }
            Event::Timer(timer::Event::Set { role, at, .. }) => {
                match hints.alarms.iter_mut().find(|(known, _)| known == role) {
                    Some((_, first)) => *first = (*first).min(*at),
                    None => hints.alarms.push((*role, *at)),
                }
            }
            Event::Role(role::Event::Created { .. } | role::Event::Assigned { .. }) => {
                hints.roles = true;
            }
            Event::Member(_) => hints.members = true,
            // What was held may be granted now, without having become ready anew.
            Event::Queue(queue::Event::Resumed { .. } | queue::Event::Limited { .. })
            | Event::Run(run::Event::Resumed { .. }) => hints.ready = Some(record.revision),
            _ => {}
        }
    }
    if !ready.is_empty() {
        hints.ready = records.last().map(|record| record.revision);
    }
    hints
}

fn about_task(
    event: &task::Event,
    revision: Revision,
    worker: WorkerId,
    ready: &mut BTreeSet<TaskId>,
    hints: &mut Hints,
) {
    match event {
        task::Event::Readied { task, kind: Kind::Builtin(_), .. } => {
            ready.insert(*task);
        }
        task::Event::Leased { task, attempt, worker: who } => {
            ready.remove(task);
            if *who == worker {
                hints.leases.push((*task, *attempt, revision));
            }
        }
        task::Event::Revoked { task, worker: Some(who) } => {
            ready.remove(task);
            if *who == worker {
                hints.over.push((*task, None));
            }
        }
        task::Event::Succeeded { task, attempt } => {
            hints.over.push((*task, Some(*attempt)));
        }
        task::Event::Returned { task, attempt, .. } => {
            hints.over.push((*task, Some(*attempt)));
        }
        task::Event::Rested { task, attempt, .. } => {
            hints.over.push((*task, Some(*attempt)));
            hints.retried += 1;
        }
        task::Event::Died { task, attempt, .. } => {
            hints.over.push((*task, Some(*attempt)));
            hints.dead += 1;
        }
        task::Event::Forgotten { task } => hints.over.push((*task, None)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use oarlock_engine::id::{Item, RunId, StepNo};
    use oarlock_engine::task::Failure;

    use super::*;

    const OURS: WorkerId = WorkerId(1);
    const OTHER: WorkerId = WorkerId(2);

    fn task(step: u16) -> TaskId {
        TaskId { run: RunId(7), step: StepNo(step), item: Item(0) }
    }

    fn sorted(events: Vec<task::Event>) -> Hints {
        let record = |(place, event)| Record {
            revision: Revision(place as u64 + 1),
            at: Moment(0),
            by: String::new(),
            event: Event::Task(event),
        };
        let records: Vec<_> = events.into_iter().enumerate().map(record).collect();
        sort(&records, OURS)
    }

    fn readied(step: u16, kind: Kind) -> task::Event {
        task::Event::Readied { task: task(step), queue: "default".to_owned(), kind }
    }

    fn builtin(step: u16) -> task::Event {
        readied(step, Kind::Builtin("noop".to_owned()))
    }

    fn leased(step: u16, worker: WorkerId) -> task::Event {
        task::Event::Leased { task: task(step), attempt: Attempt(1), worker }
    }

    #[test]
    fn only_our_leases_are_ours() {
        let hints = sorted(vec![leased(0, OURS), leased(1, OTHER)]);
        assert_eq!(hints.leases, [(task(0), Attempt(1), Revision(1))]);
    }

    #[test]
    fn work_is_only_ready_if_nobody_got_it_at_once() {
        assert_eq!(sorted(vec![builtin(0), leased(0, OTHER)]).ready, None);
        assert_eq!(sorted(vec![builtin(0), builtin(1), leased(0, OURS)]).ready, Some(Revision(3)));
        assert_eq!(sorted(vec![readied(0, Kind::Call("x".to_owned()))]).ready, None);
    }

    #[test]
    fn whoever_ends_an_attempt_its_worker_hears_of_it() {
        let failure = Failure { kind: "x".into(), message: String::new(), retryable: true };
        let hints = sorted(vec![
            task::Event::Revoked { task: task(0), worker: Some(OURS) },
            task::Event::Revoked { task: task(1), worker: Some(OTHER) },
            task::Event::Revoked { task: task(2), worker: None },
            task::Event::Succeeded { task: task(3), attempt: Attempt(2) },
            task::Event::Died { task: task(4), attempt: Attempt(3), failure, letter: true },
        ]);
        let over = [(task(0), None), (task(3), Some(Attempt(2))), (task(4), Some(Attempt(3)))];
        assert_eq!(hints.over, over);
        assert_eq!((hints.retried, hints.dead), (0, 1));
    }

    #[test]
    fn of_many_alarms_of_a_role_the_earliest_counts() {
        let set = |role, at| {
            Event::Timer(timer::Event::Set {
                role: RoleId(role),
                at: Moment(at),
                alarm: timer::Alarm::RunDue(RunId(1)),
            })
        };
        let records: Vec<_> = [set(1, 50), set(2, 10), set(1, 40), set(1, 60)]
            .into_iter()
            .map(|event| Record { revision: Revision(1), at: Moment(0), by: String::new(), event })
            .collect();
        let hints = sort(&records, OURS);
        assert_eq!(hints.alarms, [(RoleId(1), Moment(40)), (RoleId(2), Moment(10))]);
    }
}
