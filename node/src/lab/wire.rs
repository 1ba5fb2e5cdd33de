//! The network between the nodes of a throw-away cluster, so that it can be cut.
//!
//! Each node is reached by its peers through a door of ours, whose address it advertises. The nodes know nothing of it. What a cut
//! does is what a broken network does: bytes stop, in both directions, and nobody is told; new connections are taken and come to
//! nothing; when it is mended everything that was under way arrives.
//!
//! A node that is dead has no door: whoever knocks is refused by the kernel, as everywhere.
//!
//! Who opened a connection is read from the kernel's tables: the socket at its other end belongs to one of our children.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes carried at once.
const PIECE_BYTES: usize = 64 << 10;
/// How often, and after which pauses, it is looked whose a connection is.
const LOOKS_MAX: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// From which node to which.
type Pair = (String, String);

/// All doors and what is cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Wires {
    cuts: Arc<watch::Sender<BTreeSet<Pair>>>,
    pids: Arc<Mutex<BTreeMap<u32, String>>>,
    doors: Arc<Mutex<BTreeMap<String, JoinHandle<()>>>>,
}

impl Wires {
    /// Opens the door to a node: what comes to `listener` goes to `target`.
    pub(super) fn open(&self, to: &str, listener: TcpListener, target: SocketAddr) {
        let (wires, node) = (self.clone(), to.to_owned());
        let door = tokio::spawn(async move {
            let to = node;
            loop {
                // A connection that ended before it was taken is nobody's loss.
                let Ok((near, _)) = listener.accept().await else { continue };
                let (wires, to) = (wires.clone(), to.clone());
                tokio::spawn(async move {
                    let Some(from) = wires.caller(&near).await else {
                        // It could not be cut. A node dials again.
                        return tracing::debug!("nobody knows who knocked: not let in");
                    };
                    if let Err(fault) = wires.carry((from, to), near, target).await {
                        tracing::debug!(%fault, "a connection between nodes ended");
                    }
                });
            }
        });
        if let Some(before) = lock(&self.doors).insert(to.to_owned(), door) {
            before.abort();
        }
    }

    /// Whether there is a door to a node.
    pub(super) fn has(&self, to: &str) -> bool {
        lock(&self.doors).contains_key(to)
    }

    /// Takes the door to a node away; whoever is inside stays.
    pub(super) async fn shut(&self, to: &str) {
        let door = lock(&self.doors).remove(to);
        if let Some(door) = door {
            door.abort();
            // Until it is gone its port is not free. That it was ended is no news.
            let _ended = door.await;
        }
    }

    /// Says which process is which node.
    pub(super) fn is(&self, pid: u32, node: &str) {
        lock(&self.pids).insert(pid, node.to_owned());
    }

    /// Cuts everything between nodes of different groups; nodes in no group keep all their connections.
    pub(super) fn cut(&self, groups: &[Vec<String>]) {
        let mut cuts = BTreeSet::new();
        for (place, group) in groups.iter().enumerate() {
            for other in groups.iter().skip(place + 1).flatten() {
                for one in group {
                    cuts.insert((one.clone(), other.clone()));
                    cuts.insert((other.clone(), one.clone()));
                }
            }
        }
        self.cuts.send_replace(cuts);
    }

    /// Mends everything.
    pub(super) fn heal(&self) {
        self.cuts.send_replace(BTreeSet::new());
    }

    async fn carry(&self, pair: Pair, near: TcpStream, target: SocketAddr) -> io::Result<()> {
        self.whole(&pair).await;
        let far = TcpStream::connect(target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        // Whichever end closes, both are closed; while the wire is cut neither end hears of it.
        tokio::select! {
            ended = self.pump(&pair, near_read, far_write) => ended,
            ended = self.pump(&pair, far_read, near_write) => ended,
        }
    }

    async fn pump(
        &self,
        pair: &Pair,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = from.read(&mut piece).await;
            self.whole(pair).await;
            match count? {
                0 => return Ok(()),
                count => to.write_all(&piece[..count]).await?,
            }
        }
    }

    /// Waits until the wire between two nodes is whole.
    async fn whole(&self, pair: &Pair) {
        let mut cuts = self.cuts.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = cuts.wait_for(|cuts| !cuts.contains(pair)).await;
    }

    /// The node at the other end of a connection. The kernel hands its table out in pieces, and one that changes meanwhile may lack a
    /// line: it is looked for more than once.
    async fn caller(&self, near: &TcpStream) -> Option<String> {
        let ends = (near.peer_addr().ok()?.port(), near.local_addr().ok()?.port());
        for _ in 0..LOOKS_MAX {
            if let Some(node) = self.owner(ends) {
                return Some(node);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    /// The node that has the socket between two ports of this machine: its own, and the other's.
    fn owner(&self, ends: (u16, u16)) -> Option<String> {
        let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
        let link = format!("socket:[{}]", inode(&table, ends)?);
        let pids = lock(&self.pids).clone();
        let has = |pid: &u32| {
            let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            let mut links = open.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
            links.any(|found| found.to_str() == Some(&link))
        };
        pids.into_iter().find(|(pid, _)| has(pid)).map(|(_, node)| node)
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The inode of the socket between two ports, its own and the other's, in the kernel's table of connections.
fn inode(table: &str, (own, other): (u16, u16)) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = |at: usize| {
            let (_, port) = fields.get(at)?.rsplit_once(':')?;
            u16::from_str_radix(port, 16).ok()
        };
        // Both, because other connections may have the one or the other.
        let matches = port(1) == Some(own) && port(2) == Some(other);
        if matches { fields.get(9).copied().filter(|inode| *inode != "0") } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_stop_at_a_cut_and_arrive_when_it_is_mended() {
        let wires = Wires::default();
        wires.is(std::process::id(), "n1");
        let node = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = node.local_addr().expect("its address");
        let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let outside = door.local_addr().expect("its address");
        wires.open("n2", door, target);
        let mut near = TcpStream::connect(outside).await.expect("the door is open");
        let (mut far, _) = node.accept().await.expect("it is carried on");
        near.write_all(b"one").await.expect("the wire is whole");
        let mut told = [0; 3];
        far.read_exact(&mut told).await.expect("it arrives");
        assert_eq!(&told, b"one");
        wires.cut(&[vec!["n1".to_owned()], vec!["n2".to_owned(), "n3".to_owned()]]);
        near.write_all(b"two").await.expect("nobody says that it is cut");
        let silence = std::time::Duration::from_millis(50);
        let arrived = tokio::time::timeout(silence, far.read_exact(&mut told)).await;
        assert!(arrived.is_err(), "it is cut");
        wires.heal();
        far.read_exact(&mut told).await.expect("it arrives late");
        assert_eq!(&told, b"two");
    }

    #[test]
    fn the_kernels_table_says_whose_socket_it_is() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1\n\
             1: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 4242 1\n";
        assert_eq!(inode(table, (8080, 80)), Some("4242"));
        assert_eq!(inode(table, (8080, 81)), None);
        assert_eq!(inode(table, (81, 80)), None);
    }
}
