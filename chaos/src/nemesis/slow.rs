//! Links that are slow: everything comes late and uneven, or little by little, or connections break again and again.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use serde_json::json;

use super::Nemesis;
use super::chance::Chance;
use super::fault::Fault;
use crate::world::World;
use crate::world::capability::Need;
use crate::world::link::{CLIENT, Flow, Sheet};
use crate::world::watch::millis;

pub(crate) struct Slow;

const NEEDS: &[Need] = &[Need::Doors];
const CLIENTS: &[Need] = &[Need::ClientDoors];
/// How long bytes may take over the slowest link, there and back.
const PROBE_MAX: Duration = Duration::from_secs(3);

impl Nemesis for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn about(&self) -> &'static str {
        "links with delay and jitter, with little room, or whose connections are reset"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[
            ("delay", NEEDS),
            ("delay-long", NEEDS),
            ("throttle", NEEDS),
            ("lossy", NEEDS),
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
            let flow = flow(kind);
            let names: Vec<String> =
                world.nodes.iter().map(|node| node.name().to_owned()).collect();
            let Some(one) = chance.one(&names).cloned() else { return Ok(false) };
            let pairs = match kind {
                "clients" => World::between(&[CLIENT.to_owned()], std::slice::from_ref(&one)),
                _ => World::between(std::slice::from_ref(&one), &names),
            };
            let Some(tried) = pairs.iter().find(|(_, to)| to != CLIENT).cloned() else {
                return Ok(false);
            };
            let Some(door) = world.door_of(&tried) else { return Ok(false) };
            let length = chance.length();
            let usual = world.doors.probe(&tried.0, &door, PROBE_MAX).await.back;
            let resets = |world: &World| -> u64 {
                pairs.iter().map(|pair| world.doors.links.count(pair).resets).sum()
            };
            let before = resets(world);
            let sheet: Sheet = pairs.iter().map(|pair| (pair.clone(), flow)).collect();
            let laid = world.doors.links.lay(sheet);
            let at = world.recorder.now();
            let proof = if flow.delay.is_zero() {
                // Shown by what passes: at the end.
                Ok(format!("the links of {one} now do {flow:?}"))
            } else {
                let slow = world.doors.probe(&tried.0, &door, PROBE_MAX).await.back;
                match slow.filter(|slow| *slow >= flow.delay) {
                    Some(slow) => Ok(format!(
                        "there and back over {}>{} takes {slow:.0?}; before: {usual:.0?}",
                        tried.0, tried.1
                    )),
                    None => Err(format!("there and back over {}>{}: {slow:?}", tried.0, tried.1)),
                }
            };
            let detail = json!({
                "delay_ms": millis(flow.delay), "jitter_ms": millis(flow.jitter),
                "bytes_per_second": flow.pace, "reset": flow.reset, "for_ms": millis(length),
            });
            let fault = Fault::begin(world, ("slow", kind), vec![one], detail, &proof, Some(at));
            world.hold(length).await;
            let count = resets(world).saturating_sub(before);
            drop(laid);
            let proof = if kind == "lossy" && count == 0 {
                Err("no connection was reset: too little passed".to_owned())
            } else {
                Ok(format!("{count} connections were reset; the links are as before"))
            };
            fault.end(json!({"resets": count}), &proof);
            Ok(true)
        })
    }
}

fn flow(kind: &str) -> Flow {
    let ms = Duration::from_millis;
    match kind {
        "delay" => Flow { delay: ms(20), jitter: ms(60), ..Flow::default() },
        "delay-long" => Flow { delay: ms(500), jitter: ms(50), ..Flow::default() },
        "throttle" => Flow { pace: Some(125_000), ..Flow::default() },
        "lossy" => Flow { reset: 0.02, ..Flow::default() },
        _ => Flow { delay: ms(100), jitter: ms(100), ..Flow::default() },
    }
}
