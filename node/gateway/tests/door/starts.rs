//! Starting runs: accepted, awaited, repeated, refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{HELLO, Node, PATIENT};

const TYPED: &str = "kind: workflow\nname: typed\ninputs:\n  day: {type: string}\n  times: {type: integer, default: 3}\ntasks:\n  a:\n    noop: {output: \"${{ inputs.times }}\"}\n";

#[tokio::test]
async fn a_start_is_accepted_and_found_at_once() {
    let node = Node::start().await;
    node.define(HELLO).await;
    for _ in 0..50 {
        let answer = node.post("/workflows/hello/runs", &json!({})).await;
        let run = answer.expect(202);
        let place = answer.header("location").to_owned();
        assert_eq!(place, format!("/api/v1/runs/{}", run["name"].as_str().expect("a name")));
        let found = Node::send(node.ask(Method::GET, &place)).await.expect(200);
        assert_eq!(found["id"], run["id"]);
        let by_id = node.get(&format!("/runs/{}", run["id"].as_str().expect("an id"))).await;
        assert_eq!(by_id.expect(200)["name"], run["name"]);
    }
}

#[tokio::test]
async fn waiting_answers_with_the_end_of_the_run() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let run = node.finish("hello").await;
    assert_eq!(run["status"], "completed");
    assert_eq!(run["output"], json!({"said": "hello"}));
    let result = node.get("/runs/hello/1/result").await.expect(200);
    assert_eq!(result["output"], json!({"said": "hello"}));
}

#[tokio::test]
async fn waiting_too_short_answers_that_it_was_accepted() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    let run = node.post("/workflows/patient/runs?wait=50ms", &json!({})).await.expect(202);
    assert!(["queued", "running"].contains(&run["status"].as_str().expect("a status")), "{run}");
}

#[tokio::test]
async fn the_path_of_linkflow_answers_with_the_execution_id() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let answer = node.post("/workflows/hello/execute", &json!({})).await;
    let body = answer.expect(202);
    assert_eq!(body["execution_id"], body["id"]);
    assert!(answer.header("location").starts_with("/api/v1/runs/hello/"));
}

#[tokio::test]
async fn the_same_key_and_body_are_one_start() {
    let node = Node::start().await;
    node.define(TYPED).await;
    let keyed = |body: Value| {
        let request = node.ask(Method::POST, "/api/v1/workflows/typed/runs");
        Node::send(request.header("idempotency-key", "abc").json(&body))
    };
    let first = keyed(json!({"input": {"day": "a"}})).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = keyed(json!({"input": {"day": "a"}})).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.json()["id"], again.json()["id"]);
    keyed(json!({"input": {"day": "b"}})).await.problem(422, "E0410");
    let runs = node.get("/runs").await.expect(200);
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_id_of_the_callers_choosing_is_one_start() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let body = json!({"run_id": "run_01kadq00000000000000000001"});
    let first = node.post("/workflows/hello/runs?wait=20s", &body).await.expect(200);
    let again = node.post("/workflows/hello/runs?wait=20s", &body).await.expect(200);
    assert_eq!(first["id"], "run_01kadq00000000000000000001");
    assert_eq!(first["name"], again["name"]);
    node.post("/workflows/hello/runs", &json!({"run_id": "run_x"})).await.problem(422, "E0206");
}

#[tokio::test]
async fn inputs_are_bound_and_what_does_not_fit_is_listed() {
    let node = Node::start().await;
    node.define(TYPED).await;
    let path = "/workflows/typed/runs?wait=20s";
    let run = node.post(path, &json!({"input": {"day": "x"}})).await.expect(200);
    let shown = node.get(&format!("/runs/{}", run["name"].as_str().expect("a name"))).await;
    assert_eq!(shown.expect(200)["input"], json!({"day": "x", "times": 3}));
    let wrong = json!({"input": {"dya": "x", "times": "many"}});
    let problem = node.post(path, &wrong).await.problem(422, "E0202");
    let pointers: Vec<&str> = problem["violations"]
        .as_array()
        .expect("violations")
        .iter()
        .map(|one| one["pointer"].as_str().expect("a pointer"))
        .collect();
    assert!(pointers.contains(&"/input/dya") && pointers.contains(&"/input/times"), "{pointers:?}");
}

#[tokio::test]
async fn a_batch_starts_what_fits_and_refuses_the_rest() {
    let node = Node::start().await;
    node.define(TYPED).await;
    let runs: Vec<Value> = (0..100)
        .map(|n| if n % 10 == 0 { json!({"input": {}}) } else { json!({"input": {"day": "x"}}) })
        .collect();
    let answer = node.post("/workflows/typed/runs/batch", &json!({"runs": runs})).await.expect(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(90), &json!(10)));
    assert_eq!(answer["items"][0]["problem"]["code"], "E0202");
    assert!(answer["items"][1]["name"].as_str().is_some_and(|name| name.starts_with("typed/")));
    let many: Vec<Value> = (0..1001).map(|_| json!({})).collect();
    node.post("/workflows/typed/runs/batch", &json!({"runs": many})).await.problem(422, "E0502");
}

#[tokio::test]
async fn a_delayed_start_waits_for_its_moment() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let run = node.post("/workflows/hello/runs", &json!({"in": "1h"})).await.expect(202);
    assert_eq!(run["status"], "queued");
    assert!(run["scheduled_at"].is_string(), "{run}");
    for bad in [json!({"in": "soon"}), json!({"due_at": "tomorrow"}), json!({"priority": 11})] {
        node.post("/workflows/hello/runs", &bad).await.problem(422, "E0206");
    }
    let both = json!({"in": "1h", "due_at": "2030-01-01T00:00:00Z"});
    node.post("/workflows/hello/runs", &both).await.problem(422, "E0206");
}

#[tokio::test]
async fn the_more_urgent_run_is_worked_on_first() {
    let node = Node::with_slots(1).await;
    node.define(HELLO).await;
    node.post("/workflows/hello/runs?wait=20s", &json!({})).await.expect(200);
    node.post("/queues/default/pause", &json!({})).await.expect(200);
    for priority in [1, 1, 1, 10, 5] {
        node.post("/workflows/hello/runs", &json!({"priority": priority})).await.expect(202);
    }
    let waiting = |queue: &Value| queue["counts"]["waiting"] == 5;
    node.until("/queues/default", waiting).await;
    let ready = node.get("/queues/default/ready").await.expect(200);
    assert_eq!(
        ready["items"],
        json!([
            "hello/5/greet",
            "hello/6/greet",
            "hello/2/greet",
            "hello/3/greet",
            "hello/4/greet"
        ])
    );
    node.post("/queues/default/resume", &json!({})).await.expect(200);
    let all = node
        .until("/runs?status=completed", |page| page["items"].as_array().map(Vec::len) == Some(6))
        .await;
    assert_eq!(all["items"][0]["status"], "completed");
    let begun = node.ask(Method::GET, "/api/v1/events?types=task.started&page_size=1000");
    let begun = Node::send(begun.header("accept", "application/json")).await.expect(200);
    let items = begun["items"].as_array().expect("items").iter();
    let order: Vec<&str> =
        items.map(|event| event["task"].as_str().expect("a task has a name")).collect();
    assert_eq!(
        order,
        [
            "hello/1/greet",
            "hello/5/greet",
            "hello/6/greet",
            "hello/2/greet",
            "hello/3/greet",
            "hello/4/greet"
        ]
    );
}

#[tokio::test]
async fn a_key_is_held_by_one_unfinished_run() {
    let node = Node::start().await;
    node.define(PATIENT).await;
    let body = json!({"key": "2026-11-21"});
    node.post("/workflows/patient/runs", &body).await.expect(202);
    node.post("/workflows/patient/runs", &body).await.problem(409, "E0408");
    node.post("/runs/patient/1/signal", &json!({"name": "approved"})).await.expect(200);
    node.until("/runs/patient/1", |run| run["status"] == "completed").await;
    node.post("/workflows/patient/runs", &body).await.expect(202);
}
