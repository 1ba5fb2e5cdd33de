//! Nodes that cannot reach each other.

use std::time::{Duration, Instant};

use oarlock_raft::ProposeError;

use crate::{Node, agree, insist, leader, read, three, until, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_refuses_within_five_seconds_and_rejoins() {
    let nodes = three().await;
    let lead = leader(&nodes).await;
    write(&nodes[lead], 1).await.expect("accepted");
    let others: Vec<_> = nodes.iter().map(Node::number).collect();
    nodes[lead].cut_off(&others);

    let begin = Instant::now();
    let (wrote, read_on) = tokio::join!(write(&nodes[lead], 2), nodes[lead].barrier());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(
        matches!(wrote, Err(ProposeError::Unavailable(_) | ProposeError::Unknown(_))),
        "{wrote:?}"
    );
    assert!(read_on.is_err(), "it cannot know whether it still leads");
    until("it to be unsure", || !nodes[lead].status().sure).await;
    let refused = write(&nodes[lead], 3).await.expect_err("nobody confirms it");
    assert!(matches!(refused, ProposeError::Unavailable(_)), "{refused}");

    let rest: Vec<&Node> = nodes.iter().filter(|node| node.number() != others[lead]).collect();
    insist(rest[0], 4).await;
    nodes[lead].cut_off(&[]);
    until("it to have what the others wrote", || read(&nodes[lead]) == 4).await;
    insist(&nodes[lead], 5).await;
    agree(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_written_and_everything_goes_on_when_it_is_back() {
    let nodes = three().await;
    insist(&nodes[0], 1).await;
    until("all to have it", || nodes.iter().all(|node| read(node) == 1)).await;
    let all: Vec<_> = nodes.iter().map(Node::number).collect();
    for node in &nodes {
        node.cut_off(&all);
    }
    until("all to be unsure", || nodes.iter().all(|node| !node.status().sure)).await;
    for node in &nodes {
        let begin = Instant::now();
        let refused = write(node, 2).await.expect_err("no majority");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}: {refused}", begin.elapsed());
        assert_eq!(read(node), 1, "what it has can be read");
    }
    for node in &nodes {
        node.cut_off(&[]);
    }
    let begin = Instant::now();
    insist(&nodes[0], 3).await;
    println!("after the heal a write was accepted within {:?}", begin.elapsed());
    agree(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_learns_of_a_broken_link_at_once() {
    let mut nodes = three().await;
    let gone = nodes.pop().expect("three nodes");
    let number = gone.number();
    let mut links = nodes[0].links();
    assert!(links.borrow()[&number].up);
    let begin = Instant::now();
    drop(gone);
    let down = links.wait_for(|links| !links[&number].up);
    tokio::time::timeout(Duration::from_secs(5), down).await.expect("in time").expect("it lives");
    println!("noticed after {:?}", begin.elapsed());
}
