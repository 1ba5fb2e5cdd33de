//! Ports of a throw-away cluster: free ones, and those that a kept cluster had before.
//!
//! A port that the system hands out by itself is no good: it would hand it to somebody's connection while a node is away, and the
//! node could not come back to it. And nodes know each other by their ports, so a cluster that is started again must have them again.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpListener;

use super::cannot;
use super::node::Place;
use crate::fault::{Exit, Fault};

/// The next port that is tried, counted from this process's first.
static NEXT: AtomicU32 = AtomicU32::new(0);
/// Ports that are tried before the system is asked for one.
const PORTS_TRIED_MAX: usize = 100;

/// Takes a port of this machine, or says who has it; 0: any free one.
pub(super) async fn bind(port: u16) -> Result<TcpListener, Fault> {
    if port == 0 {
        let (first, count) = below_the_systems();
        for _ in 0..PORTS_TRIED_MAX {
            // Each process begins elsewhere, so that two clusters keep out of each other's way.
            let place = std::process::id().wrapping_mul(61);
            let place = place.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = first + u16::try_from(place % u32::from(count)).unwrap_or(0);
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                return Ok(listener);
            }
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|fault| {
        let what = format!("127.0.0.1:{port} cannot be used: {fault}");
        Fault::new(Exit::Conflict, what)
            .help("choose another first port with --port; --port 0 takes any free ones")
    })
}

/// The ports below those that the system hands out by itself: the first one, and how many.
fn below_the_systems() -> (u16, u16) {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let low = range.ok().and_then(|range| range.split_whitespace().next()?.parse().ok());
    let low: u16 = low.filter(|low| *low > 10_000).unwrap_or(32_768);
    (low - low / 4, low / 4)
}

/// The ports that a node had for people and for its peers, if its data was kept.
pub(super) fn remembered(folder: &Path, name: &str) -> Option<(u16, u16)> {
    let text = std::fs::read_to_string(file(folder, name)).ok()?;
    let (http, outer) = text.trim().split_once(' ')?;
    Some((http.parse().ok()?, outer.parse().ok()?))
}

/// Why a port that a node had is taken now.
pub(super) fn had(fault: Fault, folder: &Path, name: &str) -> Fault {
    let file = file(folder, name);
    Fault::new(Exit::Conflict, fault.what)
        .help(format!(
            "{name} had this port before: is the cluster in {} running already?",
            folder.display()
        ))
        .help(format!(
            "if not, remove {} and let {name} join anew with an empty folder",
            file.display()
        ))
}

/// Writes them down.
pub(super) fn remember(folder: &Path, place: &Place) -> Result<(), Fault> {
    let ports = format!("{} {}\n", place.http.port(), place.advertised.port());
    std::fs::write(file(folder, &place.name), ports).map_err(|fault| cannot(folder, &fault))
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("ports")
}
