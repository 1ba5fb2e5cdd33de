//! `oarlock dlq …`: tasks that failed for good, by error, taken up again or given up.

use clap::{Args, Subcommand};
use futures::TryStreamExt;
use oarlock_client::v1::{DeadSelection, Selected};

use super::tables::{DEAD, DEAD_GROUPS};
use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{body, grouped};

/// Dead letters changed in one call.
const BATCH: u32 = 500;

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show dead letters, grouped by error
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n\
            \x20 oarlock dlq list\n\
            \x20 oarlock dlq list --each --where 'error.contains(\"503\")'"
    )]
    List {
        /// Each of them instead of groups
        #[arg(long)]
        each: bool,
        /// Of this workflow
        #[arg(long)]
        workflow: Option<String>,
        /// Of this queue
        #[arg(long)]
        queue: Option<String>,
        /// Of this group, each of them
        #[arg(long)]
        group: Option<String>,
    },
    /// Show one dead letter
    #[command(after_long_help = "Examples:\n  oarlock dlq get etl/1042/load -o yaml")]
    Get {
        /// `etl/1042/load`
        task: String,
    },
    /// Try dead letters again
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock dlq retry etl/1042/load\n\
            \x20 oarlock dlq retry --where 'error.contains(\"503\")'\n\
            \x20 oarlock dlq retry --all --yes")]
    Retry(Which),
    /// Give dead letters up
    #[command(
        after_long_help = "Examples:\n  oarlock dlq discard etl/1042/load --reason \"sent by hand\""
    )]
    Discard(Which),
    /// Print every dead letter, one a line
    #[command(
        after_long_help = "Examples:\n  oarlock dlq export > dead.jsonl\n  oarlock dlq export --workflow etl"
    )]
    Export {
        /// Of this workflow
        #[arg(long)]
        workflow: Option<String>,
    },
}

/// Which dead letters are meant. `--where` and `--all` count too.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// `etl/1042/load`
    tasks: Vec<String>,
    /// Of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Of this group
    #[arg(long)]
    group: Option<String>,
    /// Why, for people and for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

impl Which {
    fn selection(&self, session: &Session, verb: &str) -> Result<DeadSelection, Fault> {
        let filter = session.global.filter.clone();
        let narrowed = !self.tasks.is_empty()
            || self.workflow.is_some()
            || self.queue.is_some()
            || self.group.is_some()
            || filter.is_some();
        if !narrowed && !session.global.all {
            let fault = Fault::new(Exit::Usage, format!("which dead letters to {verb}?"));
            let example =
                format!("oarlock dlq {verb} etl/1042/load, or --where, --workflow, --all");
            return Err(fault.help(example));
        }
        Ok(DeadSelection {
            ids: self.tasks.clone(),
            workflow: self.workflow.clone(),
            queue: self.queue.clone(),
            fingerprint: self.group.clone(),
            filter,
            all: session.global.all && !narrowed,
            max: None,
            dry_run: false,
            reason: self.reason.clone(),
        })
    }
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List { each, workflow, queue, group } => {
            if !each && group.is_none() && workflow.is_none() && queue.is_none() {
                return session.list(&DEAD_GROUPS, client.dead_letter_groups()).await;
            }
            let mut list = client.dead_letters();
            let params = [("workflow", workflow), ("queue", queue), ("fingerprint", group)];
            for (name, value) in params {
                if let Some(value) = value {
                    list = list.param(name, value);
                }
            }
            session.list(&DEAD, list).await
        }
        Word::Get { task } => {
            let letter = client.dead_letter(&task).get().await?;
            session.out.one(&DEAD, &body(&letter))?;
            if session.out.for_people()
                && let Some(payload) = &letter.payload
            {
                session.out.data(&format!("\ngiven\n{}", crate::output::pretty(payload)));
            }
            Ok(())
        }
        Word::Retry(which) => change(session, &which, "retry", "queued again").await,
        Word::Discard(which) => change(session, &which, "discard", "given up").await,
        Word::Export { workflow } => {
            let mut list = client.dead_letters();
            if let Some(workflow) = workflow {
                list = list.param("workflow", workflow);
            }
            if let Some(filter) = &session.global.filter {
                list = list.filter(filter.clone());
            }
            let mut letters = list.stream();
            while let Some(letter) = letters.try_next().await? {
                session.out.data(&format!("{}\n", body(&letter)));
            }
            Ok(())
        }
    }
}

/// Asks how many it would be, asks the person, and does it in bounded pieces.
async fn change(session: &Session, which: &Which, verb: &str, done: &str) -> Result<(), Fault> {
    let client = session.client()?;
    let mut selection = which.selection(session, verb)?;
    let count = DeadSelection { dry_run: true, ..selection.clone() };
    let ask = async |selection: &DeadSelection| match verb {
        "retry" => client.retry_dead_letters(selection).await,
        _ => client.discard_dead_letters(selection).await,
    };
    let matched = ask(&count).await?;
    if matched.matched == 0 {
        session.out.note("no dead letter fits");
        return Ok(());
    }
    let letters = if matched.matched == 1 { "dead letter" } else { "dead letters" };
    let more = if matched.more { "at least " } else { "" };
    let word = if verb == "retry" { "Retry" } else { "Discard" };
    let question = format!("{word} {more}{} {letters}?", grouped(matched.matched));
    let small = which.tasks.len() == 1 && verb == "retry" && !session.global.dry_run;
    if !small && !session.sure(&question)? {
        return Ok(());
    }
    selection.max = Some(BATCH);
    let mut all = Selected::default();
    loop {
        let some = ask(&selection).await?;
        all.matched += some.matched;
        all.changed += some.changed;
        if !some.more || some.changed == 0 {
            break;
        }
    }
    if session.out.asked.is_some() {
        session.out.value(&body(&all));
    } else {
        session.gone(&format!("{} of {} {done}", grouped(all.changed), grouped(all.matched)));
    }
    Ok(())
}
