//! `oarlock apply --prune`: workflows that the files do not name any more.
//!
//! The files are then the whole truth, so a workflow that is in none of them goes. That is asked before anything is applied, and
//! refused as a whole while one of them has unfinished runs: half a clean-up is worse than none.

use futures::TryStreamExt;

use super::format;
use super::workflows::listed;
use crate::ask::Session;
use crate::fault::{Exit, Fault};

/// The workflows that none of the files defines; refused if one of them is still needed, or a file cannot be read.
pub(super) async fn stale(
    session: &Session,
    texts: &[(String, String)],
) -> Result<Vec<String>, Fault> {
    let mut kept = Vec::new();
    for (file, text) in texts {
        let checked = format::check(file, text, session.out.colour_err);
        if checked.errors > 0 {
            return Err(Fault { drawn: checked.drawn, ..Fault::silent(Exit::Invalid) });
        }
        kept.extend(checked.names);
    }
    let (mut stale, mut busy) = (Vec::new(), Vec::new());
    let mut all = session.client()?.workflows().stream();
    while let Some(workflow) = all.try_next().await? {
        if kept.contains(&workflow.name) {
            continue;
        }
        if workflow.unfinished_runs > 0 {
            busy.push(workflow.name.clone());
        }
        stale.push(workflow.name);
    }
    if !busy.is_empty() {
        let what =
            format!("{} cannot be deleted: there are unfinished runs", listed("workflow", &busy));
        return Err(Fault::new(Exit::Conflict, what)
            .code("E0402")
            .help("wait for their end, or cancel them; nothing was applied or deleted"));
    }
    Ok(stale)
}

/// Whether they shall go; a dry run only says so.
pub(super) fn sure(session: &Session, stale: &[String]) -> Result<bool, Fault> {
    let question = format!("Delete {}, which no file names?", listed("workflow", stale));
    Ok(session.sure(&question)? || session.global.dry_run)
}

/// Deletes them.
pub(super) async fn delete(session: &Session, stale: &[String]) -> Result<(), Fault> {
    let client = session.client()?;
    for name in stale {
        client.workflow(name).delete().await?;
        session.out.note(&format!("{name} is deleted"));
    }
    Ok(())
}
