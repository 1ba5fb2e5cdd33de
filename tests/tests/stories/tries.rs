//! Trying again: so many attempts as the file says, with pauses that grow, and then a dead letter that can be taken up.

use std::time::Duration;

use jiff::Timestamp;
use oarlock_client::v1::{AttemptStatus, DeadSelection};
use oarlock_client::{RunStatus, TaskStatus};

use crate::node::{Place, ended, port, until};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_task_is_tried_once_more_than_it_is_retried() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: tries\ntasks:\n  never: {noop: {fail: no}, retry: 0}\n  \
                once: {noop: {fail: no}, retry: {max_attempts: 2, initial_delay: 10ms}}\n  \
                five: {noop: {fail: no}, retry: {max_attempts: 6, initial_delay: 10ms, backoff_factor: 1}}\n  \
                hopeless: {run: exit 2, retry: {max_attempts: 6, initial_delay: 10ms, not_on: [\"exit:2\"]}}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("tries").start().send().await.expect("it starts");
    let run = ended(&client, &run.id, SOON).await;
    assert_eq!(run.status, RunStatus::Failed);
    for (task, count) in [("never", 1), ("once", 2), ("five", 6), ("hopeless", 1)] {
        let (attempts, _) =
            client.run(&run.id).task(task).attempts().take(20).await.expect("attempts");
        assert_eq!(attempts.len(), count, "{task}: {attempts:?}");
        assert!(attempts.iter().all(|a| a.status == AttemptStatus::Failed && a.error.is_some()));
    }
}

#[tokio::test]
async fn a_host_that_only_fails_is_seen_in_the_metrics() {
    let place = Place::new();
    let node = place.start_dev();
    let nobody = format!("127.0.0.1:{}", port());
    let file = format!(
        "kind: workflow\nname: calls\ntasks:\n  call:\n    http: {{method: GET, url: \"http://{nobody}/\"}}\n    \
         retry: {{max_attempts: 9, initial_delay: 10ms, backoff_factor: 1}}\n"
    );
    node.client().apply(file).send().await.expect("the file is right");
    node.client().workflow("calls").start().send().await.expect("it starts");
    let open = format!("oarlock_actors_breaker_state{{host=\"{nobody}\"}} 2");
    until(SOON, "its breaker is seen to be open", async || {
        let metrics = reqwest::get(format!("{}/metrics", node.address())).await.expect("an answer");
        metrics.text().await.expect("text").contains(&open)
    })
    .await;
}

#[tokio::test]
async fn pauses_between_attempts_grow_by_the_factor() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: pauses\ntasks:\n  one: {noop: {fail: no}, retry: {max_attempts: 4, initial_delay: 200ms, backoff_factor: 2}}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("pauses").start().send().await.expect("it starts");
    until(SOON, "it is seen resting, with its next moment", async || {
        let task = client.run(&run.id).task("one").get().await.expect("it is there");
        task.status == TaskStatus::Retrying && task.next_attempt_at.is_some()
    })
    .await;
    ended(&client, &run.id, SOON).await;
    let (attempts, _) = client.run(&run.id).task("one").attempts().take(9).await.expect("attempts");
    let mut began: Vec<Timestamp> =
        attempts.iter().map(|a| a.started_at.parse().expect("a moment")).collect();
    began.sort();
    for (two, least) in began.windows(2).zip([200, 400, 800]) {
        let pause = two[1].as_millisecond() - two[0].as_millisecond();
        assert!((least..least + 1000).contains(&pause), "{pause} ms instead of {least}");
    }
}

#[tokio::test]
async fn what_is_not_said_has_the_defaults_of_the_documentation() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    client
        .apply("kind: workflow\nname: plain\ntasks: {one: {noop: {}}}\n")
        .send()
        .await
        .expect("the file is right");
    let run = client.workflow("plain").start().send().await.expect("it starts");
    let task = client.run(&run.id).task("one").get().await.expect("it is there");
    let policy = task.policy;
    assert_eq!((policy.attempts, policy.priority, policy.timeout_ms), (3, 5, 30_000));
    assert_eq!((policy.backoff.delay_ms, policy.backoff.max_delay_ms), (1000, 300_000));
    assert_eq!((policy.backoff.kind.as_str(), policy.backoff.jitter), ("exponential", false));
    assert_eq!((task.queue.as_str(), policy.on_failure.as_str()), ("default", "fail"));
}

#[tokio::test]
async fn a_dead_letter_is_taken_up_once_its_cause_is_mended() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let cause = place.folder().join("cause");
    let shown = cause.display();
    let file = format!(
        "kind: workflow\nname: letters\ntasks:\n  one: {{run: test -e {shown}, retry: 0, on_failure: dead_letter}}\n  \
         two: {{needs: [one], noop: {{}}}}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("letters").start().send().await.expect("it starts");
    until(SOON, "there is a dead letter", async || {
        let (letters, _) = client.dead_letters().take(9).await.expect("a list");
        letters.len() == 1
    })
    .await;
    let letter = client.dead_letters().take(1).await.expect("a list").0.remove(0);
    assert_eq!((letter.run.as_str(), letter.task.as_str()), (run.id.as_str(), "one"));
    assert_eq!((letter.attempts, letter.error.kind.as_str()), (1, "exit:1"));
    let waiting = client.run(&run.id).get().await.expect("it is there");
    assert_eq!(waiting.status, RunStatus::Running, "the run waits for somebody");

    std::fs::write(&cause, "").expect("the cause can be mended");
    let which = DeadSelection { ids: vec![letter.id], ..DeadSelection::default() };
    let taken = client.retry_dead_letters(&which).await.expect("it is taken up");
    assert_eq!(taken.changed, 1);
    assert_eq!(ended(&client, &run.id, SOON).await.status, RunStatus::Completed);
    assert!(client.dead_letters().take(9).await.expect("a list").0.is_empty());
}

#[tokio::test]
async fn a_pause_between_attempts_outlives_the_node() {
    let place = Place::new();
    let node = place.start();
    let file = "kind: workflow\nname: rests\ntasks:\n  one: {noop: {fail: no}, retry: {max_attempts: 2, initial_delay: 4s}}\n";
    node.client().apply(file).send().await.expect("the file is right");
    let run = node.client().workflow("rests").start().send().await.expect("it starts").id;
    let resting = async |client: &oarlock_client::Client| {
        let task = client.run(&run).task("one").get().await.expect("it is there");
        task.next_attempt_at.filter(|_| task.status == TaskStatus::Retrying)
    };
    let client = node.client();
    until(SOON, "it rests", async || resting(&client).await.is_some()).await;
    let due = resting(&client).await.expect("it rests for seconds");
    node.kill();
    let node = place.start();
    let client = node.client();
    assert_eq!(resting(&client).await.as_ref(), Some(&due), "its moment is the same");
    ended(&client, &run, SOON).await;
    let (attempts, _) = client.run(&run).task("one").attempts().take(9).await.expect("attempts");
    assert_eq!(attempts.len(), 2);
    let ms = |text: &str| text.parse::<Timestamp>().expect("a moment").as_millisecond();
    let second = attempts.iter().find(|a| a.attempt == 2).expect("there is a second");
    let late = ms(&second.started_at) - ms(&due);
    assert!((0..2_000).contains(&late), "{late} ms after it was due");
}
