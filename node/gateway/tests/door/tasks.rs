//! Tasks: shown before they exist, while they wait, and after; settled by hand.

use serde_json::json;

use crate::node::{BROKEN, Node, PATIENT};

#[tokio::test]
async fn tasks_are_listed_before_they_are_opened_and_settled_by_signal() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    node.run("patient").await;
    let tasks = node.until("/runs/patient/1/tasks", |page| page["items"][0]["status"] == "waiting");
    let tasks = tasks.await;
    assert_eq!(tasks["items"][0]["waits_for"]["name"], "approved");
    assert_eq!(
        (&tasks["items"][1]["id"], &tasks["items"][1]["status"]),
        (&json!("patient/1/after"), &json!("blocked"))
    );
    let signal = json!({"name": "approved", "payload": {"by": "ann"}});
    node.post("/runs/patient/1/signal", &signal).await.expect(200);
    node.until("/runs/patient/1", |run| run["status"] == "completed").await;
    let task = node.get("/tasks/patient/1/approve").await.expect(200);
    assert_eq!(task["output"], json!({"by": "ann"}));
    assert_eq!(task["status"], "completed");
}

#[tokio::test]
async fn a_task_has_the_fields_people_look_for() {
    let node = Node::start().await;
    node.define(BROKEN).await;
    node.finish("broken").await;
    let task = node.get("/runs/broken/1/tasks/break").await.expect(200);
    assert_eq!(task["id"], "broken/1/break");
    assert_eq!(task["type"], "noop");
    assert_eq!(task["status"], "failed");
    assert_eq!((&task["attempt"], &task["max_retries"]), (&json!(1), &json!(0)));
    assert!(task["duration_ms"].is_u64() && task["created_at"].is_string(), "{task}");
    assert!(task["error"]["message"].as_str().expect("a message").contains("503"));
    let attempts = node.get("/runs/broken/1/tasks/break/attempts").await.expect(200);
    assert_eq!(attempts["items"][0]["id"], "broken/1/break@1");
    assert_eq!(attempts["items"][0]["status"], "failed");
    let failed = node.get("/tasks?status=failed").await.expect(200);
    assert_eq!(failed["items"][0]["id"], "broken/1/break");
}

#[tokio::test]
async fn a_task_is_completed_or_failed_by_hand() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    node.run("patient").await;
    node.run("patient").await;
    node.until("/tasks/patient/1/approve", |task| task["status"] == "waiting").await;
    node.until("/tasks/patient/2/approve", |task| task["status"] == "waiting").await;
    node.post("/runs/patient/1/tasks/after/complete", &json!({})).await.problem(409, "E0405");
    node.post("/runs/patient/1/tasks/approve/complete", &json!({"output": 7})).await.expect(200);
    node.until("/runs/patient/1", |run| run["status"] == "completed").await;
    assert_eq!(node.get("/tasks/patient/1/approve").await.expect(200)["output"], 7);
    let why = json!({"message": "not today"});
    node.post("/runs/patient/2/tasks/approve/fail", &why).await.expect(200);
    let run = node.until("/runs/patient/2", |run| run["status"] == "failed").await;
    assert_eq!(run["error"]["task"], "patient/2/approve");
    assert_eq!(run["tasks"][1]["status"], "upstream_failed");
}

#[tokio::test]
async fn what_a_process_prints_is_read_and_followed() {
    let node = Node::start().await;
    node.define(
        "kind: workflow\nname: loud\ntasks:\n  speak:\n    run: printf 'one\\ntwo\\nthree\\n'\n",
    )
    .await;
    node.run("loud").await;
    let logs = node.get("/runs/loud/1/logs?follow=true").await;
    assert!(logs.text.contains("two"), "{}", logs.text);
    node.until("/runs/loud/1", |run| run["status"] == "completed").await;
    let tail = node.ask(reqwest::Method::GET, "/api/v1/runs/loud/1/logs?tail=1");
    let tail = Node::send(tail.header("accept", "text/plain")).await;
    assert_eq!(tail.text, "==> loud/1/speak@1 <==\nthree\n");
    let chunk = node.get("/runs/loud/1/tasks/speak/logs").await.json();
    assert_eq!(chunk["text"], "one\ntwo\nthree\n");
    assert_eq!(chunk["attempt"], "loud/1/speak@1");
}

#[tokio::test]
async fn a_run_is_paused_resumed_cancelled_and_deleted() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    node.run("patient").await;
    let paused = node.post("/runs/patient/1/pause", &json!({"reason": "lunch"})).await.expect(200);
    assert_eq!(paused["status"], "paused");
    node.post("/runs/patient/1/resume", &json!({})).await.expect(200);
    node.post("/runs/patient/1/cancel", &json!({"reason": "enough"})).await.expect(200);
    let run = node.until("/runs/patient/1", |run| run["status"] == "cancelled").await;
    assert_eq!(run["error"]["message"], "enough");
    let retried = node.post("/runs/patient/1/retry", &json!({"from": "approve"})).await.expect(200);
    assert_ne!(retried["status"], "cancelled");
    node.post("/runs/patient/1/terminate", &json!({})).await.expect(200);
    node.until("/runs/patient/1", |run| run["status"] == "cancelled").await;
    assert_eq!(node.delete("/runs/patient/1").await.status.as_u16(), 204);
    node.get("/runs/patient/1").await.problem(404, "E0301");
}

#[tokio::test]
async fn a_run_is_exported_with_all_its_parts() {
    let node = Node::start().await;
    node.define(crate::node::HELLO).await;
    node.finish("hello").await;
    let lines = node.get("/runs/hello/1/export").await.text;
    let parsed: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(parsed[0]["run"]["name"], "hello/1");
    assert_eq!(parsed[1]["task"]["name"], "greet");
    let last = parsed.last().expect("a last line");
    assert!(parsed.iter().any(|line| line["event"]["type"] == "run.completed"), "{last}");
}
