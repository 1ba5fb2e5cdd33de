//! How a cluster of our own is built: places, configuration files, doors, and then one node after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result, bail};
use tokio::sync::{Semaphore, watch};

use super::address::Street;
use super::capability::Capabilities;
use super::config::{Config, Peer, Raft, Worker};
use super::door::{Door, Doors};
use super::node::{Node, Place};
use super::{READY_MAX, World};
use crate::history::Recorder;
use crate::plan::Plan;
use crate::progress::Say;

/// What the nodes keep free of their disks: less than usual, because small disks are to become full soon.
const RESERVE_BYTES: u64 = 32 << 20;
/// The house number of whoever tries doors, and of the first door.
const PROBER: u8 = 250;
const DOOR: u8 = 100;

/// What is written down of nodes that are to be.
struct Ground<'a> {
    plan: &'a Plan,
    program: &'a Path,
    folder: PathBuf,
    secret: PathBuf,
    peers: Vec<std::net::SocketAddr>,
}

impl World {
    /// Starts the nodes of a plan, and waits until they are one cluster.
    pub(crate) async fn build(
        plan: &Plan,
        program: &Path,
        folder: &Path,
        recorder: &Recorder,
        say: &Say,
        over: watch::Receiver<bool>,
    ) -> Result<World> {
        let street = Street::of_this_process();
        let doors = Doors::new(street.house(PROBER).into()).await?;
        let can = Capabilities::probe(Some(program));
        let ground = Ground::lay(plan, program, folder, street)?;
        let mut nodes = Vec::new();
        for at in 0..plan.nodes {
            nodes.push(Arc::new(Node::new(ground.place(at, street, &can)?)?));
        }
        let world = World {
            nodes,
            doors,
            can,
            recorder: recorder.clone(),
            say: say.clone(),
            over,
            one_disk: Arc::new(Semaphore::new(1)),
            next: AtomicU64::new(0),
            ours: true,
        };
        for (at, node) in world.nodes.iter().enumerate() {
            ground.configure(node, at, &ground.peers[..at])?;
            world.begin(node).await?;
            node.ready(READY_MAX).await?;
        }
        for (at, node) in world.nodes.iter().enumerate() {
            // Should one ever come back with an empty disk it is to join the others, and not to found a second cluster.
            let others: Vec<_> = ground
                .peers
                .iter()
                .copied()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .collect();
            let others: Vec<_> = others.into_iter().map(|(_, peer)| peer).collect();
            ground.configure(node, at, &others)?;
        }
        world.settled(READY_MAX).await.context("the nodes did not become one cluster")?;
        Ok(world)
    }
}

impl<'a> Ground<'a> {
    fn lay(plan: &'a Plan, program: &'a Path, folder: &Path, street: Street) -> Result<Ground<'a>> {
        let folder = std::path::absolute(folder)?.join("nodes");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let secret = folder.join("secret");
        std::fs::write(&secret, format!("{:032x}", rand::random::<u128>()))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&secret, mode)?;
        let doors = 0..u8::try_from(plan.nodes)?;
        let peers = doors.map(|at| street.pair(DOOR + 1 + at).map(|pair| pair.1));
        Ok(Ground { plan, program, folder, secret, peers: peers.collect::<Result<_>>()? })
    }

    /// Where a node is to live.
    fn place(&self, at: usize, street: Street, can: &Capabilities) -> Result<Place> {
        let number = u8::try_from(at + 1)?;
        let name = format!("n{number}");
        let home = self.folder.join(&name);
        std::fs::create_dir_all(&home)?;
        if self.plan.uses("disk") {
            mount(&home, self.plan.disk_bytes)?;
        }
        let (http, peer) = street.pair(number)?;
        let (http_door, peer_door) = street.pair(DOOR + number)?;
        let door = |outside, inside, clients| Door { to: name.clone(), outside, inside, clients };
        let mut env = Vec::new();
        if self.plan.uses("clock")
            && let Some(library) = &can.faketime
        {
            let time = self.folder.join(format!("{name}.time"));
            std::fs::write(&time, "+0")?;
            env.push(("LD_PRELOAD".to_owned(), library.display().to_string()));
            env.push(("FAKETIME_TIMESTAMP_FILE".to_owned(), time.display().to_string()));
            env.push(("FAKETIME_DONT_FAKE_MONOTONIC".to_owned(), "1".to_owned()));
            env.push(("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()));
        }
        Ok(Place {
            program: self.program.to_path_buf(),
            config: self.folder.join(format!("{name}.toml")),
            data: home.join("data"),
            log: self.folder.join(format!("{name}.log")),
            http: door(http_door, http, true),
            peer: door(peer_door, peer, false),
            env,
            name,
        })
    }

    fn configure(&self, node: &Node, at: usize, join: &[std::net::SocketAddr]) -> Result<()> {
        let place = &node.place;
        let config = Config {
            node: &place.name,
            cluster: "chaos",
            data: &place.data,
            listen: place.http.inside,
            advertise: format!("http://{}", place.http.outside),
            log: "info",
            drain: "2s",
            peer: Peer {
                listen: place.peer.inside,
                advertise: self.peers[at],
                join: join.to_vec(),
                secret_file: &self.secret,
            },
            worker: Worker { slots: self.plan.slots, dir: &self.folder },
            raft: Raft {
                snapshot_every: self.plan.snapshot_every,
                disk_reserve_bytes: RESERVE_BYTES,
            },
        };
        config.write(&place.config)
    }
}

/// Gives a node a small disk of its own. It goes with our mount namespace.
fn mount(home: &Path, bytes: u64) -> Result<()> {
    let size = format!("size={bytes}");
    let mut command = Command::new("mount");
    let done = command.args(["-t", "tmpfs", "-o", &size, "oarlock-chaos"]).arg(home).output();
    let done = done.context("`mount` cannot be run")?;
    if !done.status.success() {
        bail!("no small disk at {}: {}", home.display(), String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}
