//! What is seen of the cluster while it is broken: who leads, who died by himself, and whether we ourselves were late.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use super::{LOOK_EVERY, World};
use crate::history::Recorder;

/// How often it is asked who leads.
const LEADER_EVERY: Duration = Duration::from_millis(200);
/// The ticker of the harness, and how late it may be.
const TICK: Duration = Duration::from_millis(50);
const LATE_MAX: Duration = Duration::from_millis(250);

/// Writes down who leads at each change, and every node that ended though nobody had it in hand. Never ends.
pub(crate) async fn leaders(world: &World) {
    let mut before = None;
    loop {
        let now = world.leader().await;
        if now != before
            && let Some((leader, term)) = &now
        {
            world.recorder.nemesis("leader", json!({"leader": leader, "term": term}));
        }
        before = now.or(before);
        for node in world.nodes.iter().filter(|node| !node.is_handled()) {
            let pid = node.pid();
            if let Some(how) = node.ended().await {
                world.gone(node, pid).await;
                world.say.line(&format!("{} ended by itself: {how}", node.name()));
                world.recorder.nemesis("died", how);
            }
        }
        tokio::time::sleep(LEADER_EVERY).await;
    }
}

/// Writes down when the harness itself was late. Never ends.
pub(crate) async fn stalls(recorder: Recorder) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Instant::now();
    loop {
        ticks.tick().await;
        let late = before.elapsed().saturating_sub(TICK);
        before = Instant::now();
        if late > LATE_MAX {
            recorder.nemesis("stall", json!({"late_ms": millis(late)}));
        }
    }
}

/// Writes down the fingerprints of all nodes when they have applied as much, or what they were when patience was over.
pub(crate) async fn fingerprints(world: &World, patience: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        let said = world.rafts().await;
        let whole = said.iter().all(Option::is_some);
        let applied: Vec<u64> = said.iter().flatten().map(|raft| raft.applied).collect();
        let level = whole && applied.windows(2).all(|two| two[0] == two[1]);
        if level || begun.elapsed() > patience {
            for raft in said.into_iter().flatten() {
                let value = json!({
                    "node": raft.node, "applied": raft.applied, "print": raft.fingerprint,
                });
                world.recorder.nemesis("fingerprint", value);
            }
            anyhow::ensure!(
                level,
                "the nodes had not applied as much after {patience:?}: {applied:?}"
            );
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whole milliseconds.
pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
