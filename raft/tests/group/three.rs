//! Three voters: replication, forwarding, failover, reads.

use std::time::{Duration, Instant};

use crate::{
    Node, agree, config, image, insist, leader, open, peering, read, three, until, voters, write,
};
use oarlock_raft::Replica;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_hold_the_same() {
    let nodes = three().await;
    let lead = leader(&nodes).await;
    for number in 1..=50 {
        write(&nodes[lead], number).await.expect("accepted");
    }
    agree(&nodes.iter().collect::<Vec<_>>()).await;
    assert!(nodes.iter().all(|node| read(node) == 50 && voters(node) == 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_proposes_reads_their_own_write_on_any_node() {
    let nodes = three().await;
    for round in 0..10 {
        for (place, node) in nodes.iter().enumerate() {
            let number = round * 10 + place as u64;
            let accepted = write(node, number).await.expect("accepted");
            assert_eq!(read(node), number);
            assert!(node.revision() >= accepted.revision);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_on_any_node_sees_what_any_other_acknowledged() {
    let nodes = three().await;
    for number in 1..=30_usize {
        write(&nodes[number % 3], number as u64).await.expect("accepted");
        let reader = &nodes[(number + 1) % 3];
        reader.barrier().await.expect("a majority is there");
        assert_eq!(read(reader), number as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_dies_another_leads_and_nothing_acknowledged_is_lost() {
    let mut nodes = three().await;
    let lead = leader(&nodes).await;
    for number in 1..=20 {
        write(&nodes[lead], number).await.expect("accepted");
    }
    drop(nodes.remove(lead));
    let begin = Instant::now();
    insist(&nodes[0], 21).await;
    println!("the first write after a leader's death was accepted after {:?}", begin.elapsed());
    nodes[1].barrier().await.expect("there is a leader again");
    assert_eq!(read(&nodes[1]), 21);
    agree(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_hands_over_first() {
    let mut nodes = three().await;
    let lead = leader(&nodes).await;
    let old = nodes.remove(lead);
    let begin = Instant::now();
    old.replica.close().await.expect("it stops");
    write(&nodes[0], 1).await.expect("somebody leads already");
    println!("handed over, stopped and written within {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_where_it_is_sent() {
    let nodes = three().await;
    for node in &nodes {
        nodes[0].transfer(Some(node.number())).await.expect("it is handed over");
        until("it to lead", || node.leads()).await;
        write(&nodes[2], node.number().0).await.expect("accepted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_restarted_inside_its_term_reads_nothing_old() {
    let mut nodes = three().await;
    let lead = leader(&nodes).await;
    for number in 1..=20 {
        write(&nodes[lead], number).await.expect("accepted");
    }
    let Node { replica, dir } = nodes.remove(lead);
    let address = replica.peer_address().expect("it listens");
    let killed = image(dir.path());
    drop((replica, dir));
    // At once: the others have not noticed yet. What it may not do is lead on, or answer from what it happens to have.
    let settings = oarlock_raft::Peering { listen: address, ..peering(&[]) };
    let again = Replica::open(config(killed.path(), settings)).await.expect("it opens");
    insist(&nodes[0], 21).await;
    again.barrier().await.expect("there is a leader");
    assert_eq!(read(&again), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_away_catches_up() {
    let mut nodes = three().await;
    let lead = leader(&nodes).await;
    let away = nodes.remove((lead + 1) % 3);
    away.replica.close().await.expect("it stops");
    let Node { replica, dir } = away;
    drop(replica);
    for number in 1..=100 {
        insist(&nodes[0], number).await;
    }
    // At another port: it tells the leader where it is now.
    let back = open(dir, peering(&[])).await.expect("it opens");
    until("it to have all", || read(&back) == 100).await;
    insist(&back, 101).await;
    let address = back.address();
    until("the others to know its address", || {
        let members = nodes[0].members();
        members.iter().any(|member| member.node == back.number() && member.address == address)
    })
    .await;
    nodes.push(back);
    agree(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_far_behind_gets_a_snapshot_and_serves_meanwhile() {
    let nodes = three().await;
    let lead = leader(&nodes).await;
    let behind = &nodes[(lead + 1) % 3];
    behind.cut_off(&nodes.iter().map(Node::number).collect::<Vec<_>>());
    let other = &nodes[(lead + 2) % 3];
    for number in 1..=600 {
        insist(other, number).await;
    }
    for node in &nodes {
        if node.number() != behind.number() {
            node.snapshot().await.expect("a snapshot");
        }
    }
    until("the log to be purged", || nodes[lead].status().purged > 300).await;
    assert_eq!(read(behind), 0, "it serves what it has");
    assert!(!behind.status().sure, "and says that it is old");
    behind.cut_off(&[]);
    let begin = Instant::now();
    until("it to have all", || {
        read(behind);
        read(behind) == 600
    })
    .await;
    println!("a snapshot was installed after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(20));
    insist(behind, 601).await;
    agree(&nodes.iter().collect::<Vec<_>>()).await;
}
