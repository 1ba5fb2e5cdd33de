//! Actors that die, nodes that stop, nodes that come back.

use std::time::Duration;

use oarlock_engine::event::Event;
use oarlock_engine::id::Attempt;
use oarlock_engine::run::State;
use oarlock_engine::task::{self, Event as Of};
use oarlock_engine::{member, worker};
use serde_json::json;

use super::home::{Home, each, eventually, id, noop, sh, step, within, workflow};
use crate::crew::Dismissal;
use crate::status::{ActorKind, ActorState};

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_panics_is_started_again_and_counted() {
    let home = Home::new(2).await;
    home.define(workflow("w", vec![step("a", &[], noop())])).await;
    home.ran("w", json!({})).await;
    for actor in ["worker", "herald", "scheduler", "role:dag-w-1-of-1", "keeper"] {
        let before = home.restarts(actor);
        home.crew.inject_panic(actor).expect("there is such an actor");
        eventually(|| home.restarts(actor) == before + 1).await;
        let run = home.ran("w", json!({})).await;
        assert_eq!(run.state, State::Completed, "after a panic of {actor}");
    }
    let tree = home.crew.tree();
    let worker = tree.iter().find(|actor| actor.kind == ActorKind::Worker).expect("there is one");
    assert_eq!(worker.state, ActorState::Running);
    assert!(worker.last_error.as_ref().is_some_and(|why| why.contains("a drill")));
    assert_eq!(worker.parent.as_deref(), Some("supervisor"));
    assert!(home.crew.restart("nobody").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_go_on_while_their_worker_is_started_again() {
    let home = Home::new(2).await;
    let wait = "while ! test -e go; do sleep 0.01; done; echo '\"done\"'";
    home.define(workflow("slow", vec![step("slow", &[], sh(wait)), step("next", &[0], noop())]))
        .await;
    let run = home.start("slow", json!({})).await;
    eventually(|| home.crew.logs().of_run(run).len() == 1).await;
    for actor in ["worker", "scheduler", "herald"] {
        home.crew.inject_panic(actor).expect("there is such an actor");
        eventually(|| home.restarts(actor) == 1).await;
    }
    std::fs::write(home.dir.path().join("go"), "").expect("it can be written");
    assert_eq!(home.settled(run).await.state, State::Completed);
    assert_eq!(home.task(run, 0).attempt, Attempt(1));
    assert_eq!(home.output(run, 0), json!("done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_keeps_dying_ends_the_node_loudly() {
    let home = Home::new(2).await;
    home.crew.inject_panic("supervisor").expect("there is one");
    assert_eq!(within(home.crew.gave_up()).await, "the supervisor died");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissed_crew_finishes_what_it_can() {
    let home = Home::new(2).await;
    home.define(workflow("short", vec![step("a", &[], sh("sleep 0.2")), step("b", &[0], noop())]))
        .await;
    let run = home.start("short", json!({})).await;
    eventually(|| home.crew.logs().of_run(run).len() == 1).await;
    let dismissal = within(home.crew.dismiss(Duration::from_secs(20))).await;
    assert_eq!(dismissal, Dismissal { finished: 1, returned: 0 });
    assert_eq!(home.task(run, 0).state, task::State::Succeeded);
    assert!(matches!(home.task(run, 1).state, task::State::Ready { .. }));
    home.read(|view| {
        assert_eq!(worker::list(view), []);
        assert_eq!(member::list(view)[0].state, member::State::Left);
    });
    assert!(home.crew.offer().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dismissed_crew_cannot_finish_it_gives_back_and_another_life_takes_it_up() {
    let mut home = Home::new(2).await;
    let wait = "while ! test -e go; do sleep 0.01; done";
    home.define(workflow("long", vec![step("a", &[], sh(wait))])).await;
    let run = home.start("long", json!({})).await;
    eventually(|| home.crew.logs().of_run(run).len() == 1).await;
    let dismissal = within(home.crew.dismiss(Duration::from_millis(50))).await;
    assert_eq!(dismissal, Dismissal { finished: 0, returned: 1 });
    assert!(matches!(home.task(run, 0).state, task::State::Ready { .. }));
    std::fs::write(home.dir.path().join("go"), "").expect("it can be written");
    home.reboot(2).await;
    assert_eq!(home.settled(run).await.state, State::Completed);
    let task = home.task(run, 0);
    assert!(task.attempt > Attempt(1) && task.attempts_max >= 1, "{task:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_vanished_and_came_back_takes_its_work_up_again() {
    let mut home = Home::new(2).await;
    let wait = "if ! test -e go; then touch go; sleep 1000; fi";
    home.define(workflow("lost", vec![step("a", &[], sh(wait))])).await;
    let run = home.start("lost", json!({})).await;
    eventually(|| home.dir.path().join("go").exists()).await;
    // The old crew is still there, like a process that was paused: it is told that its attempt is over.
    let old = home.crew.clone();
    home.reboot(2).await;
    assert_eq!(home.settled(run).await.state, State::Completed);
    eventually(|| old.logs().of_run(run).is_empty()).await;
    let succeeded =
        home.until(|record| matches!(&record.event, Event::Task(Of::Succeeded { .. }))).await;
    let ours = Event::Task(Of::Succeeded { task: id(run, 0, 0), attempt: Attempt(2) });
    assert_eq!(succeeded.event, ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crew_that_finds_much_ready_work_fills_its_slots_and_keeps_them_full() {
    let mut home = Home::new(1).await;
    within(home.crew.dismiss(Duration::ZERO)).await;
    let items: Vec<u32> = (0..2_000).collect();
    home.define(workflow("wide", vec![each(json!(items), step("a", &[], noop()))])).await;
    let run = home.start("wide", json!({})).await;
    home.reboot(300).await;
    assert_eq!(home.settled(run).await.state, State::Completed);
}
