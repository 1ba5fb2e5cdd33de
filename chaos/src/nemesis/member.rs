//! Who belongs to the cluster: drained and wanted again, handed the lead, taken out and replaced, made to vote no more.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::future::BoxFuture;
use oarlock_client::v1::Member as Seen;
use serde_json::json;
use tokio::time::Instant;

use super::Nemesis;
use super::chance::Chance;
use super::corrupt::{replace, whole_again};
use super::fault::{Fault, Held, proof};
use crate::world::capability::Need;
use crate::world::node::Node;
use crate::world::watch::millis;
use crate::world::{LOOK_EVERY, World};

pub(crate) struct Member;

/// How long a step of a member may take until it shows.
const SHOW_MAX: Duration = Duration::from_secs(10);

impl Nemesis for Member {
    fn name(&self) -> &'static str {
        "member"
    }

    fn about(&self) -> &'static str {
        "members that are drained, replaced by fresh ones, or no longer vote; a lead that is handed over"
    }

    fn kinds(&self) -> &'static [(&'static str, &'static [Need])] {
        &[("drain", &[]), ("lead", &[]), ("demote", &[]), ("replace", &[Need::Processes])]
    }

    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let length = chance.length();
            match kind {
                "lead" => lead(world, chance).await,
                "replace" => taken_out(world, chance).await,
                _ => stepped(kind, world, chance, length).await,
            }
        })
    }
}

/// Somebody who takes orders: any node but this one that answers.
async fn other_than<'a>(world: &'a World, name: &str) -> Result<&'a Node> {
    for node in world.nodes.iter().filter(|node| node.name() != name) {
        if node.direct.raft().await.is_ok_and(|raft| raft.sure) {
            return Ok(node);
        }
    }
    bail!("no other node is sure of a leader")
}

async fn seen(through: &Node, name: &str) -> Result<Seen> {
    Ok(through.direct.node(name).get().await?)
}

/// A drain and its end, or a demotion and its end.
async fn stepped(
    kind: &'static str,
    world: &World,
    chance: &mut Chance,
    length: Duration,
) -> Result<bool> {
    let names: Vec<String> = world.nodes.iter().map(|node| node.name().to_owned()).collect();
    let Some(name) = chance.one(&names).cloned() else { return Ok(false) };
    let through = other_than(world, &name).await?;
    let before = seen(through, &name).await?;
    let handle = through.direct.node(&name);
    let after = match kind {
        "drain" => handle.drain(Some("chaos"), false).await,
        _ => handle.demote().await,
    };
    // With three nodes a demotion is refused, because it would be changed back at once.
    let after = after.with_context(|| format!("{kind} of {name} is refused"))?;
    let shown =
        |member: &Seen| format!("{:?}/{}", member.state, member.raft.as_deref().unwrap_or("-"));
    let proof = if shown(&before) == shown(&after) {
        Err(format!("{name} is {} as before", shown(&after)))
    } else {
        Ok(format!("{name} was {} and is {}", shown(&before), shown(&after)))
    };
    let detail = json!({"through": through.name(), "for_ms": millis(length)});
    let fault = Fault::begin(world, ("member", kind), vec![name.clone()], detail, &proof, None);
    world.hold(length).await;
    let mut done = undo(kind, world, &name).await;
    let begun = Instant::now();
    while done.is_err() && begun.elapsed() < SHOW_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        done = undo(kind, world, &name).await;
    }
    fault.end(json!({}), &self::proof(&done, |member| format!("{name} is {}", shown(member))));
    Ok(true)
}

async fn undo(kind: &str, world: &World, name: &str) -> Result<Seen> {
    let handle = other_than(world, name).await?.direct.node(name);
    Ok(if kind == "drain" { handle.undrain().await? } else { handle.promote().await? })
}

/// The lead is handed to another.
async fn lead(world: &World, chance: &mut Chance) -> Result<bool> {
    let Some((before, term)) = world.leader().await else { return Ok(false) };
    let others: Vec<String> = world
        .nodes
        .iter()
        .filter(|node| node.name() != before && !node.is_handled())
        .map(|node| node.name().to_owned())
        .collect();
    let (Some(to), Some(leader)) = (chance.one(&others), world.node(&before)) else {
        return Ok(false);
    };
    leader
        .direct
        .step_down(Some(to))
        .await
        .with_context(|| format!("{before} does not hand over to {to}"))?;
    let begun = Instant::now();
    let mut now = None;
    while now.is_none() && begun.elapsed() < SHOW_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        now = world.leader().await.filter(|(name, later)| *name != before && *later > term);
    }
    let proof = match now {
        Some((name, later)) => Ok(format!("{before} led in term {term}, {name} leads in {later}")),
        None => Err(format!("nobody else leads after {SHOW_MAX:?}")),
    };
    let targets = vec![before];
    let fault = Fault::begin(world, ("member", "lead"), targets, json!({"to": to}), &proof, None);
    fault.end(json!({}), &Ok("nothing is to be undone".to_owned()));
    Ok(true)
}

/// A node dies, is taken out, and a fresh one joins under its name.
async fn taken_out(world: &World, chance: &mut Chance) -> Result<bool> {
    let Ok(disk) = world.one_disk.clone().try_acquire_owned() else { return Ok(false) };
    let Some(held) = Held::by("one", world, chance).await else { return Ok(false) };
    let node = &held.nodes[0];
    let through = other_than(world, node.name()).await?;
    let before = seen(through, node.name()).await?.id;
    world.kill(node).await?;
    let removed = remove(world, node.name()).await;
    let shown = proof(&removed, |()| format!("{} (number {before}) is no member", node.name()));
    let detail = json!({"id": before});
    let fault = Fault::begin(world, ("member", "replace"), held.names(), detail, &shown, None);
    let (pid, took) = replace(world, node).await?;
    let after = seen(other_than(world, node.name()).await?, node.name()).await;
    let proof = match after {
        Ok(after) if after.id != before => Ok(format!(
            "{} is number {} now, was {before}; pid {pid} was ready after {took:.1?}",
            node.name(),
            after.id
        )),
        Ok(after) => Err(format!("{} is number {} as before", node.name(), after.id)),
        Err(why) => Err(format!("{why:#}")),
    };
    fault.end(json!({"pid": pid}), &proof);
    drop(held);
    whole_again(world, disk).await;
    Ok(true)
}

/// Takes a dead node out, and looks whether it is out.
async fn remove(world: &World, name: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let done = async {
            let through = other_than(world, name).await?;
            through.direct.node(name).remove(true).await?;
            let cluster = through.direct.cluster().await?;
            let there = cluster.members.iter().any(|member| member.name == name);
            anyhow::ensure!(!there, "{name} is a member still");
            Ok(())
        };
        let done = done.await;
        if done.is_ok() || begun.elapsed() > SHOW_MAX {
            return done;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
