//! A power cut: what was written and not synced is gone.
//!
//! After each sync of the log the sizes of its write-ahead logs are written down. A copy of the directory whose write-ahead logs
//! are cut to those sizes, whose mark is as old as its own last sync, and whose state has lost everything that was not flushed,
//! is what a disk holds after a power cut in the worst case. What was acknowledged before the copy was begun must be in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use oarlock_engine::access::Principal;
use oarlock_engine::id::NodeId;
use oarlock_engine::setting;
use tempfile::TempDir;

use crate::{Config, Replica, check};

/// What is known to be on the disk: sizes of write-ahead logs.
type Synced = Arc<Mutex<BTreeMap<PathBuf, u64>>>;

fn write_ahead_logs(dir: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(dir.join("log")).expect("a folder");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "log")).collect()
}

fn record_syncs(replica: &Replica, dir: &Path) -> Synced {
    let synced = Synced::default();
    let (to, dir) = (synced.clone(), dir.to_path_buf());
    replica.inner.log.after_sync(Box::new(move || {
        let mut sizes = to.lock().unwrap_or_else(PoisonError::into_inner);
        for path in write_ahead_logs(&dir) {
            // Read only when the file is shrunk to what is written: RocksDB reserves room in advance without changing the size.
            let size = std::fs::metadata(&path).map_or(0, |data| data.len());
            sizes.insert(path, size);
        }
    }));
    synced
}

fn cut_power(dir: &Path, synced: &Synced, old_mark: &[u8]) -> TempDir {
    let sizes = synced.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let to = tempfile::tempdir().expect("a temporary directory");
    for folder in ["log", "state"] {
        std::fs::create_dir(to.path().join(folder)).expect("a folder");
        for entry in std::fs::read_dir(dir.join(folder)).expect("a folder") {
            let from = entry.expect("an entry").path();
            let name = from.file_name().expect("a name");
            std::fs::copy(&from, to.path().join(folder).join(name)).expect("a copy");
        }
    }
    std::fs::copy(dir.join("identity"), to.path().join("identity")).expect("a copy");
    std::fs::write(to.path().join("mark"), old_mark).expect("a copy");
    for path in write_ahead_logs(to.path()) {
        let known = sizes.get(&dir.join("log").join(path.file_name().expect("a name")));
        let file = std::fs::File::options().write(true).open(&path).expect("a file");
        file.set_len(known.copied().unwrap_or(0)).expect("it can be cut");
    }
    to
}

async fn write(replica: &Replica, number: u64) {
    let (name, value) = (setting::RETENTION_MS.to_owned(), number.to_string());
    let command = setting::Command::Set { name, value }.into();
    let by = Principal("user:test".to_owned());
    replica.propose(by, None, command).await.expect("accepted");
}

fn read(replica: &Replica) -> u64 {
    let text = replica.read(|view| setting::get(view, setting::RETENTION_MS));
    text.map_or(0, |text| text.parse().expect("only numbers are written"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = |dir: &Path| Config::new(NodeId(1), Some(dir.to_path_buf()));
    let replica = Replica::open(config(dir.path())).await.expect("it opens");
    let old_mark = std::fs::read(dir.path().join("mark")).expect("a file");
    let synced = record_syncs(&replica, dir.path());
    for number in 1..=60 {
        write(&replica, number).await;
        if number % 12 == 0 {
            let left = cut_power(dir.path(), &synced, &old_mark);
            let again = Replica::open(config(left.path())).await.expect("it opens");
            assert_eq!(read(&again), number, "acknowledged, and gone with the power");
            again.close().await.expect("it stops");
            drop(again);
            let report = check::offline(left.path()).expect("it can be looked at");
            assert!(report.sound(), "{report:#?}");
        }
    }
}
