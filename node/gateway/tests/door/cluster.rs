//! The cluster through the door of a node that is alone: who there is, what may be changed, and what is refused.

use serde_json::json;

use crate::node::{HELLO, Node};

#[tokio::test]
async fn a_node_that_is_alone_is_a_cluster_of_one() {
    let node = Node::start().await;
    let cluster = node.get("/cluster").await.expect(200);
    assert_eq!(cluster["health"], "healthy", "{cluster}");
    assert_eq!((&cluster["voters"], &cluster["quorum"]), (&json!(1), &json!(1)));
    assert_eq!(cluster["leader"], "n1");
    assert_eq!(cluster["warnings"], json!([]));
    let member = &cluster["members"][0];
    assert_eq!((&member["name"], &member["raft"]), (&json!("n1"), &json!("leader")));
    assert_eq!(member["duties"], json!(["api", "scheduler", "worker", "voter"]));
    let raft = node.get("/raft").await.expect(200);
    assert_eq!((&raft["standing"], &raft["sure"]), (&json!("leader"), &json!(true)));
    assert_eq!(raft["peers"].as_array().map(Vec::len), Some(1));
    assert_eq!(node.get("/nodes/n1").await.expect(200)["id"], 1);
    assert_eq!(node.get("/nodes/1").await.expect(200)["name"], "n1");
    let missing = node.get("/nodes/n9").await.problem(404, "E0306");
    assert_eq!(missing["hint"], "there are n1");
}

#[tokio::test]
async fn what_would_leave_nobody_is_refused_with_the_reason() {
    let node = Node::start().await;
    let drained = node.post("/nodes/n1/drain", &json!({})).await.problem(409, "E0417");
    let detail = drained["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("nobody but n1 can drive"), "{detail}");
    node.post("/nodes/n1/demote", &json!({})).await.problem(409, "E0416");
    node.post("/nodes/n1/remove", &json!({})).await.problem(409, "E0416");
    node.post("/cluster/step-down", &json!({})).await.problem(409, "E0416");
    node.post("/cluster/step-down", &json!({"to": "n7"})).await.problem(404, "E0306");
    // Whoever insists may: what runs there finishes, and the way back is open.
    let forced = node.post("/nodes/n1/drain", &json!({"force": true})).await.expect(200);
    assert_eq!(forced["state"], "draining");
    let back = node.post("/nodes/n1/undrain", &json!({})).await.expect(200);
    assert_eq!(back["state"], "up");
}

#[tokio::test]
async fn roles_are_moved_and_pinned_by_name() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let role = node.get("/roles/keeper-1-of-1").await.expect(200);
    assert_eq!((&role["node"], role.get("pinned")), (&json!("n1"), None));
    let pinned = node.post("/roles/keeper-1-of-1/pin", &json!({})).await.expect(200);
    assert_eq!(pinned["pinned"], "n1");
    let free = node.post("/roles/keeper-1-of-1/unpin", &json!({})).await.expect(200);
    assert_eq!(free.get("pinned"), None);
    let moved = json!({"node": "n1", "reason": "a drill"});
    node.post("/roles/keeper-1-of-1/move", &moved).await.expect(200);
    node.post("/roles/keeper-1-of-1/move", &json!({"node": "n7"})).await.problem(404, "E0306");
    let near = node.get("/roles/keeper-1-of-2").await.problem(404, "E0307");
    assert_eq!(near["hint"], "did you mean `keeper-1-of-1`?");
    assert_eq!(node.post("/cluster/rebalance", &json!({})).await.expect(200)["leader"], "n1");
}

#[tokio::test]
async fn a_read_that_may_be_old_says_how_far_it_is() {
    let node = Node::start().await;
    node.define(HELLO).await;
    let stale = node.get("/runs?consistency=stale").await;
    stale.expect(200);
    assert!(stale.header("oarlock-revision").parse::<u64>().is_ok_and(|revision| revision > 0));
    assert!(stale.header("oarlock-applied").parse::<u64>().is_ok_and(|applied| applied > 0));
    assert_eq!(stale.header("oarlock-stale"), "", "it is sure of its leader");
    let certain = node.get("/runs").await;
    certain.expect(200);
    assert_eq!(certain.header("oarlock-revision"), "");
    node.get("/runs?consistency=perhaps").await.problem(400, "E0203");
}
