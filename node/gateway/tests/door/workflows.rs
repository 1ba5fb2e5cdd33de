//! Definitions: applied, versioned, guarded by their ETags.

use reqwest::Method;
use serde_json::json;

use crate::node::{HELLO, Node};

#[tokio::test]
async fn a_file_is_created_then_unchanged_then_updated() {
    let node = Node::start().await;
    let first = node.apply(HELLO).await;
    let body = first.expect(201);
    assert_eq!(body["items"][0]["change"], "created");
    assert_eq!(first.header("location"), "/api/v1/workflows/hello");
    let again = node.apply(HELLO).await.expect(200);
    assert_eq!(again["items"][0]["change"], "unchanged");
    let other = HELLO.replace("said: hello", "said: bye");
    let dry = node.ask(Method::POST, "/api/v1/workflows?dry_run=true").body(other.clone());
    let dry = Node::send(dry).await.expect(200);
    assert_eq!((&dry["dry_run"], &dry["items"][0]["change"]), (&json!(true), &json!("updated")));
    assert_eq!(node.get("/workflows/hello").await.expect(200)["version"], 1);
    let changed = node.apply(&other).await.expect(200);
    assert_eq!(
        (&changed["items"][0]["change"], &changed["items"][0]["version"]),
        (&json!("updated"), &json!(2))
    );
    let versions = node.get("/workflows/hello/versions").await.expect(200);
    assert_eq!(versions["items"][0]["version"], 2);
    assert_eq!(versions["items"][0]["newest"], true);
    assert_eq!(node.get("/workflows/hello/versions/1").await.expect(200)["version"], 1);
    node.get("/workflows/hello/versions/9").await.problem(404, "E0314");
}

#[tokio::test]
async fn an_etag_guards_against_changes_of_others() {
    let node = Node::start().await;
    let etag = node.apply(HELLO).await.header("etag").to_owned();
    let shown = node.get("/workflows/hello").await;
    let known = shown.header("etag").to_owned();
    let same = node.ask(Method::GET, "/api/v1/workflows/hello").header("if-none-match", &known);
    assert_eq!(Node::send(same).await.status.as_u16(), 304);
    let other = HELLO.replace("said: hello", "said: bye");
    let change = |etag: &str, text: &str| {
        let request = node.ask(Method::POST, "/api/v1/workflows").header("if-match", etag);
        Node::send(request.body(text.to_owned()))
    };
    change(&etag, &other).await.expect(200);
    let third = HELLO.replace("said: hello", "said: ha");
    change(&etag, &third).await.problem(412, "E0403");
    let new = node.ask(Method::GET, "/api/v1/workflows/hello").header("if-none-match", &known);
    assert_eq!(Node::send(new).await.status.as_u16(), 200);
    let gone = node.ask(Method::DELETE, "/api/v1/workflows/hello").header("if-match", "\"v1\"");
    Node::send(gone).await.problem(412, "E0403");
    assert_eq!(node.delete("/workflows/hello").await.status.as_u16(), 204);
    node.get("/workflows/hello").await.problem(404, "E0302");
}

#[tokio::test]
async fn a_wrong_file_is_refused_whole_with_every_fault_in_its_place() {
    let node = Node::start().await;
    let wrong = "kind: workflow\nname: etl\ntasks:\n  a: {noop: {}}\n  b:\n    neds: [a]\n    noop: {}\n  c:\n    needs: [zz]\n    noop: {}\n";
    let problem = node.apply(wrong).await.expect(422);
    let violations = problem["violations"].as_array().expect("violations");
    assert!(violations.len() >= 2, "{problem}");
    assert_eq!(
        (&violations[0]["line"], &violations[0]["pointer"]),
        (&json!(6), &json!("/tasks/b/neds"))
    );
    assert_eq!(node.get("/workflows").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_workflow_is_drawn_and_described() {
    let node = Node::start().await;
    node.define(
        "kind: workflow\nname: two\ntasks:\n  a: {noop: {}}\n  b: {needs: [a], noop: {}}\n",
    )
    .await;
    let graph = node.get("/workflows/two/graph").await.expect(200);
    let picture = graph["mermaid"].as_str().expect("a picture");
    assert!(picture.contains("t0 --> t1"), "{picture}");
    let shown = node.get("/workflows/two").await.expect(200);
    let task = &shown["tasks"][1];
    assert_eq!(
        (&task["name"], &task["needs"], &task["action"]),
        (&json!("b"), &json!(["a"]), &json!("noop"))
    );
    let policy = &task["policy"];
    assert_eq!(policy["attempts"], 3);
    assert_eq!(policy["priority"], 5);
    assert_eq!(policy["timeout_ms"], 30_000);
    assert_eq!(policy["backoff"]["type"], "exponential");
    assert_eq!(policy["backoff"]["delay_ms"], 1000);
    assert!(shown["source"].as_str().expect("a source").contains("name: two"));
    let list = node.get("/workflows?fields=name,version").await.expect(200);
    assert_eq!(list["items"], json!([{"name": "two", "version": 1}]));
    let history = node.get("/workflows/two/history").await.expect(200);
    assert_eq!(history["items"][0]["type"], "workflow.defined");
}
