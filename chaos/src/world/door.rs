//! Doors: every node is reached through one for its peers and one for clients, so that what passes can be harmed.
//!
//! A node advertises its door and nothing knows of it. Who knocks at the door for peers is read from the kernel's tables: the socket
//! at the other end of the connection belongs to one of our processes. So each directed link is known although all peers of a node
//! dial one address. Whoever cannot be named is not let in: nobody could cut him off; a node dials again.
//!
//! A node that is dead has no doors: whoever knocks is refused by the kernel, as everywhere, and knows that nothing was sent.
//!
//! **The proof.** Somebody of ours knocks in the name of a node and is carried over the same links, with the same cuts, to an echo
//! instead of to the node: whether his bytes arrive and come back says what the link does, whatever the node is up to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::link::{CLIENT, Links, Pair};

/// How often, and after which pauses, it is looked whose a connection is.
const LOOKS_MAX: usize = 40;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is sent to try a link: enough to show that it has little room.
pub(crate) const PROBE_BYTES: usize = 8 << 10;

/// All doors.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    pub(crate) links: Links,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pids: Mutex<BTreeMap<u32, String>>,
    open: Mutex<BTreeMap<SocketAddr, JoinHandle<()>>>,
    /// From where it is tried.
    prober: IpAddr,
    probes: Mutex<BTreeMap<u16, String>>,
    echo: SocketAddr,
    arrived: Mutex<BTreeSet<u64>>,
}

/// What came of trying a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// Whether the bytes arrived.
    pub(crate) arrived: bool,
    /// When they came back, if they did.
    pub(crate) back: Option<Duration>,
}

/// A door.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// To which node.
    pub(crate) to: String,
    /// Where one knocks.
    pub(crate) outside: SocketAddr,
    /// Where the node listens.
    pub(crate) inside: SocketAddr,
    /// For clients; if not, for peers.
    pub(crate) clients: bool,
}

impl Doors {
    /// None yet.
    pub(crate) async fn new(prober: IpAddr) -> anyhow::Result<Doors> {
        let echo = TcpListener::bind((prober, 0)).await.context("no echo to try links with")?;
        let shared = Shared {
            pids: Mutex::default(),
            open: Mutex::default(),
            prober,
            probes: Mutex::default(),
            echo: echo.local_addr()?,
            arrived: Mutex::default(),
        };
        let doors = Doors { links: Links::default(), shared: Arc::new(shared) };
        tokio::spawn(doors.clone().answer(echo));
        Ok(doors)
    }

    /// Opens a door.
    pub(crate) async fn open(&self, door: &Door) -> anyhow::Result<()> {
        let listener = TcpListener::bind(door.outside)
            .await
            .with_context(|| format!("the door to {} at {}", door.to, door.outside))?;
        let (doors, at) = (self.clone(), door.clone());
        let task = tokio::spawn(async move {
            loop {
                // A connection that ended before it was taken is nobody's loss.
                let Ok((near, from)) = listener.accept().await else { continue };
                let (doors, door) = (doors.clone(), at.clone());
                tokio::spawn(async move {
                    let Some((from, target)) = doors.caller(&door, &near, from).await else {
                        return;
                    };
                    // How a connection ended its ends know.
                    let _ = doors.carry(&(from, door.to), near, target).await;
                });
            }
        });
        lock(&self.shared.open).insert(door.outside, task);
        Ok(())
    }

    /// Takes a door away; whoever is inside stays.
    pub(crate) async fn shut(&self, door: &Door) {
        let task = lock(&self.shared.open).remove(&door.outside);
        if let Some(task) = task {
            task.abort();
            // Until it is gone its port is not free. That it was ended is no news.
            let _ended = task.await;
        }
    }

    /// Says which process is which node; none: it is nobody any more.
    pub(crate) fn is(&self, pid: u32, node: Option<&str>) {
        let mut pids = lock(&self.shared.pids);
        match node {
            Some(node) => drop(pids.insert(pid, node.to_owned())),
            None => drop(pids.remove(&pid)),
        }
    }

    /// Tries a link: knocks at a door in somebody's name.
    pub(crate) async fn probe(&self, from: &str, door: &Door, patience: Duration) -> Tried {
        let word: u64 = rand::random();
        let begun = Instant::now();
        let back = tokio::time::timeout(patience, self.knock(from, door, word)).await;
        let back = matches!(back, Ok(Ok(()))).then(|| begun.elapsed());
        Tried { arrived: lock(&self.shared.arrived).contains(&word), back }
    }

    async fn knock(&self, from: &str, door: &Door, word: u64) -> io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.shared.prober, 0))?;
        let port = socket.local_addr()?.port();
        lock(&self.shared.probes).insert(port, from.to_owned());
        let mut stream = socket.connect(door.outside).await?;
        stream.write_u64(word).await?;
        stream.write_all(&[0; PROBE_BYTES]).await?;
        stream.read_u64().await.map(drop)
    }

    async fn answer(self, echo: TcpListener) {
        loop {
            let Ok((mut stream, _)) = echo.accept().await else { continue };
            let doors = self.clone();
            tokio::spawn(async move {
                let mut rest = [0; PROBE_BYTES];
                if let Ok(word) = stream.read_u64().await
                    && stream.read_exact(&mut rest).await.is_ok()
                {
                    lock(&doors.shared.arrived).insert(word);
                    // Whoever waits for it sees that it does not come.
                    let _ = stream.write_u64(word).await;
                    let _ = stream.read_u8().await;
                }
            });
        }
    }

    async fn carry(&self, pair: &Pair, mut near: TcpStream, target: SocketAddr) -> io::Result<()> {
        let back = (pair.1.clone(), pair.0.clone());
        self.links.whole(pair).await;
        let mut far = TcpStream::connect(target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_read, near_write) = near.split();
        let (far_read, far_write) = far.split();
        let ended = tokio::select! {
            ended = self.links.pump(pair, near_read, far_write) => ended,
            ended = self.links.pump(&back, far_read, near_write) => ended,
        };
        if ended.as_ref().is_err_and(|fault| fault.kind() == io::ErrorKind::ConnectionReset) {
            // Both ends are to hear of a reset and not of an orderly end.
            near.set_zero_linger()?;
            far.set_zero_linger()?;
        }
        ended
    }

    /// Who knocks, and where he is to be brought.
    async fn caller(
        &self,
        door: &Door,
        near: &TcpStream,
        from: SocketAddr,
    ) -> Option<(String, SocketAddr)> {
        if from.ip() == self.shared.prober {
            let name = lock(&self.shared.probes).remove(&from.port())?;
            return Some((name, self.shared.echo));
        }
        if door.clients {
            return Some((CLIENT.to_owned(), door.inside));
        }
        // The kernel hands its table out in pieces, and one that changes meanwhile may lack a line: it is looked for again.
        let ends = (from.port(), near.local_addr().ok()?.port());
        for _ in 0..LOOKS_MAX {
            if let Some(node) = self.owner(ends) {
                return Some((node, door.inside));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    /// The node that has the socket between two ports of this machine: its own, and the other's.
    fn owner(&self, ends: (u16, u16)) -> Option<String> {
        let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
        let link = format!("socket:[{}]", inode(&table, ends)?);
        let pids = lock(&self.shared.pids).clone();
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
        let port = |at: usize| u16::from_str_radix(fields.get(at)?.rsplit_once(':')?.1, 16).ok();
        let ours = port(1) == Some(own) && port(2) == Some(other);
        if ours { fields.get(9).copied().filter(|inode| *inode != "0") } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::link::{Flow, Sheet};

    const PATIENCE: Duration = Duration::from_millis(300);

    async fn one_door() -> (Doors, Door) {
        let local = IpAddr::from([127, 0, 0, 1]);
        let doors =
            Doors::new(IpAddr::from([127, 0, 0, 250])).await.expect("the loopback is there");
        let free = TcpListener::bind((local, 0)).await.expect("a port");
        let outside = free.local_addr().expect("its address");
        drop(free);
        let inside = SocketAddr::new(local, 1);
        let door = Door { to: "n2".to_owned(), outside, inside, clients: false };
        doors.open(&door).await.expect("the port is free");
        (doors, door)
    }

    fn cut(from: &str, to: &str) -> Sheet {
        let flow = Flow { cut: true, ..Flow::default() };
        Sheet::from([((from.to_owned(), to.to_owned()), flow)])
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_tries_a_link_learns_in_which_direction_it_is_cut() {
        let (doors, door) = one_door().await;
        let whole = doors.probe("n1", &door, PATIENCE * 10).await;
        assert!(whole.arrived && whole.back.is_some(), "{whole:?}");
        let there = doors.links.lay(cut("n1", "n2"));
        let told = doors.probe("n1", &door, PATIENCE).await;
        assert_eq!(told, Tried { arrived: false, back: None });
        assert!(doors.probe("n3", &door, PATIENCE * 10).await.back.is_some(), "another link");
        drop(there);
        let _back = doors.links.lay(cut("n2", "n1"));
        let told = doors.probe("n1", &door, PATIENCE).await;
        assert_eq!(told, Tried { arrived: true, back: None });
    }

    #[test]
    fn the_kernels_table_says_whose_socket_it_is() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1\n\
             1: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 4242 1\n";
        assert_eq!(inode(table, (8080, 80)), Some("4242"));
        assert_eq!(inode(table, (8080, 81)), None);
    }
}
