//! Wall clocks that jump and drift, of one node, of the leader, of all. Only the wall clock: nobody can turn the other one.
//!
//! The nodes run behind libfaketime, which reads what time it is to show from a file; what the node itself believes is read from the
//! `Date` of its answers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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

/// Waits until a node's answers are dated so many seconds wrong.
async fn shows(node: &Node, offset: i64) -> Proof {
    let begun = Instant::now();
    loop {
        let date = tokio::time::timeout(SHOW_MAX, date(node)).await;
        let said = match date {
            Ok(Ok(date)) => {
                let wrong = date.as_second() - jiff::Timestamp::now().as_second();
                if (wrong - offset).abs() <= 2 {
                    return Ok(format!("{} dates its answers {wrong:+} s wrong", node.name()));
                }
                format!(
                    "{} dates its answers {wrong:+} s wrong instead of {offset:+} s",
                    node.name()
                )
            }
            Ok(Err(why)) => format!("{why:#}"),
            Err(_) => format!("{} does not answer", node.name()),
        };
        if begun.elapsed() > SHOW_MAX {
            return Err(said);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What a node says the time is.
async fn date(node: &Node) -> Result<jiff::Timestamp> {
    let mut stream = TcpStream::connect(node.place.http.inside).await?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let mut lines = answer.lines();
    let date =
        lines.find_map(|line| line.to_lowercase().starts_with("date:").then(|| line[5..].trim()));
    let date = date.context("its answer has no date")?;
    let parsed = jiff::fmt::rfc2822::parse(date).with_context(|| format!("`{date}` is no date"))?;
    Ok(parsed.timestamp())
}
