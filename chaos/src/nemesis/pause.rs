//! SIGSTOP, and SIGCONT after half a lease, two, or ten: whoever wakes believes that it is still the moment before.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use serde_json::json;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Held, proof};
use crate::plan::LEASE_MS;
use crate::world::World;
use crate::world::capability::Need;
use crate::world::node::state;
use crate::world::watch::millis;

pub(crate) struct Pause;

const NEEDS: &[Need] = &[Need::Processes];

impl Nemesis for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn about(&self) -> &'static str {
        "SIGSTOP for half a lease, two leases or ten, then SIGCONT"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[("one", NEEDS), ("leader", NEEDS), ("owner", NEEDS), ("majority", NEEDS)]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let times: &[f64] =
                if kind == "majority" { &[0.5, 2.0] } else { &[0.5, 2.0, 2.0, 10.0] };
            let times = chance.one(times).copied().unwrap_or(2.0);
            let length = Duration::from_millis(LEASE_MS).mul_f64(times);
            let Some(held) = Held::by(kind, world, chance).await else { return Ok(false) };
            let mut pids = Vec::new();
            let mut done = Ok(());
            for node in &held.nodes {
                match node.hold(true).await {
                    Ok(pid) => pids.push(pid),
                    Err(why) => done = Err(why),
                }
            }
            let stopped =
                proof(&done, |()| format!("the kernel shows pids {pids:?} as T (stopped)"));
            let detail = json!({"pids": pids, "for_ms": millis(length), "leases": times});
            let fault = Fault::begin(world, ("pause", kind), held.names(), detail, &stopped, None);
            world.hold(length).await;
            let still = pids.iter().all(|pid| state(*pid) == Some('T'));
            let mut done = Ok(());
            for node in &held.nodes {
                if let Err(why) = node.hold(false).await {
                    done = Err(why);
                }
            }
            let woken = proof(&done, |()| {
                let states: Vec<_> = pids.iter().filter_map(|pid| state(*pid)).collect();
                format!("stopped until now: {still}; the kernel shows {states:?}")
            });
            fault.end(json!({"pids": pids, "stopped_until_now": still}), &woken);
            Ok(true)
        })
    }
}
