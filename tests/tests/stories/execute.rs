//! Executions: each is there before its start was answered, and goes queued, running, completed or failed, and nowhere else.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::node::{Node, Place, until};

const EXECUTIONS: usize = 1000;
/// Every so many-th fails.
const BAD: usize = 4;
/// Callers at once.
const CALLERS: usize = 8;
/// How long all of them may take.
const FINISH_MAX: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_thousand_executions_are_there_at_once_and_take_no_other_way() {
    let place = Place::new();
    let node = place.start();
    let file = "kind: workflow\nname: made\ninputs: {bad: {type: boolean}}\ntasks:\n  \
                good: {if: \"!inputs.bad\", noop: {}}\n  \
                bad: {if: inputs.bad, retry: 0, noop: {fail: no}}\n";
    node.client().apply(file).send().await.expect("the file is right");

    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(execute(node.address().to_owned(), caller));
    }
    let executions: Vec<String> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(executions.len(), EXECUTIONS);

    let client = node.client();
    until(FINISH_MAX, "every execution has ended", async || {
        client.status().await.expect("it answers").totals.unfinished_runs == 0
    })
    .await;
    let stories = stories(&node).await;
    let (mut good, mut bad) = (0, 0);
    for execution in &executions {
        let story: Vec<&str> = stories[execution].iter().map(String::as_str).collect();
        match story.as_slice() {
            ["queued", "running", "completed"] => good += 1,
            ["queued", "running", "failed"] => bad += 1,
            other => panic!("{execution} went {other:?}"),
        }
    }
    assert_eq!((good, bad), (EXECUTIONS - EXECUTIONS / BAD, EXECUTIONS / BAD));
}

/// One caller's share, each looked for right after its answer.
async fn execute(address: String, caller: usize) -> Vec<String> {
    let http = reqwest::Client::new();
    let mut done = Vec::new();
    for number in (caller..EXECUTIONS).step_by(CALLERS) {
        let url = format!("{address}/api/v1/workflows/made/execute");
        let body = json!({"input": {"bad": number % BAD == 0}});
        let answer = http.post(url).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let body: Value = answer.json().await.expect("JSON");
        let id = body["execution_id"].as_str().expect("it has an id").to_owned();
        for path in [location, format!("/api/v1/runs/{id}")] {
            let found = http.get(format!("{address}{path}")).send().await.expect("an answer");
            assert_eq!(found.status(), StatusCode::OK, "{path}");
            let found: Value = found.json().await.expect("JSON");
            assert_eq!(found["id"], id.as_str());
        }
        done.push(id);
    }
    done
}

/// Which statuses each run had, by the feed, in order.
async fn stories(node: &Node) -> BTreeMap<String, Vec<String>> {
    let mut events = node.client().events(Some(0)).param("types", "run.*");
    let mut stories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut ended = 0;
    while ended < EXECUTIONS {
        let event = tokio::time::timeout(FINISH_MAX, events.next()).await.expect("in time");
        let event = event.expect("the feed is there").expect("it does not end");
        let status = match event.kind.as_str() {
            "run.started" => "queued",
            "run.began" => "running",
            // That it has its turn, or that one of its tasks failed, changes nothing about the status.
            "run.released" | "run.marred" => continue,
            end => end.trim_start_matches("run."),
        };
        ended += usize::from(!matches!(status, "queued" | "running"));
        stories.entry(event.run.expect("of a run")).or_default().push(status.to_owned());
    }
    stories
}
