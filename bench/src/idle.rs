//! What a node costs that has nothing to do: memory, processor, writes of its log.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::door::Door;
use crate::node::Node;

/// An idle node, watched for a while.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Idle {
    /// How long it was watched.
    pub(crate) seconds: u64,
    /// Resident memory at the end, in bytes; none where nobody tells.
    pub(crate) resident_bytes: Option<u64>,
    /// Of one core; none where nobody tells.
    pub(crate) cpu_percent: Option<f64>,
    /// Entries that its log grew by, a minute.
    pub(crate) log_entries_per_minute: f64,
}

/// Watches a node that nobody asks anything.
pub(crate) async fn watch(node: &Node, length: Duration) -> anyhow::Result<Idle> {
    let mut door = Door::connect(node.address).await?;
    let before = (door.metric("oarlock_raft_log_last").await?, node.cpu());
    let begin = Instant::now();
    tokio::time::sleep(length).await;
    let elapsed = begin.elapsed().as_secs_f64();
    let cpu = before.1.zip(node.cpu());
    let last = door.metric("oarlock_raft_log_last").await?;
    let entries = last.unwrap_or_default() - before.0.unwrap_or_default();
    Ok(Idle {
        seconds: length.as_secs(),
        resident_bytes: node.resident_bytes(),
        cpu_percent: cpu.map(|(before, now)| (now - before).as_secs_f64() / elapsed * 100.0),
        log_entries_per_minute: entries / elapsed * 60.0,
    })
}
