//! Exit codes: each one of `oarlock help exit-codes`, brought about.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::node::{Node, Place, program, tell, until};

const SOON: Duration = Duration::from_secs(30);
/// Has an end that its input decides, or none.
const ENDINGS: &str = "kind: workflow\nname: good\ninputs: {code: {type: integer, default: 0}}\ntasks:\n  only:\n    retry: 0\n    \
                       run: exit ${{ inputs.code }}\n";
const LONG: &str = "kind: workflow\nname: long\ntasks: {a: {wait: {signal: go, timeout: 1h}}}\n";

#[tokio::test]
async fn every_end_has_its_exit_code() {
    let place = Place::new();
    let node = place.start_dev();
    let file = |name: &str, text: &str| {
        let path = place.folder().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path.to_string_lossy().into_owned()
    };
    let good = file("good.yaml", ENDINGS);
    let bad = file("bad.yaml", "kind: workflow\nname: bad\ntasks: {a: {neds: [b], run: x}}\n");
    let late =
        file("late.yaml", "kind: workflow\nname: late\ntimeout: 1s\ntasks: {a: {sleep: 1h}}\n");

    node.say(&["run", &good, "--watch"]).expect(0);
    node.say(&["convert", "--out", "/proc/none/x.yaml", "tests/fixtures/flowctl/harvest.yaml"])
        .expect(1);
    node.say(&["runs", "list", "--no-such-flag"]).expect(2);
    node.say(&["runs", "get", "good/999"]).expect(3);
    node.say(&["runs", "cancel", "good/1"]).expect(5);
    let said = node.say(&["validate", &bad]).expect(6);
    assert!(said.err.contains("did you mean `needs`"), "{}", said.err);
    node.say(&["run", &good, "-i", "code=eleven"]).expect(6);
    Place::new().say(&["runs", "list"]).expect(7);
    node.say(&["diff", "-f", &good]).expect(0);
    let changed = file("good.yaml", &(ENDINGS.to_owned() + "labels: {new: label}\n"));
    node.say(&["diff", "-f", &changed]).expect(9);
    node.say(&["run", &good, "-i", "code=3", "--watch"]).expect(10);
    node.say(&["run", &late, "--wait"]).expect(12);
}

#[tokio::test]
async fn a_run_that_is_cancelled_ends_its_watcher_with_eleven() {
    let place = Place::new();
    let node = place.start_dev();
    node.client().apply(LONG).send().await.expect("the file is right");
    for (words, run) in [("--watch", "long/1"), ("--wait", "long/2")] {
        let watcher = began(&node, &["run", "long", words]);
        seen(&node, run).await;
        node.client().run(run).cancel("enough").await.expect("it can be cancelled");
        assert_eq!(code(watcher), Some(11), "{words}");
    }
}

#[tokio::test]
async fn ctrl_c_leaves_the_run_alone_and_ends_with_130() {
    let place = Place::new();
    let node = place.start_dev();
    node.client().apply(LONG).send().await.expect("the file is right");
    let run = node.client().workflow("long").start().send().await.expect("it starts");
    let mut watcher = began(&node, &["runs", "watch", &run.name]);
    // Its first line says that it follows the feed, and by then it listens for signals.
    let mut line = String::new();
    let output = watcher.stdout.as_mut().expect("it is piped");
    BufReader::new(output).read_line(&mut line).expect("it says something");
    assert!(line.contains("long/1"), "{line}");
    tell(&watcher, Signal::INT);
    assert_eq!(code(watcher), Some(130));
    assert!(!node.client().run(&run.id).get().await.expect("it is there").status.finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_so_with_four() {
    let place = Place::new();
    let node = place.start_dev();
    let strange = relay(node.address()).await;
    let said = node.say_to(&strange, &["runs", "list"]).expect(4);
    assert!(said.err.contains("E0601"), "{}", said.err);
}

#[tokio::test]
async fn a_node_that_cannot_take_so_much_ends_a_command_with_eight() {
    let place = Place::new();
    let node = place.start_with(&["--raft.waiting_bytes_max", "1"]);
    let large = "x".repeat(700 << 10);
    let file =
        format!("kind: workflow\nname: large\ntasks: {{a: {{noop: {{output: {large}}}}}}}\n");
    let path = place.folder().join("large.yaml");
    std::fs::write(&path, file).expect("the folder can be written");
    let said = node.say(&["apply", "-f", &path.to_string_lossy(), "--timeout", "2s"]).expect(8);
    assert!(said.err.contains("E0503"), "{}", said.err);
    // The node is not the worse for it.
    node.client().apply(LONG).send().await.expect("there is room for this one");
}

#[test]
fn the_list_of_exit_codes_is_the_whole_list() {
    let said = Place::new().say(&["help", "exit-codes"]).expect(0);
    let codes = said.out.lines().map(|line| line.split_whitespace().next().unwrap_or_default());
    let known = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "130"];
    assert_eq!(codes.collect::<Vec<_>>(), known);
    assert!(said.out.starts_with("  0    done\n"), "{}", said.out);
}

/// A command that goes on while the story does.
fn began(node: &Node, words: &[&str]) -> std::process::Child {
    let mut command = Command::new(program());
    command.args(words).env("OARLOCK_ADDR", node.address()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// How a command ended.
fn code(mut child: std::process::Child) -> Option<i32> {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status.code();
        }
        if Instant::now() > deadline {
            drop(child.kill());
            panic!("the command does not end");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

async fn seen(node: &Node, run: &str) {
    let client = node.client();
    until(SOON, "the run is there", async || {
        client.runs().take(9).await.expect("a list").0.iter().any(|known| known.name == run)
    })
    .await;
}

/// A way to the node on which every request says that it is for somebody else, as one does that a strange page's name led here.
async fn relay(address: &str) -> String {
    let to = address.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let here = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut node = TcpStream::connect(&to).await.expect("the node is there");
            let mut piece = vec![0; 4096];
            let count = from.read(&mut piece).await.expect("a request");
            let head = String::from_utf8_lossy(&piece[..count]).into_owned();
            let head = head.replace(&here.to_string(), "evil.example");
            node.write_all(head.as_bytes()).await.expect("the node reads");
            // Either side may be the one that closes.
            drop(tokio::io::copy_bidirectional(&mut from, &mut node).await);
        }
    });
    format!("http://{here}")
}
