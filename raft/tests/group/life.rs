//! Coming and going: join, promote, demote, remove, wiped, refused.

use oarlock_raft::{Fault, Peering, Secret, Standing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    Node, agree, empty, founded, insist, joined, leader, open, peering, read, three, until, voters,
    write,
};

fn standing(of: &Node, by: &Node) -> Option<Standing> {
    let members = by.members();
    members.iter().find(|member| member.node == of.number()).map(|member| member.standing)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_join_with_numbers_of_their_own_and_become_voters_when_there_are_three() {
    let first = founded().await;
    write(&first, 1).await.expect("accepted");
    let second = joined(&[&first]).await;
    assert_eq!((first.number().0, second.number().0), (1, 2));
    assert_eq!(read(&second), 1, "it has caught up when it is open");
    assert_eq!(standing(&second, &first), Some(Standing::Learner));
    // Asked of a follower, which passes the question on.
    let third = joined(&[&second]).await;
    assert_eq!(third.number().0, 3);
    until("three voters", || voters(&first) == 3).await;
    let fourth = joined(&[&third]).await;
    assert_eq!(standing(&fourth, &first), Some(Standing::Learner), "four voters are not better");
    write(&fourth, 2).await.expect("a learner passes it on");
    agree(&[&first, &second, &third, &fourth]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_must_not_vote_stays_a_learner() {
    let first = founded().await;
    let second = joined(&[&first]).await;
    let shy = Peering { votes: false, ..peering(&[&first]) };
    let third = open(empty(), shy).await.expect("it is taken in");
    insist(&third, 1).await;
    assert_eq!(voters(&first), 1, "two could vote, and two voters are not better than one");
    let fourth = joined(&[&first]).await;
    until("three voters", || voters(&first) == 3).await;
    assert_eq!(standing(&third, &first), Some(Standing::Learner));
    drop((second, fourth));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_become_five_and_one_again() {
    let mut nodes = three().await;
    for _ in 0..2 {
        let next = joined(&nodes.iter().collect::<Vec<_>>()).await;
        nodes.push(next);
    }
    until("five voters", || voters(&nodes[0]) == 5).await;
    let mut number = 0;
    while nodes.len() > 1 {
        // The last voter is never taken out.
        let voter = |node: &Node| standing(node, node) == Some(Standing::Voter);
        let alone = voters(&nodes[0]) == 1 && voter(&nodes[0]);
        let gone = nodes.remove(usize::from(alone));
        nodes[0].remove(gone.number()).await.expect("the others are a majority");
        gone.replica.close().await.expect("it stops");
        number += 1;
        insist(&nodes[0], number).await;
        let odd = if nodes.len().is_multiple_of(2) { nodes.len() - 1 } else { nodes.len() };
        until("an odd number of voters", || voters(&nodes[0]) == odd).await;
    }
    assert_eq!(read(&nodes[0]), 4);
    let refused = nodes[0].remove(nodes[0].number()).await.expect_err("the last one");
    assert!(matches!(&refused, Fault::Refused(why) if why.contains("last voter")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_taken_out_when_the_rest_would_be_no_majority() {
    let mut nodes = three().await;
    let lead = leader(&nodes).await;
    drop(nodes.remove((lead + 1) % 3));
    let (leader, other) = if nodes[0].leads() { (0, 1) } else { (1, 0) };
    until("it to be noticed", || {
        let members = nodes[leader].members();
        members.iter().any(|member| member.link.as_ref().is_some_and(|link| !link.up))
    })
    .await;
    let refused = nodes[leader].remove(nodes[other].number()).await.expect_err("two are needed");
    assert!(matches!(&refused, Fault::Refused(why) if why.contains("no majority")), "{refused}");
    let refused = nodes[leader].demote(nodes[other].number()).await.expect_err("two are needed");
    assert!(matches!(&refused, Fault::Refused(why) if why.contains("no majority")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_is_another_node_and_takes_the_place_of_the_old_one() {
    let mut nodes = three().await;
    insist(&nodes[0], 1).await;
    let wiped = nodes.pop().expect("three nodes");
    let address = wiped.peer_address().expect("it listens");
    let old = wiped.number();
    wiped.replica.close().await.expect("it stops");
    drop(wiped);
    let at = Peering { listen: address, ..peering(&nodes.iter().collect::<Vec<_>>()) };
    let fresh = open(empty(), at).await.expect("it is taken in");
    assert!(fresh.number() > old, "a number is never used again");
    until("it to vote in the old one's place, which is forgotten", || {
        let members = nodes[0].members();
        voters(&nodes[0]) == 3
            && standing(&fresh, &nodes[0]) == Some(Standing::Voter)
            && members.iter().all(|member| member.node != old)
    })
    .await;
    nodes.push(fresh);
    agree(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_is_refused_and_says_so() {
    let nodes = three().await;
    let lead = leader(&nodes).await;
    let gone = &nodes[(lead + 1) % 3];
    nodes[lead].remove(gone.number()).await.expect("two are left");
    until("it to know", || gone.status().read_only.is_some_and(|why| why.contains("was removed")))
        .await;
    let refused = write(gone, 1).await.expect_err("it is no member");
    assert!(refused.to_string().contains("was removed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_secret_or_belongs_elsewhere_is_refused() {
    let (first, other) = (founded().await, founded().await);
    let wrong = Peering { secret: Secret::new("a guess"), ..peering(&[&first]) };
    let refused = open(empty(), wrong).await.err().expect("a wrong secret").to_string();
    assert!(refused.contains("secrets differ"), "{refused}");
    // A member of another cluster at an address that was a member's: it is not taken for that member.
    let (second, third) = (joined(&[&first]).await, joined(&[&first]).await);
    until("three voters", || voters(&first) == 3).await;
    let address = second.peer_address().expect("it listens");
    second.replica.close().await.expect("it stops");
    drop(second);
    let Node { replica, dir } = other;
    replica.close().await.expect("it stops");
    drop(replica);
    let at = Peering { listen: address, ..peering(&[]) };
    let stranger = open(dir, at).await.expect("it leads its own cluster");
    until("it to be refused", || {
        first.links().borrow().values().any(|link| link.why.contains("belongs to cluster"))
    })
    .await;
    insist(&third, 1).await;
    assert_eq!(read(&stranger), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_share_the_port() {
    let nodes = three().await;
    let mut visitors = nodes[1].visitors().expect("given once");
    assert!(nodes[1].visitors().is_none());
    let mut here = nodes[0].dial(nodes[1].number()).await.expect("it is there");
    here.write_all(b"hello").await.expect("it is open");
    let mut visitor = visitors.recv().await.expect("somebody came");
    assert_eq!(visitor.node, nodes[0].number());
    let mut heard = [0; 5];
    visitor.stream.read_exact(&mut heard).await.expect("it was said");
    assert_eq!(&heard, b"hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_copy_goes_on_alone_when_the_others_are_lost_for_good() {
    let mut nodes = three().await;
    insist(&nodes[0], 1).await;
    until("all to have it", || nodes.iter().all(|node| read(node) == 1)).await;
    let left = nodes.pop().expect("three nodes");
    let Node { replica, dir } = left;
    replica.close().await.expect("it stops");
    drop(replica);
    let report = oarlock_raft::recover(dir.path()).expect("it is whole");
    assert_eq!(report.gone.len(), 2);
    assert!(report.newest.is_some() && report.last > 0);
    let alone = open(dir, peering(&[])).await.expect("it leads");
    assert_eq!((read(&alone), voters(&alone)), (1, 1));
    write(&alone, 2).await.expect("accepted");
    assert_ne!(alone.identity().cluster, nodes[0].identity().cluster);
    let fourth = joined(&[&alone]).await;
    assert_eq!(fourth.number().0, 4, "numbers of the lost are not used again");
}
