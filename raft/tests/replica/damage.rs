//! Files that were cut, flipped, deleted: tolerated where nothing acknowledged is lost, refused with a reason where it is.

use std::io::Write as _;
use std::path::Path;

use oarlock_raft::{Replica, check};
use tempfile::TempDir;

use crate::{config, empty, image, open, read, write, write_ahead_logs, write_all};

/// A crash after some writes, none of them flushed anywhere but into the write-ahead log.
async fn crashed() -> TempDir {
    let dir = empty();
    let replica = open(dir.path()).await;
    write_all(&replica, 1..=200).await;
    image(dir.path())
}

async fn refused(dir: &Path) -> String {
    Replica::open(config(dir)).await.expect_err("it must be refused").to_string()
}

fn flip(path: &Path, from_end: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    let at = bytes.len() - from_end;
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).expect("it can be written");
}

/// The size of what was written: a file may end in room that was only reserved.
fn written(path: &Path) -> usize {
    let bytes = std::fs::read(path).expect("a file");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_dropped_with_nothing_that_was_acknowledged() {
    let dir = crashed().await;
    let newest = write_ahead_logs(dir.path()).pop().expect("there is one");
    let mut file = std::fs::File::options().append(true).open(newest).expect("a file");
    file.write_all(&[0x5a; 300]).expect("it can be written");
    let replica = open(dir.path()).await;
    assert_eq!(read(&replica), 200);
    write(&replica, 201).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_log_is_refused() {
    let dir = crashed().await;
    let newest = write_ahead_logs(dir.path()).pop().expect("there is one");
    flip(&newest, written(&newest) / 2);
    let why = refused(dir.path()).await;
    assert!(why.contains("the log"), "{why}");
    assert!(why.contains("Restore the whole data directory") || why.contains("restore"), "{why}");
    let report = check::offline(dir.path()).expect("it can be looked at");
    assert!(!report.sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_newest_entry_is_noticed() {
    let dir = crashed().await;
    let newest = write_ahead_logs(dir.path()).pop().expect("there is one");
    let tail = std::fs::metadata(&newest).expect("a file").len() as usize - written(&newest);
    flip(&newest, tail + 60);
    let why = refused(dir.path()).await;
    assert!(why.contains("forgotten") || why.contains("cannot be read"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_write_ahead_log_is_noticed() {
    let dir = crashed().await;
    for path in write_ahead_logs(dir.path()) {
        std::fs::remove_file(path).expect("it can be removed");
    }
    let why = refused(dir.path()).await;
    assert!(why.contains("forgotten"), "{why}");
    assert!(why.contains("will not take part"), "{why}");
    assert!(!check::offline(dir.path()).expect("it can be looked at").sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_replaced_by_an_older_one_is_noticed() {
    let dir = empty();
    let replica = open(dir.path()).await;
    write_all(&replica, 1..=10).await;
    let old = image(dir.path());
    write_all(&replica, 11..=20).await;
    let new = image(dir.path());
    std::fs::copy(new.path().join("mark"), old.path().join("mark")).expect("a copy");
    let why = refused(old.path()).await;
    assert!(why.contains("forgotten"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_part_is_named() {
    for (part, said) in [("log", "the log is gone"), ("mark", "mark"), ("identity", "identity")] {
        let dir = crashed().await;
        let path = dir.path().join(part);
        if path.is_dir() {
            std::fs::remove_dir_all(path).expect("it can be removed");
        } else {
            std::fs::remove_file(path).expect("it can be removed");
        }
        let why = refused(dir.path()).await;
        assert!(why.contains(said), "{part}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_is_built_again_from_the_log() {
    let dir = crashed().await;
    std::fs::remove_dir_all(dir.path().join("state")).expect("it can be removed");
    let replica = open(dir.path()).await;
    assert_eq!(read(&replica), 200);
}
