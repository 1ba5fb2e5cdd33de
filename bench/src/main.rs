//! Load against a real node, measured from outside.
//!
//! `oarlock-bench single` starts the release binary on an empty directory, drives it over its own HTTP door and prints what a
//! caller sees: every operation is timed from before its request is sent until the caller knows the durable result. The disk's
//! own append + fdatasync is measured in the same run, because it is the unit that durable work is counted in.
//!
//! ```text
//! main ─▶ disk (how fast is an fsync here?) ─▶ node (start the binary) ─▶ idle ─▶ plan (what to run) ─▶ load ─▶ report
//! ```

mod disk;
mod door;
mod idle;
mod load;
mod node;
mod plan;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Measures Oarlock on this machine.
#[derive(Debug, Parser)]
#[command(name = "oarlock-bench", version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One node, its disk and this load on the same machine.
    Single(Single),
}

/// What `single` may be told.
#[derive(Debug, clap::Args)]
struct Single {
    /// Length of each measurement in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The binary to measure; default: `oarlock` beside this program.
    #[arg(long)]
    node_binary: Option<PathBuf>,
    /// Where the node and the disk probe write; default: a temporary directory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Attempts that the node's worker runs at once; no-op tasks take none of the machine while they wait for their commit.
    #[arg(long, default_value_t = 256)]
    slots: u32,
    /// How long to watch the node before it has anything to do; 0: not at all.
    #[arg(long, default_value_t = 10)]
    idle_seconds: u64,
    /// Also write the figures here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only measurements whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> anyhow::Result<()> {
    let What::Single(args) = Args::parse().what;
    // The load shares the machine with what it measures: one thread is enough, and leaves the other core to the node.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(single(args))
}

async fn single(args: Single) -> anyhow::Result<()> {
    let scratch = match &args.data {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .context("no directory to work in: name one with --data")?;
    let before = disk::probe(scratch.path(), Duration::from_secs(1))?;
    let node = node::Node::start(args.node_binary, scratch.path().join("node"), args.slots).await?;
    let idle = match args.idle_seconds {
        0 => None,
        seconds => Some(idle::watch(&node, Duration::from_secs(seconds)).await?),
    };
    let mut figures = Vec::new();
    for step in plan::single().into_iter().filter(|step| step.name().contains(&args.only)) {
        figures.push(load::measure(&node, &step, Duration::from_secs(args.seconds)).await?);
    }
    let memory = node.resident_bytes();
    node.stop().await?;
    let after = disk::probe(scratch.path(), Duration::from_secs(1))?;
    let disk = disk::Disk::of(&before, &after)?;
    let report = report::Report::new(disk, idle, memory, figures);
    report.print();
    if let Some(file) = args.json {
        std::fs::write(&file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
