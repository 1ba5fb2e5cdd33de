//! Hints and questions over real node servers: signs of life, free slots, the actors of other nodes.

use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use oarlock_engine::member::departure;
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_raft::Secret;

use super::cell::Cell;
use super::home::{eventually, within};
use crate::crew::{Crew, CrewConfig};
use crate::membership::detector::Patience;

const DEADLINE: Duration = Duration::from_secs(5);

/// Waits until every node reaches every other.
async fn connected(cell: &Cell) {
    for asks in cell.crews.values() {
        for node in cell.crews.keys() {
            within(async {
                while asks.tree_of(*node, DEADLINE).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actors_of_every_node_are_seen_and_restarted_from_every_other() {
    let cell = Cell::of(3, |config| CrewConfig { slots: 2, ..config }).await;
    connected(&cell).await;
    for asks in [1, 2, 3] {
        for node in [1, 2, 3] {
            let tree = cell.crew(asks).tree_of(NodeId(node), DEADLINE).await.expect("it answers");
            let worker = tree.iter().find(|actor| actor.id == "worker").expect("there is one");
            assert_eq!(worker.name, cell.crew(node).worker().to_string());
        }
    }
    let restarted = cell.crew(1).restart_at(NodeId(3), "worker", DEADLINE).await;
    assert_eq!(restarted, Ok(Ok(())));
    let restarts = || {
        let tree = cell.crew(3).tree();
        tree.iter().find(|actor| actor.id == "worker").expect("there is one").restarts
    };
    eventually(|| restarts() == 1).await;
    for nobody in ["nobody", "supervisor"] {
        let restarted = cell.crew(3).restart_at(NodeId(2), nobody, DEADLINE).await;
        assert!(restarted.expect("it answers").is_err());
    }
    let unknown = cell.crew(1).tree_of(NodeId(9), DEADLINE).await;
    assert!(unknown.expect_err("there is none").to_string().contains("no connection"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentries_signs_of_life_are_enough_to_be_alive() {
    let lost_min = Duration::from_secs(1);
    let patience = Patience { lost_min, ..Patience::default() };
    let cell = Cell::of(3, |config| CrewConfig { patience, ..config }).await;
    connected(&cell).await;
    for node in [1, 2, 3] {
        cell.roads.silence(NodeId(node));
    }
    // Longer than a silence is borne.
    let began = Instant::now();
    eventually(|| began.elapsed() > 3 * lost_min).await;
    assert_eq!(cell.home.read(|view| departure::list(view, 10)), []);
    assert!(cell.crew(1).neighbours().iter().all(|other| other.silent < lost_min));
    assert!(cell.crews.values().all(|crew| Crew::neighbours(crew).len() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_is_laid_again_and_nobody_is_lost() {
    let cell = Cell::of(3, |config| config).await;
    connected(&cell).await;
    for _ in 0..3 {
        let before = cell.roads.opened();
        cell.roads.cut(NodeId(1), NodeId(3));
        eventually(|| cell.roads.opened() > before).await;
        connected(&cell).await;
    }
    cell.crew(2).inject_panic("liaison").expect("there is one");
    eventually(|| cell.crew(2).tree().iter().any(|a| a.id == "liaison" && a.restarts == 1)).await;
    connected(&cell).await;
    assert_eq!(cell.home.read(|view| departure::list(view, 10)), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_worker_offers_the_slots_of_those_that_have_one() {
    let cell = Cell::of(2, |config| {
        let mut profile = Profile::default();
        if config.node == NodeId(2) {
            profile.duties.remove(&Duty::Worker);
        }
        CrewConfig { slots: 3, profile, ..config }
    })
    .await;
    let worker = cell.crew(1).worker();
    eventually(|| {
        let offer = cell.crew(2).offer();
        offer.is_some_and(|offer| (offer.worker, offer.tasks_max) == (worker, 3))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_secret_is_not_let_in() {
    let cell = Cell::of(2, |config| match config.node.0 {
        1 => config,
        _ => CrewConfig { secret: Some(Secret::new("something else")), ..config },
    })
    .await;
    // Tried again and again, and never connected.
    eventually(|| cell.roads.opened() >= 3).await;
    assert!(cell.crew(1).tree_of(NodeId(2), DEADLINE).await.is_err());
}
