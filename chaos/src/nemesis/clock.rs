//! Wall clocks that jump and drift, of one node, of the leader, of all. Only the wall clock: nobody can turn the other one.
//!
//! The nodes run behind libfaketime, which reads what time it is to show from a file; what the node itself believes is read from its own
//! log, in which each request has a time. (The `Date` of its answers is no proof: it stands still after a jump back.)

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Held, Proof};
use crate::world::World;
use crate::world::capability::Need;
use crate::world::node::Node;
use crate::world::watch::millis;

pub(crate) struct Clock;

const NEEDS: &[Need] = &[Need::Processes, Need::WallClock];
/// How long a node may take to show that its clock is wrong.
const SHOW_MAX: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is read of a log's end.
const TAIL_BYTES: u64 = 16 << 10;

impl Nemesis for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn about(&self) -> &'static str {
        "wall clocks that jump by seconds or minutes, or run a tenth too fast"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[
            ("jump", NEEDS),
            ("jump-leader", NEEDS),
            ("jump-far", NEEDS),
            ("jump-all", NEEDS),
            ("drift", NEEDS),
        ]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let whom = match kind {
                "jump-all" => "all",
                "jump-leader" => "leader",
                _ => "one",
            };
            let Some(held) = Held::by(whom, world, chance).await else { return Ok(false) };
            let sign = if chance.coin() { 1 } else { -1 };
            let offset: i64 = match kind {
                "jump-far" => sign * 600,
                "jump-leader" | "jump-all" => {
                    sign * chance.one(&[4, 30, 600]).copied().unwrap_or(30)
                }
                _ => sign * 4,
            };
            let said = if kind == "drift" { "+0 x1.1".to_owned() } else { format!("{offset:+}") };
            let length = chance.length().max(Duration::from_secs(2));
            for node in &held.nodes {
                tell(node, &said)?;
            }
            let at = world.recorder.now();
            let proof = match (kind, held.nodes.first()) {
                // A tenth shows after some seconds: at the end.
                ("drift", _) => Ok("it is told to run a tenth too fast".to_owned()),
                (_, Some(node)) => shows(node, offset).await,
                (_, None) => Err("nobody was struck".to_owned()),
            };
            let detail = json!({"clock": said, "for_ms": millis(length)});
            let fault =
                Fault::begin(world, ("clock", kind), held.names(), detail, &proof, Some(at));
            world.hold(length).await;
            for node in &held.nodes {
                tell(node, "+0")?;
            }
            let proof = match held.nodes.first() {
                Some(node) => shows(node, 0).await,
                None => Err("nobody was struck".to_owned()),
            };
            fault.end(json!({}), &proof);
            Ok(true)
        })
    }
}

/// Sets the clock of whoever reads this file, all at once.
fn tell(node: &Node, what: &str) -> Result<()> {
    let name = "FAKETIME_TIMESTAMP_FILE";
    let file = node.place.env.iter().find(|(key, _)| key == name).map(|(_, file)| file);
    let file = std::path::Path::new(file.context("its clock is the machine's")?);
    let next = file.with_extension("next");
    std::fs::write(&next, what)?;
    std::fs::rename(next, file).context("its clock's file cannot be changed")
}

/// Waits until a node believes in a time that is so many seconds wrong.
async fn shows(node: &Node, offset: i64) -> Proof {
    let begun = Instant::now();
    loop {
        // Whatever it answers, it writes down that it was asked.
        let asked = node.direct.nodes().take(1).await;
        let said = match believes(node) {
            Ok(time) => {
                let wrong = time.as_second() - jiff::Timestamp::now().as_second();
                if (wrong - offset).abs() <= 2 {
                    return Ok(format!("{} writes times that are {wrong:+} s wrong", node.name()));
                }
                format!("{} writes times that are {wrong:+} s wrong, not {offset:+} s", node.name())
            }
            Err(why) => format!("{why:#}"),
        };
        if begun.elapsed() > SHOW_MAX {
            let answers = if asked.is_ok() { "" } else { "; it does not answer" };
            return Err(said + answers);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The last time that a node wrote into its log.
fn believes(node: &Node) -> Result<jiff::Timestamp> {
    let mut log = File::open(&node.place.log)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    log.read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    let said = tail.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut times = said.filter_map(|line| line["timestamp"].as_str()?.parse().ok());
    times.next().context("its log has no time")
}
