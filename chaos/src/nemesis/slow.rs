//! Links that are slow: everything comes late and uneven, or little by little, or connections break again and again.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use serde_json::json;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Proof};
use crate::world::World;
use crate::world::capability::Need;
use crate::world::door::{Door, PROBE_BYTES};
use crate::world::link::{CLIENT, Flow, Pair, Sheet};
use crate::world::watch::millis;

pub(crate) struct Slow;

const NEEDS: &[Need] = &[Need::Doors];
const CLIENTS: &[Need] = &[Need::ClientDoors];
/// How long bytes may take over the slowest link, there and back.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Bytes a second of a link with little room.
const PACE: u64 = 125_000;
/// How often a link is tried until a connection over it breaks.
const TRIES: usize = 200;

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
            let proof = match kind {
                "lossy" => broken(world, &tried, &door, before, &resets).await,
                _ => late(world, &tried, &door, least(flow), usual).await,
            };
            let detail = json!({
                "delay_ms": millis(flow.delay), "jitter_ms": millis(flow.jitter),
                "bytes_per_second": flow.pace, "reset": flow.reset, "for_ms": millis(length),
            });
            let fault = Fault::begin(world, ("slow", kind), vec![one], detail, &proof, Some(at));
            world.hold(length).await;
            let count = resets(world).saturating_sub(before);
            drop(laid);
            let proof = match world.doors.probe(&tried.0, &door, PROBE_MAX).await.back {
                Some(back) => Ok(format!(
                    "{count} connections were reset; there and back takes {} ms again",
                    back.as_millis()
                )),
                None => Err(format!("{} does not answer: another fault may be there", tried.1)),
            };
            fault.end(json!({"resets": count}), &proof);
            Ok(true)
        })
    }
}

/// The least time that what is sent to try a link needs there.
fn least(flow: Flow) -> Duration {
    let bytes = u64::try_from(PROBE_BYTES).unwrap_or(0);
    flow.delay
        + flow.pace.map_or(Duration::ZERO, |pace| Duration::from_millis(bytes * 1_000 / pace))
}

/// Bytes are sent over the link: they are late.
async fn late(
    world: &World,
    pair: &Pair,
    door: &Door,
    least: Duration,
    usual: Option<Duration>,
) -> Proof {
    let (from, to) = pair;
    match world.doors.probe(from, door, PROBE_MAX).await.back {
        Some(back) if back >= least => Ok(format!(
            "{PROBE_BYTES} bytes over {from}>{to} and an answer take {} ms; before: {:?} ms",
            back.as_millis(),
            usual.map(|usual| usual.as_millis())
        )),
        back => Err(format!("{PROBE_BYTES} bytes over {from}>{to} and an answer: {back:?}")),
    }
}

/// Bytes are sent over the link until a connection breaks.
async fn broken(
    world: &World,
    pair: &Pair,
    door: &Door,
    before: u64,
    resets: &(dyn Fn(&World) -> u64 + Send + Sync),
) -> Proof {
    for tries in 1..=TRIES {
        world.doors.probe(&pair.0, door, PROBE_MAX).await;
        let count = resets(world) - before;
        if count > 0 {
            return Ok(format!(
                "{count} connections were reset while the link was tried {tries} times"
            ));
        }
    }
    Err(format!("no connection was reset while the link was tried {TRIES} times"))
}

fn flow(kind: &str) -> Flow {
    let ms = Duration::from_millis;
    match kind {
        "delay" => Flow { delay: ms(20), jitter: ms(60), ..Flow::default() },
        "delay-long" => Flow { delay: ms(500), jitter: ms(50), ..Flow::default() },
        "throttle" => Flow { pace: Some(PACE), ..Flow::default() },
        "lossy" => Flow { reset: 0.05, ..Flow::default() },
        _ => Flow { delay: ms(100), jitter: ms(100), ..Flow::default() },
    }
}
