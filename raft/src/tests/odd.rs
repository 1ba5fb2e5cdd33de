//! A copy that is changed behind the program's back: it stops, and the others go on.
//!
//! A replica that differs ends its process. So the test program starts itself again, with three replicas in one process, and reads
//! what that process said before its end.

use std::process::Command;
use std::time::Duration;

use oarlock_engine::access::Principal;
use oarlock_engine::id::NodeId;
use oarlock_engine::setting;
use oarlock_engine::store::Row;
use rocksdb::{DB, IteratorMode};

use crate::{Config, Peering, Replica, Secret};

const CHILD: &str = "OARLOCK_TEST_ODD";

async fn member(join: &[&Replica]) -> Replica {
    let here = "127.0.0.1:0".parse().expect("an address");
    let address = |replica: &&Replica| replica.peer_address().expect("it listens").to_string();
    let join = join.iter().map(address).collect();
    let peer = Peering { join, ..Peering::new(here, Secret::new("only the tests know it")) };
    let config = Config { peer: Some(peer), ..Config::new(NodeId(1), None) };
    Replica::open(config).await.expect("it opens")
}

async fn write(replica: &Replica, number: u64) {
    let (name, value) = (setting::RETENTION_MS.to_owned(), number.to_string());
    let by = Principal("user:test".to_owned());
    let command = setting::Command::Set { name, value }.into();
    replica.propose(by, None, command).await.expect("accepted");
}

fn rows(replica: &Replica) -> Vec<Row> {
    let all = |db: &DB| {
        let rows = db.iterator(IteratorMode::Start).map(|row| row.expect("it can be read"));
        rows.map(|(key, value)| (key.into_vec(), value.into_vec())).collect()
    };
    replica.inner.shared.shelf.with(all)
}

/// Flips a bit in the one row of the engine that every command reads and writes.
async fn flip(replica: &Replica) {
    let before = rows(replica);
    write(replica, 7).await;
    let after = rows(replica);
    let changed = after.iter().filter(|(key, value)| {
        key.first() != Some(&0) && before.iter().any(|(old, was)| old == key && was != value)
    });
    for (key, value) in changed {
        let mut value = value.clone();
        if let Some(last) = value.last_mut() {
            *last ^= 1;
        }
        replica.inner.shared.shelf.with(|db| db.put(key, value)).expect("it can be written");
    }
}

/// The child: one of three copies is changed; a process that goes on for long has not noticed.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_copies_is_changed() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let first = member(&[]).await;
    let second = member(&[&first]).await;
    let third = member(&[&first]).await;
    write(&first, 1).await;
    write(&third, 2).await;
    flip(&third).await;
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    for number in 10..60 {
        write(&second, number).await;
        pace.tick().await;
    }
}

#[test]
fn a_copy_that_differs_stops_and_says_so() {
    let program = std::env::current_exe().expect("a test program");
    let ended = Command::new(program)
        .args(["--exact", "tests::odd::one_of_three_copies_is_changed", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it starts itself");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "it went on: {said}");
    assert!(said.contains("node 3's copy differs from the others"), "{said}");
    assert!(said.contains("let the node join anew"), "{said}");
}
