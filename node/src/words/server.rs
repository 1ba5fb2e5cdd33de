//! `oarlock server`: a node for real. Its data survives, its log is for machines, and it stops in order when told to.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ask::Session;
use crate::config::keys::Flags;
use crate::config::{Config, Loaded};
use crate::fault::{Exit, Fault};
use crate::serve::{Node, Plan, Stops, runtime};

/// Where its settings come from.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock server --data /var/lib/oarlock\n\
        \x20 oarlock server --config /etc/oarlock.toml --worker.slots 16\n\
        \x20 oarlock server --join 10.0.0.1:6271 --peer-listen 10.0.0.2:6271 \\\n\
        \x20   --peer.secret_file /etc/oarlock.secret\n\
        \x20 OARLOCK_LISTEN=127.0.0.1:7000 oarlock server\n\n\
        Every setting, with its value and who set it: oarlock config show --origin")]
pub(crate) struct Args {
    /// The node's file (TOML)
    #[arg(long, value_name = "FILE", env = "OARLOCK_SERVER_CONFIG", hide_env_values = true)]
    config: Option<String>,
    /// Only the port of `listen`; 0 picks a free one
    #[arg(long, value_name = "PORT", conflicts_with = "listen")]
    port: Option<u16>,
    /// End when standard input ends, or the parent does
    #[arg(long, hide = true)]
    leash: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Does it.
pub(crate) fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    if args.leash {
        crate::lab::leash::put_on();
    }
    let mut flags = args.flags.0.clone();
    if let Some(port) = args.port {
        flags.push(("listen".to_owned(), format!("127.0.0.1:{port}")));
    }
    let config = Loaded::from(args.config.as_deref(), &flags)?.config()?;
    crate::log::begin(&config.log, config.log_format).map_err(|why| {
        Fault::new(Exit::Invalid, format!("log: {why}")).help("for example: --log info")
    })?;
    check_reach(&config)?;
    if session.global.dry_run {
        session.out.note("dry run: the settings are valid");
        return Ok(());
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(live(session, &config));
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// Nobody is asked who they are in this release, so a node that others can reach must be wanted.
fn check_reach(config: &Config) -> Result<(), Fault> {
    if config.insecure {
        return Ok(());
    }
    let wrong = |why: String| {
        Fault::new(Exit::Invalid, format!("listen: `{}` is not an address: {why}", config.listen))
            .help("host:port, for example 127.0.0.1:6270")
    };
    let found = config.listen.to_socket_addrs().map_err(|fault| wrong(fault.to_string()))?;
    let outside: Vec<SocketAddr> = found.filter(|addr| !addr.ip().is_loopback()).collect();
    if outside.is_empty() {
        return Ok(());
    }
    let what = format!(
        "refusing to listen at {}: anybody who reaches it could run programs here",
        config.listen
    );
    Err(Fault::new(Exit::Denied, what)
        .help("this release asks nobody who they are: listen on 127.0.0.1 and put a proxy that does in front")
        .help("or say --insecure, in a network that you trust entirely"))
}

async fn live(session: &Session, config: &Config) -> Result<(), Fault> {
    let began = Instant::now();
    let plan = Plan {
        name: config.node.clone(),
        cluster: config.cluster.clone(),
        profile: config.profile.clone(),
        peer: config.peer.clone(),
        data: Some(config.data.clone()),
        listen: config.listen.clone(),
        advertise: config.advertise.clone(),
        slots: config.slots,
        queues: config.queues.clone(),
        dir: config.dir.clone(),
        snapshot_every: Some(config.snapshot_every.max(1)),
        waiting: Some((config.waiting_max.max(1), config.waiting_bytes_max.max(1 << 20))),
        disk_reserve: Some(config.disk_reserve),
        listen_flag: "--listen",
    };
    let mut node = Node::start(plan).await?;
    // Not earlier: a start that waits for room on the disk can be ended like any other program.
    let mut stops = Stops::listen()?;
    let url = format!("http://{}", node.address);
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let data = config.data.display().to_string();
    tracing::info!(http = %url, %data, took_ms, slots = node.slots, "ready");
    if std::io::stdout().is_terminal() {
        session.out.data(&format!(
            "Oarlock {} · {} · {url} · data in {data}\n",
            env!("CARGO_PKG_VERSION"),
            node.name
        ));
    } else {
        let ready = json!({
            "event": "ready", "http": url, "peer": node.peer_address().map(|peer| peer.to_string()), "node": node.name, "data": data,
            "pid": std::process::id(), "version": env!("CARGO_PKG_VERSION"), "took_ms": took_ms,
        });
        session.out.data(&format!("{ready}\n"));
    }
    let outcome = tokio::select! {
        () = stops.next() => Ok(()),
        fault = node.broke() => {
            tracing::error!(why = %fault.what, "the node cannot go on");
            Err(fault)
        }
    };
    tracing::info!(drain = ?config.drain, "stopping; a second signal leaves at once");
    tokio::select! {
        dismissal = node.stop(config.drain) => {
            tracing::info!(finished = dismissal.finished, returned = dismissal.returned, "stopped");
        }
        () = stops.next() => tracing::warn!("left at once; nothing acknowledged is lost by it"),
    }
    outcome
}
