//! Links that are cut: one node alone, halves, a ring, a bridge, one direction only, the clients' side only, now and then.
//!
//! ```text
//!   isolate, leader   one node hears nobody, and nobody hears it; clients reach it still
//!   halves            two groups
//!   ring              each node hears its neighbours only (from five nodes on; with three: all do)
//!   bridge            two groups that hear one node in the middle, and not each other
//!   one-way           what one node says does not arrive; what it is told does
//!   clients           clients do not reach a node; its peers do
//!   flapping          the links of one node are cut and whole by turns
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use futures::future::{BoxFuture, join_all};
use serde_json::json;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Proof};
use crate::world::World;
use crate::world::capability::Need;
use crate::world::link::{CLIENT, Flow, Pair, Sheet};
use crate::world::watch::millis;

pub(crate) struct Partition;

const NEEDS: &[Need] = &[Need::Doors];
const CLIENTS: &[Need] = &[Need::ClientDoors];
/// How long bytes may take over a link that is whole, on a busy machine.
const WHOLE_MAX: Duration = Duration::from_secs(2);
/// How long it is listened whether they come over one that is cut.
const CUT_WAIT: Duration = Duration::from_millis(150);
/// How long links are cut, and whole, that come and go.
const FLAP: Duration = Duration::from_millis(200);

impl Nemesis for Partition {
    fn name(&self) -> &'static str {
        "partition"
    }

    fn about(&self) -> &'static str {
        "links between nodes, or to clients, that carry nothing and tell nobody"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[
            ("isolate", NEEDS),
            ("leader", NEEDS),
            ("halves", NEEDS),
            ("ring", NEEDS),
            ("bridge", NEEDS),
            ("one-way", NEEDS),
            ("flapping", NEEDS),
            ("clients", CLIENTS),
        ]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let names = world.nodes.iter().map(|node| node.name().to_owned()).collect();
            let mut order: Vec<String> = chance.shuffled(names);
            if kind == "leader" || (kind == "one-way" && chance.coin()) {
                let Some((leader, _)) = world.leader().await else { return Ok(false) };
                order.retain(|name| *name != leader);
                order.insert(0, leader);
            }
            let pairs = cuts(kind, &order);
            if pairs.is_empty() {
                return Ok(false);
            }
            let length = chance.length();
            let cut = Flow { cut: true, ..Flow::default() };
            let sheet: Sheet = pairs.iter().map(|pair| (pair.clone(), cut)).collect();
            let before = passed(world, &pairs);
            let mut laid = Some(world.doors.links.lay(sheet.clone()));
            let at = world.recorder.now();
            let proof = silent(world, &pairs).await;
            let detail = json!({"links": arrows(&pairs), "for_ms": millis(length)});
            let targets = struck(kind, &order, &pairs);
            let fault = Fault::begin(world, ("partition", kind), targets, detail, &proof, Some(at));
            let mut flaps = 0;
            if kind == "flapping" {
                let end = tokio::time::Instant::now() + length.max(FLAP * 5);
                while tokio::time::Instant::now() < end && !*world.over.borrow() {
                    world.hold(FLAP).await;
                    laid = if laid.is_some() {
                        None
                    } else {
                        Some(world.doors.links.lay(sheet.clone()))
                    };
                    flaps += 1;
                }
            } else {
                world.hold(length).await;
            }
            let while_cut = passed(world, &pairs).saturating_sub(before);
            drop(laid);
            let proof = answering(world, &pairs).await;
            // What was written at the very moment of the cut counts as passed.
            fault.end(json!({"bytes_passed_while_cut": while_cut, "flaps": flaps}), &proof);
            Ok(true)
        })
    }
}

/// Which directed links are cut. The first in the order is the one that is struck, if one is.
fn cuts(kind: &str, order: &[String]) -> Vec<Pair> {
    let (one, others) = (&order[..1], &order[1..]);
    let half = order.len() / 2;
    match kind {
        "isolate" | "leader" | "flapping" => World::between(one, others),
        "halves" => World::between(&order[..half], &order[half..]),
        "bridge" => {
            let middle = (order.len() - 1) / 2;
            World::between(&order[1..=middle], &order[middle + 1..])
        }
        "ring" => {
            let count = order.len();
            let far = |a: usize, b: usize| {
                !matches!((count + a - b) % count, 0 | 1) && (a + 1) % count != b
            };
            let all = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
            let cut = all.filter(|(a, b)| far(*a, *b));
            cut.map(|(a, b)| (order[a].clone(), order[b].clone())).collect()
        }
        "one-way" => others.iter().map(|other| (one[0].clone(), other.clone())).collect(),
        "clients" => World::between(&[CLIENT.to_owned()], one),
        _ => Vec::new(),
    }
}

/// Whom to name: who is struck alone, or everybody who lost a link.
fn struck(kind: &str, order: &[String], pairs: &[Pair]) -> Vec<String> {
    if matches!(kind, "isolate" | "leader" | "flapping" | "one-way" | "clients") {
        return vec![order[0].clone()];
    }
    let all: BTreeSet<&String> = pairs.iter().flat_map(|(from, to)| [from, to]).collect();
    all.into_iter().cloned().collect()
}

fn arrows(pairs: &[Pair]) -> Vec<String> {
    pairs.iter().map(|(from, to)| format!("{from}>{to}")).collect()
}

fn passed(world: &World, pairs: &[Pair]) -> u64 {
    pairs.iter().map(|pair| world.doors.links.count(pair).bytes).sum()
}

/// The links of these over which somebody can be called: a client calls and is never called.
fn callable(pairs: &[Pair]) -> Vec<Pair> {
    let mut found: Vec<Pair> = pairs.iter().filter(|(_, to)| to != CLIENT).cloned().collect();
    found.dedup();
    found
}

/// Bytes are sent over each link, in the name of whoever is at its end: none arrives.
async fn silent(world: &World, pairs: &[Pair]) -> Proof {
    let links = callable(pairs);
    let tries = links.iter().filter_map(|pair| {
        let door = world.door_of(pair)?;
        Some(async move { (pair, world.doors.probe(&pair.0, &door, CUT_WAIT).await) })
    });
    let tried = join_all(tries).await;
    let through: Vec<_> =
        tried.iter().filter(|(_, tried)| tried.arrived).map(|(pair, _)| (*pair).clone()).collect();
    if tried.is_empty() || !through.is_empty() {
        return Err(format!("bytes arrived over {}", arrows(&through).join(" ")));
    }
    Ok(format!(
        "bytes sent over {} did not arrive within {} ms",
        arrows(&links).join(" "),
        CUT_WAIT.as_millis()
    ))
}

/// Bytes are sent over each link again: all arrive, unless the node is dead.
async fn answering(world: &World, pairs: &[Pair]) -> Proof {
    let links = callable(pairs);
    let tries = links.iter().filter_map(|pair| {
        let door = world.door_of(pair)?;
        Some(async move { (pair, world.doors.probe(&pair.0, &door, WHOLE_MAX).await) })
    });
    let tried = join_all(tries).await;
    let lost: Vec<_> =
        tried.iter().filter(|(_, tried)| !tried.arrived).map(|(pair, _)| (*pair).clone()).collect();
    if lost.is_empty() {
        return Ok(format!("bytes arrive over {}", arrows(&links).join(" ")));
    }
    Err(format!("nothing arrives over {}: another fault may be there", arrows(&lost).join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("n{number}")).collect()
    }

    #[test]
    fn a_bridge_hears_both_sides_that_do_not_hear_each_other() {
        assert_eq!(arrows(&cuts("bridge", &names(3))), ["n2>n3", "n3>n2"]);
        let five = cuts("bridge", &names(5));
        assert_eq!(five.len(), 8, "{five:?}");
        assert!(five.iter().all(|(from, to)| from != "n1" && to != "n1"));
    }

    #[test]
    fn in_a_ring_of_five_each_hears_two_and_in_one_of_three_all_do() {
        let five = cuts("ring", &names(5));
        assert_eq!(five.len(), 10, "{five:?}");
        assert_eq!(five.iter().filter(|(from, _)| from == "n1").count(), 2);
        assert!(cuts("ring", &names(3)).is_empty());
    }

    #[test]
    fn one_way_leaves_the_way_back() {
        assert_eq!(arrows(&cuts("one-way", &names(3))), ["n1>n2", "n1>n3"]);
    }

    #[test]
    fn clients_lose_one_node_which_keeps_its_peers() {
        assert_eq!(arrows(&cuts("clients", &names(3))), ["client>n1", "n1>client"]);
    }
}
