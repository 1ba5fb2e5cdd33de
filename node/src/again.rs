//! `--watch` of a list: the same question again and again, until Ctrl-C.
//!
//! On a terminal the table is drawn over itself; in a pipe each item is written when it is new or has changed, so that a script
//! sees changes and nothing else. A node that does not answer is asked again: it may be restarting.

use std::collections::BTreeMap;
use std::time::Duration;

use oarlock_client::List;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Format, Rest, Table, at, body, plain};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Clears the screen and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Whether to look once or again and again.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Again {
    /// Show it again whenever it changes, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
}

impl Again {
    /// Shows a list, once or again and again.
    pub(crate) async fn list<T>(
        &self,
        session: &Session,
        table: &Table,
        list: List<T>,
    ) -> Result<(), Fault>
    where
        T: DeserializeOwned + Serialize + Clone + Send + 'static,
    {
        self.show(session, table, async || {
            let (items, rest) = session.fetch(list.clone()).await?;
            Ok((items.iter().map(body).collect(), rest))
        })
        .await
    }

    /// Shows what a look brings, once or again and again.
    pub(crate) async fn show(
        &self,
        session: &Session,
        table: &Table,
        look: impl AsyncFn() -> Result<(Vec<Value>, Rest), Fault>,
    ) -> Result<(), Fault> {
        if !self.watch {
            let (items, rest) = look().await?;
            return session.out.list(table, items, &rest);
        }
        let mut seen = BTreeMap::new();
        loop {
            match look().await {
                Ok((items, rest)) if session.out.for_people() => {
                    session.out.data(CLEAR);
                    session.out.list(table, items, &rest)?;
                }
                Ok((items, _)) => changes(session, table, items, &mut seen)?,
                Err(fault) if fault.exit == Exit::Unreachable => {
                    session.out.note(&format!("{}; trying again …", fault.what));
                }
                Err(fault) => return Err(fault),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes the items that are new or have changed.
fn changes(
    session: &Session,
    table: &Table,
    items: Vec<Value>,
    seen: &mut BTreeMap<String, Value>,
) -> Result<(), Fault> {
    let mut fresh = Vec::new();
    for item in items {
        let name = plain(at(&item, table.name));
        if seen.get(&name) != Some(&item) {
            seen.insert(name, item.clone());
            fresh.push(item);
        }
    }
    match session.out.asked {
        // One document for ever has no end: its items come one a line.
        Some(Format::Json | Format::Yaml) => {
            fresh.iter().for_each(|item| session.out.data(&format!("{item}\n")));
            Ok(())
        }
        _ => session.out.list(table, fresh, &Rest::default()),
    }
}
