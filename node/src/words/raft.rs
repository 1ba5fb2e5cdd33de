//! `oarlock raft …`: how one node sees the replicated log and the others.

use clap::Subcommand;

use super::tables::{PEERS, RAFT};
use crate::ask::Session;
use crate::fault::Fault;
use crate::output::{Rest, body};

/// What can be looked at.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show the log and the peers of the node that answers
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock raft status\n\
            \x20 oarlock raft status --addr 127.0.0.1:6280 -o json")]
    Status,
}

/// Does it.
pub(crate) async fn run(session: &Session, word: &Word) -> Result<(), Fault> {
    match word {
        Word::Status => {
            let raft = session.client()?.raft().await?;
            session.out.one(&RAFT, &body(&raft))?;
            if session.out.for_people() && raft.peers.len() > 1 {
                session.out.data("\n");
                let peers = raft.peers.iter().map(body).collect();
                session.out.list(&PEERS, peers, &Rest::default())?;
            }
            Ok(())
        }
    }
}
