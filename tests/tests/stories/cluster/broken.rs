//! One node at a time, and all at once: killed, held, cut off, wiped, left behind.

use std::time::Duration;

use oarlock_client::RunStatus;

use super::lab::{Lab, SETTLE_MAX};
use super::work::NAME;
use crate::node::{ended, until};

/// Longer than any lease: who is silent for so long has lost what it had.
const LONG: u64 = 80;

/// Which node something is done to.
#[derive(Clone, Copy)]
enum Which {
    Leader,
    /// Drives the workflow and does not lead.
    Owner,
    /// Neither leads nor drives the workflow.
    Follower,
}

impl Which {
    /// Makes it so that there is one, and names it.
    async fn of(self, lab: &Lab) -> String {
        let (leader, owner) = (lab.leader().await, lab.owner(NAME, &lab.names()).await);
        let names = lab.names();
        match self {
            Which::Leader => leader,
            Which::Owner if owner != leader => owner,
            Which::Owner => {
                let to = names.iter().find(|name| **name != leader).expect("three nodes").clone();
                let role = format!("dag-{NAME}-1-of-1");
                lab.client().role(&role).move_to(&to, None).await.expect("it can be moved");
                to
            }
            Which::Follower => {
                let found = names.iter().find(|name| **name != leader && **name != owner);
                found.or(names.iter().find(|name| **name != leader)).expect("three nodes").clone()
            }
        }
    }
}

async fn killed(which: Which) {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    let node = which.of(&lab).await;
    lab.kill(&node);
    lab.settled(&lab.others(&node)).await;
    work.goes_on(20).await;
    assert_ne!(lab.owner(NAME, &lab.others(&node)).await, node);
    lab.start(&node);
    work.goes_on(10).await;
    lab.whole(work).await;
}

async fn paused(which: Which) {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    let node = which.of(&lab).await;
    lab.pause(&node);
    lab.settled(&lab.others(&node)).await;
    work.goes_on(LONG).await;
    lab.resume(&node);
    work.goes_on(20).await;
    lab.whole(work).await;
}

async fn cut_off(which: Which) {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    let node = which.of(&lab).await;
    lab.cut_off(&node);
    lab.settled(&lab.others(&node)).await;
    work.goes_on(LONG).await;
    // What it has it shows to whoever is content with it, and it takes nothing.
    until(SETTLE_MAX, "it says that it is alone", async || !lab.raft(&node).await.sure).await;
    lab.stale(&node).runs().take(1).await.expect("what it has can be read");
    let begin = std::time::Instant::now();
    lab.only(&node).workflow(NAME).start().send().await.expect_err("it is alone");
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    lab.heal();
    work.goes_on(20).await;
    lab.whole(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed() {
    killed(Which::Leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_drives_the_workflow_is_killed() {
    killed(Which::Owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_killed() {
    killed(Which::Follower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_sleeps_longer_than_its_lease_and_wakes() {
    paused(Which::Leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_drives_the_workflow_sleeps_longer_than_its_lease_and_wakes() {
    paused(Which::Owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sleeps_and_wakes() {
    paused(Which::Follower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_cut_off() {
    cut_off(Which::Leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_drives_the_workflow_is_cut_off() {
    cut_off(Which::Owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_cut_off() {
    cut_off(Which::Follower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_and_back_before_anybody_is_elected() {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    for _ in 0..3 {
        let leader = lab.leader().await;
        lab.kill(&leader);
        lab.start(&leader);
        work.goes_on(10).await;
    }
    lab.whole(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_for_long_gets_a_snapshot_and_serves_meanwhile() {
    let mut lab = Lab::with(3, &[("OARLOCK_RAFT__SNAPSHOT_EVERY", "100")]);
    let work = lab.work().await;
    let node = Which::Follower.of(&lab).await;
    lab.cut_off(&node);
    let had = lab.raft(&node).await.log_last;
    let leader = lab.settled(&lab.others(&node)).await.leader.expect("somebody leads");
    until(Duration::from_secs(120), "the log it lacks is gone", async || {
        lab.raft(&leader).await.purged > had
    })
    .await;
    lab.stale(&node).runs().take(1).await.expect("it serves what it has");
    lab.heal();
    until(SETTLE_MAX, "it has come from a snapshot", async || {
        let raft = lab.raft(&node).await;
        raft.sure && raft.applied > had
    })
    .await;
    work.goes_on(20).await;
    lab.whole(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_disk_is_replaced() {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    // The one that founded the cluster is no better than others.
    for node in ["n1", "n3"] {
        lab.kill(node);
        std::fs::remove_dir_all(lab.data(node)).expect("it is there");
        lab.start(node);
        until(SETTLE_MAX * 2, "three vote again", async || {
            let cluster = lab.client().cluster().await;
            cluster.is_ok_and(|cluster| cluster.voters == 3 && cluster.health == "healthy")
        })
        .await;
        work.goes_on(20).await;
    }
    lab.whole(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_are_killed_at_once_and_come_back() {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    for _ in 0..3 {
        for node in lab.names() {
            lab.kill(&node);
        }
        // The order in which they come back is not the one in which they went.
        for node in lab.names().iter().rev() {
            lab.order(&format!("nodes start {node}"), &format!("{node} is started"));
        }
        work.goes_on(20).await;
    }
    lab.whole(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_stopped_goes_on_with_what_it_has_kept() {
    let lab = Lab::of(3);
    lab.client().apply(HELD).send().await.expect("the file is right");
    let run = lab.client().workflow("held").start().send().await.expect("it is taken");
    let lab = lab.again();
    lab.settled(&lab.names()).await;
    let found = lab.client().run(&run.id).get().await.expect("it is kept");
    assert!(!found.status.finished(), "{found:?}");
    lab.client().run(&run.id).signal("go", None, None).await.expect("it is taken");
    let ended = ended(&lab.client(), &run.id, SETTLE_MAX).await;
    assert_eq!(ended.status, RunStatus::Completed, "{ended:?}");
}

/// A workflow that waits until it is told to go on.
const HELD: &str = "kind: workflow\nname: held\ntasks:\n  until: {wait: {signal: go}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn node_by_node_is_restarted_under_load_and_no_request_fails() {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    for node in lab.names() {
        lab.order(&format!("nodes stop {node}"), &format!("{node} was stopped in order"));
        lab.start(&node);
        work.goes_on(10).await;
    }
    lab.whole(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_writes_are_refused_in_time_and_it_goes_on_by_itself() {
    let mut lab = Lab::of(3);
    let work = lab.work().await;
    lab.order("nodes partition n1 | n2 | n3", "the network is cut");
    for node in lab.names() {
        until(SETTLE_MAX, "it says that it is alone", async || !lab.raft(&node).await.sure).await;
        let begin = std::time::Instant::now();
        let refused = lab.only(&node).workflow(NAME).start().send().await;
        let refused = refused.expect_err("no majority").to_string();
        assert!(begin.elapsed() < Duration::from_secs(6), "{refused}: {:?}", begin.elapsed());
        let (runs, _) = lab.stale(&node).runs().take(1).await.expect("what it has can be read");
        assert!(!runs.is_empty());
    }
    lab.heal();
    work.goes_on(20).await;
    lab.whole(work).await;
}
