//! The plan of a run: everything that was chosen, by a person or derived from what he chose, so that the same can be done again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The name of the plan's file in the folder of a run.
pub const FILE: &str = "options.json";
/// The longest that a member waits until it stands for election: durations of faults are measured by it.
pub const ELECTION_MS: u64 = 1_000;
/// About how long a silent node keeps its roles: between 0.5 and 3 s, by how regularly it was heard before.
pub const LEASE_MS: u64 = 1_000;

/// All options of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The workloads.
    pub workloads: Vec<String>,
    /// The families of faults.
    pub nemeses: Vec<String>,
    /// The faults as they were asked for: families, or single kinds as `kill-leader`.
    pub kinds: Vec<String>,
    /// Seconds with faults.
    pub time_s: u64,
    /// Seconds before the first fault.
    pub warm_up_s: u64,
    /// Seconds in which everything must succeed after the last one.
    pub fresh_s: u64,
    /// Seconds within which the cluster must be whole again.
    pub recovery_s: u64,
    /// Where everything that is chosen comes from.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Clients of each workload.
    pub clients: usize,
    /// Answered operations a second that the warm-up must reach, or the run proves nothing.
    pub rate_min: u64,
    /// Milliseconds between two faults of one lane, on the average.
    pub interval_ms: u64,
    /// Faults at a time.
    pub lanes: usize,
    /// The longest wait for an election, in milliseconds.
    pub election_ms: u64,
    /// About how long a silent node keeps its roles, in milliseconds.
    pub lease_ms: u64,
    /// Applied entries between two snapshots.
    pub snapshot_every: u64,
    /// Attempts at once on each node.
    pub slots: u32,
    /// Bytes of each small disk, if there are such.
    pub disk_bytes: u64,
    /// The program of the nodes.
    pub program: PathBuf,
    /// What it says of its version.
    pub version: String,
    /// The commit of the sources that this harness was run in; empty: unknown.
    pub commit: String,
    /// Addresses of a cluster that was there before; empty: the cluster is ours.
    pub target: String,
    /// The command that does the same again.
    pub replay: String,
}

impl Plan {
    /// Whether a family of faults, or a kind of it, is wanted.
    #[must_use]
    pub fn uses(&self, family: &str) -> bool {
        self.nemeses.iter().any(|name| name == family)
    }

    /// The folder of the run, unless somebody chose one.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let faults = if self.kinds.is_empty() { "none".to_owned() } else { self.kinds.join("+") };
        PathBuf::from("chaos/out").join(format!(
            "{}-{faults}-{}",
            self.workloads.join("+"),
            self.seed
        ))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it from a folder.
    ///
    /// # Errors
    /// When there is none, or it cannot be understood.
    pub fn read(folder: &Path) -> Result<Plan> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{}: no options here; a folder of `oarlock-chaos run` has them", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}
