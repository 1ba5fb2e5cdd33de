//! `oarlock context …`: which cluster to talk to.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::ask::Session;
use crate::config::contexts::{Context, Contexts};
use crate::fault::{Exit, Fault};
use crate::output::{Rest, Show, Table};

const CONTEXTS: Table = Table {
    columns: &[
        ("CONTEXT", "name", Show::Text),
        ("ADDRESS", "addr", Show::Text),
        ("CURRENT", "current", Show::Yes),
        ("TOKEN", "token", Show::Yes),
    ],
    name: "name",
    empty: "No contexts. Add one: oarlock context add NAME ADDRESS",
};

/// What can be done with contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show all contexts
    #[command(visible_alias = "ls", after_long_help = "Examples:\n  oarlock context list")]
    List,
    /// Talk to this one from now on
    #[command(after_long_help = "Examples:\n  oarlock context use prod\n  oarlock context use -")]
    Use {
        /// Its name; `-`: the one before
        name: String,
    },
    /// Give a cluster a name
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock context add prod https://oar.example.com:6270\n\
            \x20 oarlock context add lab 10.0.0.1:6270 10.0.0.2:6270 10.0.0.3:6270")]
    Add {
        /// Its name
        name: String,
        /// Where its nodes are; the next one is asked when one does not answer
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Show one context
    #[command(after_long_help = "Examples:\n  oarlock context show\n  oarlock context show prod")]
    Show {
        /// Its name; absent: the one in use
        name: Option<String>,
    },
    /// Forget a context
    #[command(visible_alias = "rm", after_long_help = "Examples:\n  oarlock context delete prod")]
    Delete {
        /// Its name
        name: String,
    },
}

/// Does it.
pub(crate) fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let mut contexts = Contexts::load()?;
    match word {
        Word::List => {
            let shown = contexts.all.iter().map(|(name, context)| shown(&contexts, name, context));
            session.out.list(&CONTEXTS, shown.collect(), &Rest::default())
        }
        Word::Use { name } => {
            let name = match (name.as_str(), &contexts.previous) {
                ("-", Some(previous)) => previous.clone(),
                ("-", None) => {
                    return Err(Fault::new(Exit::Conflict, "no other context was in use before"));
                }
                (name, _) => name.to_owned(),
            };
            let addr = contexts.get(&name)?.addr.clone();
            contexts.previous = contexts.current.replace(name.clone());
            contexts.save()?;
            session.gone(&format!("{name} ({addr}) is in use"));
            Ok(())
        }
        Word::Add { name, addresses } => {
            let address = addresses.join(",");
            // The client knows best what an address is.
            oarlock_client::Client::builder().addr(address.clone()).build()?;
            let token = session.global.token.clone();
            contexts.all.insert(name.clone(), Context { addr: address, token });
            let first = contexts.current.is_none();
            if first {
                contexts.current = Some(name.clone());
            }
            contexts.save()?;
            let more = if first { ", and in use" } else { "" };
            session.gone(&format!("{name} is added{more}"));
            Ok(())
        }
        Word::Show { name: Some(name) } => {
            let context = contexts.get(&name)?;
            session.out.one(&CONTEXTS, &shown(&contexts, &name, context))
        }
        Word::Show { name: None } => {
            let address = session.address()?;
            let value = json!({"addr": address.addr, "origin": address.origin});
            if session.out.for_people() || session.out.asked.is_none() {
                session.out.data(&format!("{}\t{}\n", address.addr, address.origin));
            } else {
                session.out.value(&value);
            }
            Ok(())
        }
        Word::Delete { name } => {
            contexts.get(&name)?;
            if !session.sure(&format!("Delete context {name}?"))? {
                return Ok(());
            }
            contexts.all.remove(&name);
            contexts.current = contexts.current.filter(|current| *current != name);
            contexts.previous = contexts.previous.filter(|previous| *previous != name);
            contexts.save()?;
            session.gone(&format!("{name} is deleted"));
            Ok(())
        }
    }
}

fn shown(contexts: &Contexts, name: &str, context: &Context) -> Value {
    let current = contexts.current.as_deref() == Some(name);
    json!({"name": name, "addr": context.addr, "current": current, "token": context.token.is_some()})
}
