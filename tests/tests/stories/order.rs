//! Who comes first: priorities, branches, versions.

use std::time::Duration;

use oarlock_client::v1::RunStep;
use oarlock_client::{RunStatus, TaskStatus};

use crate::node::{Place, ended, until};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_urgent_one_of_many_goes_first() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let diary = place.folder().join("diary");
    let shown = diary.display();
    let file = format!(
        "kind: workflow\nname: line\ninputs: {{who: {{type: string}}}}\ntasks:\n  one:\n    queue: narrow\n    \
         env: {{WHO: \"${{{{ inputs.who }}}}\"}}\n    run: echo $WHO >> {shown}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    client.queue("narrow").set_limit(Some(1)).await.expect("a queue has a limit");
    client.queue("narrow").pause().await.expect("a queue can be paused");
    let mut runs = Vec::new();
    for (who, priority) in [("calm", 1); 100].into_iter().chain([("urgent", 10)]) {
        let start = client.workflow("line").start().input("who", who).priority(priority);
        runs.push(start.send().await.expect("it starts").id);
    }
    until(SOON, "all of them stand in line", async || {
        client.queue("narrow").get().await.expect("it is there").counts.waiting == 101
    })
    .await;
    client.queue("narrow").resume().await.expect("a queue goes on");
    for run in &runs {
        assert_eq!(ended(&client, run, SOON).await.status, RunStatus::Completed);
    }
    let text = std::fs::read_to_string(&diary).expect("the tasks wrote it");
    assert_eq!(text.lines().next(), Some("urgent"), "{text}");
    let counts = client.queue("narrow").get().await.expect("it is there").counts;
    assert_eq!((counts.waiting, counts.active, counts.completed), (0, 0, 101));
}

#[tokio::test]
async fn of_two_branches_one_is_taken_and_the_join_still_runs() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: fork\ninputs: {left: {type: boolean}}\ntasks:\n  look: {noop: {output: 7}}\n  \
                left: {needs: [look], if: inputs.left && tasks.look.output == 7, noop: {}}\n  \
                right: {needs: [look], if: \"!inputs.left\", noop: {}}\n  \
                behind: {needs: [right], noop: {}}\n  join: {needs: [left, behind], noop: {}}\n";
    client.apply(file).send().await.expect("the file is right");
    let start = client.workflow("fork").start().input("left", true);
    let run = start.send().await.expect("it starts");
    let run = ended(&client, &run.id, SOON).await;
    assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
    let of = |name: &str| {
        let found = run.tasks.iter().find(|step: &&RunStep| step.name == name);
        found.expect("the run shows its graph").status
    };
    let statuses = ["left", "right", "behind", "join"].map(of);
    let (done, skipped) = (TaskStatus::Completed, TaskStatus::Skipped);
    assert_eq!(statuses, [done, skipped, skipped, done]);
}

#[tokio::test]
async fn a_run_keeps_the_version_it_began_with() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = |words: &str| {
        format!(
            "kind: workflow\nname: grows\ntasks:\n  hold: {{wait: {{signal: go, timeout: 1h}}}}\n  \
             say: {{needs: [hold], noop: {{output: {words}}}}}\noutputs: {{said: \"${{{{ tasks.say.output }}}}\"}}\n"
        )
    };
    client.apply(file("old")).send().await.expect("the file is right");
    let first = client.workflow("grows").start().send().await.expect("it starts");
    client.apply(file("new")).send().await.expect("the file is right");
    let second = client.workflow("grows").start().send().await.expect("it starts");
    for (run, version, word) in [(first, 1, "old"), (second, 2, "new")] {
        client.run(&run.id).signal("go", None, None).await.expect("it arrives");
        let run = ended(&client, &run.id, SOON).await;
        assert_eq!((run.status, run.version), (RunStatus::Completed, version));
        assert_eq!(run.output.expect("it has one")["said"], word);
    }
}

#[tokio::test]
async fn the_counts_of_a_queue_add_up_to_what_was_put_into_it() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let gate = place.folder().join("gate");
    let hold = format!("while ! test -e {}; do sleep 0.02; done", gate.display());
    let file = |name: &str, action: &str| {
        format!("kind: workflow\nname: {name}\ntasks:\n  only: {{queue: counted, {action}}}\n")
    };
    let later = "noop: {fail: no}, retry: {max_attempts: 2, initial_delay: 4m}";
    let held = format!("timeout: 10m, run: {hold:?}");
    for (name, action) in [
        ("done", "noop: {}"),
        ("bad", "noop: {fail: no}, retry: 0"),
        ("later", later),
        ("held", &held),
    ] {
        client.apply(file(name, action)).send().await.expect("the file is right");
    }
    let put = async |name: &str, count: usize| {
        for _ in 0..count {
            client.workflow(name).start().send().await.expect("it starts");
        }
    };
    let counts = async || client.queue("counted").get().await.expect("it is there").counts;
    put("done", 5).await;
    put("bad", 4).await;
    put("later", 3).await;
    until(SOON, "these have settled", async || {
        let now = counts().await;
        (now.completed, now.failed, now.delayed) == (5, 4, 3)
    })
    .await;
    client.queue("counted").set_limit(Some(1)).await.expect("a queue has a limit");
    put("held", 3).await;
    until(SOON, "one of them runs", async || counts().await.active == 1).await;
    let now = counts().await;
    assert_eq!((now.waiting, now.active, now.delayed), (2, 1, 3));
    assert_eq!((now.completed, now.failed, now.dead), (5, 4, 4));
    let sum = now.waiting + now.active + now.delayed + now.completed + now.failed;
    assert_eq!(sum, 15, "everything that was put into it is counted once");
    let listed = node.say(&["queues", "list", "-o", "json"]).expect(0).json();
    let listed = &listed["items"].as_array().expect("a list")[0];
    assert_eq!(listed["counts"]["delayed"], 3);
    assert_eq!(listed["dead_letter_queue"], "counted:dead-letter");
    std::fs::write(&gate, "").expect("it can be written");
    until(SOON, "all that ran has ended", async || counts().await.completed == 8).await;
}

#[tokio::test]
async fn a_worker_takes_only_from_the_queues_it_serves() {
    let place = Place::new();
    let node = place.start_with(&["--worker.queues", "ci"]);
    let client = node.client();
    let file = |name: &str| {
        format!("kind: workflow\nname: {name}\ntasks:\n  only: {{queue: {name}, noop: {{}}}}\n")
    };
    for name in ["etl", "ci"] {
        client.apply(file(name)).send().await.expect("the file is right");
    }
    let waits = client.workflow("etl").start().send().await.expect("it starts").id;
    for _ in 0..5 {
        let run = client.workflow("ci").start().send().await.expect("it starts").id;
        assert_eq!(ended(&client, &run, SOON).await.status, RunStatus::Completed);
    }
    let task = client.run(&waits).task("only").get().await.expect("it is there");
    assert_eq!(task.status, TaskStatus::Queued, "nobody serves its queue");
    let queue = client.queue("etl").get().await.expect("it is there");
    assert_eq!((queue.counts.waiting, queue.workers), (1, 0));
    let metrics = reqwest::get(format!("{}/metrics", node.address())).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("oarlock_queue_ready{queue=\"etl\"} 1"), "{metrics}");
    assert!(node.stop().success());
    let node = place.start_with(&["--worker.queues", "etl"]);
    assert_eq!(ended(&node.client(), &waits, SOON).await.status, RunStatus::Completed);
}
