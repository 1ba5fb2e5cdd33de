//! `kill -9` of one, of a minority, of a majority, of all; and back at once, or after others were elected.

use std::time::Duration;

use anyhow::Result;
use futures::future::{BoxFuture, join_all};
use serde_json::json;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Held, Proof};
use crate::world::capability::Need;
use crate::world::watch::millis;
use crate::world::{READY_MAX, World};

pub(crate) struct Kill;

const NEEDS: &[Need] = &[Need::Processes];

impl Nemesis for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn about(&self) -> &'static str {
        "kill -9 of processes, and a restart: at once, or after an election"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[
            ("one", NEEDS),
            ("leader", NEEDS),
            // Back before anybody is elected: the case in which a leader may believe that it still leads.
            ("leader-fast", NEEDS),
            ("owner", NEEDS),
            ("minority", NEEDS),
            ("majority", NEEDS),
            ("all", NEEDS),
        ]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let whom = kind.split('-').next().unwrap_or(kind);
            let length = match kind {
                "leader-fast" => Duration::ZERO,
                "majority" | "all" => chance.short(),
                _ => chance.length(),
            };
            let Some(held) = Held::by(whom, world, chance).await else { return Ok(false) };
            let killed = join_all(held.nodes.iter().map(|node| world.kill(node))).await;
            let killed: Vec<u32> =
                killed.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
            let proof = gone(&killed);
            let detail = json!({"pids": killed, "for_ms": millis(length)});
            let fault = Fault::begin(world, ("kill", kind), held.names(), detail, &proof, None);
            world.hold(length).await;
            let mut begun = Vec::new();
            for node in &held.nodes {
                begun.push(world.begin(node).await?);
            }
            let ready = join_all(held.nodes.iter().map(|node| node.ready(READY_MAX))).await;
            let ready: Result<Vec<Duration>> = ready.into_iter().collect();
            let times: Vec<u64> = ready.iter().flatten().map(|time| millis(*time)).collect();
            let proof = match &ready {
                Ok(_) => Ok(format!("pids {begun:?} are ready after {times:?} ms")),
                Err(why) => Err(format!("{why:#}")),
            };
            fault.end(json!({"pids": begun, "ready_ms": times}), &proof);
            Ok(true)
        })
    }
}

fn gone(pids: &[u32]) -> Proof {
    let left: Vec<_> =
        pids.iter().filter(|pid| crate::world::node::state(**pid).is_some()).collect();
    if pids.is_empty() || !left.is_empty() {
        return Err(format!("still there: {left:?} of {pids:?}"));
    }
    Ok(format!("pids {pids:?} are gone from the kernel's table"))
}
