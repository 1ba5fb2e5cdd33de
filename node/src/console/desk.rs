//! The desk: where a console is, how it shows things, and how it does what a line says.
//!
//! Each line is a call of its own, with the options it was given over those of the console. What deletes asks first, unless `--yes` was
//! said; what changes anything is refused if the console only looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use oarlock_client::Client;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;

use super::edit::{self, Editor};
use super::line::{self, Open, Statement};
use super::names::Names;
use super::place::Place;
use super::{Beside, Order, acts, call, meta, verbs};
use crate::ask::{Address, Session};
use crate::cli::{Global, Word, perform};
use crate::fault::{Exit, Fault};
use crate::output::{Sink, complain};
use crate::progress::interrupted;
use crate::words;

/// How long a command that listens for Ctrl-C itself may take to say what it leaves behind.
const LAST_WORD_MAX: Duration = Duration::from_millis(50);

/// How long a script may take to end by itself after Ctrl-C. More than that: it waits for what does not listen.
const END_MAX: Duration = Duration::from_millis(500);

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

/// What a console was told when it began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// It changes nothing.
    pub(super) read_only: bool,
    /// Its scripts go on after an error.
    pub(super) keep_going: bool,
}

/// A console's state.
pub(super) struct Desk {
    pub(super) base: Global,
    pub(super) place: Place,
    /// Where it was before, for `\c -`.
    pub(super) before: Option<Address>,
    /// The cluster's own address, while it talks to one node.
    pub(super) home: Option<Address>,
    /// Whether it went elsewhere, and its editor does not know it yet.
    pub(super) moved: bool,
    pub(super) rules: Rules,
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
    /// When to give up what has no end by itself.
    pub(super) until: Option<Instant>,
    /// What this console is part of, if it is.
    beside: Option<Neighbour>,
    person: bool,
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
    pub(super) fn for_person(session: &Session, rules: Rules) -> Result<Desk, Fault> {
        let mut desk = Desk::new(session, rules)?;
        (desk.person, desk.notify) = (true, true);
        Ok(desk)
    }

    /// For a script, which asks nobody anything, and which Ctrl-C ends wherever it is.
    pub(super) fn for_script(session: &Session, rules: Rules) -> Result<Desk, Fault> {
        let mut desk = Desk::new(session, rules)?;
        desk.base.no_input = true;
        desk.runtime.spawn(async {
            interrupted().await;
            tokio::time::sleep(END_MAX).await;
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(desk)
    }

    fn new(session: &Session, rules: Rules) -> Result<Desk, Fault> {
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
            moved: false,
            rules,
            variables: BTreeMap::new(),
            sink: None,
            cards: false,
            timing: false,
            notify: false,
            last: None,
            typed: String::new(),
            depth: 0,
            until: None,
            beside: None,
            person: false,
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
                () = self.late() => {
                    Err(Fault::new(Exit::Usage, "what has no end by itself cannot be watched"))
                }
            }
        })
    }

    /// Waits until it is time to give up, if it ever is.
    async fn late(&self) {
        match self.until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn explained(&self, fault: Fault) -> Fault {
        match self.call(None) {
            Ok(session) => session.explained(fault),
            Err(_) => fault,
        }
    }

    /// Does everything that was typed.
    pub(super) fn hear(&mut self, text: &str) -> Result<Went, Fault> {
        // What an editor is asked to change is what was typed before it was asked for, above all if that went wrong.
        if !text.split([';', '\n']).any(|one| one.trim() == "\\e") {
            text.clone_into(&mut self.typed);
        }
        let open = |Open { what, .. }| Fault::new(Exit::Usage, format!("{what} is not closed"));
        for statement in &line::read(text).map_err(open)? {
            if self.take(statement)? == Went::Off {
                return Ok(Went::Off);
            }
        }
        Ok(Went::On)
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
        if self.rules.read_only && !verbs::looks(&path) {
            self.may(&session, &path, &cli.word)?;
        }
        let done = perform(&session, cli.word, |work: LocalBoxFuture<'_, _>| self.wait(work));
        self.last = session.started().or_else(|| self.last.take());
        self.prefer(session.answered());
        done.map_err(|fault| session.explained(fault))
    }

    /// A call with these options, from where the console is.
    fn session(&self, mut global: Global, sink: Option<Sink>) -> Result<Session, Fault> {
        // One node is asked about what it has, not about what the others know.
        global.stale |= self.place.node.is_some();
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// A desk of a script, that talks to nobody.
    fn desk(rules: Rules) -> Desk {
        let cli = crate::cli::Cli::parse_from(["oarlock", "status", "--addr", "127.0.0.1:1"]);
        let out = cli.global.out();
        let session = Session::new(cli.global, out).expect("its options make sense");
        Desk::for_script(&session, rules).expect("its address is one")
    }

    #[test]
    fn what_went_wrong_after_a_move_does_not_undo_it() {
        let mut desk = desk(Rules::default());
        let there = Address { addr: "127.0.0.1:2".to_owned(), ..desk.place.address.clone() };
        desk.before = Some(there.clone());
        let fault = desk.hear("\\c -; nosuch").expect_err("there is no such command");
        assert_eq!(fault.exit, Exit::Usage);
        assert_eq!((desk.moved, &desk.place.address), (true, &there));
        assert_eq!(desk.typed, "\\c -; nosuch", "it can be mended in an editor");
        assert!(desk.hear("\\set a b; \\e").is_err(), "a script has no editor");
        assert!(!desk.typed.contains("\\e"), "{}", desk.typed);
    }

    #[test]
    fn where_nothing_may_be_changed_the_last_run_is_not_cancelled() {
        let mut desk = desk(Rules { read_only: true, ..Rules::default() });
        desk.last = Some("hold/1".to_owned());
        let fault = desk.hear("\\cancel").expect_err("it changes something");
        assert_eq!(fault.exit, Exit::Denied, "{fault:?}");
    }
}
