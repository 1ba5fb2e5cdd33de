//! Live events: in order, none missing after a break.

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{HELLO, Node, PATIENCE, PATIENT};

/// Reads a stream of server-sent events until one is as it should be.
async fn read_until(
    node: &Node,
    path: &str,
    after: Option<u64>,
    last: impl Fn(&Value) -> bool,
) -> Vec<Value> {
    let mut request = node.ask(Method::GET, path).header("accept", "text/event-stream");
    if let Some(after) = after {
        request = request.header("last-event-id", after.to_string());
    }
    let response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.bytes_stream();
    let mut text = String::new();
    let mut events = Vec::new();
    let read = async {
        while let Some(piece) = body.next().await {
            text.push_str(&String::from_utf8_lossy(&piece.expect("a piece")));
            while let Some(end) = text.find("\n\n") {
                let message: String = text.drain(..end + 2).collect();
                for line in message.lines() {
                    if let Some(data) = line.strip_prefix("data: ") {
                        let event: Value = serde_json::from_str(data).expect("JSON");
                        let over = last(&event);
                        events.push(event);
                        if over {
                            return;
                        }
                    }
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the stream goes on");
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a kind")).collect()
}

fn revision(event: &Value) -> u64 {
    event["revision"].as_u64().expect("a revision")
}

#[tokio::test]
async fn a_run_tells_its_story_in_order_and_ends() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    let events = read_until(&node, "/api/v1/runs/hello/1/events", None, |_| false).await;
    let kinds = kinds(&events);
    let story = ["run.started", "task.started", "task.succeeded", "run.completed"];
    let places: Vec<usize> = story
        .iter()
        .map(|kind| {
            kinds
                .iter()
                .position(|known| known == kind)
                .unwrap_or_else(|| panic!("{kind} in {kinds:?}"))
        })
        .collect();
    assert!(places.is_sorted(), "{kinds:?}");
    assert!(events.is_sorted_by_key(revision));
    assert!(events.iter().any(|event| event["task"] == "hello/1/greet"));
    let last = revision(events.last().expect("events"));
    let again = node.ask(Method::GET, "/api/v1/runs/hello/1/events");
    let again = Node::send(again.header("last-event-id", last.to_string())).await;
    assert_eq!(again.status.as_u16(), 204);
}

#[tokio::test]
async fn a_stream_that_comes_back_misses_nothing() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    node.run("patient").await;
    let path = "/api/v1/events";
    let first = read_until(&node, path, Some(0), |event| event["type"] == "task.waiting").await;
    let seen = revision(first.last().expect("events"));
    node.post("/runs/patient/1/signal", &json!({"name": "approved"})).await.expect(200);
    node.until("/runs/patient/1", |run| run["status"] == "completed").await;
    let rest = read_until(&node, path, Some(seen), |event| event["type"] == "run.completed").await;
    let page = node.ask(Method::GET, "/api/v1/events?page_size=1000&run=patient/1");
    let page = Node::send(page.header("accept", "application/json")).await.expect(200);
    let of_run = |event: &&Value| event["run_name"] == "patient/1";
    let live: Vec<u64> = first.iter().chain(&rest).filter(of_run).map(revision).collect();
    let kept: Vec<u64> =
        page["items"].as_array().expect("items").iter().filter(of_run).map(revision).collect();
    assert_eq!(live, kept);
}

#[tokio::test]
async fn a_stream_shows_only_the_kinds_that_were_asked_for() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    let path = "/api/v1/events?types=run.*,task.succeeded";
    let events = read_until(&node, path, Some(0), |event| event["type"] == "run.completed").await;
    let kinds = kinds(&events);
    assert!(kinds.iter().all(|kind| kind.starts_with("run.") || *kind == "task.succeeded"));
    assert!(kinds.contains(&"task.succeeded"));
    node.get("/events?types=run.strated").await.problem(400, "E0203");
}

#[tokio::test]
async fn every_kind_of_event_that_is_told_is_in_the_list() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.define(PATIENT).await;
    node.finish("hello").await;
    node.run("patient").await;
    node.post("/runs/patient/1/cancel", &json!({})).await.expect(200);
    node.until("/runs/patient/1", |run| run["status"] == "cancelled").await;
    let page = node.ask(Method::GET, "/api/v1/events?page_size=1000");
    let page = Node::send(page.header("accept", "application/json")).await.expect(200);
    for event in page["items"].as_array().expect("items") {
        let kind = event["type"].as_str().expect("a kind");
        let known = oarlock_proto::v1::Event::KINDS.iter().any(|(known, _)| *known == kind);
        assert!(known, "{kind} is not in the list");
    }
}

#[tokio::test]
async fn a_late_event_reaches_a_stream_that_is_open() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    node.run("patient").await;
    node.until("/tasks/patient/1/approve", |task| task["status"] == "waiting").await;
    let path = "/api/v1/runs/patient/1/events?types=run.*";
    let stream = read_until(&node, path, None, |event| event["type"] == "run.completed");
    let signal = async {
        node.post("/runs/patient/1/signal", &json!({"name": "approved"})).await.expect(200);
    };
    let (events, ()) = tokio::join!(stream, signal);
    assert_eq!(kinds(&events).last(), Some(&"run.completed"));
}

#[tokio::test]
async fn who_reads_from_before_the_feed_begins_is_told_where_it_begins() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    node.put("/settings/feed_retention_ms", &json!({"value": "0"})).await.expect(200);
    // The keeper looks when it starts, and then every minute.
    let keeper = node.ask(Method::POST, "/api/v1/actors/keeper/restart");
    assert_eq!(Node::send(keeper).await.status.as_u16(), 204);
    let page = async |after: u64| {
        let page = node.ask(Method::GET, &format!("/api/v1/events?after={after}"));
        Node::send(page.header("accept", "application/json")).await
    };
    let begun = std::time::Instant::now();
    let gone = loop {
        let answer = page(1).await;
        if answer.status.as_u16() == 410 {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "the feed was not trimmed: {}", answer.text);
        tokio::task::yield_now().await;
    };
    let problem = gone.problem(410, "E0315");
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("after=0")), "{problem}");
    // A stream cannot refuse: its first event says how much is missing, and it goes on from there.
    let first = read_until(&node, "/api/v1/events", Some(1), |_| true).await;
    assert_eq!(kinds(&first), ["feed.trimmed"]);
    let oldest = first[0]["details"]["oldest"].as_u64().expect("a revision");
    assert_eq!(revision(&first[0]), oldest - 1);
    page(oldest - 1).await.expect(200);
    page(0).await.expect(200);
    // The history of a run is its own, and is kept as long as the run.
    let story = read_until(&node, "/api/v1/runs/hello/1/events", Some(1), |_| false).await;
    assert_eq!(kinds(&story).last(), Some(&"run.completed"));
}

#[tokio::test]
async fn no_path_changes_or_takes_away_what_was_told() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    let document = Node::send(node.ask(Method::GET, "/api/openapi.json")).await.expect(200);
    for path in ["/api/v1/events", "/api/v1/runs/{id}/events"] {
        let methods: Vec<&String> =
            document["paths"][path].as_object().expect("it is documented").keys().collect();
        assert_eq!(methods, ["get"], "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "/api/v1/events"),
        (Method::PUT, "/api/v1/events"),
        (Method::DELETE, "/api/v1/runs/hello/1/events"),
    ] {
        Node::send(node.ask(method, path)).await.problem(405, "E0313");
    }
    let told = read_until(&node, "/api/v1/runs/hello/1/events", None, |_| false).await;
    for event in &told {
        assert!(event["by"].as_str().is_some_and(|by| !by.is_empty()), "{event}");
        assert!(event["at"].is_string() && event["revision"].is_u64(), "{event}");
    }
}
