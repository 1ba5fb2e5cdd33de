//! Dead letters: seen, grouped, taken up again, given up.

use serde_json::json;

use crate::node::{BROKEN, Node};

const KEPT: &str = "kind: workflow\nname: kept\ntasks:\n  break:\n    noop: {fail: \"disk full\"}\n    retry: 0\n    on_failure: dead_letter\n";

#[tokio::test]
async fn a_task_that_failed_for_good_is_a_dead_letter_with_its_fields() {
    let node = Node::start().await;
    node.define(BROKEN).await;
    node.finish("broken").await;
    let letter = node.get("/dlq/broken/1/break").await.expect(200);
    assert_eq!(letter["id"], "broken/1/break");
    assert_eq!(letter["task"], "break");
    assert_eq!(letter["attempt_id"], "broken/1/break@1");
    assert_eq!(letter["payload"]["fail"], "http 503 from warehouse 17");
    assert_eq!(letter["attempts"], 1);
    assert!(letter["error"]["message"].is_string() && letter["created_at"].is_string());
}

#[tokio::test]
async fn dead_letters_are_grouped_by_what_their_errors_share() {
    let node = Node::start().await;
    node.define(BROKEN).await;
    node.define(&BROKEN.replace("name: broken", "name: other").replace("17", "4711")).await;
    node.define(&KEPT.replace("    on_failure: dead_letter\n", "")).await;
    for workflow in ["broken", "other", "kept"] {
        node.finish(workflow).await;
    }
    let groups = node.get("/dlq/groups").await.expect(200);
    assert_eq!(groups["items"].as_array().map(Vec::len), Some(2), "{groups}");
    assert_eq!(groups["items"][0]["tasks"], 2);
    assert_eq!(groups["items"][0]["workflows"], json!(["broken", "other"]));
    let print = groups["items"][0]["fingerprint"].as_str().expect("a fingerprint");
    let of_group = node.get(&format!("/dlq?fingerprint={print}")).await.expect(200);
    assert_eq!(of_group["items"].as_array().map(Vec::len), Some(2));
    let filtered = node.get("/dlq?filter=error.contains('disk')").await.expect(200);
    assert_eq!(filtered["items"][0]["workflow"], "kept");
    let lines = node.get("/dlq/export").await.text;
    assert_eq!(lines.lines().count(), 3);
}

#[tokio::test]
async fn dead_letters_are_retried_one_by_one_and_by_filter() {
    let node = Node::start().await;
    node.define(KEPT).await;
    for _ in 0..3 {
        node.run("kept").await;
    }
    let dead = |count: usize| {
        move |page: &serde_json::Value| page["items"].as_array().map(Vec::len) == Some(count)
    };
    node.until("/dlq", dead(3)).await;
    node.post("/dlq/retry", &json!({})).await.problem(422, "E0206");
    let dry = json!({"filter": "error.contains('disk')", "dry_run": true});
    let dry = node.post("/dlq/retry", &dry).await.expect(200);
    assert_eq!((&dry["matched"], &dry["changed"]), (&json!(3), &json!(0)));
    let one = node.post("/dlq/kept/1/break/retry", &json!({})).await.expect(200);
    assert_eq!(one["changed"], 1);
    node.until("/runs/kept/1/tasks/break", |task| task["attempt"] == 2).await;
    node.until("/dlq", dead(3)).await;
    let many = node.post("/dlq/discard", &json!({"workflow": "kept", "reason": "old"})).await;
    assert_eq!(many.expect(200)["changed"], 3);
    node.until("/dlq", dead(0)).await;
    node.until("/runs?status=failed", dead(3)).await;
    node.get("/dlq/kept/1/break").await.problem(404, "E0309");
}
