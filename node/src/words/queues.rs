//! `oarlock queues …`: where tasks wait for workers.

use clap::Subcommand;

use super::tables::QUEUES;
use crate::again::Again;
use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::body;

/// What can be done with queues.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show all queues
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  oarlock queues list\n  oarlock queues list --sort -ready"
    )]
    List(Again),
    /// Show one queue
    #[command(after_long_help = "Examples:\n  oarlock queues get default")]
    Get {
        /// Its name
        name: String,
    },
    /// Hand nothing out of a queue
    #[command(after_long_help = "Examples:\n  oarlock queues pause warehouse")]
    Pause {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Hand out of a queue again
    #[command(after_long_help = "Examples:\n  oarlock queues resume warehouse")]
    Resume {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Limit what runs of a queue at once
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock queues set warehouse --concurrency 4\n\
            \x20 oarlock queues set warehouse --concurrency none")]
    Set {
        /// Its name
        name: String,
        /// At most so many at once over all nodes, or `none`
        #[arg(long, value_name = "N|none")]
        concurrency: String,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List(again) => again.list(session, &QUEUES, client.queues()).await,
        Word::Get { name } => session.out.one(&QUEUES, &body(&client.queue(&name).get().await?)),
        Word::Pause { names } => {
            for name in names.iter().filter(|name| !session.dry(&format!("pause {name}"))) {
                let queue = client.queue(name).pause().await?;
                session.did(&QUEUES, &queue, &format!("{name} hands nothing out"))?;
            }
            Ok(())
        }
        Word::Resume { names } => {
            for name in names.iter().filter(|name| !session.dry(&format!("resume {name}"))) {
                let queue = client.queue(name).resume().await?;
                session.did(&QUEUES, &queue, &format!("{name} hands out again"))?;
            }
            Ok(())
        }
        Word::Set { name, concurrency } => {
            let limit = match concurrency.as_str() {
                "none" => None,
                text => Some(text.parse::<u32>().map_err(|_| {
                    let what = format!("`{text}` is neither a number nor `none`");
                    Fault::new(Exit::Usage, what)
                })?),
            };
            if session.dry(&format!("limit {name} to {concurrency}")) {
                return Ok(());
            }
            let queue = client.queue(&name).set_limit(limit).await?;
            let said = match limit {
                Some(limit) => format!("{name} runs at most {limit} at once"),
                None => format!("{name} has no limit"),
            };
            session.did(&QUEUES, &queue, &said)
        }
    }
}
