//! Stopping things: a cancelled run, a task out of time and a killed node leave no process behind; keys keep runs apart.

use std::path::Path;
use std::time::Duration;

use oarlock_client::{Client, RunStatus, TaskStatus};

use crate::node::{Place, ended, until};

/// How long it may take until something that was asked for is so.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn cancelling_a_run_kills_its_process_and_everything_that_started() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let pids = place.folder().join("pids");
    let file = format!(
        "kind: workflow\nname: stubborn\ntasks:\n  hold:\n    timeout: 10m\n    run: {:?}\n",
        family(&pids)
    );
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("stubborn").start().send().await.expect("it starts");
    let family = born(&pids, 2).await;

    client.run(&run.id).cancel("enough").await.expect("it can be cancelled");

    until(SOON, "the processes are gone", async || family.iter().all(|pid| gone(pid))).await;
    ends_as(&client, &run.id, RunStatus::Cancelled).await;
}

#[tokio::test]
async fn a_task_out_of_time_is_killed_and_fails_as_a_timeout() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let pids = place.folder().join("pids");
    let command = family(&pids);
    let file = format!(
        "kind: workflow\nname: slow\ntasks:\n  hold:\n    timeout: 1s\n    retry: 0\n    run: {command:?}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("slow").start().send().await.expect("it starts");
    let family = born(&pids, 2).await;

    ends_as(&client, &run.id, RunStatus::Failed).await;
    let task = client.run(&run.id).task("hold").get().await.expect("the task is there");
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(task.error.expect("it says why").kind, "timeout");
    until(SOON, "the processes are gone", async || family.iter().all(|pid| gone(pid))).await;
}

#[tokio::test]
async fn a_killed_node_leaves_no_process_of_its_tasks_behind() {
    let place = Place::new();
    let node = place.start();
    let client = node.client();
    let pids = place.folder().join("pids");
    let file = format!(
        "kind: workflow\nname: orphan\ntasks:\n  hold:\n    timeout: 10m\n    run: {:?}\n",
        family(&pids)
    );
    client.apply(file).send().await.expect("the file is right");
    client.workflow("orphan").start().send().await.expect("it starts");
    let family = born(&pids, 2).await;
    node.kill();
    until(SOON, "the processes are gone", async || family.iter().all(|pid| gone(pid))).await;
}

#[tokio::test]
async fn runs_with_one_concurrency_key_go_one_after_the_other() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let diary = place.folder().join("diary");
    let shown = diary.display();
    let file = format!(
        "kind: workflow\nname: narrow\nconcurrency: {{key: \"${{{{ inputs.door }}}}\", limit: 1, on_conflict: queue}}\n\
         inputs: {{door: {{type: string}}}}\ntasks:\n  pass:\n    run: |\n      \
         echo in >> {shown}\n      echo out >> {shown}\n  rest:\n    needs: [pass]\n    run: |\n      \
         echo in >> {shown}\n      echo out >> {shown}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    let mut runs = Vec::new();
    for _ in 0..10 {
        let start = client.workflow("narrow").start().input("door", "north");
        runs.push(start.send().await.expect("it starts"));
    }
    for run in &runs {
        ends_as(&client, &run.id, RunStatus::Completed).await;
    }
    let text = std::fs::read_to_string(&diary).expect("the tasks wrote it");
    let words: Vec<&str> = text.lines().collect();
    assert_eq!(words.len(), 40);
    assert!(
        words.chunks(2).all(|pair| pair == ["in", "out"]),
        "two were inside at once: {words:?}"
    );
    let mut spans = Vec::new();
    for run in &runs {
        let run = client.run(&run.id).get().await.expect("it is there");
        spans.push((run.started_at.expect("it began"), run.completed_at.expect("it ended")));
    }
    spans.sort();
    assert!(spans.windows(2).all(|two| two[0].1 <= two[1].0), "runs overlap: {spans:?}");
}

/// A shell that starts another, writes down both numbers, and waits; the second one ignores a polite request to stop.
fn family(pids: &Path) -> String {
    let pids = pids.display();
    format!(
        "sh -c \"trap '' TERM; while :; do sleep 5; done\" & echo $! >> {pids}; echo $$ >> {pids}; wait"
    )
}

/// The numbers of the processes, once so many have written theirs down.
async fn born(pids: &Path, count: usize) -> Vec<String> {
    let read = || std::fs::read_to_string(pids).unwrap_or_default();
    until(SOON, "the processes have started", async || {
        read().ends_with('\n') && read().lines().count() == count
    })
    .await;
    read().lines().map(str::to_owned).collect()
}

/// Whether a process has ended; one that is dead and was not fetched yet counts.
fn gone(pid: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

async fn ends_as(client: &Client, run: &str, wanted: RunStatus) {
    let run = ended(client, run, SOON).await;
    assert_eq!(run.status, wanted, "{:?}", run.error);
}
