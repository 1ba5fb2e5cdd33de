//! What each word does, one file a group of commands.
//!
//! A command reads its words, asks the client, and hands JSON with a table to the output room. It formats nothing itself.

pub(crate) mod actors;
pub(crate) mod chaos;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod contract;
pub(crate) mod dev;
pub(crate) mod differ;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod files;
mod format;
pub(crate) mod help;
pub(crate) mod logs;
pub(crate) mod nodes;
mod pace;
mod prune;
pub(crate) mod queues;
pub(crate) mod raft;
pub(crate) mod recover;
mod reload;
pub(crate) mod roles;
pub(crate) mod rpc;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod tables;
pub(crate) mod tasks;
pub(crate) mod topics;
pub(crate) mod workflows;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Rest, Table, body};

impl Session {
    /// Says that something was done: a sentence for people, the thing itself for programs.
    pub(crate) fn did(
        &self,
        table: &Table,
        thing: &impl Serialize,
        said: &str,
    ) -> Result<(), Fault> {
        let thing = body(thing);
        if self.out.for_people() {
            self.out.data(&format!("{said}\n"));
            return Ok(());
        }
        match self.out.asked {
            None => self.out.list(table, vec![thing], &Rest::default()),
            Some(_) => self.out.one(table, &thing),
        }
    }

    /// Says that something is gone.
    pub(crate) fn gone(&self, said: &str) {
        if self.out.for_people() {
            self.out.data(&format!("{said}\n"));
        } else {
            self.out.note(said);
        }
    }
}

/// `name=value` words as a map.
fn pairs(words: &[String]) -> Result<BTreeMap<String, String>, Fault> {
    let mut pairs = BTreeMap::new();
    for word in words {
        let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Fault::new(Exit::Usage, format!("`{word}` is not name=value")));
        };
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Fault::new(Exit::Usage, format!("`{name}` is given twice")));
        }
    }
    Ok(pairs)
}
