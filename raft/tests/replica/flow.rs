//! Many at once: batches, limits, watchers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use oarlock_engine::id::Revision;
use oarlock_raft::{Config, ProposeError, Replica};

use crate::{config, empty, open, whole_feed, write};

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_wait_go_together() {
    let dir = empty();
    let replica = open(dir.path()).await;
    let before = replica.status().log_last;
    let ends = join_all((1..=2_000).map(|number| write(&replica, number))).await;
    assert!(ends.iter().all(Result::is_ok));
    let entries = replica.status().log_last - before;
    assert!(entries < 200, "{entries} log entries for 2000 commands");
    whole_feed(&replica, replica.revision()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_are_told_to_come_back_and_nothing_grows() {
    let dir = empty();
    let few = Config { waiting_max: 10, ..config(dir.path()) };
    let replica = Replica::open(few).await.expect("it opens");
    let (mut busy, mut accepted) = (0, 0);
    for _ in 0..20 {
        for end in join_all((1..=500).map(|number| write(&replica, number))).await {
            match end {
                Ok(_) => accepted += 1,
                Err(ProposeError::Busy { retry_after }) => {
                    assert!(retry_after > Duration::ZERO);
                    busy += 1;
                }
                Err(other) => panic!("{other}"),
            }
            assert!(replica.status().waiting <= 10);
        }
    }
    assert!(busy > 0 && accepted > 0, "{busy} busy, {accepted} accepted");

    let small = Config { waiting_bytes_max: 10, ..config(empty().path()) };
    let replica = Replica::open(small).await.expect("it opens");
    assert!(matches!(write(&replica, 1).await, Err(ProposeError::Busy { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_fell_behind_reads_on_without_a_gap() {
    let dir = empty();
    let replica = open(dir.path()).await;
    let mut slow = replica.watch(Revision(0));
    let mut quick = replica.watch(Revision(0));
    write(&replica, 1).await.expect("accepted");
    let first = slow.next().await.expect("a record");
    assert_eq!(first[0].revision, Revision(1));

    // More than memory keeps for watchers.
    let many = Arc::new(replica.clone());
    for from in 0..20u64 {
        let ends = (1..=1_000).map(|number| write(&many, from * 1_000 + number));
        assert!(join_all(ends).await.iter().all(Result::is_ok));
        while quick.seen() < replica.revision() {
            quick.next().await.expect("a record");
        }
    }
    let mut next = slow.seen().0 + 1;
    while next <= replica.revision().0 {
        for record in slow.next().await.expect("records").iter() {
            assert_eq!(record.revision, Revision(next));
            next += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_learns_that_the_replica_is_closed() {
    let dir = empty();
    let replica = open(dir.path()).await;
    write(&replica, 1).await.expect("accepted");
    let mut watch = replica.watch(Revision(0));
    assert!(watch.next().await.is_some());
    let waits = tokio::spawn(async move { watch.next().await });
    replica.close().await.expect("it stops");
    assert!(waits.await.expect("it ends").is_none());
    assert!(matches!(write(&replica, 2).await, Err(ProposeError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_sees_what_was_accepted() {
    let dir = empty();
    let replica = open(dir.path()).await;
    for number in 1..=20 {
        let accepted = write(&replica, number).await.expect("accepted");
        replica.barrier().await.expect("it leads");
        assert!(replica.read(|view| view.revision()) >= accepted.revision);
    }
}
