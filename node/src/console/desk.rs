//! The desk: where a console is, how it shows things, and how it does what a line says.
//!
//! Each line is a call of its own, with the options it was given over those of the console. What cannot be undone asks first, unless
//! `--yes` was said; what changes anything is refused if the console only looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use oarlock_client::Client;
use oarlock_client::v1::MemberState;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;

use super::edit::{self, Editor};
use super::line::{self, Open, Statement};
use super::names::Names;
use super::{Beside, Order, acts, call, meta, past, verbs};
use crate::ask::{Address, Session};
use crate::cli::{Global, Word, perform};
use crate::fault::{Exit, Fault};
use crate::output::{Sink, Tint, complain};
use crate::progress::interrupted;
use crate::words;

/// How long the cluster may take to say how it is, when a console begins.
const GREET_MAX: Duration = Duration::from_secs(3);

/// How long a command that listens for Ctrl-C itself may take to say what it leaves behind.
const LAST_WORD_MAX: Duration = Duration::from_millis(50);

/// How a line left the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// Where it was.
    On,
    /// At another cluster or node.
    Elsewhere,
    /// Done.
    Off,
}

/// Where a console is.
pub(super) struct Place {
    /// Whom it asks.
    pub(super) address: Address,
    /// What the cluster is called, once it has said so.
    pub(super) cluster: Option<String>,
    /// The one node it talks to, if it is one.
    pub(super) node: Option<String>,
}

/// A console's state.
pub(super) struct Desk {
    pub(super) base: Global,
    pub(super) place: Place,
    /// Where it was before, for `\c -`.
    pub(super) before: Option<Address>,
    /// The cluster's own address, while it talks to one node.
    pub(super) home: Option<Address>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) sink: Option<Sink>,
    pub(super) cards: bool,
    pub(super) timing: bool,
    pub(super) notify: bool,
    /// The run that was started last.
    pub(super) last: Option<String>,
    /// What was typed last, for an editor.
    pub(super) typed: String,
    /// Files that are read inside each other.
    pub(super) depth: usize,
    /// What this console is part of, if it is.
    beside: Option<Neighbour>,
    person: bool,
    read_only: bool,
    runtime: Runtime,
}

/// What stands beside the command line, with what it tells where each editor finds it.
struct Neighbour {
    order: Order,
    help: &'static str,
    told: Told,
    over: Arc<AtomicBool>,
}

/// Sentences for above the prompt; each herald of a console listens in its turn.
pub(super) type Told = Arc<tokio::sync::Mutex<mpsc::Receiver<String>>>;

impl Desk {
    /// For somebody who types.
    pub(super) fn for_person(session: &Session, read_only: bool) -> Result<Desk, Fault> {
        Desk::new(session, read_only, true)
    }

    /// For a script, which nobody asks anything.
    pub(super) fn for_script(session: &Session, read_only: bool) -> Result<Desk, Fault> {
        let mut desk = Desk::new(session, read_only, false)?;
        desk.base.no_input = true;
        Ok(desk)
    }

    fn new(session: &Session, read_only: bool, person: bool) -> Result<Desk, Fault> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("oarlock-console")
            .enable_all()
            .build()
            .map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))?;
        let place = Place { address: session.address()?, cluster: None, node: None };
        // An address that makes no sense is said before there is a prompt.
        session.client()?;
        Ok(Desk {
            base: session.global.clone(),
            place,
            before: None,
            home: None,
            variables: BTreeMap::new(),
            sink: None,
            cards: false,
            timing: false,
            notify: person,
            last: None,
            typed: String::new(),
            depth: 0,
            beside: None,
            person,
            read_only,
            runtime,
        })
    }

    /// Becomes part of something else.
    pub(super) fn sit_beside(&mut self, beside: Beside) {
        let Beside { order, help, told, over } = beside;
        let told = Arc::new(tokio::sync::Mutex::new(told));
        self.beside = Some(Neighbour { order, help, told, over });
    }

    /// What the other side tells.
    pub(super) fn told(&self) -> Option<Told> {
        self.beside.as_ref().map(|beside| Arc::clone(&beside.told))
    }

    /// What the other side takes, for `\?`.
    pub(super) fn help_beside(&self) -> &'static str {
        self.beside.as_ref().map_or("", |beside| beside.help)
    }

    /// The options of the console itself.
    pub(super) fn base(&self) -> &Global {
        &self.base
    }

    /// Whether somebody types.
    pub(super) fn has_person(&self) -> bool {
        self.person
    }

    /// Whether news are told.
    pub(super) fn notifies(&self) -> bool {
        self.notify
    }

    pub(super) fn handle(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// The prompt without its sign: where the words go; a star: they change nothing.
    pub(super) fn label(&self) -> String {
        let node = self.place.node.as_ref().map_or(String::new(), |node| format!("/{node}"));
        let star = if self.read_only { "*" } else { "" };
        format!("oarlock({}{node}{star})", self.place_name())
    }

    fn place_name(&self) -> String {
        let Place { address, cluster, .. } = &self.place;
        let host = || {
            let first = address.addr.split(',').next().unwrap_or_default();
            first.split("://").last().unwrap_or_default().to_owned()
        };
        address.context.clone().or_else(|| cluster.clone()).unwrap_or_else(host)
    }

    /// Where this place's lines are kept.
    pub(super) fn past(&self) -> Option<std::path::PathBuf> {
        past::file(&self.place_name())
    }

    /// A line editor for this place.
    pub(super) fn editor(&self) -> Editor {
        let names = Names::new(self.handle(), self.client().ok());
        let editor = Editor::new(self.past(), names, self.base.out().colour_err);
        match &self.beside {
            Some(beside) => editor.until(Arc::clone(&beside.over)),
            None => editor,
        }
    }

    /// Whom to ask, as the console itself.
    pub(super) fn client(&self) -> Result<Client, Fault> {
        self.call(None)?.client()
    }

    /// A call as the console itself.
    pub(super) fn call(&self, sink: Option<Sink>) -> Result<Session, Fault> {
        self.session(self.base.clone(), sink)
    }

    /// Waits for something, but not longer than somebody wants to.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            tokio::select! {
                biased;
                done = &mut work => done,
                () = interrupted() => match tokio::time::timeout(LAST_WORD_MAX, work).await {
                    Ok(done) => done,
                    Err(_) => Err(Fault::silent(Exit::Interrupted)),
                },
            }
        })
    }

    /// Says where this is and how it is there.
    pub(super) fn greet(&mut self) {
        let out = self.base.out();
        let title = out.paint(Tint::Strong.style(), "Oarlock console");
        let looking = |client: Client| async move {
            match tokio::time::timeout(GREET_MAX, client.cluster()).await {
                Ok(found) => Ok(found?),
                Err(_) => Err(Fault::new(Exit::Unreachable, "the cluster has not answered yet")),
            }
        };
        match self.client().and_then(|client| self.wait(looking(client))) {
            Ok(cluster) => {
                let up =
                    cluster.members.iter().filter(|member| member.state == MemberState::Up).count();
                let nodes = match (up, cluster.members.len()) {
                    (1, 1) => "1 node healthy".to_owned(),
                    (up, all) if up == all => format!("{all} nodes healthy"),
                    (up, all) => format!("{up} of {all} nodes healthy"),
                };
                let leader = cluster.leader.unwrap_or_else(|| "nobody".to_owned());
                let only = if self.read_only { " · only looks" } else { "" };
                out.note(&format!("{title} · {} · {nodes} · leader {leader}{only}", cluster.name));
                self.place.cluster = Some(cluster.name);
            }
            Err(fault) => {
                out.note(&format!("{title} · {}", self.place.address.addr));
                self.explained(fault).show_here(&out);
            }
        }
        out.note("\\? help · Tab completes · Ctrl-D leaves · nothing destructive runs without a question");
    }

    fn explained(&self, fault: Fault) -> Fault {
        match self.call(None) {
            Ok(session) => session.explained(fault),
            Err(_) => fault,
        }
    }

    /// Does everything that was typed.
    pub(super) fn hear(&mut self, text: &str) -> Result<Went, Fault> {
        let open = |Open { what, .. }| Fault::new(Exit::Usage, format!("{what} is not closed"));
        let statements = line::read(text).map_err(open)?;
        let mut went = Went::On;
        for statement in &statements {
            match self.take(statement)? {
                Went::On => {}
                Went::Elsewhere => went = Went::Elsewhere,
                Went::Off => return Ok(Went::Off),
            }
        }
        // What an editor is asked to change is what was typed before it was asked for.
        if !text.trim_start().starts_with("\\e") {
            text.clone_into(&mut self.typed);
        }
        Ok(went)
    }

    /// Does one statement.
    pub(super) fn take(&mut self, statement: &Statement) -> Result<Went, Fault> {
        let usage = |why| Fault::new(Exit::Usage, why);
        let words = statement.words(&self.variables).map_err(usage)?;
        if let Some(beside) = &mut self.beside
            && let Some(done) = (beside.order)(&words.join(" "))
        {
            return done.map(|()| Went::On);
        }
        match words.first() {
            None => Ok(Went::On),
            Some(first) if first.starts_with('\\') => {
                acts::act(self, meta::read(&words).map_err(usage)?)
            }
            Some(first)
                if self.person && words.len() == 1 && matches!(first.as_str(), "exit" | "quit") =>
            {
                Ok(Went::Off)
            }
            Some(_) => {
                let begun = Instant::now();
                let done = self.say(&words, self.sink.clone());
                if self.timing {
                    complain(&format!("took {} ms\n", begun.elapsed().as_millis()));
                }
                done.map(|()| Went::On)
            }
        }
    }

    /// Does what the command line would do with these words.
    pub(super) fn say(&mut self, words: &[String], sink: Option<Sink>) -> Result<(), Fault> {
        let words =
            if words.first().is_some_and(|word| word == "oarlock") { &words[1..] } else { words };
        let Some((cli, matches)) = call::read(words, self.person, &self.base.out())? else {
            return Ok(());
        };
        let path = call::path(&matches);
        if verbs::wants_its_own(&path) {
            let what = format!("`{path}` wants a terminal of its own");
            return Err(
                Fault::new(Exit::Usage, what).help("leave this one with Ctrl-D, or open another")
            );
        }
        let session = self.session(call::over(&self.base, cli.global, &matches), sink)?;
        let session = match call::address(&self.base, &self.place.address, &matches)? {
            Some(elsewhere) => session.at(elsewhere),
            None => session,
        };
        if self.read_only && !verbs::looks(&path) {
            self.may(&session, &path, &cli.word)?;
        }
        let done = perform(&session, cli.word, |work: LocalBoxFuture<'_, _>| self.wait(work));
        self.last = session.started().or_else(|| self.last.take());
        self.prefer(session.answered());
        done.map_err(|fault| session.explained(fault))
    }

    /// A call with these options, from where the console is.
    fn session(&self, global: Global, sink: Option<Sink>) -> Result<Session, Fault> {
        let mut out = global.out();
        out.cards = self.cards;
        if let Some(sink) = sink {
            out = out.to(sink);
        }
        let session = Session::new(global, out)?.at(self.place.address.clone());
        Ok(if self.person { session.asking(edit::sure) } else { session })
    }

    /// Refuses what changes something, where nothing may be changed. An operation of the API says itself what it is.
    fn may(&self, session: &Session, path: &str, word: &Word) -> Result<(), Fault> {
        if let Word::Rpc(args) = word
            && self.wait(words::rpc::reads(session, args))?
        {
            return Ok(());
        }
        let what = format!("`{path}` changes something, and this console only looks (--read-only)");
        Err(Fault::new(Exit::Denied, what))
    }

    /// Asks the node first that answered last: one that hangs would hold up every line.
    fn prefer(&mut self, answered: Option<String>) {
        let Some(answered) = answered else { return };
        let all: Vec<&str> = self.place.address.addr.split(',').map(str::trim).collect();
        let found =
            all.iter().position(|addr| *addr == answered || format!("http://{addr}") == answered);
        if let Some(at) = found.filter(|at| *at > 0) {
            self.place.address.addr = [&all[at..], &all[..at]].concat().join(",");
        }
    }
}
