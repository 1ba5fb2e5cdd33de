//! The life of a run: paused, signalled, retried from a task, cleaned up after, with children; and a node that stops in order.

use std::time::Duration;

use oarlock_client::{RunStatus, TaskStatus};
use serde_json::json;

use crate::node::{Place, ended, until};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_paused_run_begins_nothing_until_it_is_resumed() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: nap\ntasks:\n  a: {wait: {signal: go, timeout: 1h}}\n  b: {needs: [a], noop: {}}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("nap").start().send().await.expect("it starts");
    let handle = client.run(&run.id);
    let paused = handle.pause("lunch").await.expect("it can be paused");
    assert_eq!(paused.status, RunStatus::Paused);
    handle.signal("go", None, None).await.expect("it arrives");
    handle.resume().await.expect("it goes on");
    assert_eq!(ended(&client, &run.id, SOON).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_signal_brings_its_payload_to_the_task_that_waits() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: ask\ntasks:\n  answer: {wait: {signal: approved, timeout: 1h}}\n\
                outputs: {by: \"${{ tasks.answer.output.by }}\"}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("ask").start().send().await.expect("it starts");
    let signal = client.run(&run.id);
    signal.signal("approved", Some(json!({"by": "Ada"})), None).await.expect("it arrives");
    let run = ended(&client, &run.id, SOON).await;
    assert_eq!(run.output, Some(json!({"by": "Ada"})));
}

#[tokio::test]
async fn a_failed_run_is_retried_from_the_task_that_failed() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let diary = place.folder().join("diary");
    let cause = place.folder().join("cause");
    let (shown, missing) = (diary.display(), cause.display());
    let file = format!(
        "kind: workflow\nname: again\ntasks:\n  first: {{run: echo first >> {shown}}}\n  \
         second: {{needs: [first], retry: 0, run: test -e {missing} && echo second >> {shown}}}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("again").start().send().await.expect("it starts");
    assert_eq!(ended(&client, &run.id, SOON).await.status, RunStatus::Failed);
    std::fs::write(&cause, "").expect("the cause can be mended");
    client.run(&run.id).retry(None).await.expect("it can be retried");
    let run = ended(&client, &run.id, SOON).await;
    assert_eq!((run.status, run.retries), (RunStatus::Completed, 1));
    let text = std::fs::read_to_string(&diary).expect("the tasks wrote it");
    assert_eq!(text, "first\nsecond\n", "what was done is not done again");
}

#[tokio::test]
async fn what_always_runs_cleans_up_after_a_failure_and_after_a_cancel() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: tidy\ninputs: {fail: {type: boolean}}\ntasks:\n  \
                breaks: {if: inputs.fail, noop: {fail: broken}, retry: 0}\n  \
                hold: {if: \"!inputs.fail\", wait: {signal: never, timeout: 1h}}\n  \
                sweep: {needs: [breaks, hold], if: always(), noop: {}}\n";
    client.apply(file).send().await.expect("the file is right");
    for (fail, end) in [(true, RunStatus::Failed), (false, RunStatus::Cancelled)] {
        let start = client.workflow("tidy").start().input("fail", fail);
        let run = start.send().await.expect("it starts").id;
        if !fail {
            until(SOON, "it waits", async || {
                let task = client.run(&run).task("hold").get().await.expect("it is there");
                task.status == TaskStatus::Waiting
            })
            .await;
            client.run(&run).cancel("enough").await.expect("it can be cancelled");
        }
        assert_eq!(ended(&client, &run, SOON).await.status, end);
        let sweep = client.run(&run).task("sweep").get().await.expect("it is there");
        assert_eq!(sweep.status, TaskStatus::Completed, "after {end:?}");
    }
}

#[tokio::test]
async fn a_child_run_answers_its_parent() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let child = "kind: workflow\nname: double\ninputs: {n: {type: integer}}\ntasks:\n  it: {noop: {output: \"${{ inputs.n * 2 }}\"}}\n\
                 outputs: {twice: \"${{ tasks.it.output }}\"}\n";
    let parent = "kind: workflow\nname: parent\ntasks:\n  ask:\n    each: [1, 2, 3]\n    workflow: double\n    with: {n: \"${{ item }}\"}\n\
                  outputs: {all: \"${{ tasks.ask.outputs.map(o, o.twice) }}\"}\n";
    client.apply(child).send().await.expect("the file is right");
    client.apply(parent).send().await.expect("the file is right");
    let run = client.workflow("parent").start().send().await.expect("it starts");
    let run = ended(&client, &run.id, SOON).await;
    assert_eq!(run.output, Some(json!({"all": [2, 4, 6]})), "{:?}", run.error);
}

#[tokio::test]
async fn a_node_that_is_asked_to_stop_fails_no_run() {
    let place = Place::new();
    let node = place.start();
    let client = place.client();
    client
        .apply("kind: workflow\nname: busy\ntasks: {one: {run: sleep 0.2}}\n")
        .send()
        .await
        .expect("the file is right");
    let mut runs = Vec::new();
    for _ in 0..40 {
        runs.push(client.workflow("busy").start().send().await.expect("it starts").id);
    }
    assert!(node.stop().success());
    let _node = place.start();
    for run in &runs {
        assert_eq!(ended(&client, run, SOON).await.status, RunStatus::Completed);
        let (attempts, _) = client.run(run).task("one").attempts().take(9).await.expect("attempts");
        assert!(attempts.iter().all(|a| a.error.as_ref().is_none_or(|e| e.kind != "exit:143")));
    }
}

#[tokio::test]
async fn whoever_waits_for_a_retried_run_waits_for_its_last_end() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: twice\ntasks:\n  a: {wait: {signal: first, timeout: 1h}}\n  \
                b: {needs: [a], retry: 0, noop: {fail: no}}\n  c: {wait: {signal: second, timeout: 1h}}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("twice").start().send().await.expect("it starts");
    let handle = client.run(&run.id);
    handle.signal("first", None, None).await.expect("it arrives");
    handle.signal("second", None, None).await.expect("it arrives");
    assert_eq!(ended(&client, &run.id, SOON).await.status, RunStatus::Failed);

    // Opened again at its beginning: the feed has one end of the run already, and is read from its beginning too.
    handle.retry(Some("a")).await.expect("it can be retried");
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.wait().await }
    });
    let mut events = handle.events(0).param("types", "run.*");
    let mut ends = 0;
    while ends < 1 {
        let event = events.next().await.expect("the feed is there").expect("it is not over");
        ends += u32::from(event.kind == "run.failed");
    }
    assert!(!waits.is_finished(), "the first end is not the last");
    handle.cancel("enough").await.expect("it can be cancelled");
    let end = tokio::time::timeout(SOON, waits).await.expect("in time").expect("no panic");
    assert!(matches!(end, Err(oarlock_client::Error::RunCancelled { .. })), "{end:?}");
    while let Some(event) = events.next().await.expect("the feed is there") {
        ends += u32::from(matches!(event.kind.as_str(), "run.failed" | "run.cancelled"));
    }
    assert_eq!(ends, 2, "a feed of the run goes on to its last end");
}
