//! Commands for those who mend and tidy: prune, retry at a rate, logs of a time, a watched folder; and a node that gives up.

use std::time::{Duration, Instant};

use oarlock_client::RunStatus;

use crate::node::{Place, ended, until};

const SOON: Duration = Duration::from_secs(30);

fn small(name: &str) -> String {
    format!("kind: workflow\nname: {name}\ntasks: {{a: {{wait: {{signal: go, timeout: 1h}}}}}}\n")
}

#[tokio::test]
async fn pruning_deletes_what_no_file_names_and_nothing_that_runs() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    for name in ["kept", "stale", "busy"] {
        client.apply(small(name)).send().await.expect("the file is right");
    }
    let path = place.folder().join("flows.yaml");
    std::fs::write(&path, small("kept") + "---\n" + &small("new")).expect("it can be written");
    let path = path.to_string_lossy().into_owned();
    let names = async || -> Vec<String> {
        let (all, _) = client.workflows().take(9).await.expect("a list");
        all.into_iter().map(|workflow| workflow.name).collect()
    };
    let run = client.workflow("busy").start().send().await.expect("it starts");
    let said = node.say(&["apply", "-f", &path, "--prune", "--yes"]).expect(5);
    assert!(said.err.contains("busy") && !said.err.contains("stale"), "{}", said.err);
    assert_eq!(names().await, ["busy", "kept", "stale"], "nothing was applied or deleted");

    client.run(&run.id).terminate("out of the way").await.expect("it can be ended");
    let said = node.say(&["apply", "-f", &path, "--prune"]).expect(2);
    assert!(said.err.contains("busy, stale") && said.err.contains("--yes"), "{}", said.err);
    node.say(&["apply", "-f", &path, "--prune", "--dry-run"]).expect(0);
    assert_eq!(names().await, ["busy", "kept", "stale"]);
    node.say(&["apply", "-f", &path, "--prune", "--yes"]).expect(0);
    assert_eq!(names().await, ["kept", "new"]);
    assert_eq!(node.say(&["apply", "-f", &path, "--prune"]).expect(0).err, "");
}

#[tokio::test]
async fn dead_letters_are_retried_no_faster_than_is_wanted() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let cause = place.folder().join("cause");
    let file = format!(
        "kind: workflow\nname: letters\ntasks:\n  a: {{each: [1, 2, 3, 4, 5], run: test -e {}, retry: 0, on_failure: dead_letter}}\n",
        cause.display()
    );
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("letters").start().send().await.expect("it starts");
    until(SOON, "all of them are dead letters", async || {
        client.dead_letters().take(9).await.expect("a list").0.len() == 5
    })
    .await;
    std::fs::write(&cause, "").expect("the cause can be mended");
    node.say(&["dlq", "retry", "--all", "--yes", "--rate", "often"]).expect(2);
    let began = Instant::now();
    let said = node.say(&["dlq", "retry", "--all", "--yes", "--rate", "10/s"]).expect(0);
    assert!(said.err.contains("5 of 5"), "{said:?}");
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert_eq!(ended(&client, &run.id, SOON).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn logs_are_narrowed_to_a_time() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: talk\ntasks:\n  early: {run: echo early}\n  \
                pause: {needs: [early], sleep: 300ms}\n  late: {needs: [pause], run: echo late}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("talk").start().send().await.expect("it starts");
    ended(&client, &run.id, SOON).await;
    let late = client.run(&run.id).task("late").get().await.expect("it is there");
    let early = client.run(&run.id).task("early").get().await.expect("it is there");
    assert_eq!(late.node.as_deref(), Some("n1"), "where a task ran is known after its end");
    let (began, over) = (late.started_at.expect("it ran"), early.completed_at.expect("it ended"));
    assert_eq!(node.say(&["logs", "talk/1"]).expect(0).out, "early\nlate\n");
    assert_eq!(node.say(&["logs", "talk/1", "--since", &began]).expect(0).out, "late\n");
    assert_eq!(node.say(&["logs", "talk/1", "--until", &over]).expect(0).out, "early\n");
    node.say(&["logs", "talk/1", "--until", "yesterday"]).expect(6);
    node.say(&["logs", "talk/1", "--until", "1m", "--follow"]).expect(2);
}

#[tokio::test]
async fn a_supervisor_that_gives_up_ends_the_node_loudly() {
    let place = Place::new();
    let node = place.start();
    let impatient = oarlock_client::Client::builder().addr(node.address()).attempts_max(1);
    let impatient = impatient.build().expect("the address is one");
    let herald = impatient.actor("herald");
    until(Duration::from_secs(50), "the node cannot go on", async || {
        // Between two lives there is nobody to end; when the node is gone there is nobody to ask.
        drop(herald.restart().await);
        node.messages().contains("the herald died too often")
    })
    .await;
    let messages = place.folder().join("messages");
    let status = node.over();
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(messages).expect("it was written");
    assert!(said.contains("the actors gave up: the herald died too often"), "{said}");
    // The next life is a whole one.
    let node = place.start();
    assert!(node.client().readiness().await.expect("it answers").ready);
}

#[tokio::test]
async fn a_watched_folder_is_applied_again_when_a_file_changes() {
    let place = Place::new();
    let flows = place.folder().join("flows");
    std::fs::create_dir(&flows).expect("a folder can be made");
    let write = |text: &str| std::fs::write(flows.join("a.yaml"), text).expect("it is written");
    write(&small("watched"));
    let node = place.start_dev_with(&["--watch", &flows.to_string_lossy()]);
    let client = node.client();
    let version = async || client.workflow("watched").get().await.map_or(0, |w| w.version);
    until(SOON, "the file is applied", async || version().await == 1).await;
    write(&(small("watched") + "labels: {team: data}\n"));
    until(SOON, "the change is applied", async || version().await == 2).await;
    write(&small("watched").replace("wait", "wiat"));
    until(SOON, "the fault is told", async || node.messages().contains("wiat")).await;
    assert_eq!(version().await, 2, "{}", node.messages());
    write(&small("watched"));
    until(SOON, "it is mended", async || version().await == 3).await;
    assert!(node.stop().success());
    place.say(&["dev", "--port", "0", "--watch", "/proc/none"]).expect(6);
}
