//! A replica on a real disk: what it promises, and what must be done to it before it breaks a promise.

mod child;
mod damage;
mod flow;
mod restart;

use std::path::{Path, PathBuf};

use oarlock_engine::access::Principal;
use oarlock_engine::id::{NodeId, Revision};
use oarlock_engine::setting;
use oarlock_engine::store::{Row, View};
use oarlock_raft::{Accepted, Config, ProposeError, Replica};
use tempfile::TempDir;

/// An empty directory.
fn empty() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn config(dir: &Path) -> Config {
    Config::new(NodeId(1), Some(dir.to_path_buf()))
}

async fn open(dir: &Path) -> Replica {
    Replica::open(config(dir)).await.expect("a sound directory opens")
}

/// Writes a number where every later number replaces it.
async fn write(replica: &Replica, number: u64) -> Result<Accepted, ProposeError> {
    let (name, value) = (setting::RETENTION_MS.to_owned(), number.to_string());
    let by = Principal("user:test".to_owned());
    replica.propose(by, None, setting::Command::Set { name, value }.into()).await
}

async fn write_all(replica: &Replica, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        write(replica, number).await.expect("a sound replica accepts");
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

/// What a SIGKILL at this moment would leave: the files as the system has them.
fn image(dir: &Path) -> TempDir {
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

/// The write-ahead logs of the log, the newest last.
fn write_ahead_logs(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir.join("log"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    found.sort();
    found
}

/// Checks that a feed has every revision once.
async fn whole_feed(replica: &Replica, upto: Revision) {
    let mut watch = replica.watch(Revision(0));
    let mut next = 1;
    while next <= upto.0 {
        for record in watch.next().await.expect("the replica is open").iter() {
            assert_eq!(record.revision, Revision(next));
            next += 1;
        }
    }
}
