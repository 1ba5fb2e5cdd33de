//! Disks that are full, and calls to them that fail or take long.
//!
//! A full disk is a small file system of ours with a file in it that takes all that is left. Calls fail and wait at the hands of
//! `strace`, which changes what the kernel answers to one process and writes down each time that it did: that is the proof. A
//! node whose `fsync` fails is to end rather than to go on: then it is started again.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use rustix::process::Signal;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Held, Proof, proof};
use crate::world::capability::Need;
use crate::world::node::{Node, signal};
use crate::world::watch::millis;
use crate::world::{LOOK_EVERY, READY_MAX, World};

pub(crate) struct Disk;

/// How long it may take until a fault shows.
const SHOW_MAX: Duration = Duration::from_secs(5);
/// How long `strace` may take to let go.
const LET_GO_MAX: Duration = Duration::from_secs(5);

impl Nemesis for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn about(&self) -> &'static str {
        "a full disk; fsync that fails, or takes 200 ms"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[
            ("full", &[Need::Processes, Need::SmallDisks]),
            ("sync-fails", &[Need::Processes, Need::DiskCalls]),
            ("sync-slow", &[Need::Processes, Need::DiskCalls]),
        ]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let length = chance.length();
            let Some(held) = Held::by("one", world, chance).await else { return Ok(false) };
            match (kind, &held.nodes[0]) {
                ("full", node) => full(world, node, length).await?,
                (_, node) => calls(world, kind, node, length).await?,
            }
            Ok(true)
        })
    }
}

async fn full(world: &World, node: &Node, length: Duration) -> Result<()> {
    let home = node.place.data.parent().context("data lies in a folder")?.to_path_buf();
    let ballast = home.join("ballast");
    let (path, free) = (ballast.clone(), free(&home)?);
    tokio::task::spawn_blocking(move || fill(&path)).await??;
    let at = world.recorder.now();
    // It may have freed something meanwhile: what counts is that the node finds no room.
    let begun = Instant::now();
    let mut proof: Proof = Err("it takes writes still".to_owned());
    while proof.is_err() && begun.elapsed() < SHOW_MAX {
        let left = self::free(&home)?;
        if let Ok(raft) = node.direct.raft().await
            && let Some(why) = raft.read_only
        {
            proof = Ok(format!("{left} bytes are free of {free}; {}: {why}", node.name()));
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    let detail = json!({"free_before": free, "for_ms": millis(length)});
    let targets = vec![node.name().to_owned()];
    let fault = Fault::begin(world, ("disk", "full"), targets, detail, &proof, Some(at));
    world.hold(length).await;
    std::fs::remove_file(&ballast).context("the ballast cannot be thrown off")?;
    let there = self::free(&home)?;
    let back = alive(world, node).await;
    fault.end(json!({"free": there}), &proof_of_room(there, &back));
    Ok(())
}

fn proof_of_room(free: u64, back: &Result<String>) -> Proof {
    proof(back, |back| format!("{free} bytes are free; {back}"))
}

fn free(folder: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail * stat.f_frsize)
}

/// Writes until nothing fits any more.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; 1 << 16];
    while file.write_all(&zeros).is_ok() {}
    Ok(())
}

async fn calls(world: &World, kind: &'static str, node: &Node, length: Duration) -> Result<()> {
    let pid = node.pid();
    let record = node.place.log.with_extension("strace");
    // One record a fault: what an earlier one did proves nothing.
    if record.exists() {
        std::fs::remove_file(&record)?;
    }
    let harm = if kind == "sync-fails" { "error=EIO" } else { "delay_exit=200000" };
    let mut strace = attach(pid, harm, &record)?;
    let begun = Instant::now();
    while count(&record) == 0 && begun.elapsed() < SHOW_MAX && strace.try_wait()?.is_none() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let harmed = count(&record);
    let proof = if harmed > 0 {
        Ok(format!("strace changed {harmed} calls of pid {pid} ({harm})"))
    } else {
        Err(format!("strace changed no call of pid {pid} within {SHOW_MAX:?}"))
    };
    let detail = json!({"pid": pid, "calls": harm, "for_ms": millis(length)});
    let targets = vec![node.name().to_owned()];
    let fault = Fault::begin(world, ("disk", kind), targets, detail, &proof, None);
    world.hold(length).await;
    let harmed = count(&record);
    if let Some(tracer) = strace.id() {
        // One that is gone has let go.
        let _ = signal(tracer, Signal::INT);
    }
    if tokio::time::timeout(LET_GO_MAX, strace.wait()).await.is_err() {
        strace.kill().await?;
    }
    let died = node.ended().await;
    if died.is_some() {
        world.gone(node, pid).await;
    }
    let back = alive(world, node).await;
    let proof = self::proof(&back, |back| format!("{harmed} calls were changed; {back}"));
    fault.end(json!({"calls_changed": harmed, "ended": died}), &proof);
    Ok(())
}

fn attach(pid: u32, harm: &str, record: &Path) -> Result<Child> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-p", &pid.to_string(), "-e", "trace=fsync,fdatasync"]);
    command.args(["-e", &format!("inject=fsync,fdatasync:{harm}")]);
    command.arg("-o").arg(record);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true);
    command.spawn().context("strace cannot be started")
}

/// How many calls were changed.
fn count(record: &Path) -> usize {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    text.lines().filter(|line| line.contains("INJECTED") || line.contains("DELAYED")).count()
}

/// Starts a node if it has ended; says what it is doing.
async fn alive(world: &World, node: &Node) -> Result<String> {
    if let Some(how) = node.ended().await {
        world
            .gone(node, how["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0))
            .await;
    }
    if node.pid() != 0 {
        return Ok(format!("pid {} runs on", node.pid()));
    }
    let pid = world.begin(node).await?;
    let took = node.ready(READY_MAX).await?;
    Ok(format!("it had ended; pid {pid} is ready after {took:.1?}"))
}
