//! `oarlock nodes`, `roles`, `workers`: who is there, and who drives what.

use clap::Subcommand;

use super::tables::{NODES, ROLES, WORKERS};
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
}

/// What can be done with roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Roles {
    /// Show what each node drives, since when and why
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  oarlock roles list\n  oarlock roles list --sort since"
    )]
    List(Again),
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
    match word {
        Nodes::List(again) => again.list(session, &NODES, session.client()?.nodes()).await,
    }
}

/// Does it.
pub(crate) async fn roles(session: &Session, word: Roles) -> Result<(), Fault> {
    match word {
        Roles::List(again) => again.list(session, &ROLES, session.client()?.roles()).await,
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
