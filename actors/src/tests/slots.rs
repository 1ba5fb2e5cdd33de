//! Slots: never too many, never leaking, never idle while work waits.

use std::collections::BTreeSet;

use oarlock_engine::catalog::Step;
use oarlock_engine::event::Event;
use oarlock_engine::feed;
use oarlock_engine::id::Revision;
use oarlock_engine::run::State;
use oarlock_engine::task::Event as Of;
use serde_json::json;

use super::home::{Home, each, eventually, sh, step, workflow};

#[tokio::test(flavor = "multi_thread")]
async fn never_more_attempts_run_than_there_are_slots() {
    let home = Home::new(4).await;
    let items: Vec<u32> = (0..20).collect();
    let nap = "touch here.$$; ls here.* | wc -l; sleep 0.05; rm here.$$";
    home.define(workflow("naps", vec![each(json!(items), step("nap", &[], sh(nap)))])).await;
    let run = home.ran("naps", json!({})).await;
    assert_eq!(run.state, State::Completed);
    let (mut leased, mut most) = (BTreeSet::new(), 0);
    for record in home.read(|view| feed::after(view, Revision(0), usize::MAX)) {
        match record.event {
            Event::Task(Of::Leased { task, .. }) => drop(leased.insert(task)),
            Event::Task(Of::Succeeded { task, .. }) => drop(leased.remove(&task)),
            _ => {}
        }
        most = most.max(leased.len());
    }
    assert_eq!(most, 4);
    let counted = (0..20).map(|item| {
        let slot = oarlock_engine::blob::Slot::Result(
            oarlock_engine::id::StepNo(0),
            oarlock_engine::id::Item(item),
        );
        home.blob(run.id, slot).as_u64().expect("a number")
    });
    assert!(counted.max() <= Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn crashing_processes_leak_no_file_descriptors() {
    let home = Home::new(8).await;
    let crash = "if test $(( $0 % 10 )) = 0; then kill -9 $$; fi";
    let argv = json!({"run": {"argv": ["sh", "-c", crash, "${{ string(item) }}"]}});
    let items = |count: u32| json!((0..count).collect::<Vec<_>>());
    for (name, count) in [("warm", 40), ("many", 400)] {
        home.define(workflow(name, vec![each(items(count), step("crash", &[], argv.clone()))]))
            .await;
    }
    home.ran("warm", json!({})).await;
    eventually(|| home.crew.offer().is_some_and(|offer| offer.tasks_max == 8)).await;
    let before = descriptors();
    let run = home.ran("many", json!({})).await;
    assert_eq!(run.state, State::Failed);
    eventually(|| home.crew.offer().is_some_and(|offer| offer.tasks_max == 8)).await;
    eventually(|| descriptors() <= before + before / 10 + 4).await;
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("this is Linux").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_executor_hurts_only_its_attempt() {
    let home = Home::new(2).await;
    let steps = vec![
        step("panics", &[], json!({"noop": {"panic": "a drill"}})),
        step("works", &[], sh("sleep 0.05")),
    ];
    home.define(workflow("panic", steps)).await;
    let run = home.ran("panic", json!({})).await;
    assert_eq!(home.failure(run.id, 0), "panic");
    assert!(home.task(run.id, 1).failure.is_none());
    assert_eq!(home.restarts("worker"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_becomes_ready_without_an_offer_is_claimed() {
    let home = Home::new(2).await;
    home.define(workflow("later", vec![Step { ..step("a", &[], sh("true")) }])).await;
    let queue = "default".to_owned();
    let pause = oarlock_engine::queue::Command::Pause { name: queue.clone() };
    home.propose(oarlock_engine::command::Command::Queue(pause)).await.expect("it is known");
    let run = home.start("later", json!({})).await;
    let resume = oarlock_engine::queue::Command::Resume { name: queue };
    let by = oarlock_engine::access::Principal("user:test".to_owned());
    let resume = oarlock_engine::command::Command::Queue(resume);
    home.replica.propose(by, None, resume).await.expect("it is known");
    assert_eq!(home.settled(run).await.state, State::Completed);
}
