//! A node that is cut off until what it lacks is gone from the others' log: only a snapshot can bring it back.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::time::Instant;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Held};
use crate::world::capability::Need;
use crate::world::link::{Flow, Sheet};
use crate::world::{LOOK_EVERY, World};

pub(crate) struct Snapshot;

/// How long the others may take to throw away what it lacks.
const PURGE_MAX: Duration = Duration::from_secs(60);
/// How long the snapshot may take to arrive.
const COME_MAX: Duration = Duration::from_secs(30);

impl Nemesis for Snapshot {
    fn name(&self) -> &'static str {
        "snapshot"
    }

    fn about(&self) -> &'static str {
        "a follower that is away until only a snapshot can bring it back"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[("follower", &[Need::Doors])]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            // With two of three away nothing is written, and nothing is ever thrown away.
            let Ok(_only) = world.one_disk.try_acquire() else { return Ok(false) };
            let Some((leader, _)) = world.leader().await else { return Ok(false) };
            let names: Vec<String> =
                world.nodes.iter().map(|node| node.name().to_owned()).collect();
            let others: Vec<String> =
                names.iter().filter(|name| **name != leader).cloned().collect();
            let Some(one) = chance.one(&others).cloned() else { return Ok(false) };
            let Some(node) = world.node(&one) else { return Ok(false) };
            let Some(_held) = Held::take(vec![node.clone()], 1) else { return Ok(false) };
            let Ok(had) = node.direct.raft().await else { return Ok(false) };
            let cut = Flow { cut: true, ..Flow::default() };
            let pairs = World::between(std::slice::from_ref(&one), &names);
            let laid =
                world.doors.links.lay(pairs.into_iter().map(|pair| (pair, cut)).collect::<Sheet>());
            let proof = Ok(format!("{one} is cut off and has the log up to {}", had.log_last));
            let detail = json!({"log_last": had.log_last});
            let fault =
                Fault::begin(world, ("snapshot", kind), vec![one.clone()], detail, &proof, None);
            let begun = Instant::now();
            let mut purged = 0;
            while purged <= had.log_last && begun.elapsed() < PURGE_MAX && !*world.over.borrow() {
                tokio::time::sleep(LOOK_EVERY).await;
                let said = world.rafts().await.into_iter().flatten();
                purged =
                    said.filter(|raft| raft.node != one).map(|raft| raft.purged).max().unwrap_or(0);
            }
            drop(laid);
            let begun = Instant::now();
            let mut applied = had.applied;
            while applied < purged && begun.elapsed() < COME_MAX {
                tokio::time::sleep(LOOK_EVERY).await;
                applied = node.direct.raft().await.map_or(applied, |raft| raft.applied);
            }
            let says = format!(
                "it had the log up to {}, the others' begins behind {purged}, it has applied {applied}",
                had.log_last
            );
            let proven = purged > had.log_last && applied >= purged;
            fault.end(
                json!({"purged": purged, "applied": applied}),
                &if proven { Ok(says) } else { Err(says) },
            );
            Ok(true)
        })
    }
}
