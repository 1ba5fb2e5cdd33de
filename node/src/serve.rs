//! A node: the order in which it starts, and the order in which it stops.
//!
//! ```text
//!   start   folder made → address taken → replica open (admitted, caught up) → crew mustered → door open → ready
//!   stop    crew dismissed (roles and leadership handed over, running attempts may finish) → door closed → replica closed
//! ```
//!
//! A node among others is mustered only when its replica has caught up, since it is given roles in that moment; and it hands them
//! over before anything else when it stops, so that the others need not find out by waiting. Without a majority neither can be
//! said: a start then waits, and a stop goes on without.
//!
//! The address is taken first because it is the likeliest thing to be wrong, and costs nothing to find out. The door stays open
//! while the crew is dismissed, so that people can watch a node drain.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oarlock_actors::crew::{Crew, CrewConfig, Dismissal};
use oarlock_actors::link::trunk::Trunk;
use oarlock_engine::id::{BootId, NodeId};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_gateway::{Gateway, Parts};
use oarlock_raft::{Peering, Replica};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::fault::{Exit, Fault};

/// How long a second part of stopping may take before it is left behind.
const CLOSE_MAX: Duration = Duration::from_secs(15);

/// What a node is to be.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What people call it; empty: by its number.
    pub(crate) name: String,
    /// What people call the cluster.
    pub(crate) cluster: String,
    /// What it is for.
    pub(crate) profile: Profile,
    /// How it takes part in a cluster with others; none: it is alone.
    pub(crate) peer: Option<Peering>,
    /// Where it keeps everything; none: in memory.
    pub(crate) data: Option<PathBuf>,
    /// Where it listens.
    pub(crate) listen: String,
    /// Where others reach it; empty: where it listens.
    pub(crate) advertise: String,
    /// Attempts at once; 0: by the machine's processors.
    pub(crate) slots: u32,
    /// Queues its worker serves; none: all.
    pub(crate) queues: Vec<String>,
    /// Where relative folders of `run` tasks begin.
    pub(crate) dir: PathBuf,
    /// Applied log entries between two snapshots; none: as is usual.
    pub(crate) snapshot_every: Option<u64>,
    /// Changes that may wait, and their bytes; none: as is usual.
    pub(crate) waiting: Option<(usize, usize)>,
    /// Bytes of the disk that are left alone; none: as is usual.
    pub(crate) disk_reserve: Option<u64>,
    /// Which flag names the address, for messages.
    pub(crate) listen_flag: &'static str,
}

/// A node that runs.
pub(crate) struct Node {
    replica: Replica,
    crew: Crew,
    close_door: oneshot::Sender<()>,
    door: JoinHandle<std::io::Result<()>>,
    /// What people call it.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Attempts its worker runs at once.
    pub(crate) slots: u32,
}

impl Node {
    /// Starts it; when this returns, it is ready.
    pub(crate) async fn start(plan: Plan) -> Result<Node, Fault> {
        // Before anything is counted: a role may be driven before the door is open.
        oarlock_gateway::metric::install();
        if let Some(data) = &plan.data {
            usable(data)?;
        }
        let listener = listen(&plan).await?;
        let address = listener.local_addr().map_err(|fault| broken(&fault.to_string()))?;
        let url = match plan.advertise.as_str() {
            "" => format!("http://{address}"),
            given => given.to_owned(),
        };
        let replica = open(&plan).await?;
        let crew_config = crew(&plan, &replica, &url);
        let (slots, name) = (crew_config.slots, crew_config.name.clone());
        let crew = muster(&replica, crew_config).await?;
        let config = oarlock_gateway::Config {
            address: url,
            cluster: plan.cluster.clone(),
            data: plan.data.clone(),
            api: plan.profile.is(Duty::Api),
            ..oarlock_gateway::Config::default()
        };
        let parts = Parts { replica: replica.clone(), crew: crew.clone(), config };
        let gateway = Gateway::new(parts);
        let (close_door, closing) = oneshot::channel::<()>();
        let door = tokio::spawn(async move {
            // A sender that is gone means the same as one that has spoken.
            let closing = async move { closing.await.unwrap_or(()) };
            gateway.serve(listener, closing).await
        });
        Ok(Node { replica, crew, close_door, door, name, address, slots })
    }

    /// Where its peers reach it; none: it is alone.
    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        self.replica.peer_address()
    }

    /// Waits until the node cannot go on by itself, and says why.
    pub(crate) async fn broke(&mut self) -> Fault {
        tokio::select! {
            why = self.crew.gave_up() => broken(&format!("the actors gave up: {why}")),
            ended = &mut self.door => broken(&match ended {
                Ok(Ok(())) => "the door closed by itself".to_owned(),
                Ok(Err(fault)) => format!("the door broke: {fault}"),
                Err(fault) => format!("the door broke: {fault}"),
            }),
        }
    }

    /// Stops it in order. Attempts may run on for `drain`.
    pub(crate) async fn stop(self, drain: Duration) -> Dismissal {
        let dismissal = self.crew.dismiss(drain).await;
        // Whoever still listens ends with its door.
        let _ = self.close_door.send(());
        if tokio::time::timeout(CLOSE_MAX, self.door).await.is_err() {
            tracing::warn!("the door did not close in time");
        }
        match tokio::time::timeout(CLOSE_MAX, self.replica.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::error!(%fault, "the replica did not close well"),
            Err(_) => tracing::error!("the replica did not close in time"),
        }
        dismissal
    }
}

/// Makes the data's folder, or says why that cannot be.
fn usable(data: &Path) -> Result<(), Fault> {
    if data.as_os_str().is_empty() {
        let what = "the folder for the data has no name";
        return Err(Fault::new(Exit::Invalid, what).help("choose one with --data"));
    }
    std::fs::create_dir_all(data).map_err(|fault| {
        let what = format!("cannot keep data in {}: {}", data.display(), why_not(&fault));
        Fault::new(Exit::Invalid, what).help("choose another folder with --data")
    })
}

/// Why a folder cannot be made, in words; a number of the operating system helps nobody who cannot look it up.
fn why_not(fault: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Of;
    match fault.kind() {
        Of::PermissionDenied => "this user may not write there",
        Of::NotADirectory | Of::AlreadyExists => "there is a file in the way",
        Of::NotFound => "no folder can be made there",
        Of::InvalidFilename | Of::InvalidInput => "that is not a name a folder can have",
        Of::ReadOnlyFilesystem => "that disk can only be read",
        Of::StorageFull | Of::QuotaExceeded => "there is no room on that disk",
        _ => "the operating system refuses to make that folder",
    }
}

/// How long an address may be taken before it counts as taken: a process that this node began in the moment in which it was killed
/// holds on to what the node had open until it has become the program that was asked for.
const TAKEN_MAX: Duration = Duration::from_secs(1);
/// Between two looks whether it is free.
const TAKEN_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Takes the address as soon as it is free.
async fn take(listen: &str) -> std::io::Result<TcpListener> {
    let deadline = tokio::time::Instant::now() + TAKEN_MAX;
    loop {
        match TcpListener::bind(listen).await {
            Err(fault)
                if fault.kind() == std::io::ErrorKind::AddrInUse
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(TAKEN_LOOK_EVERY).await;
            }
            taken => return taken,
        }
    }
}

/// Takes the address, or says who has it and what to do.
async fn listen(plan: &Plan) -> Result<TcpListener, Fault> {
    let (listen, flag) = (&plan.listen, plan.listen_flag);
    take(listen).await.map_err(|fault| match fault.kind() {
        std::io::ErrorKind::AddrInUse => {
            Fault::new(Exit::Conflict, format!("{listen} is taken: another program listens there"))
                .help(format!("choose another with {flag}; port 0 is any free one"))
                .help("if it is Oarlock: `oarlock status` tells")
        }
        std::io::ErrorKind::PermissionDenied => {
            Fault::new(Exit::Denied, format!("this user may not listen at {listen}"))
                .help(format!("choose a port from 1024 on with {flag}"))
        }
        std::io::ErrorKind::AddrNotAvailable => {
            Fault::new(Exit::Invalid, format!("this machine has no address {listen}"))
                .help(format!("choose another with {flag}"))
        }
        _ => Fault::new(Exit::Invalid, format!("cannot listen at {listen}: {fault}"))
            .help(format!("choose another with {flag}, for example 127.0.0.1:6270")),
    })
}

/// Musters the crew, as soon as a majority lets it.
async fn muster(replica: &Replica, mut config: CrewConfig) -> Result<Crew, Fault> {
    // Once: the replica gives its visitors to the first who asks.
    config.trunk = Trunk::of(replica).map(Arc::new);
    loop {
        match Crew::muster(replica.clone(), config.clone()).await {
            Ok(crew) => return Ok(crew),
            Err(fault) if replica.status().sure => return Err(broken(&fault.to_string())),
            Err(fault) => tracing::warn!(%fault, "waiting for a majority of the cluster"),
        }
    }
}

async fn open(plan: &Plan) -> Result<Replica, Fault> {
    let mut config = oarlock_raft::Config::new(NodeId(1), plan.data.clone());
    config.peer.clone_from(&plan.peer);
    if let Some(snapshot_every) = plan.snapshot_every {
        config.snapshot_every = snapshot_every;
    }
    if let Some((waiting_max, waiting_bytes_max)) = plan.waiting {
        (config.waiting_max, config.waiting_bytes_max) = (waiting_max, waiting_bytes_max);
    }
    if let Some(reserve) = plan.disk_reserve {
        config.disk_reserve_bytes = reserve;
    }
    Replica::open(config).await.map_err(|fault| {
        let elsewhere =
            matches!(fault, oarlock_raft::Fault::Refused(_) | oarlock_raft::Fault::Unavailable(_));
        let fault = Fault::new(Exit::Failed, fault.to_string());
        match &plan.data {
            Some(data) if !elsewhere => {
                fault.help(format!("look into it with `oarlock doctor --data {}`", data.display()))
            }
            _ => fault,
        }
    })
}

fn crew(plan: &Plan, replica: &Replica, url: &str) -> CrewConfig {
    let boot = BootId(Uuid::now_v7().as_u128());
    let mut config = CrewConfig::new(replica.status().node, boot);
    if !plan.name.is_empty() {
        config.name.clone_from(&plan.name);
    }
    config.profile = plan.profile.clone();
    config.secret = plan.peer.as_ref().map(|peering| peering.secret.clone());
    url.clone_into(&mut config.address);
    config.queues.clone_from(&plan.queues);
    config.workdir.clone_from(&plan.dir);
    if plan.slots > 0 {
        config.slots = plan.slots;
    }
    config
}

fn broken(why: &str) -> Fault {
    Fault::new(Exit::Failed, why)
}

/// Waits for the first and the second request to stop: Ctrl-C or SIGTERM.
pub(crate) struct Stops {
    #[cfg(unix)]
    term: tokio::signal::unix::Signal,
    #[cfg(unix)]
    int: tokio::signal::unix::Signal,
}

impl Stops {
    /// Begins to listen; from here on neither ends the process by itself.
    pub(crate) fn listen() -> Result<Stops, Fault> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let on = |kind| signal(kind).map_err(|fault| broken(&fault.to_string()));
            Ok(Stops { term: on(SignalKind::terminate())?, int: on(SignalKind::interrupt())? })
        }
        #[cfg(not(unix))]
        Ok(Stops {})
    }

    /// The next request that is not Ctrl-C: for whom Ctrl-C means something else.
    pub(crate) async fn end(&mut self) {
        #[cfg(unix)]
        self.term.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }

    /// The next request.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A runtime with threads, for a process that is a node.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let built =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("oarlock").build();
    built.map_err(|fault| broken(&fault.to_string()))
}
