//! A cluster of real processes on this machine, to be looked at and broken.
//!
//! ```text
//!   oarlock dev ─┬─ n1  oarlock server ◀──┐
//!                ├─ n2  oarlock server ◀──┼── doors of ours, one for each node: a network that can be cut
//!                └─ n3  oarlock server ◀──┘
//! ```
//!
//! The nodes are what they would be anywhere: processes with a disk each, that know each other's addresses and a secret. They end
//! with the process that started them, however it ends.

pub(crate) mod leash;
mod load;
mod node;
mod order;
mod person;
mod ports;
mod prompt;
mod watch;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oarlock_client::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::fault::{Exit, Fault};
use node::{Node, Place};
use ports::bind;
use wire::Wires;

pub(crate) use prompt::live;

/// The most nodes of one throw-away cluster.
pub(crate) const NODES_MAX: usize = 9;
/// How long the nodes may take to find each other.
const TOGETHER_MAX: Duration = Duration::from_secs(60);
/// Between two looks whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many nodes.
    pub(crate) nodes: usize,
    /// The first one's port; the next ones are ten further each; 0: any free ones.
    pub(crate) port: u16,
    /// Where the data is kept; none: in a folder that goes with the cluster.
    pub(crate) data: Option<PathBuf>,
    /// Attempts at once on each node; 0: by the machine's processors.
    pub(crate) slots: u32,
    /// Whether it is to be busy, and to tell what happens.
    pub(crate) demo: bool,
}

/// A cluster that runs.
pub(crate) struct Lab {
    nodes: Vec<Node>,
    wires: Wires,
    folder: PathBuf,
    thrown_away: bool,
    name: String,
    /// Whether there is a cluster to join.
    founded: bool,
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.thrown_away {
            // The nodes are killed first: a folder in use would come back.
            self.nodes.clear();
            if let Err(fault) = std::fs::remove_dir_all(&self.folder) {
                tracing::warn!(%fault, folder = %self.folder.display(), "the data was left behind");
            }
        }
    }
}

impl Lab {
    /// Starts all nodes and waits until they are one cluster.
    pub(crate) async fn start(plan: &Plan) -> Result<Lab, Fault> {
        let name = if plan.demo { "demo" } else { "dev" }.to_owned();
        let folder = match &plan.data {
            Some(folder) => folder.clone(),
            None => std::env::temp_dir().join(format!("oarlock-dev-{}", uuid::Uuid::now_v7())),
        };
        std::fs::create_dir_all(&folder).map_err(|fault| cannot(&folder, &fault))?;
        let secret = secret(&folder)?;
        let wires = Wires::default();
        let thrown_away = plan.data.is_none();
        let (nodes, founded) = (Vec::new(), false);
        let mut lab = Lab { nodes, wires, folder, thrown_away, name, founded };
        for number in 0..plan.nodes {
            let place = lab.place(plan, number, &secret).await?;
            lab.nodes.push(Node::new(place));
        }
        let kept: Vec<bool> = lab.nodes.iter().map(Node::has_data).collect();
        lab.founded = kept.contains(&true);
        lab.begin_together(&kept).await?;
        lab.begin_in_turn(&kept).await?;
        lab.together().await?;
        Ok(lab)
    }

    /// Those that are new, one after the other, so that the numbers they are given are those in their names.
    async fn begin_in_turn(&mut self, kept: &[bool]) -> Result<(), Fault> {
        for number in (0..self.nodes.len()).filter(|number| !kept[*number]) {
            let ready = self.begin(number).await?.ready().await;
            self.nodes[number].has(ready)?;
            self.founded = true;
        }
        Ok(())
    }

    /// Those whose data was kept, all at once: they are a cluster already, and none is ready without a majority.
    async fn begin_together(&mut self, kept: &[bool]) -> Result<(), Fault> {
        let mut begun = Vec::new();
        for number in (0..self.nodes.len()).filter(|number| kept[*number]) {
            begun.push((number, self.begin(number).await?));
        }
        for (number, begun) in begun {
            let ready = begun.ready().await;
            self.nodes[number].has(ready)?;
        }
        Ok(())
    }

    /// Where a node is to live.
    async fn place(&self, plan: &Plan, number: usize, secret: &Arc<str>) -> Result<Place, Fault> {
        let step = u16::try_from(number * 10).unwrap_or(u16::MAX);
        let port = if plan.port == 0 { 0 } else { plan.port.saturating_add(step) };
        let name = format!("n{}", number + 1);
        // Its peers know it by the port that it had.
        let known = ports::remembered(&self.folder, &name);
        let (http, outer) = match (known, port) {
            (Some((http, outer)), 0) => (http, outer),
            (Some((_, outer)), port) => (port, outer),
            (None, 0) => (0, 0),
            (None, port) => (port, port + 1),
        };
        let had = known.is_some();
        let again = |fault: Fault| if had { ports::had(fault, &self.folder, &name) } else { fault };
        let (http, outer) = (bind(http).await.map_err(again)?, bind(outer).await.map_err(again)?);
        let inner = bind(0).await?;
        let local = |listener: &TcpListener| {
            listener.local_addr().map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))
        };
        let place = Place {
            data: self.folder.join(&name),
            name,
            cluster: self.name.clone(),
            http: local(&http)?,
            peer: local(&inner)?,
            advertised: local(&outer)?,
            slots: plan.slots,
            log: std::env::var("OARLOCK_LOG").unwrap_or_else(|_| "info".to_owned()),
            secret: Arc::clone(secret),
        };
        ports::remember(&self.folder, &place)?;
        self.wires.open(&place.name, outer, place.peer);
        Ok(place)
    }

    /// Starts a node's process, behind its door.
    async fn begin(&mut self, number: usize) -> Result<node::Begun, Fault> {
        let Place { name, advertised, peer, .. } = &self.nodes[number].place;
        if !self.wires.has(name) {
            self.wires.open(name, bind(advertised.port()).await?, *peer);
        }
        let join = self.join(number);
        let begun = self.nodes[number].begin(&join)?;
        self.wires.is(begun.pid, &self.nodes[number].place.name);
        Ok(begun)
    }

    /// Whom a node without data asks for admission: the others, unless there is no cluster yet.
    fn join(&self, number: usize) -> Vec<SocketAddr> {
        if !self.founded {
            return Vec::new();
        }
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != number);
        others.map(|(_, node)| node.place.advertised).collect()
    }

    /// Waits until every node votes.
    async fn together(&self) -> Result<(), Fault> {
        let client = self.client()?;
        let since = Instant::now();
        loop {
            let seen = client.cluster().await;
            if let Ok(cluster) = &seen {
                let here = cluster.members.iter().filter(|member| member.raft.is_some()).count();
                let voters = usize::try_from(cluster.voters).unwrap_or(usize::MAX);
                if cluster.sure && here >= self.nodes.len() && voters >= self.nodes.len().min(5) {
                    return Ok(());
                }
            }
            if since.elapsed() > TOGETHER_MAX {
                let seen = seen.map_or_else(|fault| fault.to_string(), |cluster| cluster.summary);
                let what = format!("the nodes did not become one cluster in time: {seen}");
                return Err(Fault::new(Exit::Failed, what)
                    .help(format!("their logs are in {}", self.folder.display())));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks whichever node answers.
    fn client(&self) -> Result<Client, Fault> {
        Ok(Client::builder().addr(self.addresses()).build()?)
    }

    /// All addresses, with commas.
    fn addresses(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(Node::url).collect();
        urls.join(",")
    }

    /// A node by its name.
    fn find(&mut self, name: &str) -> Result<usize, Fault> {
        let found = self.nodes.iter().position(|node| node.place.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(|node| node.place.name.as_str()).collect();
            let what = format!("there is no node `{name}`; there are {}", names.join(", "));
            Fault::new(Exit::NotFound, what)
        })
    }

    /// What a program that started it needs to know.
    fn shown(&self, took: Duration) -> Value {
        let nodes: Vec<Value> = self.nodes.iter().map(Node::shown).collect();
        json!({
            "event": "ready", "http": self.nodes.first().map(Node::url), "addr": self.addresses(),
            "nodes": nodes, "data": self.folder.display().to_string(), "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Stops all nodes, in order if there is time for it.
    async fn stop(mut self, drain: Duration) {
        let stops = self.nodes.iter_mut().map(|node| node.stop(drain));
        futures::future::join_all(stops).await;
    }
}

/// The secret of the cluster: in its folder if it was there before, for whoever keeps the data.
fn secret(folder: &Path) -> Result<Arc<str>, Fault> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = folder.join("secret");
    if let Ok(known) = std::fs::read_to_string(&file) {
        return Ok(known.trim().into());
    }
    let mut bytes = [0_u8; 32];
    let drawn =
        std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    drawn.map_err(|fault| Fault::new(Exit::Failed, format!("/dev/urandom: {fault}")))?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, secret.as_bytes()));
    written.map_err(|fault| cannot(folder, &fault))?;
    Ok(secret.into())
}

fn cannot(folder: &Path, fault: &std::io::Error) -> Fault {
    Fault::new(Exit::Invalid, format!("cannot keep data in {}: {fault}", folder.display()))
        .help("choose another folder with --data")
}
