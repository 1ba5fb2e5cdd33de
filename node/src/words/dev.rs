//! `oarlock dev`: a throw-away node, ready in a blink, quiet while all is well; or a whole cluster of them, to be broken.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use oarlock_client::Client;
use oarlock_engine::member::profile::Profile;
use serde_json::json;

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::lab;
use crate::output::{Tint, clock, moment, painted};
use crate::serve::{Node, Plan, Stops, runtime};

/// How long running attempts may go on after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(5);

/// Nodes of a demonstration, if nothing is said.
const DEMO_NODES: usize = 3;

/// What kind of node.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock dev\n\
        \x20 oarlock dev --port 0 --data ./oarlock-data\n\
        \x20 oarlock dev --watch flows/\n\
        \x20 oarlock dev --nodes 3 --demo\n\n\
        Then, in another terminal: oarlock run examples/hello.yaml --watch")]
pub(crate) struct Args {
    /// How many nodes; more than one are processes of their own
    #[arg(long, default_value_t = 1, value_name = "N")]
    nodes: usize,
    /// Be busy, and tell what happens; with a prompt to break things
    #[arg(long)]
    demo: bool,
    /// The port; 0 picks a free one
    #[arg(long, default_value_t = 6270)]
    port: u16,
    /// Keep the data in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Apply the files of this folder, and again when they change
    #[arg(long, value_name = "DIR")]
    watch: Option<PathBuf>,
    /// Attempts at once; 0: by the machine's processors
    #[arg(long, default_value_t = 0, value_name = "N")]
    slots: u32,
}

/// Does it.
pub(crate) fn run(session: &Session, args: Args) -> Result<(), Fault> {
    let filter = std::env::var("OARLOCK_LOG").unwrap_or_else(|_| "warn".to_owned());
    crate::log::begin(&filter, crate::log::Form::Pretty)
        .map_err(|why| Fault::new(Exit::Usage, format!("OARLOCK_LOG: {why}")))?;
    let runtime = runtime()?;
    let outcome = match plan(&args)? {
        Some(plan) => runtime.block_on(crate::lab::live(session, &plan)),
        None => runtime.block_on(live(session, args)),
    };
    // What still blocks a thread is not worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// A cluster, if one is wanted.
fn plan(args: &Args) -> Result<Option<lab::Plan>, Fault> {
    if args.nodes == 1 && !args.demo {
        return Ok(None);
    }
    let nodes = if args.nodes == 1 { DEMO_NODES } else { args.nodes };
    if !(1..=lab::NODES_MAX).contains(&nodes) {
        let what = format!("--nodes is 1 to {}, not {nodes}", lab::NODES_MAX);
        return Err(Fault::new(Exit::Usage, what));
    }
    let Args { port, data, slots, demo, .. } = args;
    Ok(Some(lab::Plan { nodes, port: *port, data: data.clone(), slots: *slots, demo: *demo }))
}

async fn live(session: &Session, args: Args) -> Result<(), Fault> {
    if let Some(folder) = args.watch.as_ref().filter(|folder| !folder.is_dir()) {
        let what = format!("cannot watch {}: there is no such folder", folder.display());
        return Err(Fault::new(Exit::Invalid, what).help("choose another with --watch"));
    }
    let began = Instant::now();
    let plan = Plan {
        name: "n1".to_owned(),
        cluster: "dev".to_owned(),
        profile: Profile::default(),
        peer: None,
        data: args.data.clone(),
        listen: format!("127.0.0.1:{}", args.port),
        advertise: String::new(),
        slots: args.slots,
        queues: Vec::new(),
        dir: PathBuf::from("."),
        snapshot_every: None,
        waiting: None,
        disk_reserve: None,
        listen_flag: "--port",
    };
    let mut node = Node::start(plan).await?;
    let mut stops = Stops::listen()?;
    say_ready(session, &node, args.data.as_ref(), began.elapsed());
    let mut failures =
        tokio::spawn(failures(format!("http://{}", node.address), session.out.colour_err));
    let url = format!("http://{}", node.address);
    let outcome = tokio::select! {
        () = stops.next() => Ok(()),
        fault = node.broke() => Err(fault),
        () = super::reload::follow(session, &url, args.watch.as_deref()) => Ok(()),
        // It ends only if the node does not answer itself.
        _ = &mut failures => Err(node.broke().await),
    };
    failures.abort();
    if session.out.terminal {
        session.out.note("\nstopping; Ctrl-C again leaves at once");
    }
    tokio::select! {
        dismissal = node.stop(DRAIN) => {
            if dismissal.returned > 0 {
                session.out.note(&format!("{} running attempts were given back", dismissal.returned));
            }
        }
        () = stops.next() => {}
    }
    outcome
}

fn say_ready(session: &Session, node: &Node, data: Option<&PathBuf>, took: Duration) {
    let url = format!("http://{}", node.address);
    if !std::io::stdout().is_terminal() {
        let place = data.map_or("memory".to_owned(), |data| data.display().to_string());
        let ready = json!({
            "event": "ready", "http": url, "data": place, "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"), "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        session.out.data(&format!("{ready}\n"));
        return;
    }
    let out = &session.out;
    let name = |name: &str| out.paint(Tint::Faint.style(), &format!("{name:<10}"));
    let kept = match data {
        Some(data) => format!("{}, kept", data.display()),
        None => "in memory, gone when this stops        keep it: --data ./oarlock-data".to_owned(),
    };
    let addr = if node.address.port() == 6270 { String::new() } else { format!(" --addr {url}") };
    out.data(&format!(
        "{} {} · dev mode · 1 node\n\n\
         \x20 {}  {url}/api/v1   (docs at {url}/api/docs)\n\
         \x20 {}  {kept}\n\
         \x20 {}  off, because only this machine can connect\n\
         \x20 {}  1 built in, {} slots: run, http, sleep, wait, workflow, emit\n\n\
         \x20 {}  oarlock{addr} run examples/hello.yaml --watch\n\
         \x20 {}  oarlock{addr} status\n\n\
         Ready in {:.1} s. Press Ctrl-C to stop. Warnings and failed runs appear below.\n",
        out.paint(Tint::Strong.style(), "Oarlock"),
        env!("CARGO_PKG_VERSION"),
        name("API"),
        name("Data"),
        name("Auth"),
        name("Worker"),
        node.slots,
        name("Next"),
        name(""),
        took.as_secs_f64(),
    ));
}

/// Prints a line for each run that fails, for as long as the node lives.
async fn failures(url: String, colour: bool) {
    let Ok(client) = Client::builder().addr(url).build() else { return };
    let mut events = client.events(None).param("types", "run.failed,run.timed_out");
    while let Ok(Some(event)) = events.next().await {
        let name = event.run_name.or(event.run).unwrap_or_default();
        let run = client.run(&name).get().await.ok();
        let error = run.and_then(|run| run.error);
        let placed = |error| crate::progress::placed(&name, &error);
        let (place, why) = error.map_or_else(Default::default, placed);
        let at = moment(&event.at).map(clock).unwrap_or_default();
        let how = event.kind.trim_start_matches("run.").replace('_', " ");
        let mark = painted(colour, Tint::Bad.style(), "!");
        crate::output::complain(&format!(
            "{mark} {at} {name} {how}{place}{why}  (oarlock runs get {name})\n"
        ));
    }
}
