//! Probes, metrics, pages; and that everything documented answers.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{HELLO, Node};

#[tokio::test]
async fn probes_and_pages_answer() {
    let node = Node::start().await;
    for path in [
        "/",
        "/healthz",
        "/health",
        "/health/live",
        "/readyz",
        "/health/ready",
        "/metrics",
        "/api/docs",
        "/docs/errors",
        "/docs/errors/E0301",
        "/schemas/v1/workflow.json",
        "/api/openapi.json",
    ] {
        let answer = Node::send(node.ask(Method::GET, path)).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
        assert!(!answer.text.is_empty(), "{path}");
    }
    let ready = Node::send(node.ask(Method::GET, "/readyz")).await.expect(200);
    assert_eq!((&ready["ready"], &ready["missing"]), (&json!(true), &json!([])));
    let page = Node::send(node.ask(Method::GET, "/api/docs")).await;
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "it loads nothing");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
}

#[tokio::test]
async fn everything_documented_answers() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    let document = Node::send(node.ask(Method::GET, "/api/openapi.json")).await.expect(200);
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["get", "post", "put", "delete"] {
            if item.get(method).is_none() {
                continue;
            }
            let place = path
                .replace("/runs/{id}", "/runs/hello/1")
                .replace("/tasks/{id}", "/tasks/hello/1/greet")
                .replace("{task}", "greet")
                .replace("{version}", "1")
                .replace("/roles/{name}", "/roles/keeper-1-of-1")
                .replace("/queues/{name}", "/queues/default")
                .replace("/nodes/{name}", "/nodes/1")
                .replace("/settings/{name}", "/settings/retention_ms")
                .replace("/workers/{id}", "/workers/none")
                .replace("/actors/{id}", "/actors/none")
                .replace("{name}", "hello")
                .replace("{id}", "none/1/none");
            let request = node.ask(method.to_uppercase().parse().expect("a method"), &place);
            // A condition that never holds keeps deletions from happening; streams are asked for pages.
            let request = request.header("accept", "application/json").header("if-match", "\"v9\"");
            let request = if method == "get" { request } else { request.json(&json!({})) };
            let answer = Node::send(request).await;
            let (status, text) = (answer.status.as_u16(), &answer.text);
            assert!(status < 500 && status != 405, "{method} {place}: {status} {text}");
            let nowhere = answer.text.contains("E0312");
            assert!(!nowhere, "{method} {place}: {text}");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked} operations");
}

#[tokio::test]
async fn metrics_count_what_happened_and_are_well_formed() {
    let node = Node::start().await;
    node.define(HELLO).await;
    for _ in 0..3 {
        node.finish("hello").await;
    }
    let text = Node::send(node.ask(Method::GET, "/metrics")).await.text;
    for name in [
        "oarlock_http_requests_total",
        "oarlock_http_request_seconds_bucket",
        "oarlock_queue_ready",
        "oarlock_raft_applied",
        "oarlock_workers",
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing");
    }
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("name and value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(name.starts_with(|letter: char| letter.is_ascii_alphabetic()), "{line}");
    }
}

#[tokio::test]
async fn the_status_is_one_screen() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    let status = node.get("/status").await.expect(200);
    assert_eq!(status["health"], "healthy");
    assert_eq!(status["totals"]["workflows"], 1);
    assert_eq!(status["members"][0]["leader"], true);
    assert_eq!(status["totals"]["runs"]["running"], 0);
    let tree = node.get("/actors").await.expect(200);
    assert_eq!(tree["kind"], "supervisor");
    let text = tree.to_string();
    for kind in ["scheduler", "role", "worker", "keeper"] {
        assert!(text.contains(&format!("\"kind\":\"{kind}\"")), "no {kind} in {text}");
    }
}

#[tokio::test]
async fn answers_are_compressed_for_who_asks() {
    let node = Node::start().await;
    let plain = Node::send(node.ask(Method::GET, "/api/openapi.json")).await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = node.ask(Method::GET, "/api/openapi.json").header("accept-encoding", "gzip");
    let packed = packed.send().await.expect("an answer");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.expect("a body").len() < plain.text.len() / 2);
}

#[tokio::test]
async fn a_setting_is_set_and_brought_back() {
    let node = Node::start().await;
    let set = node.put("/settings/retention_ms", &json!({"value": "1000"})).await.expect(200);
    assert_eq!((&set["value"], &set["set"]), (&json!("1000"), &json!(true)));
    let back = node.put("/settings/retention_ms", &json!({"value": ""})).await.expect(200);
    assert_eq!((&back["value"], &back["set"]), (&back["default"], &Value::Bool(false)));
}
