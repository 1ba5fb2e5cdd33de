//! `oarlock nodes`, `workers`: who is there, and who does the work.

use clap::Subcommand;

use super::tables::{NODES, WORKERS};
use crate::again::Again;
use crate::ask::Session;
use crate::fault::Fault;
use crate::output::body;

/// What can be done with nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Nodes {
    /// Show all nodes
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  oarlock nodes list\n  oarlock nodes list -o wide"
    )]
    List(Again),
    /// Show one node
    #[command(after_long_help = "Examples:\n  oarlock nodes get n2")]
    Get {
        /// Its name or number
        node: String,
    },
    /// Let a node hand over and take on nothing more
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock nodes drain n2\n\
            \x20 oarlock nodes drain n2 --reason 'new kernel'")]
    Drain {
        /// Its name or number
        node: String,
        /// Why, for people
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Also if nobody can take over
        #[arg(long)]
        force: bool,
    },
    /// Let a node take part again
    #[command(after_long_help = "Examples:\n  oarlock nodes undrain n2")]
    Undrain {
        /// Its name or number
        node: String,
    },
}

/// What can be done with workers.
#[derive(Debug, Subcommand)]
pub(crate) enum Workers {
    /// Show all workers
    #[command(visible_alias = "ls", after_long_help = "Examples:\n  oarlock workers list")]
    List(Again),
    /// Show one worker with its tasks
    #[command(after_long_help = "Examples:\n  oarlock workers get wrk_01kadq… -o json")]
    Get {
        /// `wrk_…`
        worker: String,
    },
}

/// Does it.
pub(crate) async fn nodes(session: &Session, word: Nodes) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Nodes::List(again) => again.list(session, &NODES, client.nodes()).await,
        Nodes::Get { node } => session.out.one(&NODES, &body(&client.node(&node).get().await?)),
        Nodes::Drain { node, reason, force } => {
            if session.dry(&format!("drain {node}")) {
                return Ok(());
            }
            let member = client.node(&node).drain(reason.as_deref(), force).await?;
            let left = match member.running {
                0 => "nothing runs on it".to_owned(),
                1 => "one task still runs on it".to_owned(),
                many => format!("{many} tasks still run on it"),
            };
            session.did(&NODES, &member, &format!("{node} takes on nothing more; {left}"))
        }
        Nodes::Undrain { node } => {
            if session.dry(&format!("undrain {node}")) {
                return Ok(());
            }
            let member = client.node(&node).undrain().await?;
            session.did(&NODES, &member, &format!("{node} takes part again"))
        }
    }
}

/// Does it.
pub(crate) async fn workers(session: &Session, word: Workers) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Workers::List(again) => again.list(session, &WORKERS, client.workers()).await,
        Workers::Get { worker } => session.out.one(&WORKERS, &body(&client.worker(&worker).await?)),
    }
}
