//! `kill -9` of what tasks run: processes that nodes started, found by whose children they are.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use super::Nemesis;
use super::chance::Chance;
use super::fault::Fault;
use crate::world::World;
use crate::world::capability::Need;
use crate::world::node::{signal, state};

pub(crate) struct Worker;

/// How long it is looked for a process of a task: most do not live long.
const FIND_MAX: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a killed process may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(1);

impl Nemesis for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn about(&self) -> &'static str {
        "kill -9 of the processes that run tasks"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[("one", &[Need::Processes]), ("all", &[Need::Processes])]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let begun = Instant::now();
            let mut found = tasks(world);
            while found.is_empty() && begun.elapsed() < FIND_MAX && !*world.over.borrow() {
                tokio::time::sleep(LOOK_EVERY).await;
                found = tasks(world);
            }
            if kind == "one" {
                found = chance.one(&found).cloned().into_iter().collect();
            }
            // Between the look and the blow a task may have ended by itself.
            found.retain(|(pid, _)| signal(*pid, Signal::KILL).is_ok());
            if found.is_empty() {
                return Ok(false);
            }
            let begun = Instant::now();
            let there = |pid: u32| state(pid).is_some_and(|state| state != 'Z');
            while found.iter().any(|(pid, _)| there(*pid)) && begun.elapsed() < GONE_MAX {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let left = found.iter().filter(|(pid, _)| there(*pid)).count();
            let pids: Vec<u32> = found.iter().map(|(pid, _)| *pid).collect();
            let mut targets: Vec<String> = found.into_iter().map(|(_, node)| node).collect();
            targets.sort();
            targets.dedup();
            let proof = if left == 0 {
                Ok(format!("pids {pids:?} of tasks are gone"))
            } else {
                Err(format!("{left} of {pids:?} are still there"))
            };
            let detail = json!({"pids": pids});
            let fault = Fault::begin(world, ("worker", kind), targets, detail, &proof, None);
            fault.end(json!({}), &Ok("nothing is to be undone: the attempt is lost".to_owned()));
            Ok(true)
        })
    }
}

/// The processes of tasks: children of our nodes that are no watchmen, and which node's.
fn tasks(world: &World) -> Vec<(u32, String)> {
    let nodes: BTreeMap<u32, &str> = world
        .nodes
        .iter()
        .filter(|node| node.pid() != 0)
        .map(|node| (node.pid(), node.name()))
        .collect();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let node = nodes.get(&parent(pid)?)?;
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        // A node that forks is for a moment two of the same; the watchman only tidies up.
        let task =
            !words.is_empty() && !words.contains("oarlock-watchman") && !words.contains("--leash");
        task.then(|| (pid, (*node).to_owned()))
    })
    .collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
