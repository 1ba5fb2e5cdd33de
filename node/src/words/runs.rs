//! `oarlock runs …`: executions, looked at and acted upon.

use clap::{Args, Subcommand};
use oarlock_client::v1::Run;
use oarlock_client::{Client, Error, List, RunHandle, RunStatus};
use serde_json::Value;

use super::tables::RUNS;
use super::workflows::listed;
use crate::again::Again;
use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Rest, body};
use crate::progress;

/// How far back a list goes unless it is told otherwise; what is not finished is shown whatever its age.
const RECENT: &str = "1h";

/// What can be done with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show active runs, and those of the last hour
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n\
            \x20 oarlock runs list\n\
            \x20 oarlock runs list --status failed --since 1d\n\
            \x20 oarlock runs list --all --where 'labels.team == \"data\"' -o json"
    )]
    List {
        /// Which runs
        #[command(flatten)]
        which: Which,
        /// Once or again and again
        #[command(flatten)]
        again: Again,
    },
    /// Show one run with its tasks
    #[command(
        after_long_help = "Examples:\n  oarlock runs get etl/1042\n  oarlock runs get etl/1042 -o json"
    )]
    Get {
        /// `etl/1042` or `run_…`
        run: String,
    },
    /// Follow a run to its end
    #[command(
        after_long_help = "Examples:\n  oarlock runs watch etl/1042\n  oarlock runs watch etl/1042 -o jsonl"
    )]
    Watch {
        /// `etl/1042` or `run_…`
        run: String,
    },
    /// What its tasks printed
    #[command(
        after_long_help = "Examples:\n  oarlock runs logs etl/1042\n  oarlock runs logs etl/1042/load --attempt 2"
    )]
    Logs(super::logs::Args),
    /// What a run came to
    #[command(
        after_long_help = "Examples:\n  oarlock runs result etl/1042\n  oarlock runs result etl/1042 --wait"
    )]
    Result {
        /// `etl/1042` or `run_…`
        run: String,
        /// Wait for its end
        #[arg(long)]
        wait: bool,
    },
    /// End runs in an orderly way
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock runs cancel etl/1042 --reason \"wrong day\"\n\
            \x20 oarlock runs cancel --workflow etl --status running --yes")]
    Cancel(Tell),
    /// End runs at once, without clean-up
    #[command(after_long_help = "Examples:\n  oarlock runs terminate etl/1042")]
    Terminate(Tell),
    /// Run again what failed
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock runs retry etl/1042\n\
            \x20 oarlock runs retry etl/1042 --from load\n\
            \x20 oarlock runs retry --status failed --since 1h")]
    Retry {
        /// Which runs
        #[command(flatten)]
        which: Which,
        /// This task and everything behind it, whatever became of it
        #[arg(long, value_name = "TASK")]
        from: Option<String>,
    },
    /// Begin nothing new in runs
    #[command(after_long_help = "Examples:\n  oarlock runs pause etl/1042")]
    Pause(Tell),
    /// Go on with paused runs
    #[command(after_long_help = "Examples:\n  oarlock runs resume etl/1042")]
    Resume(Tell),
    /// Tell a run what it waits for
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock runs signal etl/1042 approved\n\
            \x20 oarlock runs signal etl/1042 approved '{\"by\": \"ann\"}'")]
    Signal {
        /// `etl/1042` or `run_…`
        run: String,
        /// The signal's name, as in `wait: {signal: NAME}`
        name: String,
        /// What it says: JSON, or a text
        payload: Option<String>,
        /// A second signal with the same id is dropped
        #[arg(long)]
        id: Option<String>,
    },
    /// Set or remove labels of a run
    #[command(after_long_help = "Examples:\n  oarlock runs tag etl/1042 team=data urgent=")]
    Tag {
        /// `etl/1042` or `run_…`
        run: String,
        /// `name=value`; an empty value takes the label away
        #[arg(required = true)]
        labels: Vec<String>,
    },
    /// Forget finished runs
    #[command(
        visible_alias = "rm",
        after_long_help = "Examples:\n  oarlock runs delete etl/1042 --yes"
    )]
    Delete {
        /// `etl/1042` or `run_…`
        #[arg(required = true)]
        runs: Vec<String>,
    },
    /// Print everything that is known of a run, a fact a line
    #[command(after_long_help = "Examples:\n  oarlock runs export etl/1042 > etl-1042.jsonl")]
    Export {
        /// `etl/1042` or `run_…`
        run: String,
    },
}

/// Which runs are meant: these, or all that fit.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// `etl/1042` or `run_…`
    pub(crate) runs: Vec<String>,
    /// In this state: queued, running, failed … active, finished
    #[arg(long, value_delimiter = ',')]
    pub(crate) status: Vec<String>,
    /// Of this workflow
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// With this key
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// With this label, name=value
    #[arg(long)]
    pub(crate) label: Vec<String>,
    /// Accepted since: 1h, or a moment
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Accepted before: 1h, or a moment
    #[arg(long)]
    pub(crate) until: Option<String>,
}

/// Which runs are told something, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct Tell {
    #[command(flatten)]
    which: Which,
    /// Why, for people and for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

impl Which {
    fn filtered(&self) -> bool {
        !self.status.is_empty()
            || self.workflow.is_some()
            || self.key.is_some()
            || !self.label.is_empty()
            || self.since.is_some()
            || self.until.is_some()
    }

    fn list(&self, client: &Client) -> List<Run> {
        let mut list = client.runs();
        if !self.status.is_empty() {
            list = list.param("status", self.status.join(","));
        }
        if !self.label.is_empty() {
            list = list.label(self.label.join(","));
        }
        for (name, value) in [
            ("workflow", &self.workflow),
            ("key", &self.key),
            ("since", &self.since),
            ("until", &self.until),
        ] {
            if let Some(value) = value {
                list = list.param(name, value.clone());
            }
        }
        list
    }

    /// The runs that are meant, by name; filters are asked about first.
    async fn names(&self, session: &Session, verb: &str) -> Result<Vec<String>, Fault> {
        if !self.runs.is_empty() {
            let dry = |run: &&String| !session.dry(&format!("{verb} {run}"));
            return Ok(self.runs.iter().filter(dry).cloned().collect());
        }
        if !self.filtered() && session.global.filter.is_none() {
            let fault = Fault::new(Exit::Usage, format!("which runs to {verb}?"));
            return Err(
                fault.help(format!("oarlock runs {verb} etl/1042, or --status, --workflow …"))
            );
        }
        let (runs, rest) = session.fetch(self.list(&session.client()?)).await?;
        let names: Vec<String> = runs.into_iter().map(|run| run.name).collect();
        if names.is_empty() {
            session.out.note("no run fits");
            return Ok(names);
        }
        let more =
            if rest.next_page_token.is_some() { " (there are more: --limit, --all)" } else { "" };
        let question = format!("{verb} {}{more}?", listed("run", &names));
        Ok(if session.sure(&capital(&question))? { names } else { Vec::new() })
    }
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List { which, again } => list(session, &which, &again).await,
        Word::Get { run } => get(session, &run).await,
        Word::Watch { run } => progress::follow(session, &run).await,
        Word::Logs(args) => super::logs::run(session, &args).await,
        Word::Result { run, wait } => result(session, &run, wait).await,
        Word::Cancel(Tell { which, reason }) => {
            each(session, &which, "cancel", async |run| run.cancel(&reason).await).await
        }
        Word::Terminate(Tell { which, reason }) => {
            each(session, &which, "terminate", async |run| run.terminate(&reason).await).await
        }
        Word::Retry { which, from } => {
            each(session, &which, "retry", async |run| run.retry(from.as_deref()).await).await
        }
        Word::Pause(Tell { which, reason }) => {
            each(session, &which, "pause", async |run| run.pause(&reason).await).await
        }
        Word::Resume(Tell { which, .. }) => {
            each(session, &which, "resume", async |run| run.resume().await).await
        }
        Word::Signal { run, name, payload, id } => {
            if session.dry(&format!("send {name} to {run}")) {
                return Ok(());
            }
            let payload = payload.map(|text| crate::ask::value(&text));
            client.run(&run).signal(&name, payload, id.as_deref()).await?;
            session.gone(&format!("{run} was told `{name}`"));
            Ok(())
        }
        Word::Tag { run, labels } => {
            let labels = super::pairs(&labels)?;
            if session.dry(&format!("tag {run}")) {
                return Ok(());
            }
            let run = client.run(&run).tag(labels).await?;
            let labels: Vec<String> = run.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            session.did(&RUNS, &run, &format!("{}  {}", run.name, labels.join(" ")))
        }
        Word::Delete { runs } => {
            if !session.sure(&format!("Delete {}?", listed("run", &runs)))? {
                return Ok(());
            }
            for run in runs {
                client.run(&run).delete().await?;
                session.gone(&format!("{run} is deleted"));
            }
            Ok(())
        }
        Word::Export { run } => {
            session.out.data(&client.run(&run).export().await?);
            Ok(())
        }
    }
}

/// Does something to each run that is meant, and says what became of it.
async fn each(
    session: &Session,
    which: &Which,
    verb: &str,
    act: impl AsyncFn(RunHandle) -> Result<Run, Error>,
) -> Result<(), Fault> {
    let client = session.client()?;
    for name in which.names(session, verb).await? {
        let run = act(client.run(&name)).await?;
        session.did(&RUNS, &run, &became(&run))?;
    }
    Ok(())
}

async fn list(session: &Session, which: &Which, again: &Again) -> Result<(), Fault> {
    if !which.runs.is_empty() {
        let client = session.client()?;
        let mut items = Vec::new();
        for run in &which.runs {
            items.push(body(&client.run(run).get().await?));
        }
        return session.out.list(&RUNS, items, &Rest::default());
    }
    let client = session.client()?;
    if which.filtered() || session.global.all {
        return again.list(session, &RUNS, which.list(&client)).await;
    }
    again.show(session, &RUNS, async || active_and_recent(session).await).await
}

/// What is not finished, and what was accepted lately, newest first.
async fn active_and_recent(session: &Session) -> Result<(Vec<Value>, Rest), Fault> {
    let client = session.client()?;
    let (active, more) = session.fetch(client.runs().param("status", "active")).await?;
    let recent = client.runs().param("status", "finished").since(RECENT);
    let (finished, rest) = session.fetch(recent).await?;
    let mut runs: Vec<Run> = active.into_iter().chain(finished).collect();
    runs.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    let cut = runs.len() > session.global.limit || more.cut || rest.cut;
    runs.truncate(session.global.limit);
    // Two lists in one have no place where they go on together.
    Ok((runs.iter().map(body).collect(), Rest { cut, ..Rest::default() }))
}

async fn get(session: &Session, id: &str) -> Result<(), Fault> {
    let handle = session.client()?.run(id);
    let run = handle.get().await?;
    session.out.one(&RUNS, &body(&run))?;
    if session.out.for_people() {
        let (tasks, _) = handle.tasks().take(progress::TASKS_MAX).await?;
        session.out.data(&progress::still(&session.out, &run, &tasks));
        for (name, value) in [("input", &run.input), ("output", &run.output)] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_null()) {
                session.out.data(&format!("\n{name}\n{}", crate::output::pretty(value)));
            }
        }
    }
    Ok(())
}

async fn result(session: &Session, id: &str, wait: bool) -> Result<(), Fault> {
    let handle = session.client()?.run(id);
    let mut result = handle.result().await?;
    if wait && !result.status.finished() {
        match handle.wait().await {
            Ok(_) => {}
            Err(error) if error.is_run_end() => {}
            Err(error) => return Err(error.into()),
        }
        result = handle.result().await?;
    }
    show_result(session, &result)
}

/// Shows what a run came to, and ends as the run did.
pub(super) fn show_result(
    session: &Session,
    result: &oarlock_client::v1::RunResult,
) -> Result<(), Fault> {
    if session.out.json() {
        session.out.value(&body(result));
    } else if let Some(output) = &result.output {
        match output {
            Value::String(text) => session.out.data(&format!("{text}\n")),
            other => session.out.value(other),
        }
    }
    let name = &result.name;
    match result.status {
        RunStatus::Completed => Ok(()),
        RunStatus::Failed | RunStatus::Cancelled | RunStatus::TimedOut => {
            Err(progress::ended(name, result.status, result.error.as_ref()))
        }
        status => {
            session.out.note(&format!("{name} is {}; --wait waits for its end", status.as_str()));
            Ok(())
        }
    }
}

fn became(run: &Run) -> String {
    format!("{} is {}", run.name, run.status.as_str().replace('_', " "))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
