//! A run, phase by phase.
//!
//! ```text
//!   setup ─▶ warm-up ─▶ faults ─▶ heal ─▶ recovery ─▶ fresh ─▶ look ─▶ end ─▶ verdict
//!            └──── clients work ──────────────────┘   └ others ┘
//! ```
//!
//! Whoever interrupts it (Ctrl-C, SIGTERM) jumps to the heal: everything is undone, nothing is left running, and what is there is
//! judged, though never to be valid. A second time ends it on the spot; the nodes end with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::history::Recorder;
use crate::judge;
use crate::nemesis;
use crate::plan::Plan;
use crate::progress::Say;
use crate::sink::Sink;
use crate::verdict::{Outcome, Verdict};
use crate::work::{self, Field, Place, Workload};
use crate::world::World;
use crate::world::watch::{fingerprints, leaders, millis, stalls};

/// How long clients may go on when it is over; then they are cut short, and what they were at is open.
const CLIENTS_MAX: Duration = Duration::from_secs(15);
/// How long the last fault may take to be undone.
const UNDO_MAX: Duration = Duration::from_secs(150);
/// How long workloads may prepare, and look.
const PREPARE_MAX: Duration = Duration::from_secs(60);
const LOOK_MAX: Duration = Duration::from_secs(180);
/// How long the copies may take to have applied as much.
const LEVEL_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether the history can be written still.
const TAPE_EVERY: Duration = Duration::from_millis(100);
/// The exit code of a harness that was interrupted twice.
const INTERRUPTED: i32 = 130;

/// A run on its way.
struct Run {
    plan: Arc<Plan>,
    folder: PathBuf,
    world: Arc<World>,
    works: Vec<Box<dyn Workload>>,
    recorder: Recorder,
    say: Say,
    stop: watch::Receiver<String>,
    sink: Sink,
}

/// Runs a plan in a folder, and judges.
pub(crate) async fn run(plan: Plan, folder: PathBuf, json: bool) -> Result<Verdict> {
    let say = Say::new(json);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("the folder of the run cannot be made: {}", folder.display()))?;
    plan.write(&folder)?;
    let recorder = Recorder::begin(&folder)?;
    say.line(&format!("seed {}, folder {}", plan.seed, folder.display()));
    say.line(&format!("again: {}", plan.replay));
    let stop = interruptions(&recorder, &say)?;
    let (over, no_more_harm) = watch::channel(false);
    phase(&recorder, &say, &plan, "setup");
    let mut stopped = stop.clone();
    let build = build(&plan, &folder, &recorder, &say, no_more_harm);
    let world = tokio::select! {
        world = build => Some(Arc::new(world.context("the cluster did not start")?)),
        _ = stopped.wait_for(|why| !why.is_empty()) => None,
    };
    if let Some(world) = world {
        let sink = Sink::begin(&folder, &recorder).await?;
        let works = work::all()
            .into_iter()
            .filter(|work| plan.workloads.iter().any(|name| name == work.name()));
        let works = works.collect();
        let plan = Arc::new(plan.clone());
        let (folder, recorder, say) = (folder.clone(), recorder.clone(), say.clone());
        let mut run = Run { plan, folder, world, works, recorder, say, stop: stop.clone(), sink };
        run.whole(over).await;
    }
    let why = stop.borrow().clone();
    if !why.is_empty() {
        recorder.nemesis("interrupted", json!({"why": why}));
    }
    let mut verdict = judge::judge(&folder)?;
    if let Some(why) = recorder.broken() {
        verdict.unknown("run/whole", format!("the history could not be written to its end: {why}"));
    }
    judge::show(&folder, &verdict, json)?;
    if verdict.outcome() == Outcome::Valid && plan.target.is_empty() {
        clear(&folder, &plan);
    } else if plan.uses("disk") && plan.target.is_empty() {
        keep(&folder, &plan);
    }
    Ok(verdict)
}

async fn build(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    say: &Say,
    over: watch::Receiver<bool>,
) -> Result<World> {
    if plan.target.is_empty() {
        return World::build(plan, &plan.program, folder, recorder, say, over).await;
    }
    World::find(&plan.target, recorder, say, over).await
}

impl Run {
    /// All phases. What went wrong stands in the history.
    async fn whole(&mut self, no_more_harm: watch::Sender<bool>) {
        for capability in self.world.can.shown() {
            self.recorder.nemesis("capability", capability);
        }
        let (world, recorder) = (self.world.clone(), self.recorder.clone());
        let watchers =
            [tokio::spawn(async move { leaders(&world).await }), tokio::spawn(stalls(recorder))];
        if let Err(why) = self.phases(&no_more_harm).await {
            self.say.harm(&format!("the run did not come to its end: {why:#}"));
            self.recorder.nemesis("unseen", json!({"why": format!("{why:#}")}));
        }
        no_more_harm.send_replace(true);
        for watcher in watchers {
            watcher.abort();
        }
        self.world.stop().await;
        self.summary();
    }

    async fn phases(&mut self, no_more_harm: &watch::Sender<bool>) -> Result<()> {
        let (_, over) = watch::channel(false);
        for work in &self.works {
            let prepared =
                tokio::time::timeout(PREPARE_MAX, work.prepare(&self.field(&over))).await;
            let prepared =
                prepared.with_context(|| format!("{} took too long to prepare", work.name()))?;
            prepared.with_context(|| format!("{} cannot prepare", work.name()))?;
        }
        self.enter("warm-up");
        let (clients_over, over) = watch::channel(false);
        let mut clients = self.clients(&over);
        self.pass(Duration::from_secs(self.plan.warm_up_s)).await;
        if !self.interrupted() {
            self.enter("faults");
            self.faults(no_more_harm).await;
        }
        no_more_harm.send_replace(true);
        self.enter("heal");
        self.world.heal().await.context("it could not be healed")?;
        if self.interrupted() {
            clients_over.send_replace(true);
            self.gather(&mut clients).await;
            return Ok(());
        }
        self.enter("recovery");
        self.recover().await;
        clients_over.send_replace(true);
        self.gather(&mut clients).await;
        self.enter("fresh");
        let (clients_over, over) = watch::channel(false);
        let mut clients = self.clients(&over);
        self.pass(Duration::from_secs(self.plan.fresh_s)).await;
        clients_over.send_replace(true);
        self.gather(&mut clients).await;
        if self.interrupted() {
            return Ok(());
        }
        self.enter("look");
        self.look(&over).await;
        if let Err(why) = fingerprints(&self.world, LEVEL_MAX).await {
            self.recorder.nemesis("unseen", json!({"why": format!("{why:#}")}));
        }
        self.enter("end");
        Ok(())
    }

    fn enter(&self, name: &str) {
        phase(&self.recorder, &self.say, &self.plan, name);
    }

    fn interrupted(&self) -> bool {
        !self.stop.borrow().is_empty()
    }

    /// Waits so long, or until somebody interrupts.
    async fn pass(&self, length: Duration) {
        let mut stop = self.stop.clone();
        // If whoever says so is gone, it is over too.
        let _ = tokio::time::timeout(length, stop.wait_for(|why| !why.is_empty())).await;
    }

    fn field(&self, over: &watch::Receiver<bool>) -> Field {
        let place = |node: &Arc<crate::world::node::Node>| Place {
            name: node.name().to_owned(),
            url: format!("http://{}", node.place.http.outside),
        };
        Field {
            nodes: self.world.nodes.iter().map(place).collect(),
            recorder: self.recorder.clone(),
            sink: self.sink.url().to_owned(),
            program: std::env::current_exe().unwrap_or_default(),
            over: over.clone(),
            seed: self.plan.seed,
            clients: self.plan.clients,
        }
    }

    fn clients(&self, over: &watch::Receiver<bool>) -> JoinSet<Result<()>> {
        let mut clients = JoinSet::new();
        for work in &self.works {
            work.begin(&self.field(over), &mut clients);
        }
        clients
    }

    /// Waits until clients are done; cuts short whoever is not.
    async fn gather(&self, clients: &mut JoinSet<Result<()>>) {
        let ended = tokio::time::timeout(CLIENTS_MAX, async {
            while let Some(ended) = clients.join_next().await {
                let why = match ended {
                    Ok(Ok(())) => continue,
                    Ok(Err(why)) => format!("{why:#}"),
                    Err(why) => why.to_string(),
                };
                self.say.harm(&format!("a client broke: {why}"));
                self.recorder.nemesis("unseen", json!({"why": format!("a client broke: {why}")}));
            }
        });
        if ended.await.is_err() {
            self.say.line(&format!("{} clients were cut short", clients.len()));
            clients.shutdown().await;
        }
    }

    /// Lets all lanes strike until the time is over, and waits until everything is undone.
    async fn faults(&self, no_more_harm: &watch::Sender<bool>) {
        let kinds = nemesis::possible(&self.plan, &self.world.can);
        let mut lanes = JoinSet::new();
        for lane in 0..self.plan.lanes {
            let (world, plan, kinds) = (self.world.clone(), self.plan.clone(), kinds.clone());
            lanes.spawn(async move { nemesis::lane(&world, &plan, kinds, lane).await });
        }
        self.pass(Duration::from_secs(self.plan.time_s)).await;
        no_more_harm.send_replace(true);
        let undone = tokio::time::timeout(UNDO_MAX, join_all_of(&mut lanes)).await;
        let why = match undone {
            Ok(None) => return,
            Ok(Some(why)) => why,
            Err(_) => {
                lanes.shutdown().await;
                format!("a fault was not undone within {UNDO_MAX:?}")
            }
        };
        self.say.harm(&why);
        self.recorder.nemesis("unseen", json!({"why": why}));
    }

    async fn recover(&self) {
        let patience = Duration::from_secs(self.plan.recovery_s);
        let value = match self.world.settled(patience).await {
            Ok(took) => json!({"settled": true, "took_ms": millis(took)}),
            Err(why) => json!({"settled": false, "why": format!("{why:#}")}),
        };
        self.say.line(&format!("settled: {value}"));
        self.recorder.nemesis("settled", value);
    }

    async fn look(&self, over: &watch::Receiver<bool>) {
        let field = self.field(over);
        let looks = self.works.iter().map(|work| {
            let field = &field;
            async move {
                let looked = tokio::time::timeout(LOOK_MAX, work.look(field)).await;
                let why = match looked {
                    Ok(Ok(())) => return,
                    Ok(Err(why)) => format!("{why:#}"),
                    Err(_) => format!("it took longer than {LOOK_MAX:?}"),
                };
                let why = format!("{} could not look at what is left: {why}", work.name());
                self.say.harm(&why);
                self.recorder.nemesis("unseen", json!({"why": why}));
            }
        });
        join_all(looks).await;
    }

    /// Says how much was broken.
    fn summary(&self) {
        let Ok(history) = crate::history::History::read(&self.folder) else { return };
        let count = |what: &str, proven: bool| {
            let of = history.nemesis().filter(|event| event.f.starts_with(what));
            of.filter(|event| !proven || event.value["proven"] == true).count()
        };
        self.say.line(&format!(
            "{} faults in {} s, {} proven when they began, {} of {} when they ended",
            count("start-", false),
            self.plan.time_s,
            count("start-", true),
            count("stop-", true),
            count("stop-", false),
        ));
    }
}

/// Waits for all; the first thing that went wrong.
async fn join_all_of(lanes: &mut JoinSet<Result<()>>) -> Option<String> {
    let mut first = None;
    while let Some(ended) = lanes.join_next().await {
        let why = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => format!("{why:#}"),
            Err(why) => why.to_string(),
        };
        first.get_or_insert(why);
    }
    first
}

fn phase(recorder: &Recorder, say: &Say, plan: &Plan, name: &str) {
    say.phase(name);
    let nodes: Vec<String> = (1..=plan.nodes).map(|number| format!("n{number}")).collect();
    recorder.nemesis("phase", json!({"phase": name, "nodes": nodes}));
}

/// Says why the run is to end before its time: somebody wants it to, or nothing can be written down any more.
fn interruptions(recorder: &Recorder, say: &Say) -> Result<watch::Receiver<String>> {
    let (tell, told) = watch::channel(String::new());
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (recorder, say) = (recorder.clone(), say.clone());
    tokio::spawn(async move {
        loop {
            let why = tokio::select! {
                _ = int.recv() => "interrupted by Ctrl-C".to_owned(),
                _ = term.recv() => "interrupted by SIGTERM".to_owned(),
                () = tokio::time::sleep(TAPE_EVERY) => match recorder.broken() {
                    Some(why) if tell.borrow().is_empty() => {
                        format!("the history cannot be written: {why}")
                    }
                    _ => continue,
                },
            };
            if !tell.borrow().is_empty() {
                // The nodes end with us.
                std::process::exit(INTERRUPTED);
            }
            say.harm(&format!("{why}: everything is undone; once more ends it on the spot"));
            tell.send_replace(why);
        }
    });
    Ok(told)
}

/// Copies the nodes' data from small disks, which go with this process, to where it stays.
fn keep(folder: &Path, plan: &Plan) {
    for number in 1..=plan.nodes {
        let kept = folder.join("kept").join(format!("n{number}"));
        let data = folder.join("nodes").join(format!("n{number}/data"));
        // What cannot be kept is missing when somebody looks; the verdict stands.
        let _ = std::fs::create_dir_all(&kept);
        let _ = std::process::Command::new("cp").arg("-a").arg(data).arg(kept).status();
    }
}

/// Throws the nodes' data away; what they said stays.
fn clear(folder: &Path, plan: &Plan) {
    for number in 1..=plan.nodes {
        // Left behind it harms nobody.
        let _ = std::fs::remove_dir_all(folder.join("nodes").join(format!("n{number}/data")));
    }
}
