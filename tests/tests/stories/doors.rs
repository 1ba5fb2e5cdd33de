//! The doors: what is sent twice is done once, every end has its exit code, and probes say how it is.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::node::{Node, Place};

const ENDINGS: &str = "kind: workflow\nname: NAME\ninputs: {code: {type: integer, default: 0}}\ntasks:\n  only:\n    retry: 0\n    \
                       run: exit ${{ inputs.code }}\n";

#[tokio::test]
async fn a_request_that_is_sent_twice_is_done_once() {
    let place = Place::new();
    let node = place.start_dev();
    node.client().apply(ENDINGS.replace("NAME", "once")).send().await.expect("the file is right");
    let start = |body: Value| {
        let url = format!("{}/api/v1/workflows/once/runs", node.address());
        reqwest::Client::new().post(url).header("Idempotency-Key", "k-1").json(&body).send()
    };
    let first = start(json!({"input": {"code": 0}})).await.expect("an answer");
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let first: Value = first.json().await.expect("the run");
    let second = start(json!({"input": {"code": 0}})).await.expect("an answer");
    assert_eq!(
        second.headers().get("Idempotency-Replayed").map(|v| v.as_bytes()),
        Some(&b"true"[..])
    );
    let second: Value = second.json().await.expect("the run");
    assert_eq!(first["id"], second["id"]);
    let other = start(json!({"input": {"code": 3}})).await.expect("an answer");
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let (runs, _) = node.client().runs().take(10).await.expect("a list");
    assert_eq!(runs.len(), 1);
}

#[tokio::test]
async fn the_path_of_linkflow_answers_with_an_execution() {
    let place = Place::new();
    let node = place.start_dev();
    node.client().apply(ENDINGS.replace("NAME", "linked")).send().await.expect("the file is right");
    let url = format!("{}/api/v1/workflows/linked/execute", node.address());
    let answer = reqwest::Client::new().post(url).json(&json!({})).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let body: Value = answer.json().await.expect("JSON");
    assert!(body["execution_id"].as_str().is_some_and(|id| id.starts_with("run_")), "{body}");
}

#[tokio::test]
async fn probes_metrics_and_the_contract_are_served() {
    let place = Place::new();
    let node = place.start_dev();
    assert_eq!(get(&node, "/healthz").await.0, StatusCode::OK);
    assert_eq!(get(&node, "/readyz").await.0, StatusCode::OK);
    let (code, metrics) = get(&node, "/metrics").await;
    assert!(code == StatusCode::OK && metrics.contains("oarlock_"), "{metrics}");
    let (code, contract) = get(&node, "/api/openapi.json").await;
    let contract: Value = serde_json::from_str(&contract).expect("it is JSON");
    assert!(
        code == StatusCode::OK
            && contract["openapi"].as_str().is_some_and(|v| v.starts_with("3.1"))
    );
    let (code, problem) = get(&node, "/api/v1/runs/none/1").await;
    assert!(code == StatusCode::NOT_FOUND && problem.contains("\"code\":\"E0"), "{problem}");
}

#[tokio::test]
async fn every_end_has_its_exit_code() {
    let place = Place::new();
    let node = place.start_dev();
    let file = |name: &str, text: &str| {
        let path = place.folder().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path.to_string_lossy().into_owned()
    };
    let good = file("good.yaml", &ENDINGS.replace("NAME", "good"));
    let bad = file("bad.yaml", "kind: workflow\nname: bad\ntasks: {a: {neds: [b], run: x}}\n");
    let late =
        file("late.yaml", "kind: workflow\nname: late\ntimeout: 1s\ntasks: {a: {sleep: 1h}}\n");

    node.say(&["run", &good, "--watch"]).expect(0);
    node.say(&["runs", "list", "--no-such-flag"]).expect(2);
    node.say(&["runs", "get", "good/999"]).expect(3);
    node.say(&["runs", "cancel", "good/1"]).expect(5);
    let said = node.say(&["validate", &bad]).expect(6);
    assert!(said.err.contains("did you mean `needs`"), "{}", said.err);
    node.say(&["run", &good, "-i", "code=eleven"]).expect(6);
    place_without_node().say(&["runs", "list"]).expect(7);
    node.say(&["diff", "-f", &good]).expect(0);
    let changed = file("good.yaml", &(ENDINGS.replace("NAME", "good") + "labels: {new: label}\n"));
    node.say(&["diff", "-f", &changed]).expect(9);
    node.say(&["run", &good, "-i", "code=3", "--watch"]).expect(10);
    node.say(&["run", &late, "--wait"]).expect(12);
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_node_is_said_in_one_paragraph() {
    let place = Place::new();
    let node = place.start_dev();
    let port = node.address().rsplit(':').next().expect("an address has a port").to_owned();
    let said = place.say(&["dev", "--port", &port]);
    assert!(said.code != 0 && said.err.contains("--port"), "{said:?}");
    let said = place.say(&["server", "--port", "0", "--data", "/proc/nothing/can/be/made/here"]);
    assert!(said.code != 0 && said.err.contains("/proc/nothing"), "{said:?}");
}

#[test]
fn the_command_line_starts_at_once() {
    let place = Place::new();
    let fastest = (0..20).map(|_| {
        let began = std::time::Instant::now();
        place.say(&["version"]).expect(0);
        began.elapsed()
    });
    let fastest = fastest.min().expect("there were some");
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
}

fn place_without_node() -> Place {
    Place::new()
}

async fn get(node: &Node, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}{path}", node.address())).await.expect("an answer");
    (answer.status(), answer.text().await.expect("text"))
}
