//! A cluster that was there before: only on this machine, and only what can be done to it from outside.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result, bail};
use oarlock_client::Client;
use tokio::sync::{Semaphore, watch};

use super::World;
use super::address::Street;
use super::capability::Capabilities;
use super::door::{Door, Doors};
use super::node::{Node, Place};
use crate::history::Recorder;
use crate::progress::Say;

/// The addresses of a cluster that may be abused: all of this machine.
///
/// # Errors
/// When one is not, or is none.
pub(crate) fn addresses(given: &str) -> Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for word in given.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let bare = word.strip_prefix("http://").unwrap_or(word).trim_end_matches('/');
        let bare = bare.replacen("localhost:", "127.0.0.1:", 1);
        let address: SocketAddr = bare.parse().ok().with_context(|| {
            format!("`{word}` is no loopback address with a port: 127.0.0.1:6270 is one")
        })?;
        if !IpAddr::is_loopback(&address.ip()) {
            bail!(
                "{word} is not on this machine, and chaos is for clusters that nobody needs: only \
                 loopback addresses (127.x.x.x, ::1) are accepted"
            );
        }
        found.push(address);
    }
    if found.is_empty() {
        bail!("--target names no node: give the addresses of all of them, with commas");
    }
    Ok(found)
}

impl World {
    /// Puts doors for clients before the nodes of a cluster.
    pub(crate) async fn find(
        target: &str,
        recorder: &Recorder,
        say: &Say,
        over: watch::Receiver<bool>,
    ) -> Result<World> {
        let street = Street::of_this_process();
        let doors = Doors::new(street.house(250).into()).await?;
        let mut nodes = Vec::new();
        for (at, inside) in addresses(target)?.into_iter().enumerate() {
            let client = Client::builder().addr(inside.to_string()).attempts_max(1);
            let client = client.patient_connect(false).build()?;
            let raft =
                client.raft().await.with_context(|| format!("no node answers at {inside}"))?;
            let (http, peer) = street.pair(101 + u8::try_from(at)?)?;
            let name = raft.node;
            let door =
                |outside, inside, clients| Door { to: name.clone(), outside, inside, clients };
            let place = Place {
                name: name.clone(),
                program: PathBuf::new(),
                config: PathBuf::new(),
                data: PathBuf::new(),
                log: PathBuf::new(),
                http: door(http, inside, true),
                peer: door(peer, inside, false),
                env: Vec::new(),
            };
            doors.open(&place.http).await?;
            nodes.push(Arc::new(Node::new(place)?));
        }
        nodes.sort_by(|one, other| one.name().cmp(other.name()));
        let can = Capabilities::probe(None);
        let (recorder, say) = (recorder.clone(), say.clone());
        let (one_disk, next) = (Arc::new(Semaphore::new(1)), AtomicU64::new(0));
        Ok(World { nodes, doors, can, recorder, say, over, one_disk, next, ours: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_taken() {
        assert!(addresses("127.0.0.1:6270, http://127.3.4.5:1/,localhost:9").is_ok());
        for refused in ["10.0.0.1:6270", "127.0.0.1:6270,example.org:6270", "", "127.0.0.1"] {
            assert!(addresses(refused).is_err(), "{refused}");
        }
    }
}
