//! A client's shift: one operation after the other, at a pace, until it is over.
//!
//! Each client has a home among the nodes and asks there, so that a node that answers nobody holds up its own clients and not
//! all. What is sent again goes to any node.
//!
//! Its calls are sent once and never again: what one request came to is what the history is about. An error is `fail` only where
//! the node was not reached, or says itself that it did not take the call in; a refusal that was done nevertheless is then found,
//! because nobody may see what it asked for.

use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use oarlock_client::{Builder, Client, Error};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Field, Place};
use crate::history::{self, Pending};

/// How long one request may take: a little more than a node that hears of no leader takes to say so.
const ANSWER_MAX: Duration = Duration::from_millis(3_500);
/// How long whatever must succeed may take, when nothing is broken.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries of a last read.
const LAST_EVERY: Duration = Duration::from_millis(250);
/// How often a last read is tried.
const LAST_TRIES: usize = 40;
/// Codes of 503 with which a node says that it has not taken the call in: no leader, no writes here, a copy that is behind.
const NOT_TAKEN: [&str; 3] = ["E0702", "E0703", "E0705"];

/// A client at its work.
pub struct Shift {
    over: watch::Receiver<bool>,
    pace: Interval,
    doors: Vec<Door>,
    home: usize,
    /// Where what it chooses comes from.
    pub dice: StdRng,
}

/// A node, and a client that knows it alone.
#[derive(Debug, Clone)]
pub struct Door {
    /// Its name.
    pub node: String,
    /// Asks it, once.
    pub client: Client,
}

impl Shift {
    /// A shift with an operation each `every`; `number` sets it apart from the others.
    ///
    /// # Errors
    /// When the address of a node is none.
    pub fn new(field: &Field, number: u64, every: Duration) -> anyhow::Result<Shift> {
        let doors = field.nodes.iter().map(|node| door(node, |builder| builder));
        let mut pace = interval(every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let dice = StdRng::seed_from_u64(field.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let doors = doors.collect::<anyhow::Result<Vec<Door>>>()?;
        anyhow::ensure!(!doors.is_empty(), "there is no node to work at");
        let home = usize::try_from(number)? % doors.len();
        Ok(Shift { over: field.over.clone(), pace, doors, home, dice })
    }

    /// Waits for the next turn; false: it is over.
    pub async fn goes_on(&mut self) -> bool {
        tokio::select! {
            biased;
            // An error means that nobody is left to say so.
            _ = self.over.wait_for(|over| *over) => false,
            _ = self.pace.tick() => true,
        }
    }

    /// Its own node.
    #[must_use]
    pub fn home(&self) -> Door {
        self.doors[self.home].clone()
    }

    /// Any node.
    pub fn any(&mut self) -> Door {
        let at = self.dice.random_range(0..self.doors.len());
        self.doors[at].clone()
    }

    /// So many times of a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }
}

/// A client that asks one node, once.
///
/// # Errors
/// When its address is none.
pub fn door(place: &Place, more: impl FnOnce(Builder) -> Builder) -> anyhow::Result<Door> {
    let builder = Client::builder().addr(&place.url).timeout(ANSWER_MAX).attempts_max(1);
    let client = more(builder.patient_connect(false)).build();
    let client = client.with_context(|| format!("{} cannot be asked", place.name))?;
    Ok(Door { node: place.name.clone(), client })
}

/// A client that asks all nodes, and again, for what must succeed before anything is broken.
///
/// # Errors
/// When an address is none.
pub fn patient(field: &Field) -> anyhow::Result<Client> {
    let urls: Vec<&str> = field.nodes.iter().map(|node| node.url.as_str()).collect();
    Ok(Client::builder().addr(urls.join(",")).timeout(PATIENCE).build()?)
}

/// Ends an operation that met an error.
pub fn end(pending: Pending<'_>, error: &Error) {
    let why = format!("{}: {error}", error.code());
    if undone(error) { pending.fail(&why) } else { pending.info(&why) }
}

/// Whether what was asked was certainly not done, now or later.
#[must_use]
pub fn undone(error: &Error) -> bool {
    match error {
        Error::Unreachable { source, .. } => source.is_connect(),
        Error::Unavailable(problem) => NOT_TAKEN.contains(&problem.code.as_str()),
        Error::Timeout { .. } | Error::Server(_) | Error::Protocol(_) => false,
        // The server answers with a code of its own; what stands between may answer with a status alone.
        _ => error.problem().is_none_or(|problem| !problem.code.is_empty()),
    }
}

/// Reads something for the last time, through one node, until it answers: `ask` gives what the history shall have.
///
/// # Errors
/// When it never does; the history says so too, and whoever judges.
pub async fn last(
    client: &mut history::Client,
    (f, key, asked): (&str, &str, serde_json::Value),
    node: &str,
    ask: impl Fn() -> BoxFuture<'static, Result<(serde_json::Value, Option<u64>), Error>>,
) -> anyhow::Result<()> {
    let mut pace = interval(LAST_EVERY);
    for _ in 0..LAST_TRIES {
        pace.tick().await;
        let pending = client.invoke(f, key, asked.clone(), node);
        match ask().await {
            Ok((value, rev)) => {
                pending.ok(value, rev);
                return Ok(());
            }
            Err(why) => end(pending, &why),
        }
    }
    anyhow::bail!("{node} did not answer {f} {key} when everything had been mended")
}
