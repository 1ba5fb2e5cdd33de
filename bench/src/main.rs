//! Load against a real node, measured from outside.
//!
//! `oarlock-bench single` starts the release binary on an empty directory, drives it over its own HTTP door and prints what a
//! caller sees: every operation is timed from before its request is sent until the caller knows the durable result. The disk's
//! own append + fdatasync is measured in the same run, because it is the unit that durable work is counted in.
//!
//! ```text
//! main ─▶ disk (how fast is an fsync here?) ─▶ node (start the binary) ─▶ idle ─▶ plan (what to run) ─▶ load ─▶ report
//!                                           └▶ lab (start three) ─────────────────────────────▶ load ─▶ failover ─▶ report
//! ```

mod aside;
mod disk;
mod door;
mod failover;
mod idle;
mod lab;
mod load;
mod node;
mod plan;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use failover::Loss;

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
    /// Three nodes on this machine: the same load, and how long nothing moves when one of them goes.
    Cluster(Cluster),
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

/// What `cluster` may be told.
#[derive(Debug, clap::Args)]
struct Cluster {
    /// Length of each measurement of throughput in seconds; 0: none.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often the leader is killed, and as often the owner of a workflow.
    #[arg(long, default_value_t = 25)]
    kills: u32,
    /// How often the owner of a workflow is stopped in order.
    #[arg(long, default_value_t = 10)]
    stops: u32,
    /// How often writers at the leader are measured with and without somebody who reads reports at a follower.
    #[arg(long, default_value_t = 3)]
    reports: u32,
    /// The binary to measure; default: `oarlock` beside this program.
    #[arg(long)]
    node_binary: Option<PathBuf>,
    /// Where the nodes and the disk probe write; default: a temporary directory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Attempts that each node's worker runs at once.
    #[arg(long, default_value_t = 256)]
    slots: u32,
    /// Also write the figures here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let what = Args::parse().what;
    // The load shares the machine with what it measures: one thread is enough, and leaves the other core to the node.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match what {
            What::Single(args) => single(args).await,
            What::Cluster(args) => cluster(args).await,
        }
    })
}

async fn single(args: Single) -> anyhow::Result<()> {
    let scratch = scratch(args.data.as_ref())?;
    let before = disk::probe(scratch.path(), Duration::from_secs(1))?;
    let node = node::Node::start(args.node_binary, scratch.path().join("node"), args.slots).await?;
    let idle = match args.idle_seconds {
        0 => None,
        seconds => Some(idle::watch(&node, Duration::from_secs(seconds)).await?),
    };
    let mut figures = Vec::new();
    for step in plan::single().into_iter().filter(|step| step.name().contains(&args.only)) {
        figures
            .push(load::measure(&node.target(), &step, Duration::from_secs(args.seconds)).await?);
    }
    let memory = node.resident_bytes();
    node.stop().await?;
    let after = disk::probe(scratch.path(), Duration::from_secs(1))?;
    let disk = disk::Disk::of(&before, &after)?;
    let report = report::Report::new(disk, idle, memory, figures, Vec::new());
    report.show(args.json.as_deref())
}

async fn cluster(args: Cluster) -> anyhow::Result<()> {
    let scratch = scratch(args.data.as_ref())?;
    let before = disk::probe(scratch.path(), Duration::from_secs(1))?;
    let mut lab =
        lab::Lab::start(args.node_binary, &scratch.path().join("cluster"), args.slots).await?;
    let mut figures = Vec::new();
    let leader = lab.healthy().await?;
    for step in plan::cluster().into_iter().filter(|_| args.seconds > 0) {
        let target = lab.target(&leader)?;
        figures.push(load::measure(&target, &step, Duration::from_secs(args.seconds)).await?);
    }
    let mut aside = None;
    if let (1.., Some(step)) = (args.reports, plan::cluster().first()) {
        let length = Duration::from_secs(args.seconds.max(1));
        let follower = *lab.others(&leader).first().context("three nodes")?;
        let target = lab.target(&leader)?;
        aside = Some(aside::measure(&target, follower, step, (args.reports, length)).await?);
    }
    failover::prepare(&lab).await?;
    let mut gaps = Vec::new();
    for (loss, times) in [
        (Loss::LeaderKilled, args.kills),
        (Loss::OwnerKilled, args.kills),
        (Loss::OwnerStopped, args.stops),
    ] {
        if times > 0 {
            gaps.push(failover::measure(&mut lab, loss, times).await?);
        }
    }
    drop(lab);
    let after = disk::probe(scratch.path(), Duration::from_secs(1))?;
    let disk = disk::Disk::of(&before, &after)?;
    let mut report = report::Report::new(disk, None, None, figures, gaps);
    report.aside = aside;
    report.show(args.json.as_deref())
}

fn scratch(data: Option<&PathBuf>) -> anyhow::Result<tempfile::TempDir> {
    let made = match data {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    made.context("no directory to work in: name one with --data")
}
