//! A cluster as `oarlock dev --nodes` starts it, driven by the orders that a person types at its prompt.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use oarlock_client::Client;
use oarlock_client::v1::{Cluster, RaftStatus};
use serde_json::Value;
use tempfile::TempDir;

use super::whole::whole;
use super::work::Work;
use crate::node::{patient, program, until};

/// How long the nodes may take to become one cluster.
const READY_MAX: Duration = Duration::from_secs(90);
/// How long an order may take: a node is started, or stopped in order.
const ORDER_MAX: Duration = Duration::from_secs(60);
/// How long the cluster may take to find a leader, or whoever drives a role.
pub(super) const SETTLE_MAX: Duration = Duration::from_secs(30);
/// How long one node may take to answer, when others could be asked.
const ANSWER_MAX: Duration = Duration::from_secs(6);

/// A cluster of processes, and the pipe to its prompt.
pub(super) struct Lab {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
    nodes: Vec<(String, String)>,
    folder: TempDir,
}

impl Lab {
    /// Starts so many nodes.
    pub(super) fn of(nodes: usize) -> Lab {
        Lab::with(nodes, &[])
    }

    /// The same with settings of all nodes, as environment variables.
    pub(super) fn with(nodes: usize, settings: &[(&str, &str)]) -> Lab {
        Lab::at(tempfile::tempdir().expect("a temporary folder can be made"), nodes, settings)
    }

    /// The same nodes, stopped in order and started again with what they have kept.
    pub(super) fn again(mut self) -> Lab {
        self.stop();
        let nodes = self.nodes.len();
        let empty = tempfile::tempdir().expect("a temporary folder can be made");
        Lab::at(std::mem::replace(&mut self.folder, empty), nodes, &[])
    }

    /// Stops all nodes in order, and looks into what each of them has kept: its log, its tables and their indexes, its fingerprint.
    pub(super) fn examined(mut self) {
        self.stop();
        for node in self.names() {
            let doctor =
                Command::new(program()).args(["doctor", "--data"]).arg(self.data(&node)).output();
            let said = doctor.expect("the program starts");
            let text = String::from_utf8_lossy(&said.stdout);
            assert!(said.status.success(), "{node}: {text}");
        }
    }

    fn stop(&mut self) {
        writeln!(self.orders, "quit").expect("the cluster takes orders");
        self.child.wait().expect("it can be waited for");
    }

    fn at(folder: TempDir, nodes: usize, settings: &[(&str, &str)]) -> Lab {
        let messages = std::fs::File::create(folder.path().join("messages"));
        let mut child = Command::new(program())
            .args(["dev", "--port", "0", "--nodes", &nodes.to_string(), "--data"])
            .arg(folder.path().join("data"))
            .envs(settings.iter().copied())
            .env_remove("OARLOCK_ADDR")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(messages.expect("its messages can be kept"))
            .spawn()
            .expect("the program starts");
        let orders = child.stdin.take().expect("its input is a pipe");
        let said = lines(&mut child);
        let mut lab = Lab { child, orders, said, nodes: Vec::new(), folder };
        let ready = lab.hear("\"event\":\"ready\"", READY_MAX);
        let ready: Value = serde_json::from_str(&ready).expect("the ready line is JSON");
        let text = |node: &Value, name: &str| node[name].as_str().expect("text").to_owned();
        let nodes = ready["nodes"].as_array().expect("its nodes").iter();
        lab.nodes = nodes.map(|node| (text(node, "name"), text(node, "http"))).collect();
        lab
    }

    /// Types a line, and waits until something with these words is said.
    pub(super) fn order(&mut self, line: &str, answer: &str) -> String {
        writeln!(self.orders, "{line}").expect("the cluster takes orders");
        self.hear(answer, ORDER_MAX)
    }

    /// Ends a node's process with SIGKILL.
    pub(super) fn kill(&mut self, node: &str) {
        self.order(&format!("nodes kill {node}"), &format!("{node} was killed (SIGKILL)"));
    }

    /// Starts it again.
    pub(super) fn start(&mut self, node: &str) {
        self.order(&format!("nodes start {node}"), &format!("{node} is back"));
    }

    /// Holds a node's process.
    pub(super) fn pause(&mut self, node: &str) {
        self.order(&format!("nodes pause {node}"), &format!("{node} was paused"));
    }

    /// Lets it go on.
    pub(super) fn resume(&mut self, node: &str) {
        self.order(&format!("nodes resume {node}"), &format!("{node} goes on"));
    }

    /// Cuts a node off from all others.
    pub(super) fn cut_off(&mut self, node: &str) {
        let others = self.others(node).join(",");
        self.order(&format!("nodes partition {node} | {others}"), "the network is cut");
    }

    /// Mends the network.
    pub(super) fn heal(&mut self) {
        self.order("nodes heal", "the network is whole");
    }

    /// Where a node keeps its data.
    pub(super) fn data(&self, node: &str) -> PathBuf {
        self.folder.path().join("data").join(node)
    }

    /// The names of all nodes.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The names of all nodes but one.
    pub(super) fn others(&self, node: &str) -> Vec<String> {
        let mut names = self.names();
        names.retain(|name| name != node);
        names
    }

    /// A client that knows all nodes and has patience.
    pub(super) fn client(&self) -> Client {
        let urls: Vec<&str> = self.nodes.iter().map(|(_, url)| url.as_str()).collect();
        patient(&urls.join(","))
    }

    /// Begins to work with it.
    pub(super) async fn work(&self) -> Work {
        Work::begin(&self.client(), self.each(), self.folder.path()).await
    }

    /// Ends the work, and looks whether everything held.
    pub(super) async fn whole(&self, work: Work) {
        self.settled(&self.names()).await;
        whole(&self.client(), &self.each(), work).await;
    }

    /// A client for each node alone.
    pub(super) fn each(&self) -> Vec<Client> {
        self.nodes.iter().map(|(name, _)| self.only(name)).collect()
    }

    /// A client that knows one node and gives up soon.
    pub(super) fn only(&self, node: &str) -> Client {
        let builder = Client::builder().addr(self.url(node)).timeout(ANSWER_MAX).attempts_max(1);
        builder.patient_connect(false).build().expect("the address is one")
    }

    /// The same, content with what the node has.
    pub(super) fn stale(&self, node: &str) -> Client {
        let builder = Client::builder().addr(self.url(node)).timeout(ANSWER_MAX).attempts_max(1);
        builder.patient_connect(false).stale(true).build().expect("the address is one")
    }

    /// Where a node is.
    pub(super) fn url(&self, node: &str) -> &str {
        let found = self.nodes.iter().find(|(name, _)| name == node);
        &found.unwrap_or_else(|| panic!("there is no node {node}")).1
    }

    /// How the cluster looks to these nodes, when they are sure of it.
    pub(super) async fn settled(&self, among: &[String]) -> Cluster {
        let mut found = None;
        until(SETTLE_MAX, "somebody leads and is sure of it", async || {
            for node in among {
                if let Ok(cluster) = self.only(node).cluster().await
                    && cluster.sure
                    && cluster.leader.as_ref().is_some_and(|leader| among.contains(leader))
                {
                    found = Some(cluster);
                    return true;
                }
            }
            false
        })
        .await;
        found.expect("it was just seen")
    }

    /// Who leads.
    pub(super) async fn leader(&self) -> String {
        self.settled(&self.names()).await.leader.expect("somebody does")
    }

    /// Who drives a workflow, as these nodes say.
    pub(super) async fn owner(&self, workflow: &str, among: &[String]) -> String {
        let name = format!("dag-{workflow}-1-of-1");
        let mut found = None;
        until(SETTLE_MAX, "somebody drives it", async || {
            for node in among {
                if let Ok(role) = self.only(node).role(&name).get().await {
                    found = role.node;
                }
            }
            found.is_some()
        })
        .await;
        found.expect("it was just seen")
    }

    /// How a node sees the log, however little it hears of others.
    pub(super) async fn raft(&self, node: &str) -> RaftStatus {
        self.stale(node).raft().await.unwrap_or_else(|fault| panic!("{node} says nothing: {fault}"))
    }

    /// What the program that started the nodes wrote, and their logs.
    fn messages(&self) -> String {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let mut all = read(self.folder.path().join("messages"));
        for name in self.names() {
            let log = read(self.data(&name).with_extension("log"));
            let quiet =
                |line: &&str| line.contains("oarlock::access") || line.contains("HeartbeatWorker");
            let last: Vec<&str> = log.lines().rev().filter(|line| !quiet(line)).take(40).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            all.push_str(&format!("\n{name}:\n{}\n", last.join("\n")));
        }
        all
    }

    /// Waits until something with these words is said.
    fn hear(&mut self, words: &str, at_most: Duration) -> String {
        let deadline = Instant::now() + at_most;
        let mut heard = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => heard.push(line),
                Err(_) => panic!(
                    "`{words}` was not said within {at_most:?}, but:\n{}\n{}",
                    heard.join("\n"),
                    self.messages()
                ),
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Lost only if nobody reads it.
            let _ = writeln!(std::io::stderr(), "{}", self.messages());
        }
        // Its nodes end with it, also those that are held. It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a child says, line by line, read by a thread so that the child is never blocked.
fn lines(child: &mut Child) -> Receiver<String> {
    let output = child.stdout.take().expect("its output is a pipe");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody may be interested any more.
            drop(tell.send(line));
        }
    });
    told
}
