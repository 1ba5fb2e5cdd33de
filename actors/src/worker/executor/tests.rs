//! The executors against real processes and a real (if small) server.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use oarlock_engine::id::{Attempt, Item, RunId, StepNo, TaskId};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::*;
use crate::worker::capture::HALF_BYTES_MAX;
use crate::worker::logs::Logs;

const TASK: TaskId = TaskId { run: RunId(1), step: StepNo(0), item: Item(0) };

struct Bench {
    executors: Executors,
    printer: Printer,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let executors = Executors::new(dir.path().to_owned());
        Bench { executors, printer: Logs::default().begin(TASK, Attempt(1)), dir }
    }

    async fn run(&self, body: Value) -> Outcome {
        self.halted("run", body, Box::pin(pending())).await
    }

    async fn halted(&self, kind: &str, body: Value, halting: Halting) -> Outcome {
        let job = Job {
            kind: kind.to_owned(),
            body: body.to_string().into_bytes(),
            env: vec![("OARLOCK_ATTEMPT", "2".to_owned())],
            timeout: Duration::from_secs(30),
        };
        self.executors.execute(&job, &self.printer, halting).await
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&self.printer.text()).into_owned()
    }
}

fn kind_of(outcome: &Outcome) -> (&str, bool) {
    match outcome {
        Outcome::Failed(failure) => (&failure.kind, failure.retryable),
        Outcome::Done(_) | Outcome::Halted(_) => panic!("it did not fail: {outcome:?}"),
    }
}

#[tokio::test]
async fn the_last_line_is_the_output_if_it_is_json_and_everything_is_in_the_log() {
    let bench = Bench::new();
    let outcome =
        bench.run(json!({"command": "echo hello; echo oops >&2; echo '{\"n\": 3}'"})).await;
    assert_eq!(outcome, Outcome::Done(b"{\"n\": 3}".to_vec()));
    for line in ["hello\n", "oops\n", "{\"n\": 3}\n"] {
        assert!(bench.log().contains(line), "{}", bench.log());
    }
    let outcome = bench.run(json!({"argv": ["echo", "no json, $HOME"]})).await;
    assert_eq!(outcome, Outcome::Done(Vec::new()));
    assert!(bench.log().contains("no json, $HOME"));
}

#[tokio::test]
async fn an_exit_code_is_a_failure_with_the_end_of_stderr() {
    let outcome = Bench::new().run(json!({"command": "echo no such table >&2; exit 3"})).await;
    let wanted = failure("exit:3", "exit code 3: no such table".to_owned(), true);
    assert_eq!(outcome, Outcome::Failed(wanted));
    let outcome = Bench::new().run(json!({"command": "kill -9 $$"})).await;
    assert_eq!(kind_of(&outcome), ("signal:9", true));
}

#[tokio::test]
async fn what_cannot_be_started_is_said_plainly_and_not_tried_again() {
    let outcome = Bench::new().run(json!({"argv": ["no-such-program"]})).await;
    assert_eq!(kind_of(&outcome), ("spawn", false));
    let outcome = Bench::new().run(json!({"command": "true", "dir": "nowhere"})).await;
    assert_eq!(kind_of(&outcome), ("spawn", false));
    let outcome = Bench::new().run(json!({"env": {}})).await;
    assert_eq!(kind_of(&outcome), ("order", false));
}

#[tokio::test]
async fn the_environment_is_ours_and_the_users_and_nothing_else() {
    let bench = Bench::new();
    let body = json!({"command": "env | sort; pwd", "env": {"A": "x y", "N": 7}});
    assert_eq!(bench.run(body).await, Outcome::Done(Vec::new()));
    let log = bench.log();
    for line in ["A=x y\n", "N=7\n", "OARLOCK_ATTEMPT=2\n"] {
        assert!(log.contains(line), "{log}");
    }
    assert!(!log.contains("CARGO"), "{log}");
    let dir = bench.dir.path().canonicalize().expect("it exists");
    assert!(log.contains(&*dir.to_string_lossy()), "{log}");
}

#[tokio::test]
async fn a_halt_ends_the_whole_process_group() {
    let bench = Bench::new();
    let command = "trap '' TERM; sleep 1000 & echo $! $$; while :; do sleep 0.1; done";
    let (halt, halted) = oneshot::channel();
    let halting = Box::pin(async move { halted.await.expect("it is sent") });
    let running = bench.halted("run", json!({ "command": command }), halting);
    let stopping = async {
        while bench.log().is_empty() {
            tokio::task::yield_now().await;
            sleep(Duration::from_millis(1)).await;
        }
        halt.send(Halt::Timeout).expect("it still runs");
    };
    let began = Instant::now();
    let (outcome, ()) = tokio::join!(running, stopping);
    assert_eq!(outcome, Outcome::Halted(Halt::Timeout));
    assert!(began.elapsed() < Duration::from_secs(10));
    for pid in bench.log().split_whitespace() {
        assert!(gone(pid.parse().expect("a number")).await, "{pid} still lives");
    }
}

#[tokio::test]
async fn what_a_task_leaves_running_ends_with_it() {
    let bench = Bench::new();
    let outcome = bench.run(json!({"command": "sleep 1000 & echo $!"})).await;
    let Outcome::Done(pid) = outcome else { panic!("{outcome:?}") };
    let pid: i32 = String::from_utf8_lossy(&pid).parse().expect("a number");
    assert!(gone(pid).await);
}

#[tokio::test]
async fn output_without_end_is_bounded_in_memory() {
    let bench = Bench::new();
    let command = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo '\"end\"'";
    assert_eq!(bench.run(json!({ "command": command })).await, Outcome::Done(b"\"end\"".to_vec()));
    let log = bench.printer.text();
    assert!(log.len() < 2 * HALF_BYTES_MAX + 100 && log.ends_with(b"x\n\"end\"\n"));
    assert!(bench.log().contains("bytes cut here"));
}

/// Whether a process ends soon: the kill was sent, its reaping is up to whoever inherited it.
async fn gone(pid: i32) -> bool {
    let pid = Pid::from_raw(pid).expect("not zero");
    for _ in 0..1_000 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let zombie = stat.map_or(true, |stat| stat.contains(") Z "));
        if zombie || test_kill_process(pid).is_err() {
            return true;
        }
        sleep(Duration::from_millis(1)).await;
    }
    false
}

/// A server that answers each request with the next of these, and then with the last one.
async fn server(answers: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let nth = count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            let _ = socket.write_all(answers[nth].as_bytes()).await;
        }
    });
    (format!("http://{address}/"), asked)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\
    Connection: close\r\n\r\n{\"rows\": 3}";
const DOWN: &str =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndown";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

async fn http(bench: &Bench, body: Value) -> Outcome {
    bench.halted("http", body, Box::pin(pending())).await
}

#[tokio::test]
async fn an_answer_becomes_status_headers_and_body() {
    let (url, _) = server(&[OK]).await;
    let outcome = http(&Bench::new(), json!({"url": url, "expect": [200, 201]})).await;
    let Outcome::Done(output) = outcome else { panic!("{outcome:?}") };
    let output: Value = serde_json::from_slice(&output).expect("JSON");
    assert_eq!(output["status"], 200);
    assert_eq!(output["body"]["rows"], 3);
    assert_eq!(output["headers"]["content-type"], "application/json");
}

#[tokio::test]
async fn only_what_the_other_side_may_mend_is_tried_again() {
    let bench = Bench::new();
    let (url, _) = server(&[DOWN, MISSING, OK]).await;
    assert_eq!(kind_of(&http(&bench, json!({ "url": url })).await), ("http:503", true));
    assert_eq!(kind_of(&http(&bench, json!({ "url": url })).await), ("http:404", false));
    let strict = json!({"url": url, "expect": 201});
    assert_eq!(kind_of(&http(&bench, strict).await), ("http:200", false));
    let nobody = json!({"url": "http://127.0.0.1:1/"});
    assert_eq!(kind_of(&http(&bench, nobody).await), ("http:connect", true));
    let nonsense = json!({"url": "not a url"});
    assert_eq!(kind_of(&http(&bench, nonsense).await), ("order", false));
}

#[tokio::test]
async fn a_host_that_only_fails_is_left_alone() {
    let bench = Bench::new();
    let (url, asked) = server(&[DOWN]).await;
    for _ in 0..breaker::FAILURES_MAX {
        assert_eq!(kind_of(&http(&bench, json!({ "url": url })).await), ("http:503", true));
    }
    for _ in 0..10 {
        assert_eq!(kind_of(&http(&bench, json!({ "url": url })).await), ("breaker", true));
    }
    assert_eq!(asked.load(Ordering::Relaxed), breaker::FAILURES_MAX as usize);
    assert!(matches!(bench.executors.breakers()[..], [(_, breaker::State::Open(_))]));
}

#[tokio::test]
async fn a_noop_gives_its_output_or_fails_as_asked() {
    let bench = Bench::new();
    let noop = |body| bench.halted("noop", body, Box::pin(pending()));
    assert_eq!(noop(json!({})).await, Outcome::Done(Vec::new()));
    assert_eq!(noop(json!({"output": [1]})).await, Outcome::Done(b"[1]".to_vec()));
    assert_eq!(kind_of(&noop(json!({"fail": "no"})).await), ("noop", true));
}
