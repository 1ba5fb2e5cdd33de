//! What the client repeats and what it does not, against a server that follows a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oarlock_client::{Advice, Client, Error};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one connection.
#[derive(Debug, Clone)]
enum Act {
    /// Answers with a status, headers (each ending its line) and a body, and closes.
    Say(u16, &'static str, String),
    /// Reads the request and goes away.
    Vanish,
}

/// Serves one connection after the other as the script says, and remembers what was asked.
async fn serve(script: Vec<Act>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        for act in script {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let request = read(&mut stream).await;
            notes.lock().expect("nobody panics with it").push(request);
            if let Act::Say(status, headers, body) = act {
                let text = format!(
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                    body.len()
                );
                stream.write_all(text.as_bytes()).await.expect("the client reads");
            }
        }
    });
    let client =
        Client::builder().addr(format!("http://{address}")).timeout(Duration::from_secs(5));
    (client.build().expect("an address"), asked)
}

/// A request's head and body, as text.
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap_or(0);
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "the request has no end: {text}");
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn problem(status: u16, code: &str, retryable: bool) -> Act {
    let body = format!(
        r#"{{"type":"/docs/errors/{code}","title":"t","status":{status},"code":"{code}","retryable":{retryable}}}"#
    );
    Act::Say(status, "content-type: application/problem+json\r\n", body)
}

fn queue() -> Act {
    let counts = json!({
        "waiting": 0, "active": 0, "delayed": 0, "completed": 0, "failed": 0, "dead": 0,
    });
    let body = json!({
        "name": "default", "paused": true, "counts": counts, "workers": 1, "slots": 8,
        "dead_letter_queue": "default:dead-letter",
    });
    Act::Say(200, "", body.to_string())
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn a_busy_node_is_asked_again() {
    let (client, asked) = serve(vec![problem(429, "E0503", true), queue()]).await;
    let queue = client.queue("default").get().await.expect("the second answer");
    assert!(queue.paused);
    assert_eq!(asked.lock().expect("no panic").len(), 2);
}

#[tokio::test]
async fn a_start_that_was_lost_is_sent_again_with_the_same_key_and_the_same_id() {
    let script = vec![Act::Vanish, problem(409, "E0408", false)];
    let (client, asked) = serve(script).await;
    let error = client.workflow("etl").start().send().await.expect_err("a conflict");
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    let asked = asked.lock().expect("no panic");
    let keys: Vec<_> = asked.iter().map(|request| header(request, "idempotency-key")).collect();
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
    let body = |at: usize| asked[at].split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert_eq!(body(0), body(1));
}

#[tokio::test]
async fn a_change_that_may_have_been_done_is_not_sent_again() {
    let (client, asked) = serve(vec![Act::Vanish, queue()]).await;
    let error = client.run("etl/1").retry(None).await.expect_err("the connection was lost");
    assert!(matches!(error.advice(), Advice::Retry { .. }), "{error:?}");
    assert_eq!(asked.lock().expect("no panic").len(), 1);
}

#[tokio::test]
async fn a_change_that_certainly_was_not_done_is_sent_again() {
    let (client, asked) =
        serve(vec![problem(503, "E0702", true), problem(404, "E0301", false)]).await;
    let error = client.run("etl/1").retry(None).await.expect_err("there is no such run");
    assert_eq!(error.code(), "E0301");
    assert_eq!(asked.lock().expect("no panic").len(), 2);
}

#[tokio::test]
async fn a_feed_goes_on_behind_the_last_event_that_was_read() {
    let event = |revision: u64, kind: &str| {
        let at = "2026-11-21T14:00:00Z";
        let data = json!({"revision": revision, "at": at, "by": "x", "type": kind});
        format!("id: {revision}\ndata: {data}\n\n")
    };
    let kind = "content-type: text/event-stream\r\n";
    let first = Act::Say(200, kind, event(3, "run.started") + &event(7, "run.began"));
    // The server repeats one event; the client does not.
    let second = Act::Say(200, kind, event(7, "run.began") + &event(9, "run.completed"));
    let (client, asked) = serve(vec![first, second, Act::Say(204, "", String::new())]).await;
    let mut events = client.run("etl/1").events(0);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await.expect("the script goes on") {
        seen.push(event.revision);
    }
    assert_eq!(seen, [3, 7, 9]);
    let asked = asked.lock().expect("no panic");
    let behind: Vec<_> = asked.iter().map(|request| header(request, "last-event-id")).collect();
    assert_eq!(behind, [Some("0"), Some("7"), Some("9")]);
}

#[tokio::test]
async fn a_node_that_cannot_is_left_for_the_next_one_at_once() {
    let (first, first_asked) = serve(vec![problem(503, "E0702", true)]).await;
    let (second, second_asked) = serve(vec![queue(), queue()]).await;
    let refused = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let nobody = refused.local_addr().expect("it has an address");
    drop(refused);
    let addrs = format!("http://{nobody},{},{}", first.addr(), second.addr());
    // Whoever does not wait for connections still asks every node.
    let client = Client::builder().addr(addrs).patient_connect(false).build().expect("addresses");
    assert!(client.queue("default").pause().await.is_ok());
    assert!(client.queue("default").pause().await.is_ok(), "the one that answered is asked again");
    assert_eq!(first_asked.lock().expect("nobody panics with it").len(), 1);
    assert_eq!(second_asked.lock().expect("nobody panics with it").len(), 2);
}
