//! The doors: what is sent twice is done once, probes say how it is, and what stands in the way is said plainly.

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
async fn each_request_is_one_line_of_the_log_without_what_was_sent() {
    let place = Place::new();
    let node = place.start();
    node.client().apply(ENDINGS.replace("NAME", "noted")).send().await.expect("the file is right");
    let url = format!("{}/api/v1/workflows/noted/runs?wait=30s", node.address());
    let request = reqwest::Client::new().post(url).header("x-request-id", "story-1");
    let request = request.bearer_auth("open-sesame").json(&json!({"labels": {"mark": "wombat"}}));
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    let said = node.messages();
    for line in said.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "every line is JSON: {line}");
    }
    let lines: Vec<Value> = said
        .lines()
        .filter(|line| line.contains("oarlock::access") && line.contains("story-1"))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert_eq!((&lines[0]["method"], &lines[0]["status"]), (&json!("POST"), &json!(200)));
    assert_eq!(lines[0]["path"], "/api/v1/workflows/noted/runs");
    assert!(lines[0]["user"].is_string() && lines[0]["ms"].is_number(), "{lines:?}");
    assert!(!said.contains("wombat") && !said.contains("open-sesame"), "{said}");
}

#[test]
fn a_node_in_memory_leaves_no_file_behind() {
    let place = Place::new();
    let node = place.start_dev();
    node.say(&["run", "examples/hello.yaml", "--wait"]).expect(0);
    assert!(node.stop().success());
    let left = std::fs::read_dir(place.folder()).expect("a folder").filter_map(Result::ok);
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    // The first is the story's own: what the node wrote to its standard error.
    assert!(left.iter().all(|name| name == "messages"), "{left:?}");
    assert!(!place.data().exists());
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_node_is_said_in_one_paragraph() {
    let place = Place::new();
    let node = place.start_dev();
    let port = node.address().rsplit(':').next().expect("an address has a port").to_owned();
    let said = place.say(&["dev", "--port", &port]);
    assert!(said.code != 0 && said.err.contains("--port"), "{said:?}");
    let file = place.folder().join("a-file");
    std::fs::write(&file, "").expect("the folder can be written");
    let (file, long) = (file.to_string_lossy().into_owned(), "x".repeat(300));
    let below = format!("{file}/data");
    for data in ["/proc/nothing/can/be/made/here", &file, &below, &long, "/proc/x"] {
        let said = place.say(&["server", "--port", "0", "--data", data]).expect(6);
        assert!(said.err.contains(data) && said.err.contains("--data"), "{said:?}");
        assert!(!said.err.contains("os error"), "words, not numbers: {said:?}");
    }
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

async fn get(node: &Node, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}{path}", node.address())).await.expect("an answer");
    (answer.status(), answer.text().await.expect("text"))
}
