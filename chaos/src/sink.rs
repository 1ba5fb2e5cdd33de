//! The effect sink: who really did what, seen from outside the cluster.
//!
//! A process of the harness that no fault touches. Every task that a workload lets run tells it so, with what Oarlock told the task of
//! itself. What stands here happened, whatever the cluster believes.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The name of the sink's file in the folder of a run.
pub const FILE: &str = "effects.jsonl";

/// One call: a line of the file. Empty or zero: the task did not know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// Nanoseconds since the history began.
    pub time: u64,
    /// The workload.
    pub work: String,
    /// What the task says it does: `begin`, `done` …
    pub f: String,
    /// The run.
    pub run: String,
    /// The task.
    pub task: String,
    /// The attempt.
    pub attempt: u32,
    /// The epoch of the role under which it was given out.
    pub epoch: u64,
    /// The key that is the same for all attempts.
    pub idempotency_key: String,
    /// The role that drives its run.
    pub role: String,
    /// Whether the sink took it: it refuses an epoch that is older than one it has seen of the same role.
    pub accepted: bool,
}

/// Reads what a sink saw. None: nothing.
///
/// # Errors
/// When a line before the last cannot be understood.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Effect>> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut effects = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(effect) => effects.push(effect),
            Err(_) if number + 1 == lines.len() => {}
            Err(why) => anyhow::bail!("{}, line {}: {why}", path.display(), number + 1),
        }
    }
    Ok(effects)
}
