//! The prompt of a throw-away cluster: orders from a person, or from a script that writes lines.
//!
//! What is said is done one after the other. A person has a console ([`Person`]), above whose prompt is told what happens meanwhile; in a
//! pipe each sentence is a line.

use std::io::{BufRead, IsTerminal as _};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::load::{BUSY, Load};
use super::order::{self, BREAK, LOOK, Order};
use super::person::{Line, Person};
use super::watch::{self, Break, Story};
use super::{Lab, Plan};
use crate::ask::Session;
use crate::console::is_person;
use crate::fault::{Exit, Fault};
use crate::output::{Tint, clock};
use crate::serve::Stops;

/// How long attempts may go on after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(1);
/// How busy a demonstration is.
const DEMO_RATE: f64 = 10.0;
/// How long it may take to see how things stand before something is broken.
const BEFORE_MAX: Duration = Duration::from_secs(1);
/// Between two looks whether a node has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Lines that may wait to be read or told.
const LINES_MAX: usize = 64;

/// Starts the cluster, does what is said, and stops it.
pub(crate) async fn live(session: &Session, plan: &Plan) -> Result<(), Fault> {
    let begun = Instant::now();
    let mut stops = Stops::listen()?;
    let lab = tokio::select! {
        lab = Lab::start(plan) => lab?,
        () = stops.next() => return Ok(()),
    };
    let (tell, mut told) = mpsc::channel(LINES_MAX);
    let mut desk = Desk { session, lab, load: None, tell, person: None };
    desk.say_ready(plan, begun.elapsed());
    if plan.demo {
        desk.busy(DEMO_RATE).await?;
    }
    let mut news = None;
    let mut lines = if is_person() {
        let (person, lines) = Person::sits_down(session, desk.lab.addresses());
        desk.person = Some(person);
        lines
    } else {
        let follow = crate::news::follow(desk.lab.client()?, desk.tell.clone());
        news = Some(tokio::spawn(follow));
        typed()
    };
    let (mut silent, typing) = (false, desk.person.is_some());
    loop {
        tokio::select! {
            line = lines.recv(), if !silent => match line {
                None if typing => break,
                // A script that has said everything wants the cluster to go on.
                None => silent = true,
                Some(line) => if desk.hear(line).await { break },
            },
            Some(sentence) = told.recv() => desk.above(sentence).await,
            () = tokio::time::sleep(LOOK_EVERY) => desk.look().await,
            () = async { if typing { stops.end().await } else { stops.next().await } } => break,
        }
    }
    if let Some(person) = desk.person.take() {
        person.leaves(lines).await;
        // Ctrl-C was the console's until now.
        stops = Stops::listen()?;
    }
    if let Some(news) = news {
        news.abort();
    }
    desk.load = None;
    if session.out.terminal {
        session.out.note("stopping all nodes; Ctrl-C leaves at once");
    }
    tokio::select! {
        () = desk.lab.stop(DRAIN) => {}
        () = stops.next() => {}
    }
    Ok(())
}

/// What the prompt works with.
struct Desk<'a> {
    session: &'a Session,
    lab: Lab,
    load: Option<Load>,
    tell: mpsc::Sender<String>,
    person: Option<Person>,
}

impl Desk<'_> {
    /// Does what a line says, and answers whoever waits for it. True: that was the last.
    async fn hear(&mut self, line: Line) -> bool {
        let done = self.take(&line.text).await;
        let Some(answer) = line.answer else {
            return done.unwrap_or_else(|fault| {
                fault.show(&self.session.out);
                false
            });
        };
        // Whoever has left does not wait.
        let _ = answer.send(done.map(drop));
        false
    }

    /// A sentence above the prompt.
    async fn above(&self, sentence: String) {
        match &self.person {
            Some(person) => person.hears(sentence).await,
            None => self.session.out.data(&format!("! {sentence}\n")),
        }
    }

    async fn look(&mut self) {
        let mut ended = Vec::new();
        for node in &mut self.lab.nodes {
            if let Some(sentence) = node.ended() {
                self.lab.wires.shut(&node.place.name).await;
                ended.push(sentence);
            }
        }
        for sentence in ended {
            self.above(sentence).await;
        }
    }

    /// Does what a line says. True: that was the last.
    async fn take(&mut self, line: &str) -> Result<bool, Fault> {
        let order = order::read(line).map_err(|why| Fault::new(Exit::Usage, why))?;
        match order {
            Order::Nothing => {}
            Order::Help => self.session.out.data(&format!("{BREAK}{LOOK}")),
            Order::Quit => return Ok(true),
            Order::Kill(name) => self.kill(&name).await?,
            Order::Stop(name) => {
                let at = self.lab.find(&name)?;
                self.lab.nodes[at].stop(DRAIN).await;
                self.lab.wires.shut(&name).await;
                self.did(&format!("{name} was stopped in order"));
            }
            Order::Pause(name) => self.pause(&name).await?,
            Order::Resume(name) => {
                let at = self.lab.find(&name)?;
                self.lab.nodes[at].hold(false)?;
                self.did(&format!("{name} goes on, and does not know how long it slept"));
            }
            Order::Start(name) => {
                let at = self.lab.find(&name)?;
                let begun = self.lab.begin(at).await?;
                self.did(&format!("{name} is started"));
                // Not waited for: without a majority it is ready when others are started, too.
                let tell = self.tell.clone();
                tokio::spawn(async move {
                    let how = if begun.ready().await { "is back" } else { "did not become ready" };
                    let now = clock(Timestamp::now());
                    // Whoever does not listen any more has stopped the cluster.
                    let _ = tell.send(format!("{now} {name} {how}")).await;
                });
            }
            Order::Partition(groups) => {
                for name in groups.iter().flatten() {
                    self.lab.find(name)?;
                }
                self.lab.wires.cut(&groups);
                let groups: Vec<String> = groups.iter().map(|group| group.join(", ")).collect();
                self.did(&format!("the network is cut: {}", groups.join(" | ")));
            }
            Order::Heal => {
                self.lab.wires.heal();
                self.did("the network is whole");
            }
            Order::Load(rate) => self.busy(rate).await?,
            Order::Say(words) => self.say(&words).await?,
        }
        Ok(false)
    }

    /// What was done, at the time of day; a program that reads it learns the moment.
    fn did(&self, sentence: &str) {
        self.did_at(Timestamp::now(), sentence);
    }

    fn did_at(&self, at: Timestamp, sentence: &str) {
        let out = &self.session.out;
        let at = if out.terminal { clock(at) } else { format!("{at:.3}") };
        out.data(&format!("{at} {sentence}\n"));
    }

    async fn kill(&mut self, name: &str) -> Result<(), Fault> {
        let at = self.lab.find(name)?;
        let (broken, before) = self.before(name, "killed").await;
        let broken = Break { at: Timestamp::now(), since: Instant::now(), ..broken };
        self.lab.wires.shut(name).await;
        self.lab.nodes[at].kill().await?;
        self.did_at(broken.at, &format!("{name} was killed (SIGKILL)"));
        self.follow(broken, before);
        Ok(())
    }

    async fn pause(&mut self, name: &str) -> Result<(), Fault> {
        let at = self.lab.find(name)?;
        let (broken, before) = self.before(name, "paused").await;
        let broken = Break { at: Timestamp::now(), since: Instant::now(), ..broken };
        self.lab.nodes[at].hold(true)?;
        self.did_at(broken.at, &format!("{name} was paused (SIGSTOP)"));
        self.follow(broken, before);
        Ok(())
    }

    /// How things stand before something is broken.
    async fn before(&self, name: &str, what: &'static str) -> (Break, Vec<String>) {
        let looking = async {
            let client = self.lab.client().ok()?;
            let cluster = client.cluster().await.ok()?;
            let led = cluster.leader.as_deref() == Some(name);
            Some((led, cluster.term, watch::unfinished(&client).await))
        };
        // Without a majority nobody can say, and whoever wants to break more need not wait.
        let seen = tokio::time::timeout(BEFORE_MAX, looking).await.ok().flatten();
        let (led, term, runs) = seen.unwrap_or_default();
        let (at, since) = (Timestamp::now(), Instant::now());
        (Break { node: name.to_owned(), what, led, term, at, since }, runs)
    }

    /// Tells what came of it, once it has.
    fn follow(&self, broken: Break, before: Vec<String>) {
        let others =
            self.lab.nodes.iter().filter(|node| node.lives() && node.place.name != broken.node);
        let others = others.map(super::node::Node::url).collect();
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let story: Option<Story> = watch::follow(broken.clone(), others, before).await;
            let sentence = match story {
                Some(story) => watch::told(&broken, &story),
                None => format!("{} is {}, and nobody has taken over", broken.node, broken.what),
            };
            // Whoever does not listen any more has stopped the cluster.
            let _ = tell.send(sentence).await;
        });
    }

    /// Makes the cluster busy, or lets it rest.
    async fn busy(&mut self, rate: f64) -> Result<(), Fault> {
        if let Some(load) = self.load.take() {
            self.did(&format!("the load is off: {}", load.told()));
        }
        if rate > 0.0 {
            let client = self.lab.client()?;
            client.apply(BUSY).send().await?;
            self.load = Some(Load::begin(client, rate));
            self.did(&format!("the load is on: {rate} runs of `busy` a second"));
        }
        Ok(())
    }

    /// Any command, as a person would type it elsewhere.
    async fn say(&self, words: &[String]) -> Result<(), Fault> {
        let failed = |fault: std::io::Error| Fault::new(Exit::Failed, fault.to_string());
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = tokio::process::Command::new(program);
        command.args(words).env("OARLOCK_ADDR", self.lab.addresses());
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        // It has said itself what went wrong.
        command.status().await.map(drop).map_err(failed)
    }

    fn say_ready(&self, plan: &Plan, took: Duration) {
        let out = &self.session.out;
        if !std::io::stdout().is_terminal() {
            out.data(&format!("{}\n", self.lab.shown(took)));
            return;
        }
        let name = |name: &str| out.paint(Tint::Faint.style(), &format!("{name:<10}"));
        let nodes: Vec<String> = self
            .lab
            .nodes
            .iter()
            .map(|node| {
                let (url, peers) = (node.url(), node.place.advertised);
                format!("  {}  {url}   peers {peers}\n", name(&node.place.name))
            })
            .collect();
        let kept = match &plan.data {
            Some(data) => format!("{}, kept", data.display()),
            None => format!("{}, gone when this stops", self.lab.folder.display()),
        };
        let first = self.lab.nodes.first().map(super::node::Node::url).unwrap_or_default();
        let addr = if plan.port == 6270 { String::new() } else { format!(" --addr {first}") };
        out.data(&format!(
            "{} {} · {} mode · {} nodes\n\n{}\
             \x20 {}  {first}/api/v1   on any node (docs at {first}/api/docs)\n\
             \x20 {}  {kept}\n\
             \x20 {}  off, because only this machine can connect; the nodes know a secret\n\n\
             \x20 {}  oarlock{addr} run examples/hello.yaml --watch\n\
             \x20 {}  oarlock{addr} cluster status\n\
             \x20 {}  nodes kill n2     and what else `\\?` says, here\n\n\
             Ready in {:.1} s. {} to stop.\n\n",
            out.paint(Tint::Strong.style(), "Oarlock"),
            env!("CARGO_PKG_VERSION"),
            self.lab.name,
            self.lab.nodes.len(),
            nodes.concat(),
            name("API"),
            name("Data"),
            name("Auth"),
            name("Next"),
            name(""),
            name(""),
            took.as_secs_f64(),
            if is_person() { "`quit` or Ctrl-D" } else { "Press Ctrl-C" },
        ));
    }
}

/// Lines that a script writes.
fn typed() -> mpsc::Receiver<Line> {
    let (lines, read) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(text) = line else { return };
            if lines.blocking_send(Line { text, answer: None }).is_err() {
                return;
            }
        }
    });
    read
}
