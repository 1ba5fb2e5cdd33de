//! Several replicas over real sockets and real directories: what a group promises when one of it stops, hangs, lies or comes back.

mod cut;
mod life;
mod three;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use oarlock_engine::access::Principal;
use oarlock_engine::id::NodeId;
use oarlock_engine::setting;
use oarlock_engine::store::{Row, View};
use oarlock_raft::{Accepted, Config, Fault, Peering, ProposeError, Replica, Secret, Standing};
use tempfile::TempDir;

/// A replica and its directory.
struct Node {
    replica: Replica,
    dir: Dir,
}

/// A directory that is removed when its stores are closed, which is some time after the replica is dropped. RocksDB pauses for a
/// second after a flush that failed, and all stores of a process wait for the same thread to flush.
struct Dir(TempDir);

impl Dir {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if let Ok(lock) = File::open(self.path().join("lock")) {
            lock.lock().expect("whoever holds it lets go");
        }
    }
}

impl std::ops::Deref for Node {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl Node {
    fn number(&self) -> NodeId {
        self.replica.status().node
    }

    fn address(&self) -> String {
        self.replica.peer_address().expect("it listens").to_string()
    }

    fn leads(&self) -> bool {
        self.replica.status().leader == Some(self.number())
    }
}

fn peering(join: &[&Node]) -> Peering {
    let here = "127.0.0.1:0".parse().expect("an address");
    let join = join.iter().map(|node| node.address()).collect();
    Peering { join, ..Peering::new(here, Secret::new("only the tests know it")) }
}

fn config(dir: &Path, peering: Peering) -> Config {
    Config { peer: Some(peering), ..Config::new(NodeId(1), Some(dir.to_path_buf())) }
}

async fn open(dir: Dir, peering: Peering) -> Result<Node, Fault> {
    let replica = Replica::open(config(dir.path(), peering)).await?;
    Ok(Node { replica, dir })
}

fn empty() -> Dir {
    Dir(tempfile::tempdir().expect("a temporary directory"))
}

async fn founded() -> Node {
    open(empty(), peering(&[])).await.expect("it founds a cluster")
}

async fn joined(to: &[&Node]) -> Node {
    open(empty(), peering(to)).await.expect("it is taken in")
}

/// Three voters.
async fn three() -> Vec<Node> {
    let first = founded().await;
    let second = joined(&[&first]).await;
    let third = joined(&[&first, &second]).await;
    until("three voters", || voters(&first) == 3).await;
    vec![first, second, third]
}

fn voters(node: &Replica) -> usize {
    node.members().iter().filter(|member| member.standing == Standing::Voter).count()
}

/// Who of these leads.
async fn leader(nodes: &[Node]) -> usize {
    let mut found = None;
    until("a leader", || {
        found = nodes.iter().position(Node::leads);
        found.is_some_and(|found| nodes[found].status().sure)
    })
    .await;
    found.expect("there is one")
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "waited too long for {what}");
        pace.tick().await;
    }
}

/// Writes a number where every later number replaces it.
async fn write(replica: &Replica, number: u64) -> Result<Accepted, ProposeError> {
    let (name, value) = (setting::RETENTION_MS.to_owned(), number.to_string());
    let by = Principal("user:test".to_owned());
    replica.propose(by, None, setting::Command::Set { name, value }.into()).await
}

/// Writes until it is accepted: the same again, however often nobody can say what became of it.
async fn insist(replica: &Replica, number: u64) {
    let begin = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while let Err(why) = write(replica, number).await {
        assert!(begin.elapsed() < Duration::from_secs(30), "never accepted: {why}");
        pace.tick().await;
    }
}

/// The number that was written last.
fn read(replica: &Replica) -> u64 {
    let text = replica.read(|view| setting::get(view, setting::RETENTION_MS));
    text.map_or(0, |text| text.parse().expect("only numbers are written"))
}

/// Every row of the engine.
fn rows(replica: &Replica) -> Vec<Row> {
    replica.read(|view| view.scan(&[1], &[255]).collect())
}

/// Waits until all have the same, and checks that it is the same to the last byte.
async fn agree(nodes: &[&Node]) {
    let first = nodes[0];
    first.barrier().await.expect("there is a leader");
    until("all to have applied the same", || {
        let there = first.status();
        nodes.iter().all(|node| {
            let here = node.status();
            (here.applied, here.print) == (there.applied, there.print)
        })
    })
    .await;
    for node in nodes {
        assert!(rows(node) == rows(first), "equal fingerprints, and other rows");
    }
}

/// What a SIGKILL at this moment would leave: the files as the system has them.
fn image(dir: &Path) -> Dir {
    let to = empty();
    copy(dir, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else if let Err(gone) = std::fs::copy(entry.path(), target) {
            // RocksDB removes files while it works.
            assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
        }
    }
}
