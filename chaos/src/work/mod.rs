//! What clients do while things are broken, and the law by which it is judged.
//!
//! A workload is one file: how its clients work, what is looked at when everything has been mended, and what must hold of the history.
//! The last is a function of the history and of what the sink saw, and of nothing else: `oarlock chaos check` calls it again, years later.
//! A new feature of Oarlock adds a file here and a line to [`all`].

pub mod ask;
pub mod effects;
pub mod equal;
pub mod flow;
pub mod live;
pub mod member;
pub mod owner;
pub mod register;
pub mod shift;
pub mod signals;
pub mod submit;

use std::path::Path;

use anyhow::Result;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::history::{History, Recorder};
use crate::verdict::Verdict;

/// A node, as clients know it.
#[derive(Debug, Clone)]
pub struct Place {
    /// `n1`.
    pub name: String,
    /// `http://127.0.0.2:8080`.
    pub url: String,
}

/// Where clients work.
#[derive(Debug, Clone)]
pub struct Field {
    /// The nodes, in the order of their names. Clients reach them through these URLs, whatever becomes of the processes.
    pub nodes: Vec<Place>,
    /// The history.
    pub recorder: Recorder,
    /// The effect sink: workers of the cluster tell it what they do. `http://127.0.0.1:PORT`.
    pub sink: String,
    /// This program, so that tasks can run it as their worker (`oarlock-chaos effect …`).
    pub program: std::path::PathBuf,
    /// True when clients shall stop.
    pub over: watch::Receiver<bool>,
    /// Where everything that is chosen comes from.
    pub seed: u64,
    /// Clients of each workload: 1 for a small run.
    pub clients: usize,
}

/// What is left of a run: enough to judge it.
#[derive(Debug, Default)]
pub struct Record {
    /// What was asked and answered.
    pub history: History,
    /// What the sink saw: lines of `effects.jsonl`.
    pub effects: Vec<crate::sink::Effect>,
}

impl Record {
    /// Reads it from a folder.
    ///
    /// # Errors
    /// When there is no history, or a file cannot be understood.
    pub fn read(folder: &Path) -> Result<Record> {
        Ok(Record { history: History::read(folder)?, effects: crate::sink::read(folder)? })
    }
}

/// A workload.
pub trait Workload: Send + Sync {
    /// Its name on the command line and in the history.
    fn name(&self) -> &'static str;

    /// Which promise it speaks for, in a sentence.
    fn about(&self) -> &'static str;

    /// Prepares the cluster: applies workflows, makes queues. The cluster is whole; it may be patient.
    fn prepare<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>>;

    /// Begins to work, in tasks of `clients`, each of which ends soon after `field.over` is true. Called once for the phases with
    /// faults, and again, with a fresh `over`, when all is mended.
    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>);

    /// Looks at what is left, through every node, when all is mended and the clients are done. Writes operations named `final-…`.
    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>>;

    /// Judges.
    fn judge(&self, record: &Record, verdict: &mut Verdict);
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Box<dyn Workload>> {
    vec![
        Box::new(submit::Submit::default()),
        Box::new(flow::Flow::default()),
        Box::new(effects::Effects::default()),
        Box::new(owner::Owner::default()),
        Box::new(register::Register::default()),
        Box::new(signals::Signals::default()),
        Box::new(member::Member::default()),
        Box::new(live::Live::default()),
        Box::new(equal::Equal),
    ]
}
