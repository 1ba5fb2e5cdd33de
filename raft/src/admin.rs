//! Founding, opening and closing a replica.
//!
//! Opening takes the directory for this process, refuses what is not whole, and then lets openraft begin. A group of one founds
//! itself in an empty directory and elects itself at every start; [`open`] returns when it leads and has applied everything it
//! acknowledged before, so whoever reads afterwards reads nothing old.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oarlock_engine::apply::Engine;
use oarlock_engine::feed;
use oarlock_engine::id::NodeId;
use openraft::impls::BasicNode;
use tokio::sync::{Notify, watch};

use crate::config::{APPLY_JOBS_MAX, Config, Raft};
use crate::disk::{Place, Shelf};
use crate::fault::Fault;
use crate::log::store::{Log, Opened};
use crate::machine::apply::{Applier, Job};
use crate::machine::hot::Hot;
use crate::machine::print::Print;
use crate::machine::rocks::Then;
use crate::machine::{Machine, Progress, Shared, index};
use crate::peer::book::Book;
use crate::peer::census::Prints;
use crate::peer::network::Peers;
use crate::snapshot;
use crate::space::Gate;
use crate::watch::Tail;

/// How long to wait for a directory that another process is about to leave.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long a group of one may take to lead: it has only its own disk to wait for.
const LEAD_WAIT: Duration = Duration::from_secs(60);
/// The first line of the identity file: what this is, and the version of the directory's layout.
const LAYOUT: &str = "oarlock data 1";
/// The line of a node that others took in.
const JOINED: &str = "joined";

/// Who a data directory belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The member.
    pub node: NodeId,
    /// The cluster, drawn at random when it was founded.
    pub cluster: u128,
    /// Whether others took it in; if not, it founded the cluster.
    pub joined: bool,
}

/// A directory that is taken for this process, and whose it is if it is anybody's.
pub(crate) struct Taken {
    place: Place,
    pub(crate) identity: Option<Identity>,
}

impl Taken {
    /// Takes the directory.
    pub(crate) fn take(config: &Config) -> Result<Taken, Fault> {
        let place = Place::new(config.data.as_deref())?;
        let lock = place.disk().map(take_directory).transpose()?;
        let identity = place.disk().map(read_identity).transpose()?.flatten();
        // A node with peers is whoever its directory says.
        if let (Some(found), None, Some(dir)) = (identity, &config.peer, place.disk())
            && found.node != config.node
        {
            return Err(Fault::Data(format!(
                "{}: this directory belongs to node {}, and this is node {}. Give each node its own directory",
                dir.display(),
                found.node,
                config.node
            )));
        }
        Ok(Taken { place: place.taken(lock), identity })
    }
}

/// Everything of a replica that is opened before openraft begins.
pub(crate) struct Stores {
    pub(crate) identity: Identity,
    pub(crate) log: Log,
    pub(crate) machine: Machine,
    pub(crate) shared: Arc<Shared>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) wish: Arc<Notify>,
}

impl Stores {
    /// Opens the directory of a node that is alone, or founds it.
    #[cfg(test)]
    pub(crate) fn open(config: &Config) -> Result<Stores, Fault> {
        let taken = Taken::take(config)?;
        let identity = match taken.identity {
            Some(found) => found,
            None => Identity { node: config.node, cluster: random()?, joined: false },
        };
        Stores::open_as(taken, identity)
    }

    /// Opens a directory that was taken, or makes it this node's if it is nobody's.
    pub(crate) fn open_as(taken: Taken, identity: Identity) -> Result<Stores, Fault> {
        let new = taken.identity.is_none();
        let Taken { place, .. } = taken;
        if let Some(dir) = place.disk() {
            whole(dir, new)?;
            snapshot::load::settle(dir).map_err(|why| cannot(dir, "put in order", &why))?;
        }
        let gate = Arc::new(Gate::new());
        let Opened { log, thread } = Log::open(&place, gate.clone(), new)?;
        let db = place.open_state()?;
        let progress = Progress::read(&db).map_err(Fault::Storage)?;
        let revision = feed::revision(&Then::new(&db));
        let hot = Hot::load(&db).map_err(Fault::Storage)?;
        let shared = Arc::new(Shared {
            kept: Mutex::new(snapshot::newest(&place)),
            place,
            shelf: Shelf::new(db),
            gate: gate.clone(),
            tail: Arc::new(Tail::new(revision)),
            progress: Mutex::new(progress.clone()),
            building: Mutex::new(()),
            regrouped: watch::Sender::new(()),
            reached: watch::Sender::new(index(progress.applied.last)),
            prints: Prints::default(),
        });
        shared.prints.push(index(progress.applied.last), progress.applied.print);
        let wish = Arc::new(Notify::new());
        let applier = Applier {
            shared: shared.clone(),
            engine: Engine::default(),
            hot,
            progress,
            log: log.clone(),
            bytes: 0,
            wish: wish.clone(),
        };
        let (jobs, waiting) = sync_channel::<Job>(APPLY_JOBS_MAX);
        let applying = std::thread::Builder::new()
            .name("oarlock-apply".to_owned())
            .spawn(move || applier.run(&waiting))
            .map_err(|why| Fault::Storage(format!("no thread to apply: {why}")))?;
        if let (Some(dir), true) = (shared.place.disk(), new) {
            write_identity(dir, identity).map_err(|why| cannot(dir, "written", &why))?;
        }
        let machine = Machine { shared: shared.clone(), jobs };
        let threads = vec![applying, thread];
        Ok(Stores { identity, log, machine, shared, gate, threads, wish })
    }
}

/// Lets openraft begin: founds a new group of one, or lets an old one elect itself. A member of a group of several waits for the
/// others to elect somebody.
pub(crate) async fn begin(
    config: &Config,
    identity: Identity,
    book: Arc<Book>,
    address: &str,
    (log, machine): (Log, Machine),
) -> Result<Raft, Fault> {
    let node = identity.node.0;
    let wrong = |why: &dyn std::fmt::Display| Fault::Raft(why.to_string());
    let settings = config.raft().map_err(|why| wrong(&why))?;
    let raft =
        Raft::new(node, settings, Peers { book }, log, machine).await.map_err(|why| wrong(&why))?;
    let founded = raft.is_initialized().await.map_err(|why| wrong(&why))?;
    // Who was taken in by others waits for what they say, even if it has heard nothing yet.
    if !founded && !identity.joined {
        let here = BasicNode { addr: address.to_owned() };
        let members = std::collections::BTreeMap::from([(node, here)]);
        raft.initialize(members).await.map_err(|why| wrong(&why))?;
    }
    // Asked of the core itself: what openraft publishes may be a little behind.
    let voters: Vec<u64> = raft
        .with_raft_state(|state| state.membership_state.effective().voter_ids().collect())
        .await
        .map_err(|why| wrong(&why))?;
    if voters == [node] {
        if founded {
            // Nobody else could have a say in it: why wait for a time-out. (Founding elects by itself; a second election would
            // end the first one's term just when somebody begins to write.)
            raft.trigger().elect(false).await.map_err(|why| wrong(&why))?;
        }
        raft.wait(Some(LEAD_WAIT))
            .metrics(|seen| seen.current_leader == Some(node), "leads")
            .await
            .map_err(|why| Fault::Unavailable(format!("this node does not lead: {why}")))?;
        raft.ensure_linearizable(openraft::ReadPolicy::ReadIndex)
            .await
            .map_err(|why| Fault::Unavailable(why.to_string()))?;
    }
    Ok(raft)
}

/// Takes a directory for this process, or says who has it.
pub(crate) fn take_directory(dir: &Path) -> Result<File, Fault> {
    let lock = std::fs::create_dir_all(dir)
        .and_then(|()| {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(dir.join("lock"))
        })
        .map_err(|why| cannot(dir, "used", &why))?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(taken(dir)),
            Err(TryLockError::Error(why)) => return Err(cannot(dir, "locked", &why)),
        }
    }
    // Only a hint for whoever finds it taken.
    let told = lock.set_len(0).and_then(|()| writeln!(&lock, "{}", std::process::id()));
    if let Err(why) = told {
        tracing::warn!(%why, "the lock file does not say who holds it");
    }
    Ok(lock)
}

fn taken(dir: &Path) -> Fault {
    let mut holder = String::new();
    let read = File::open(dir.join("lock")).and_then(|mut file| file.read_to_string(&mut holder));
    let who = match (read, holder.trim()) {
        (Ok(_), pid) if !pid.is_empty() => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    Fault::Data(format!(
        "{}: {who} uses this data directory. Stop it first, or give this node another directory",
        dir.display()
    ))
}

/// Reads who a directory belongs to.
pub(crate) fn read_identity(dir: &Path) -> Result<Option<Identity>, Fault> {
    let path = dir.join("identity");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(cannot(dir, "read", &why)),
    };
    let refuse = |why: &str| {
        Fault::Data(format!(
            "{}: {why}. If it was damaged, restore the data directory from a backup",
            path.display()
        ))
    };
    let (body, sum) = text.split_once("sum ").ok_or_else(|| refuse("no identity file of ours"))?;
    if sum.trim() != Print::of(body.as_bytes()).to_string() {
        return Err(refuse("its checksum is wrong"));
    }
    let mut lines = body.lines();
    if lines.next() != Some(LAYOUT) {
        return Err(refuse("written by another version of Oarlock, which this one cannot read"));
    }
    let mut value = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
    let node = value("node ").and_then(|text| text.parse().ok());
    let cluster = value("cluster ").and_then(|text| u128::from_str_radix(text, 16).ok());
    let joined = lines.next() == Some(JOINED);
    match (node, cluster) {
        (Some(node), Some(cluster)) => Ok(Some(Identity { node: NodeId(node), cluster, joined })),
        _ => Err(refuse("a line is missing")),
    }
}

/// A directory without identity must be empty of data; one with identity must have all its parts.
fn whole(dir: &Path, new: bool) -> Result<(), Fault> {
    let log = dir.join("log").join("CURRENT").exists();
    if !new && !log {
        return Err(Fault::Data(format!(
            "{}: the log is gone (no log/CURRENT), so what was acknowledged is gone with it. Restore the whole data directory from \
             a backup, or start with an empty one and let the node join again",
            dir.display()
        )));
    }
    if new && log && dir.join("state").join("CURRENT").exists() && dir.join("mark").exists() {
        // Founding was interrupted just before its last step, or the file was deleted. If entries are there, it was deleted.
        let place = Place::new(Some(dir))?;
        let found = crate::log::store::Found::read(&place.open_log_to_read()?)
            .map_err(|why| Fault::Storage(why.to_string()))?;
        if found.vote.is_some() {
            return Err(Fault::Data(format!(
                "{}: there is a log, but no identity file. Restore it from a backup",
                dir.display()
            )));
        }
    }
    Ok(())
}

/// Writes down who a directory belongs to.
pub(crate) fn write_identity(dir: &Path, identity: Identity) -> std::io::Result<()> {
    let joined = if identity.joined { format!("{JOINED}\n") } else { String::new() };
    let body =
        format!("{LAYOUT}\nnode {}\ncluster {:032x}\n{joined}", identity.node, identity.cluster);
    let fresh = dir.join("identity-new");
    let mut file = File::create(&fresh)?;
    writeln!(file, "{body}sum {}", Print::of(body.as_bytes()))?;
    file.sync_all()?;
    std::fs::rename(&fresh, dir.join("identity"))?;
    snapshot::build::sync_folder(dir)
}

/// A random number from the system.
pub(crate) fn random() -> Result<u128, Fault> {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|why| Fault::Storage(format!("/dev/urandom: {why}")))?;
    Ok(u128::from_le_bytes(bytes))
}

fn cannot(dir: &Path, what: &str, why: &std::io::Error) -> Fault {
    Fault::Data(format!("{}: the data directory cannot be {what}: {why}", dir.display()))
}
