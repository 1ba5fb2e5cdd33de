//! The node under load: the user's own binary, started as a user would, on an empty directory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What /proc counts time in: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What a load is sent to, and whose processor time it costs.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The door.
    pub(crate) address: SocketAddr,
    /// The processes.
    pub(crate) pids: Vec<u32>,
}

impl Target {
    /// What they have used of the processors so far, user and system time together, where /proc tells.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.pids.iter().map(|pid| cpu(*pid)).sum()
    }
}

/// The binary to measure: the one named, or the one beside this program.
pub(crate) fn beside(binary: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match binary {
        Some(binary) => Ok(binary),
        None => Ok(std::env::current_exe()?.with_file_name("oarlock")),
    }
}

/// A running node.
pub(crate) struct Node {
    process: Child,
    /// Its door.
    pub(crate) address: SocketAddr,
}

impl Node {
    /// Starts it and waits for its ready line.
    pub(crate) async fn start(
        binary: Option<PathBuf>,
        data: PathBuf,
        slots: u32,
    ) -> anyhow::Result<Node> {
        let binary = beside(binary)?;
        std::fs::create_dir_all(&data)?;
        let log = data.with_extension("log");
        let mut process = Command::new(&binary)
            .arg("server")
            .arg("--data")
            .arg(&data)
            .args(["--port", "0", "--worker.slots", &slots.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It logs every request, as it does for everybody: into a file, not over the figures.
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {}: build it with `cargo build --release -p oarlock`, or name it with --node-binary",
                    binary.display()
                )
            })?;
        let stdout = process.stdout.take().context("the node's output is piped")?;
        let ready = tokio::time::timeout(Duration::from_secs(30), ready_line(stdout))
            .await
            .context("the node was not ready within 30 s")
            .and_then(|ready| ready)
            .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        let url = ready["http"].as_str().context("the ready line names no address")?;
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse()?;
        Ok(Node { process, address })
    }

    /// Its resident memory in bytes, where /proc tells.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }

    /// What it has used of the processors so far, user and system time together, where /proc tells.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.target().cpu()
    }

    /// Where the load goes.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, pids: self.process.id().into_iter().collect() }
    }

    /// Ends it. What it wrote is thrown away, so nobody waits for a drain.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("the node did not end")
    }
}

fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold blanks; what follows it does not. User and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(TICK.saturating_mul(u32::try_from(user + system).ok()?))
}

async fn ready_line(stdout: tokio::process::ChildStdout) -> anyhow::Result<serde_json::Value> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        if value["event"] == "ready" {
            // Whatever follows is read and dropped, so that the node never waits for its pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(value);
        }
    }
    bail!("the node ended before it was ready")
}
