//! Stopping, crashing, starting again.

use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use oarlock_raft::{Config, Replica, check};

use crate::{config, empty, image, open, read, rows, whole_feed, write, write_all};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_after_a_stop() {
    let dir = empty();
    let replica = open(dir.path()).await;
    write_all(&replica, 1..=20).await;
    let before = rows(&replica);
    replica.close().await.expect("it stops");
    drop(replica);

    let replica = open(dir.path()).await;
    assert_eq!(rows(&replica), before);
    assert_eq!(read(&replica), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_after_a_crash_and_is_read_at_once() {
    let dir = empty();
    let replica = open(dir.path()).await;
    for number in 1..=30 {
        write(&replica, number).await.expect("accepted");
        if number % 10 == 0 {
            // Opened within milliseconds: long before an election could time out.
            let crashed = image(dir.path());
            let again = open(crashed.path()).await;
            assert_eq!(read(&again), number, "a restarted leader served what is old");
            assert!(again.status().term > replica.status().term, "it leads without an election");
            assert_eq!(rows(&again), rows(&replica));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_the_log_again_gives_the_same_fingerprint() {
    let dir = empty();
    let replica = open(dir.path()).await;
    write_all(&replica, 1..=50).await;
    replica.snapshot().await.expect("a snapshot");
    write_all(&replica, 51..=100).await;
    let (print, applied) = (replica.status().print, replica.status().applied);
    let crashed = image(dir.path());
    let report = check::offline(crashed.path()).expect("it can be looked at");
    assert!(report.sound(), "{report:#?}");

    replica.close().await.expect("it stops");
    drop(replica);
    let report = check::offline(dir.path()).expect("it can be looked at");
    assert!(report.sound(), "{report:#?}");
    let told = format!("after log entry {applied}, fingerprint {print}");
    assert!(report.facts.iter().any(|fact| fact.contains(&told)), "{report:#?}");
    assert!(report.facts.iter().any(|fact| fact.ends_with("same fingerprint")), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_behind_a_snapshot_goes_and_the_state_stays() {
    let dir = empty();
    let replica = open(dir.path()).await;
    write_all(&replica, 1..=600).await;
    replica.snapshot().await.expect("a snapshot");
    let deadline = Instant::now() + Duration::from_secs(10);
    while replica.status().purged == 0 {
        assert!(Instant::now() < deadline, "{:?}", replica.status());
        tokio::task::yield_now().await;
    }
    write_all(&replica, 601..=610).await;
    let before = rows(&replica);
    let upto = replica.revision();

    for again in [image(dir.path()), image(dir.path())] {
        let again = open(again.path()).await;
        assert_eq!(rows(&again), before);
        assert!(again.status().purged > 0);
        whole_feed(&again, upto).await;
        write(&again, 700).await.expect("it goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_taken_by_themselves() {
    let dir = empty();
    let replica = Replica::open(Config { snapshot_every: 50, ..config(dir.path()) });
    let replica = replica.await.expect("it opens");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut number = 0;
    while replica.status().purged == 0 {
        assert!(Instant::now() < deadline, "{:?}", replica.status());
        number += 1;
        write(&replica, number).await.expect("accepted");
    }
    assert_eq!(read(&replica), number);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_directory_is_for_one_process_and_one_node() {
    let dir = empty();
    let replica = open(dir.path()).await;
    let refused = Replica::open(config(dir.path())).await.expect_err("it is in use").to_string();
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    let refused = check::offline(dir.path()).expect_err("it is in use").to_string();
    assert!(refused.contains("uses this data directory"), "{refused}");
    replica.close().await.expect("it stops");
    drop(replica);

    let other = Config::new(NodeId(2), Some(dir.path().to_path_buf()));
    let refused = Replica::open(other).await.expect_err("another node's").to_string();
    assert!(refused.contains("belongs to node 1"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_one_is_ready_at_once() {
    let dir = empty();
    for _ in 0..3 {
        let begin = Instant::now();
        let replica = open(dir.path()).await;
        let took = begin.elapsed();
        println!("ready in {took:?}");
        write(&replica, 1).await.expect("it leads when it is open");
        // 200 ms is the aim on an idle machine; this one may be busy.
        assert!(took < Duration::from_secs(2), "{took:?}");
        replica.close().await.expect("it stops");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_in_memory_does_the_same() {
    let replica = Replica::open(Config::new(NodeId(1), None)).await.expect("it opens");
    write_all(&replica, 1..=100).await;
    for number in 101..=103 {
        replica.snapshot().await.expect("a snapshot");
        write(&replica, number).await.expect("accepted");
    }
    assert_eq!(read(&replica), 103);
    whole_feed(&replica, replica.revision()).await;
    replica.close().await.expect("it stops");
}
