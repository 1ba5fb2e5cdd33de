//! What stands in one table fits what stands in another.

use std::collections::BTreeMap;

use super::Court;
use crate::event::Event;
use crate::feed::Subject;
use crate::id::{Epoch, NodeId, Revision, RoleId};
use crate::member::departure::DEPARTURES_MAX;
use crate::store::schema;
use crate::task::{State, Try};
use crate::{member, role, run};

pub(super) fn check(court: &mut Court<'_>) {
    one_driver(court);
    epochs_rise(court);
    remarks(court);
    sessions(court);
    attempts_fenced(court);
    finished_runs_are_quiet(court);
    paused_runs_begin_nothing(court);
    feed_gapless(court);
}

/// A role is driven by one node that is up, schedules and has its labels; by none only if there is none such.
fn one_driver(court: &mut Court<'_>) {
    let view = court.view;
    let live = member::live(view);
    let roles: Vec<_> = schema::ROLE.under(view, &()).collect();
    for (id, role) in roles {
        let wish = role::wish(view, id);
        let may = |node: &NodeId| role::eligible(view, &wish, *node).is_ok();
        let holds = role.node.map_or(!live.iter().any(may), |node| may(&node));
        let law = "a role is driven by one node that lives and may have it";
        court.expect(law, holds, || format!("{}: {:?}", role.name, role.node));
    }
}

/// Each time a role changes hands its epoch rises by one: as the feed tells it, up to where the role is now.
fn epochs_rise(court: &mut Court<'_>) {
    let view = court.view;
    let mut known: BTreeMap<RoleId, Epoch> = BTreeMap::new();
    let pages: Vec<_> = schema::HISTORY.under(view, &(Subject::Cell,)).collect();
    for (_, page) in pages {
        for (revision, event) in page.events() {
            let Event::Role(role::Event::Assigned { role, epoch, .. }) = event else { continue };
            let before = known.insert(*role, *epoch);
            let holds = before.is_none_or(|before| before.0 + 1 == epoch.0);
            let law = "an epoch is one more than the one before it";
            court.expect(law, holds, || format!("role {role} at revision {revision}"));
        }
    }
    for (role, epoch) in known {
        let now = schema::ROLE.get(view, &role).map(|row| row.epoch);
        court.equal("a role is at the epoch that the feed told last", role, now, Some(epoch));
    }
}

/// A session lives with the life of its node, and who holds a task is attached.
fn sessions(court: &mut Court<'_>) {
    let view = court.view;
    let workers: Vec<_> = schema::WORKER.under(view, &()).collect();
    for (id, worker) in workers {
        let node = schema::MEMBER.get(view, &worker.node);
        let holds = node.is_some_and(|node| node.boot == worker.boot && node.state.present());
        court.expect("a worker lives with its node", holds, || id.to_string());
    }
    let leases: Vec<_> = schema::LEASED.under(view, &()).collect();
    for ((worker, task), ()) in leases {
        let law = "nobody holds a task who is gone";
        court.expect(law, schema::WORKER.has(view, &worker), || task.to_string());
    }
}

/// What is said about members and roles is said about some that there are.
fn remarks(court: &mut Court<'_>) {
    let view = court.view;
    let profiles: Vec<_> = schema::PROFILE.under(view, &()).collect();
    for (node, _) in profiles {
        let law = "a profile is a member's";
        court.expect(law, schema::MEMBER.has(view, &node), || node.to_string());
    }
    let wishes: Vec<_> = schema::WISH.under(view, &()).collect();
    for (role, wish) in wishes {
        let law = "a wish is a role's, and it weighs something";
        let holds = schema::ROLE.has(view, &role) && wish.weight > 0;
        court.expect(law, holds, || role.to_string());
    }
    let numbers: Vec<u64> = schema::DEPARTURE.under(view, &()).map(|(number, _)| number).collect();
    let gapless = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let few = numbers.len() as u64 <= DEPARTURES_MAX;
    let law = "the latest departures are remembered, without gaps";
    court.expect(law, gapless && few, || format!("{numbers:?}"));
}

/// Of a task's attempts at most one runs, and it is the current one; at most one was accepted.
fn attempts_fenced(court: &mut Court<'_>) {
    let view = court.view;
    let mut running: BTreeMap<_, u32> = BTreeMap::new();
    let tries: Vec<Try> = schema::TRY.under(view, &()).map(|(_, one)| one).collect();
    for one in &tries {
        let Some(task) = schema::TASK.get(view, &one.task) else { continue };
        if one.settled_at.is_some() {
            continue;
        }
        *running.entry(one.task).or_default() += 1;
        let now = match task.state {
            State::Leased { worker, .. } => one.worker == Some(worker),
            State::Waiting { .. } => one.worker.is_none(),
            State::Unresolved
            | State::Held
            | State::Ready { .. }
            | State::Resting { .. }
            | State::Succeeded
            | State::Failed
            | State::Cancelled => false,
        };
        let law = "only the current attempt of a task runs";
        court.expect(law, now && one.attempt == task.attempt, || format!("{one:?}"));
    }
    let tasks: Vec<_> = schema::TASK.under(view, &()).collect();
    for (id, task) in tasks {
        let under_way = running.get(&id).copied().unwrap_or_default();
        let expected = match task.state {
            State::Leased { .. } | State::Waiting { .. } => 1,
            State::Unresolved
            | State::Held
            | State::Ready { .. }
            | State::Resting { .. }
            | State::Succeeded
            | State::Failed
            | State::Cancelled => 0,
        };
        court.equal("a task has one attempt under way, or none", id, under_way, expected);
    }
}

/// Nothing more happens to a finished run by itself.
fn finished_runs_are_quiet(court: &mut Court<'_>) {
    let view = court.view;
    let runs: Vec<_> =
        schema::RUN.under(view, &()).filter(|(_, run)| run.state.finished()).collect();
    for (id, run) in runs {
        let law = "a finished run has no open step";
        court.expect(law, run.steps_open == 0, || format!("{id}: {}", run.steps_open));
        let law = "a finished run has a moment at which it was finished";
        court.expect(law, run.settled_at.is_some(), || id.to_string());
        for (task, row) in schema::TASK.under(view, &(id,)) {
            let law = "a finished run has no unfinished task";
            court.expect(law, row.state.settled(), || format!("{task}: {:?}", row.state));
        }
        let mut asked = schema::QUESTION.under(view, &(run.role,));
        let holds = asked.all(|((_, question), ())| question.run != id);
        court.expect("a finished run asks nothing", holds, || id.to_string());
    }
}

/// A paused run keeps what runs and begins nothing.
fn paused_runs_begin_nothing(court: &mut Court<'_>) {
    let view = court.view;
    let runs = schema::RUN.under(view, &());
    let paused: Vec<_> = runs.filter(|(_, run)| run.state == run::State::Paused).collect();
    for (id, _) in paused {
        for (task, row) in schema::TASK.under(view, &(id,)) {
            let holds = !matches!(row.state, State::Ready { .. });
            court.expect("a paused run has no ready task", holds, || task.to_string());
        }
    }
}

/// The feed has every entry from its beginning on, each where the one before it ended.
fn feed_gapless(court: &mut Court<'_>) {
    let view = court.view;
    let clock = schema::clock(view);
    let entries: Vec<_> = schema::FEED.under(view, &()).collect();
    let mut next = clock.oldest;
    for (first, places) in entries {
        court.equal("the feed has no gaps", "the next entry", first, next);
        let gone = places.iter().any(|place| !schema::HISTORY.has(view, place));
        let pages = places.iter().filter_map(|place| schema::HISTORY.get(view, place));
        let mut revisions: Vec<Revision> = pages.flat_map(|page| page.revisions()).collect();
        revisions.sort();
        let last = revisions.last().copied().unwrap_or(first);
        let whole = revisions.first() == Some(&first)
            && revisions.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1);
        // The history of a purged run leaves a hole; how far the entry went, the next one says.
        court.expect("an entry's records are all there", whole || gone, || first.to_string());
        next = Revision(last.0 + 1);
        if gone {
            let after = schema::FEED.after(view, &(), Some(&first)).next();
            next = after.map_or(Revision(clock.revision.0 + 1), |(first, _)| first);
        }
    }
    let end = Revision(clock.revision.0 + 1);
    court.equal("the feed ends at its newest revision", "the end", next, end);
}
