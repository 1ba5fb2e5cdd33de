//! `oarlock dlq …`: tasks that failed for good, by error, taken up again or given up.

use clap::{Args, Subcommand};
use futures::TryStreamExt;
use oarlock_client::v1::{DeadSelection, Selected};

use super::pace::Pace;
use super::tables::{DEAD, DEAD_GROUPS};
use crate::again::Again;
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
            \x20 oarlock dlq list --watch\n\
            \x20 oarlock dlq list --each --where 'error.contains(\"503\")'"
    )]
    List {
        #[command(flatten)]
        again: Again,
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
            \x20 oarlock dlq retry --all --yes --rate 5/s")]
    Retry {
        #[command(flatten)]
        which: Which,
        /// So many in a second, a minute or an hour: 5/s
        #[arg(long, value_name = "N/s")]
        rate: Option<Pace>,
    },
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
        Word::List { again, each, workflow, queue, group } => {
            if !each && group.is_none() && workflow.is_none() && queue.is_none() {
                return again.list(session, &DEAD_GROUPS, client.dead_letter_groups()).await;
            }
            let mut list = client.dead_letters();
            let params = [("workflow", workflow), ("queue", queue), ("fingerprint", group)];
            for (name, value) in params {
                if let Some(value) = value {
                    list = list.param(name, value);
                }
            }
            again.list(session, &DEAD, list).await
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
        Word::Retry { which, rate } => change(session, &which, "retry", "queued again", rate).await,
        Word::Discard(which) => change(session, &which, "discard", "given up", None).await,
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

/// Asks how many it would be, asks the person, and does it in bounded pieces, no faster than is wanted.
async fn change(
    session: &Session,
    which: &Which,
    verb: &str,
    done: &str,
    rate: Option<Pace>,
) -> Result<(), Fault> {
    let client = session.client()?;
    let selection = which.selection(session, verb)?;
    let ask = async |selection: &DeadSelection| match verb {
        "retry" => client.retry_dead_letters(selection).await,
        _ => client.discard_dead_letters(selection).await,
    };
    let (mut wanted, mut more) = (0, false);
    for some in pieces(&selection, BATCH) {
        let count = ask(&DeadSelection { dry_run: true, ..some }).await?;
        wanted += count.matched;
        more |= count.more;
    }
    if wanted == 0 {
        session.out.note("no dead letter fits");
        return Ok(());
    }
    let letters = if wanted == 1 { "dead letter" } else { "dead letters" };
    let least = if more { "at least " } else { "" };
    let word = if verb == "retry" { "Retry" } else { "Discard" };
    let question = format!("{word} {least}{} {letters}?", grouped(wanted));
    let small = which.tasks.len() == 1 && verb == "retry" && !session.global.dry_run;
    if !small && !session.sure(&question)? {
        return Ok(());
    }
    let (piece, pause) = rate.map_or((BATCH, None), |rate| (rate.piece, Some(rate.pause)));
    let mut beat = pause.map(tokio::time::interval);
    let mut all = Selected::default();
    'done: for some in pieces(&selection, piece) {
        loop {
            if let Some(beat) = &mut beat {
                beat.tick().await;
            }
            let did = ask(&DeadSelection { max: Some(piece), ..some.clone() }).await?;
            all.matched += did.matched;
            all.changed += did.changed;
            // What fails again meanwhile is a dead letter again, and is not meant a second time.
            if !more && all.matched >= wanted {
                break 'done;
            }
            if !did.more || did.changed == 0 {
                break;
            }
        }
    }
    if session.out.asked.is_some() {
        session.out.value(&body(&all));
    } else {
        session.gone(&format!("{} of {} {done}", grouped(all.changed), grouped(all.matched)));
    }
    Ok(())
}

/// Ids so many at a time; what is meant in another way is one piece, of which the node takes so many at a time.
fn pieces(selection: &DeadSelection, max: u32) -> Vec<DeadSelection> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if selection.ids.is_empty() {
        return vec![selection.clone()];
    }
    let some = |ids: &[String]| DeadSelection { ids: ids.to_vec(), ..selection.clone() };
    selection.ids.chunks(max).map(some).collect()
}
