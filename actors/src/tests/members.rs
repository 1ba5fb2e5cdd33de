//! Nodes that are lost, drained, dismissed; work that is run on all of them. All without a single hint.

use std::collections::BTreeSet;
use std::time::Duration;

use oarlock_engine::command::Command;
use oarlock_engine::event::Event;
use oarlock_engine::id::{NodeId, Revision, WorkerId};
use oarlock_engine::member::departure::{self, Cause};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_engine::member::{self, State as Stands};
use oarlock_engine::reject::Rejection;
use oarlock_engine::run::State;
use oarlock_engine::task::Event as Of;
use oarlock_engine::{feed, role, timer};
use oarlock_raft::ProposeError;
use serde_json::json;

use super::cell::Cell;
use super::home::{each, eventually, noop, sh, step, within, workflow};
use crate::crew::{Crew, CrewConfig};

/// Who was leased something, in all of the feed.
fn workers(cell: &Cell) -> BTreeSet<WorkerId> {
    let records = cell.home.read(|view| feed::after(view, Revision(0), usize::MAX));
    let leased = records.iter().filter_map(|record| match &record.event {
        Event::Task(Of::Leased { worker, .. }) => Some(*worker),
        _ => None,
    });
    leased.collect()
}

/// A workflow whose tasks run until a file appears.
fn patient(name: &str, tasks: u32) -> oarlock_engine::catalog::Definition {
    let wait = "while ! test -e go; do sleep 0.01; done";
    workflow(name, vec![each(json!((0..tasks).collect::<Vec<_>>()), step("a", &[], sh(wait)))])
}

fn go(cell: &Cell) {
    std::fs::write(cell.home.dir.path().join("go"), "").expect("it can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_hints_work_runs_on_every_node_and_nobody_is_lost() {
    let cell = Cell::mute(3, 2).await;
    let items: Vec<u32> = (0..60).collect();
    cell.home
        .define(workflow("wide", vec![each(json!(items), step("a", &[], sh("sleep 0.02")))]))
        .await;
    assert_eq!(cell.home.ran("wide", json!({})).await.state, State::Completed);
    assert_eq!(workers(&cell).len(), 3);
    assert_eq!(cell.home.read(|view| departure::list(view, 10)), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_nodes_tasks_and_roles_move_and_it_enters_anew() {
    let cell = Cell::mute(3, 2).await;
    for name in ["a", "b", "c", "d", "e"] {
        cell.home.define(patient(name, 6)).await;
    }
    let run = cell.home.start("a", json!({})).await;
    eventually(|| workers(&cell).len() == 3 && !cell.driven(3).is_empty()).await;
    let (lost, boot) = (cell.crew(3).clone(), cell.member(3).boot);
    eventually(|| lost.logs().of_run(run).len() == 2).await;
    cell.roads.silence(NodeId(3));
    let is_lost = |event: &Event| match event {
        Event::Member(member::Event::Departed { departure }) => departure.node == NodeId(3),
        _ => false,
    };
    cell.home.until(|record| is_lost(&record.event)).await;
    cell.roads.hear(NodeId(3));
    let departure = cell.home.read(|view| departure::list(view, 10)).pop().expect("it departed");
    assert_eq!((departure.cause, departure.boot, departure.tasks), (Cause::Lost, boot, 2));
    assert!(departure.roles > 0 && departure.vacant == 0, "{departure:?}");
    assert!(departure.silent.is_some_and(|silent| silent.0 >= 500), "{departure:?}");
    eventually(|| cell.state(3) == Stands::Up && cell.member(3).boot > boot).await;
    assert_eq!(lost.boot(), cell.member(3).boot);
    go(&cell);
    assert_eq!(cell.home.settled(run).await.state, State::Completed);
    eventually(|| lost.logs().of_run(run).is_empty()).await;
    eventually(|| lost.offer().is_some_and(|offer| offer.tasks_max == 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drives_a_role_no_longer_is_refused_and_stands_down() {
    let cell = Cell::mute(2, 2).await;
    cell.home.define(workflow("w", vec![step("a", &[], noop())])).await;
    let find = |role: &role::Role| role.name == "dag-w-1-of-1";
    let before = cell.home.read(|view| role::list(view).into_iter().find(find)).expect("it is");
    let from = before.node.expect("somebody drives it");
    let to = if from == NodeId(1) { NodeId(2) } else { NodeId(1) };
    eventually(|| cell.driven(from.0).contains(&"role:dag-w-1-of-1".to_owned())).await;
    let why = "a test".to_owned();
    let moved = role::Command::Move { role: before.id, node: to, why };
    cell.home.propose(Command::Role(moved)).await.expect("it may");
    let stale = timer::Command::Tick { role: before.id, epoch: before.epoch };
    let refused = cell.home.propose(Command::Timer(stale)).await;
    assert!(matches!(refused, Err(ProposeError::Refused(Rejection::StaleEpoch { .. }))));
    eventually(|| {
        let card = "role:dag-w-1-of-1".to_owned();
        !cell.driven(from.0).contains(&card) && cell.driven(to.0).contains(&card)
    })
    .await;
    assert_eq!(cell.home.ran("w", json!({})).await.state, State::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drains_hands_over_its_roles_and_takes_on_nothing_until_it_is_wanted_again() {
    let cell = Cell::mute(3, 2).await;
    for name in ["a", "b", "c", "d", "e"] {
        cell.home.define(workflow(name, vec![step("a", &[], noop())])).await;
    }
    eventually(|| !cell.driven(2).is_empty()).await;
    let (node, boot) = (NodeId(2), cell.member(2).boot);
    let drain = member::Command::Drain { node, boot, why: "a test".to_owned() };
    cell.home.propose(Command::Member(drain)).await.expect("it may");
    assert_eq!(cell.roles(2), []);
    eventually(|| cell.driven(2).is_empty() && cell.crew(2).offer().is_none()).await;
    assert_eq!(cell.home.ran("a", json!({})).await.state, State::Completed);
    let undrain = member::Command::Undrain { node, boot };
    cell.home.propose(Command::Member(undrain)).await.expect("it may");
    assert!(!cell.roles(2).is_empty());
    eventually(|| !cell.driven(2).is_empty() && cell.crew(2).offer().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissed_leader_hands_over_its_roles_and_the_lead_before_its_tasks_end() {
    let cell = Cell::mute(3, 2).await;
    cell.home.define(patient("slow", 6)).await;
    let run = cell.home.start("slow", json!({})).await;
    eventually(|| cell.crew(1).logs().of_run(run).len() == 2).await;
    let leaver = cell.crew(1).clone();
    let leaving = tokio::spawn(async move { leaver.dismiss(Duration::from_secs(20)).await });
    eventually(|| cell.roads.lead.borrow().leader == Some(NodeId(2))).await;
    assert_eq!((cell.state(1), cell.roles(1).len()), (Stands::Draining, 0));
    assert_eq!(cell.crew(1).logs().of_run(run).len(), 2);
    go(&cell);
    let dismissal = within(leaving).await.expect("it does not panic");
    assert_eq!((dismissal.finished, dismissal.returned), (2, 0));
    assert_eq!(cell.home.settled(run).await.state, State::Completed);
    assert_eq!(cell.state(1), Stands::Left);
    let causes = cell.home.read(|view| departure::list(view, 10));
    let causes: Vec<_> = causes.iter().map(|departure| departure.cause).collect();
    assert_eq!(causes, [Cause::Left, Cause::Drained]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_the_parts_that_its_profile_names() {
    let duties = |node: NodeId| match node.0 {
        1 => BTreeSet::from(Duty::ALL),
        2 => BTreeSet::from([Duty::Worker]),
        _ => BTreeSet::from([Duty::Api]),
    };
    let cell = Cell::of(3, |config| CrewConfig {
        slots: 1,
        mute: true,
        profile: Profile { duties: duties(config.node), ..Profile::default() },
        ..config
    })
    .await;
    let has = |node: u64, id: &str| cell.crew(node).tree().iter().any(|actor| actor.id == id);
    assert!(has(1, "worker") && has(1, "scheduler"));
    assert!(has(2, "worker") && !has(2, "scheduler"));
    assert!(!has(3, "worker") && !has(3, "scheduler") && has(3, "sentry"));
    assert!(cell.crew(3).offer().is_none());
    let items: Vec<u32> = (0..20).collect();
    cell.home
        .define(workflow("w", vec![each(json!(items), step("a", &[], sh("sleep 0.02")))]))
        .await;
    assert_eq!(cell.home.ran("w", json!({})).await.state, State::Completed);
    assert_eq!(workers(&cell), BTreeSet::from([cell.crew(1).worker(), cell.crew(2).worker()]));
    assert_eq!((cell.roles(2), cell.roles(3)), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_work_is_claimed_by_one_node_and_not_by_all() {
    const RUNS: usize = 100;
    let cell = Cell::mute(3, 8).await;
    cell.home.define(workflow("w", vec![step("a", &[], noop())])).await;
    for _ in 0..RUNS {
        // Nobody's slots are offered with it.
        let run = cell.home.start_without_offer("w", json!({})).await;
        assert_eq!(cell.home.settled(run).await.state, State::Completed);
    }
    let claims: usize = cell.crews.values().map(Crew::claims).sum();
    // Without turns it is one by each node; on a machine that is busy with other things some turns overlap.
    assert!((RUNS..2 * RUNS).contains(&claims), "{claims} claims for {RUNS} tasks");
}
