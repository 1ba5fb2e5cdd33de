//! `oarlock roles …`: what exactly one node drives at a time; which, since when and why; and where people want it.

use clap::Subcommand;

use super::tables::ROLES;
use crate::again::Again;
use crate::ask::Session;
use crate::fault::Fault;
use crate::output::body;

/// What can be done with roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show what each node drives, since when and why
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n\
            \x20 oarlock roles list --sort since\n\
            \x20 oarlock roles list --where 'node == \"n2\"'"
    )]
    List(Again),
    /// Show one role
    #[command(after_long_help = "Examples:\n  oarlock roles get keeper-1-of-1")]
    Get {
        /// Its name or number
        role: String,
    },
    /// Give a role to a node
    #[command(after_long_help = "Examples:\n  oarlock roles move dag-etl-1-of-1 --to n2")]
    Move {
        /// Its name or number
        role: String,
        /// The node
        #[arg(long, value_name = "NODE")]
        to: String,
        /// Why, for people
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Give a role to a node for good
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock roles pin dag-etl-1-of-1\n\
            \x20 oarlock roles pin dag-etl-1-of-1 --to n2")]
    Pin {
        /// Its name or number
        role: String,
        /// The node; where it is now if none is named
        #[arg(long, value_name = "NODE")]
        to: Option<String>,
    },
    /// Let the plan say again where a role is
    #[command(after_long_help = "Examples:\n  oarlock roles unpin dag-etl-1-of-1")]
    Unpin {
        /// Its name or number
        role: String,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List(again) => again.list(session, &ROLES, client.roles()).await,
        Word::Get { role } => session.out.one(&ROLES, &body(&client.role(&role).get().await?)),
        Word::Move { role, to, reason } => {
            if session.dry(&format!("move {role} to {to}")) {
                return Ok(());
            }
            let moved = client.role(&role).move_to(&to, reason.as_deref()).await?;
            session.did(&ROLES, &moved, &format!("{to} drives {role}, in epoch {}", moved.epoch))
        }
        Word::Pin { role, to } => {
            if session.dry(&format!("pin {role}")) {
                return Ok(());
            }
            let pinned = client.role(&role).pin(to.as_deref()).await?;
            let node = pinned.pinned.clone().unwrap_or_default();
            session.did(&ROLES, &pinned, &format!("{role} is pinned to {node}"))
        }
        Word::Unpin { role } => {
            if session.dry(&format!("unpin {role}")) {
                return Ok(());
            }
            let role_now = client.role(&role).unpin().await?;
            session.did(&ROLES, &role_now, &format!("{role} goes where the plan says"))
        }
    }
}
