//! What is written into a node's configuration file, as the guide tells people to write it.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// A configuration file.
#[derive(Debug, Serialize)]
pub(crate) struct Config<'a> {
    pub(crate) node: &'a str,
    pub(crate) cluster: &'a str,
    pub(crate) data: &'a Path,
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: String,
    pub(crate) log: &'a str,
    pub(crate) drain: &'a str,
    pub(crate) peer: Peer<'a>,
    pub(crate) worker: Worker<'a>,
    pub(crate) raft: Raft,
}

/// Its part about peers.
#[derive(Debug, Serialize)]
pub(crate) struct Peer<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: SocketAddr,
    pub(crate) join: Vec<SocketAddr>,
    pub(crate) secret_file: &'a Path,
}

/// Its part about the worker.
#[derive(Debug, Serialize)]
pub(crate) struct Worker<'a> {
    pub(crate) slots: u32,
    pub(crate) dir: &'a Path,
}

/// Its part about the log.
#[derive(Debug, Serialize)]
pub(crate) struct Raft {
    pub(crate) snapshot_every: u64,
    pub(crate) disk_reserve_bytes: u64,
}

impl Config<'_> {
    /// Writes it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).context("a configuration is TOML")?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
