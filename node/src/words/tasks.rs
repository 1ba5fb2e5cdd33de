//! `oarlock tasks …`: units of work, looked at and settled by hand.

use clap::Subcommand;
use oarlock_client::v1::FailTask;

use super::tables::{ATTEMPTS, TASKS};
use crate::again::Again;
use crate::ask::{Session, value};
use crate::fault::Fault;
use crate::output::{Rest, body};

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show the tasks of a run, or of all runs
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n\
            \x20 oarlock tasks list etl/1042\n\
            \x20 oarlock tasks list --status running,retrying"
    )]
    List {
        /// `etl/1042` or `run_…`; absent: all runs
        run: Option<String>,
        /// In these states
        #[arg(long, value_delimiter = ',')]
        status: Vec<String>,
        /// In this queue
        #[arg(long, conflicts_with = "run")]
        queue: Option<String>,
        /// Of this workflow
        #[arg(long, conflicts_with = "run")]
        workflow: Option<String>,
        /// Once or again and again
        #[command(flatten)]
        again: Again,
    },
    /// Show one task with its attempts
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock tasks get etl/1042/load\n\
            \x20 oarlock tasks get 'etl/1042/extract[3]' -o yaml")]
    Get {
        /// `etl/1042/load`
        task: String,
    },
    /// Complete a task by hand
    #[command(
        after_long_help = "Examples:\n  oarlock tasks complete etl/1042/load --result '{\"rows\": 7}'"
    )]
    Complete {
        /// `etl/1042/load`
        task: String,
        /// What it came to: JSON, or a text
        #[arg(long, value_name = "JSON")]
        result: Option<String>,
        /// Only if this attempt is the current one
        #[arg(long)]
        attempt: Option<u32>,
    },
    /// Fail a task by hand
    #[command(
        after_long_help = "Examples:\n  oarlock tasks fail etl/1042/load --message \"source is gone\""
    )]
    Fail {
        /// `etl/1042/load`
        task: String,
        /// Why, for people
        #[arg(long, default_value = "failed by hand")]
        message: String,
        /// Try it again, if attempts are left
        #[arg(long)]
        retryable: bool,
        /// Only if this attempt is the current one
        #[arg(long)]
        attempt: Option<u32>,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List { run, status, queue, workflow, again } => {
            let mut list = match run {
                Some(run) => client.run(&run).tasks(),
                None => client.tasks(),
            };
            if !status.is_empty() {
                list = list.param("status", status.join(","));
            }
            for (name, value) in [("queue", queue), ("workflow", workflow)] {
                if let Some(value) = value {
                    list = list.param(name, value);
                }
            }
            again.list(session, &TASKS, list).await
        }
        Word::Get { task } => {
            let handle = client.task(&task);
            let found = handle.get().await?;
            session.out.one(&TASKS, &body(&found))?;
            if session.out.for_people() {
                let (attempts, _) = handle.attempts().take(100).await?;
                if !attempts.is_empty() {
                    session.out.data("\n");
                    let attempts = attempts.iter().map(body).collect();
                    session.out.list(&ATTEMPTS, attempts, &Rest::default())?;
                }
                for (name, value) in [("given", &found.payload), ("output", &found.output)] {
                    if let Some(value) = value.as_ref().filter(|value| !value.is_null()) {
                        let text = crate::output::pretty(value);
                        session.out.data(&format!("\n{name}\n{text}"));
                    }
                }
            }
            Ok(())
        }
        Word::Complete { task, result, attempt } => {
            if session.dry(&format!("complete {task}")) {
                return Ok(());
            }
            let output = result.map(|text| value(&text));
            let done = client.task(&task).complete(output, attempt).await?;
            session.did(&TASKS, &done, &format!("{task} is {}", done.status.as_str()))
        }
        Word::Fail { task, message, retryable, attempt } => {
            if session.dry(&format!("fail {task}")) {
                return Ok(());
            }
            let failure = FailTask { message, kind: None, retryable, attempt };
            let done = client.task(&task).fail(failure).await?;
            session.did(&TASKS, &done, &format!("{task} is {}", done.status.as_str()))
        }
    }
}
