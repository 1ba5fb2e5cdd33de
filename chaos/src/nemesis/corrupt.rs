//! Data that is damaged while a node is down, of one node at a time: the fault model lets a minority of disks lose what was synced.
//!
//! ```text
//!   tail     the newest write-ahead log of the log loses its last bytes
//!   flip     a bit of it is turned over somewhere
//!   log      it is deleted
//!   data     the whole data folder is deleted
//! ```
//!
//! What must follow is one of two things: the node comes back and takes part, or it refuses to start and says why. Then it is
//! replaced: its folder is emptied, and a fresh member joins under its name. The next disk is struck when the cluster is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use serde_json::json;

use super::Nemesis;
use super::chance::Chance;
use super::fault::{Fault, Held, Proof};
use crate::world::capability::Need;
use crate::world::node::Node;
use crate::world::watch::millis;
use crate::world::{READY_MAX, World};

pub(crate) struct Corrupt;

const NEEDS: &[Need] = &[Need::Processes];
/// How long the cluster may take to be whole again before the next disk is struck.
const SETTLE_MAX: Duration = Duration::from_secs(60);

impl Nemesis for Corrupt {
    fn name(&self) -> &'static str {
        "corrupt"
    }

    fn about(&self) -> &'static str {
        "damaged or deleted data of one node, which then comes back, or refuses and is replaced"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[("tail", NEEDS), ("flip", NEEDS), ("log", NEEDS), ("data", NEEDS)]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let Ok(disk) = world.one_disk.clone().try_acquire_owned() else { return Ok(false) };
            let length = chance.length();
            let Some(held) = Held::by("one", world, chance).await else { return Ok(false) };
            let node = &held.nodes[0];
            world.kill(node).await?;
            let proof = damage(kind, &node.place.data, chance).map_err(|why| format!("{why:#}"));
            let detail = json!({"for_ms": millis(length)});
            let fault = Fault::begin(world, ("corrupt", kind), held.names(), detail, &proof, None);
            world.hold(length).await;
            let (detail, proof) = come_back(world, node).await?;
            fault.end(detail, &proof);
            drop(held);
            whole_again(world, disk).await;
            Ok(true)
        })
    }
}

/// Keeps the right to destroy data until the cluster is whole, and for good if it does not become so.
pub(super) async fn whole_again(world: &World, disk: tokio::sync::OwnedSemaphorePermit) {
    if let Err(why) = world.settled(SETTLE_MAX).await {
        world.say.line(&format!("no further disk is struck: the cluster is not whole {why:#}"));
        disk.forget();
    }
}

/// Starts a node whose data was damaged; one that refuses is replaced.
async fn come_back(world: &World, node: &Node) -> Result<(serde_json::Value, Proof)> {
    let pid = world.begin(node).await?;
    let refusal = match node.ready(READY_MAX).await {
        Ok(took) => {
            let proof = Ok(format!(
                "pid {pid} is ready after {} ms, with what it had or anew",
                took.as_millis()
            ));
            return Ok((json!({"pid": pid, "refused": false}), proof));
        }
        Err(why) => format!("{why:#}"),
    };
    if node.ended().await.is_none() {
        // It runs, and waits for something: for others, perhaps, who are away too.
        return Ok((json!({"pid": pid, "refused": false}), Err(refusal)));
    }
    world.gone(node, pid).await;
    let (pid, took) = replace(world, node).await?;
    let detail = json!({"pid": pid, "refused": true, "said": refusal});
    Ok((
        detail,
        Ok(format!(
            "it refused ({refusal}); a fresh one, pid {pid}, is ready after {} ms",
            took.as_millis()
        )),
    ))
}

/// Empties the folder of a dead node and starts it: it joins as a new member.
pub(super) async fn replace(world: &World, node: &Node) -> Result<(u32, Duration)> {
    if node.place.data.exists() {
        std::fs::remove_dir_all(&node.place.data).context("its data cannot be deleted")?;
    }
    let pid = world.begin(node).await?;
    Ok((pid, node.ready(READY_MAX).await.context("the fresh one that replaces it")?))
}

fn damage(kind: &str, data: &Path, chance: &mut Chance) -> Result<String> {
    if kind == "data" {
        std::fs::remove_dir_all(data)?;
        return Ok(format!("{} is gone", data.display()));
    }
    let file = newest_log(&data.join("log"))
        .context("the log has no write-ahead log with anything in it")?;
    let before = std::fs::metadata(&file)?.len();
    match kind {
        "log" => {
            std::fs::remove_file(&file)?;
            Ok(format!("{} with {before} bytes is gone", file.display()))
        }
        "tail" => {
            let after = before - chance.number(1..before.min(2_000) + 1);
            std::fs::File::options().write(true).open(&file)?.set_len(after)?;
            let now = std::fs::metadata(&file)?.len();
            Ok(format!("{} had {before} bytes and has {now}", file.display()))
        }
        _ => {
            let at = usize::try_from(chance.number(0..before))?;
            let mut bytes = std::fs::read(&file)?;
            bytes[at] ^= 1 << chance.number(0..8);
            std::fs::write(&file, bytes)?;
            Ok(format!("a bit of byte {at} of {before} of {} is turned over", file.display()))
        }
    }
}

/// The newest write-ahead log of a database that has anything in it.
fn newest_log(database: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(database).ok()?.flatten().map(|entry| entry.path());
    let logs = files.filter(|file| file.extension().is_some_and(|end| end == "log"));
    logs.filter(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > 0)).max()
}
