//! Lists: pages without gaps, filters, fields.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::node::{BROKEN, HELLO, Node, PATIENT};

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_walk_over_pages_has_no_gap_while_runs_are_added() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let many = json!({"runs": (0..300).map(|_| json!({})).collect::<Vec<_>>()});
    node.post("/workflows/hello/runs/batch", &many).await.expect(202);
    let mut seen = Vec::new();
    let mut path = "/runs?page_size=7".to_owned();
    loop {
        let page = node.get(&path).await.expect(200);
        seen.extend(names(&page));
        node.run("hello").await;
        match page["next_page_token"].as_str() {
            Some(token) => path = format!("/runs?page_size=7&page_token={token}"),
            None => break,
        }
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "nothing twice");
    for number in 1..=300 {
        assert!(unique.contains(&format!("hello/{number}")), "hello/{number} is missing");
    }
}

#[tokio::test]
async fn runs_are_found_by_status_workflow_label_and_filter() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.define(PATIENT).await;
    node.define(BROKEN).await;
    node.finish("hello").await;
    node.finish("broken").await;
    node.post("/workflows/patient/runs", &json!({"labels": {"team": "data"}})).await.expect(202);
    let node = &node;
    let found = |query: &'static str| async move {
        names(&node.get(&format!("/runs?{query}")).await.expect(200))
    };
    assert_eq!(found("").await, ["patient/1", "broken/1", "hello/1"]);
    assert_eq!(found("status=failed").await, ["broken/1"]);
    assert_eq!(found("status=finished").await, ["broken/1", "hello/1"]);
    assert_eq!(found("workflow=hello").await, ["hello/1"]);
    assert_eq!(found("label=team%3Ddata").await, ["patient/1"]);
    assert_eq!(found("filter=error.message.contains('503')").await, ["broken/1"]);
    assert_eq!(found("filter=number%20%3E%205").await, Vec::<String>::new());
    assert_eq!(found("since=1h&order_by=-created_at").await.len(), 3);
    let counted = node.get("/runs?count=true&page_size=1").await.expect(200);
    assert_eq!(counted["total"], 3);
    let of_one = node.get("/workflows/hello/runs").await.expect(200);
    assert_eq!(names(&of_one), ["hello/1"]);
    let stale = node.get("/runs?consistency=linearizable").await;
    assert!(stale.header("oarlock-index").parse::<u64>().expect("a revision") > 0);
}

#[tokio::test]
async fn a_read_waits_for_the_revision_that_the_caller_has_seen() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let started = node.post("/workflows/hello/runs", &json!({})).await;
    let index = started.header("oarlock-index").to_owned();
    let read = node.ask(reqwest::Method::GET, "/api/v1/runs").header("oarlock-index", &index);
    let read = Node::send(read).await;
    assert_eq!(names(&read.expect(200)), ["hello/1"]);
    assert!(
        read.header("oarlock-index").parse::<u64>().expect("a revision")
            >= index.parse().expect("a revision")
    );
    let far = node.ask(reqwest::Method::GET, "/api/v1/runs").header("oarlock-index", "999999999");
    Node::send(far).await.problem(503, "E0705");
}

#[tokio::test]
async fn queues_say_how_many_of_each_there_are() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.define(BROKEN).await;
    node.finish("hello").await;
    node.finish("broken").await;
    let queue = node.get("/queues/default").await.expect(200);
    let counts = &queue["counts"];
    assert_eq!(
        (&counts["completed"], &counts["failed"], &counts["dead"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        (&counts["waiting"], &counts["active"], &counts["delayed"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(queue["dead_letter_queue"], "default:dead-letter");
    assert_eq!(queue["workers"], 1);
    let limited = node.put("/queues/default/limit", &json!({"concurrency": 2})).await.expect(200);
    assert_eq!(limited["concurrency"], 2);
    assert_eq!(node.get("/queues").await.expect(200)["items"][0]["name"], "default");
}
