//! Two consoles at two nodes of three: what one of them does, the other sees.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;

use super::lab::Lab;
use crate::node::{program, until};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// How long what one console did may take to be seen by the other.
const SEEN_MAX: Duration = Duration::from_secs(10);

/// A console that reads from a pipe and answers with a line of JSON for each thing.
struct Console {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
}

impl Console {
    fn at(address: &str) -> Console {
        let mut child = Command::new(program())
            .args(["console", "-o", "jsonl", "--keep-going", "--addr", address])
            .env_remove("OARLOCK_ADDR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let orders = child.stdin.take().expect("its input is a pipe");
        let output = child.stdout.take().expect("its output is a pipe");
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let told = tell.send(line.expect("it writes text"));
                if told.is_err() {
                    return;
                }
            }
        });
        Console { child, orders, said }
    }

    /// Types a line and reads so many lines of answer.
    fn lines(&mut self, line: &str, count: usize) -> Vec<Value> {
        writeln!(self.orders, "{line}").expect("it takes lines");
        let read = (0..count).map(|_| {
            let said = self.said.recv_timeout(ANSWER_MAX);
            let said = said.unwrap_or_else(|fault| panic!("{line}: no answer: {fault}"));
            serde_json::from_str(&said).unwrap_or_else(|fault| panic!("{line}: {fault}: {said}"))
        });
        read.collect()
    }

    /// Types a line and reads the one line of its answer.
    fn say(&mut self, line: &str) -> Value {
        self.lines(line, 1).remove(0)
    }

    /// Says nothing more, and waits until it has ended.
    fn leave(self) -> Option<i32> {
        let Console { mut child, orders, said } = self;
        drop(orders);
        let end = said.recv_timeout(ANSWER_MAX);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected), "there is nothing more to say");
        child.wait().expect("it can be waited for").code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_console_does_another_at_another_node_sees() {
    let lab = Lab::of(3);
    let leader = lab.leader().await;
    let others = lab.others(&leader);
    let (mut one, mut other) = (Console::at(lab.url(&others[0])), Console::at(lab.url(&others[1])));

    // Both list the members, and name the same leader.
    for console in [&mut one, &mut other] {
        let members = console.lines("nodes list", 3);
        let mut names: Vec<&str> =
            members.iter().filter_map(|node| node["name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["n1", "n2", "n3"]);
        let leads = members.iter().find(|node| node["leader"] == true).expect("one leads");
        assert_eq!(leads["name"], leader.as_str());
    }

    // Leadership goes where one of them wants it.
    let next = &others[0];
    assert_eq!(one.say(&format!("cluster step-down --to {next}"))["leader"], next.as_str());
    until(SEEN_MAX, "the other sees who leads", async || {
        other.say("rpc cluster")["leader"] == next.as_str()
    })
    .await;

    // A run that one starts is paused by the other, and goes on.
    let file = "{kind: workflow, name: hold, tasks: {first: {wait: {signal: go}}, last: {needs: [first], noop: {}}}}";
    lab.client().apply(file).send().await.expect("the file is right");
    let name = one.say("run hold")["name"].as_str().expect("it has a name").to_owned();
    assert_eq!(other.say(&format!("runs pause {name}"))["status"], "paused");
    assert_eq!(one.say(&format!("runs get {name}"))["status"], "paused");
    assert_eq!(one.say(&format!("rpc runs.resume {{\"id\": \"{name}\"}}"))["status"], "running");
    assert_eq!(other.say(&format!("runs get {name}"))["status"], "running");

    // Both know who drives it, also when one of them has given it to somebody else.
    let role = "roles get dag-hold-1-of-1";
    let mut holder = Value::Null;
    until(SEEN_MAX, "both know who drives it", async || {
        holder = one.say(role)["node"].clone();
        holder.is_string() && other.say(role)["node"] == holder
    })
    .await;
    let names = lab.names();
    let to = names.iter().find(|name| holder != name.as_str()).expect("there are three");
    assert_eq!(other.say(&format!("roles move dag-hold-1-of-1 --to {to}"))["node"], to.as_str());
    until(SEEN_MAX, "the first knows who drives it now", async || {
        one.say(role)["node"] == to.as_str()
    })
    .await;

    assert_eq!((one.leave(), other.leave()), (Some(0), Some(0)));
}
