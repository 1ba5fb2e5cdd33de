//! A node in memory with its door open, and a caller in front of it.

use std::time::Duration;

use oarlock_actors::crew::{Crew, CrewConfig};
use oarlock_engine::id::{BootId, NodeId};
use oarlock_gateway::{Config, Gateway, Parts};
use oarlock_raft::Replica;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A node and its address.
pub(crate) struct Node {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    close: Option<oneshot::Sender<()>>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body") }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }

    /// Asserts the status, and gives the body.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Asserts that it is a problem of this code with this status, and complete.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail", "instance", "request_id"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}: {problem}"
            );
        }
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }
}

impl Node {
    pub(crate) async fn start() -> Node {
        Node::with_slots(8).await
    }

    /// A node whose worker takes so many tasks at once.
    pub(crate) async fn with_slots(slots: u32) -> Node {
        Node::of(oarlock_raft::Config::new(NodeId(1), None), slots).await
    }

    /// A node with limits of its own.
    pub(crate) async fn of(config: oarlock_raft::Config, slots: u32) -> Node {
        let node = config.node;
        let replica = Replica::open(config).await.expect("a replica opens");
        let mut config = CrewConfig::new(node, BootId(7));
        config.slots = slots;
        let crew = Crew::muster(replica.clone(), config).await.expect("a crew musters");
        let gateway = Gateway::new(Parts { replica, crew, config: Config::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (close, closed) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let closed = async {
                let _ = closed.await;
            };
            gateway.serve(listener, closed).await.expect("the door serves");
        });
        let http = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        Node { base, http, close: Some(close) }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn send(request: RequestBuilder) -> Answer {
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Node::send(self.ask(Method::GET, &format!("/api/v1{path}"))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Node::send(self.ask(Method::DELETE, &format!("/api/v1{path}"))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Node::send(self.ask(Method::POST, &format!("/api/v1{path}")).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        Node::send(self.ask(Method::PUT, &format!("/api/v1{path}")).json(body)).await
    }

    pub(crate) async fn apply(&self, file: &str) -> Answer {
        let request = self.ask(Method::POST, "/api/v1/workflows");
        Node::send(request.header("content-type", "application/yaml").body(file.to_owned())).await
    }

    /// Applies a file that is right.
    pub(crate) async fn define(&self, file: &str) {
        let answer = self.apply(file).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }

    /// Starts a run, and gives it as it was accepted.
    pub(crate) async fn run(&self, workflow: &str) -> Value {
        let path = format!("/workflows/{workflow}/runs");
        let answer = self.post(&path, &json!({})).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        answer.json()
    }

    /// Starts a run and waits for its end.
    pub(crate) async fn finish(&self, workflow: &str) -> Value {
        let path = format!("/workflows/{workflow}/runs?wait=20s");
        self.post(&path, &json!({})).await.expect(200)
    }

    /// Asks again and again until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.status.is_success() && holds(&answer.json()) {
                return answer.json();
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is still {}", answer.text);
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            let _ = close.send(());
        }
    }
}

/// Does nothing, once.
pub(crate) const HELLO: &str = "kind: workflow\nname: hello\ntasks:\n  greet:\n    noop: {output: {said: hello}}\noutputs: {said: \"${{ tasks.greet.output.said }}\"}\n";

/// Waits for a signal.
pub(crate) const PATIENT: &str = "kind: workflow\nname: patient\ntasks:\n  approve:\n    wait: {signal: approved}\n  after:\n    needs: [approve]\n    noop: {}\n";

/// Fails at once and for good.
pub(crate) const BROKEN: &str = "kind: workflow\nname: broken\ntasks:\n  break:\n    noop: {fail: \"http 503 from warehouse 17\"}\n    retry: 0\n";
