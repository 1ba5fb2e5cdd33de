//! What is refused, and how that is said.

use reqwest::Method;
use serde_json::json;

use crate::node::{HELLO, Node, PATIENT};

#[tokio::test]
async fn every_failure_has_one_shape() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.get("/runs/hello/99").await.problem(404, "E0301");
    node.get("/runs/run_00000000000000000000000000").await.problem(404, "E0301");
    node.get("/workflows/helo").await.problem(404, "E0302");
    node.get("/queues/none").await.problem(404, "E0304");
    node.get("/workers/none").await.problem(404, "E0305");
    node.get("/nodes/n9").await.problem(404, "E0306");
    node.get("/roles/none").await.problem(404, "E0307");
    node.get("/settings/none").await.problem(404, "E0308");
    node.get("/dlq/hello/1/greet").await.problem(404, "E0301");
    node.get("/actors/none").await.problem(404, "E0310");
    node.get("/nothing").await.problem(404, "E0312");
    let put = Node::send(node.ask(Method::PUT, "/api/v1/runs")).await;
    put.problem(405, "E0313");
    assert!(put.header("allow").contains("GET"), "{:?}", put.headers);
    node.get("/runs?page_size=0").await.problem(400, "E0203");
    node.get("/runs?statsu=failed").await.problem(400, "E0203");
    node.get("/runs?status=broken").await.problem(400, "E0203");
    node.get("/runs?filter=1%2B").await.problem(400, "E0204");
    node.get("/runs?page_token=zz").await.problem(400, "E0205");
    node.get("/runs?namespace=other").await.problem(404, "E0311");
    node.get("/runs?consistency=maybe").await.problem(400, "E0203");
}

#[tokio::test]
async fn a_near_miss_is_answered_with_what_may_have_been_meant() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.run("hello").await;
    let hint = |answer: &crate::node::Answer| answer.json()["hint"].as_str().map(str::to_owned);
    let answer = node.get("/runs/helo/1").await;
    assert_eq!(hint(&answer).as_deref(), Some("did you mean `hello/1`?"));
    let answer = node.get("/runs/hello/1/tasks/great").await;
    assert_eq!(hint(&answer).as_deref(), Some("did you mean `greet`?"));
    let answer = node.get("/runs?statsu=failed").await;
    assert_eq!(hint(&answer).as_deref(), Some("did you mean `status`?"));
}

#[tokio::test]
async fn bodies_are_refused_before_they_hurt() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let post = |body: Vec<u8>, kind: &'static str| {
        let request = node.ask(Method::POST, "/api/v1/workflows/hello/runs");
        Node::send(request.header("content-type", kind).body(body))
    };
    let deep = [b"{\"input\":".to_vec(), b"[".repeat(1000), b"]".repeat(1000), b"}".to_vec()];
    post(deep.concat(), "application/json").await.problem(400, "E0201");
    let large = format!("{{\"key\": \"{}\"}}", "x".repeat(10 << 20));
    post(large.into_bytes(), "application/json").await.problem(413, "E0501");
    post(b"{".to_vec(), "application/json").await.problem(400, "E0200");
    post(b"{\"keey\": 1}".to_vec(), "application/json").await.problem(400, "E0200");
    post(b"<a/>".to_vec(), "application/xml").await.problem(415, "E0207");
    let long = format!("{{\"key\": \"{}\"}}", "x".repeat(1000));
    post(long.into_bytes(), "application/json").await.problem(422, "E0502");
    post(Vec::new(), "application/json").await.expect(202);
}

#[tokio::test]
async fn a_large_payload_comes_back_as_it_was_and_a_larger_one_is_refused() {
    let node = Node::start().await;
    node.define("kind: workflow\nname: any\ninputs:\n  data: {}\ntasks:\n  a: {noop: {}}\n").await;
    let rows: Vec<_> =
        (0..8000).map(|n| json!({"id": n, "text": "ä\"\\ü", "x": [n, [n]]})).collect();
    let input = json!({"data": rows});
    assert!(input.to_string().len() > 256 << 10);
    let run = node.post("/workflows/any/runs", &json!({"input": input})).await.expect(202);
    let name = run["name"].as_str().expect("a name");
    let kept = node.get(&format!("/runs/{name}/input")).await;
    assert_eq!(kept.text, input.to_string());
    let larger = json!({"input": {"data": "x".repeat((1 << 20) + 1)}});
    let refused = node.post("/workflows/any/runs", &larger).await;
    assert_eq!(refused.problem(422, "E0202")["violations"][0]["pointer"], "/input");
}

#[tokio::test]
async fn what_the_state_does_not_allow_is_a_conflict() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.define(PATIENT).await;
    node.finish("hello").await;
    node.run("patient").await;
    node.delete("/runs/patient/1").await.problem(409, "E0404");
    node.post("/runs/hello/1/resume", &json!({})).await.problem(409, "E0404");
    node.delete("/workflows/patient").await.problem(409, "E0402");
    node.post("/workflows/patient/pause", &json!({})).await.expect(200);
    node.post("/workflows/patient/runs", &json!({})).await.problem(409, "E0401");
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let node = Node::start().await;
    let own = node.ask(Method::GET, "/api/v1/runs").header("x-request-id", "mine-1");
    assert_eq!(Node::send(own).await.header("x-request-id"), "mine-1");
    let made = node.get("/runs").await;
    assert!(made.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn markup_in_names_comes_back_as_text() {
    let node = Node::start().await;
    let name = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let answer = node.get(&format!("/workflows/{name}")).await;
    answer.problem(404, "E0302");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    node.define(HELLO).await;
    let tags = json!({"labels": {"note": "<script>alert(1)</script>"}});
    node.finish("hello").await;
    let run = node.post("/runs/hello/1/tags", &tags).await;
    assert_eq!(run.header("content-type"), "application/json");
    assert_eq!(run.expect(200)["labels"]["note"], "<script>alert(1)</script>");
    let page = Node::send(node.ask(Method::GET, &format!("/docs/errors/{name}"))).await;
    page.problem(404, "E0312");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_act_through_a_browser() {
    let node = Node::start().await;
    let request =
        node.ask(Method::POST, "/api/v1/workflows").header("origin", "https://evil.example");
    Node::send(request.header("content-type", "text/plain").body(HELLO))
        .await
        .problem(403, "E0601");
    assert_eq!(node.get("/workflows").await.expect(200)["items"], json!([]));
    let own = node.ask(Method::GET, "/api/v1/runs").header("origin", &node.base);
    Node::send(own).await.expect(200);
}

#[tokio::test]
async fn a_busy_node_says_when_to_come_back_and_has_done_nothing() {
    let few = oarlock_raft::Config {
        waiting_max: 1,
        ..oarlock_raft::Config::new(oarlock_engine::id::NodeId(1), None)
    };
    let node = Node::of(few, 8).await;
    while !node.apply(HELLO).await.status.is_success() {
        tokio::task::yield_now().await;
    }
    let path = "/workflows/hello/runs";
    let (mut accepted, mut busy) = (0, 0);
    for _ in 0..20 {
        let many = (0..100).map(|_| async { node.post(path, &json!({})).await });
        for answer in futures::future::join_all(many).await {
            if answer.status.as_u16() == 202 {
                accepted += 1;
                continue;
            }
            let problem = answer.problem(429, "E0503");
            let pause: u64 = answer.header("retry-after").parse().expect("whole seconds");
            assert!(pause >= 1, "{:?}", answer.headers);
            assert_eq!(problem["retryable"], true);
            assert!(problem["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{problem}");
            busy += 1;
        }
        if busy > 0 {
            break;
        }
    }
    assert!(accepted > 0 && busy > 0, "{accepted} accepted, {busy} busy");
    let runs = node.get("/runs?count=true&page_size=1").await.expect(200);
    assert_eq!(runs["total"], accepted, "what was refused has left no run");
}

#[tokio::test]
async fn a_list_is_no_object_and_a_parameter_is_given_once() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.post("/workflows/hello/runs", &json!([])).await.problem(400, "E0200");
    node.put("/queues/default/limit", &json!([3])).await.problem(400, "E0200");
    node.get("/runs?page_size=1&page_size=2").await.problem(400, "E0203");
    let filter = node.get("/runs?filter=status%20%3D%20%22x%22").await.problem(400, "E0204");
    assert!(filter["detail"].as_str().is_some_and(|text| !text.contains("ERROR")), "{filter}");
}

#[tokio::test]
async fn an_id_that_a_run_of_another_workflow_has_is_refused() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.define(PATIENT).await;
    let id = node.finish("hello").await["id"].clone();
    let again = json!({"run_id": id});
    assert_eq!(node.post("/workflows/hello/runs", &again).await.expect(200)["name"], "hello/1");
    node.post("/workflows/patient/runs", &again).await.problem(422, "E0410");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_words_of_the_outside() {
    let node = Node::start().await;
    node.define(HELLO).await;
    node.finish("hello").await;
    let refused = node.post("/runs/hello/1/resume", &json!({})).await.problem(409, "E0404");
    assert_eq!(refused["detail"], "not possible while the run is completed");
    let task = "greet";
    let path = format!("/runs/hello/1/tasks/{task}");
    let refused = node.post(&format!("{path}/complete"), &json!({})).await.problem(409, "E0405");
    assert_eq!(refused["detail"], format!("`hello/1/{task}` is completed already"));
    node.get(&format!("{path}@9")).await.problem(404, "E0303");
    node.get(&format!("{path}/logs?attempt=9")).await.problem(404, "E0303");
    node.get(&format!("{path}@1")).await.expect(200);
    let run = node.get(&format!("/runs/hello%2F1%2F{task}")).await.problem(404, "E0301");
    assert!(run["hint"].as_str().is_some_and(|hint| hint.contains("tasks get")), "{run}");
    node.get("/tasks/hello%2F1").await.problem(404, "E0303");
}

#[tokio::test]
async fn a_stream_does_not_begin_behind_what_has_not_happened() {
    let node = Node::start().await;
    for ahead in ["18446744073709551615", "99999999999"] {
        let request = node.ask(Method::GET, "/api/v1/events").header("last-event-id", ahead);
        Node::send(request).await.problem(400, "E0203");
    }
}

#[tokio::test]
async fn whoever_makes_the_first_version_has_created_the_workflow() {
    let node = Node::start().await;
    let file =
        |no: usize| format!("kind: workflow\nname: race\ntasks: {{a{no}: {{noop: {{}}}}}}\n");
    let files: Vec<String> = (0..16).map(file).collect();
    let answers = futures::future::join_all(files.iter().map(|file| node.apply(file))).await;
    let created = answers.iter().filter(|answer| answer.json()["items"][0]["change"] == "created");
    assert_eq!(created.count(), 1);
}
