//! `oarlock workflows …`: definitions and their versions.

use clap::Subcommand;

use super::tables::{RUNS, VERSIONS, WORKFLOWS};
use crate::again::Again;
use crate::ask::Session;
use crate::fault::Fault;
use crate::output::body;

/// What can be done with workflows.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show all workflows
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n\
            \x20 oarlock workflows list\n\
            \x20 oarlock workflows list --where 'unfinished_runs > 0' -o wide\n\
            \x20 oarlock workflows list --watch"
    )]
    List(Again),
    /// Show one workflow
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock workflows get etl\n\
            \x20 oarlock workflows get etl --version 2 --source")]
    Get {
        /// Its name
        name: String,
        /// Another version than the newest
        #[arg(long)]
        version: Option<u32>,
        /// Print the file as its author wrote it
        #[arg(long)]
        source: bool,
    },
    /// Create or change workflows from files
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock workflows apply -f etl.yaml\n\
            \x20 oarlock workflows apply -f flows/ --dry-run")]
    Apply(super::files::Apply),
    /// Forget a workflow; its runs must be finished
    #[command(
        visible_alias = "rm",
        after_long_help = "Examples:\n  oarlock workflows delete etl --yes"
    )]
    Delete {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Take no new runs of a workflow
    #[command(after_long_help = "Examples:\n  oarlock workflows pause etl")]
    Pause {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Take runs of a workflow again
    #[command(after_long_help = "Examples:\n  oarlock workflows resume etl")]
    Resume {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Draw a workflow's graph
    #[command(
        after_long_help = "Examples:\n  oarlock workflows graph etl\n  oarlock workflows graph etl --mermaid"
    )]
    Graph {
        /// Its name
        name: String,
        /// As a Mermaid flowchart
        #[arg(long)]
        mermaid: bool,
    },
    /// Show all versions of a workflow
    #[command(after_long_help = "Examples:\n  oarlock workflows versions etl")]
    Versions {
        /// Its name
        name: String,
    },
    /// Show the runs of a workflow
    #[command(after_long_help = "Examples:\n  oarlock workflows history etl --limit 10")]
    History {
        /// Its name
        name: String,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List(again) => again.list(session, &WORKFLOWS, client.workflows()).await,
        Word::Get { name, version, source } => get(session, &name, version, source).await,
        Word::Apply(args) => super::files::apply(session, &args).await,
        Word::Delete { names } => {
            if !session.sure(&format!("Delete {}?", listed("workflow", &names)))? {
                return Ok(());
            }
            for name in names {
                client.workflow(&name).delete().await?;
                session.gone(&format!("{name} is deleted"));
            }
            Ok(())
        }
        Word::Pause { names } => {
            for name in names.iter().filter(|name| !session.dry(&format!("pause {name}"))) {
                let workflow = client.workflow(name).pause().await?;
                session.did(&WORKFLOWS, &workflow, &format!("{name} takes no new runs"))?;
            }
            Ok(())
        }
        Word::Resume { names } => {
            for name in names.iter().filter(|name| !session.dry(&format!("resume {name}"))) {
                let workflow = client.workflow(name).resume().await?;
                session.did(&WORKFLOWS, &workflow, &format!("{name} takes runs again"))?;
            }
            Ok(())
        }
        Word::Graph { name, mermaid } => graph(session, &name, mermaid).await,
        Word::Versions { name } => session.list(&VERSIONS, client.workflow(&name).versions()).await,
        Word::History { name } => session.list(&RUNS, client.runs().workflow(name)).await,
    }
}

async fn get(
    session: &Session,
    name: &str,
    version: Option<u32>,
    source: bool,
) -> Result<(), Fault> {
    let handle = session.client()?.workflow(name);
    let workflow = match version {
        Some(version) => handle.version(version).await?,
        None => handle.get().await?,
    };
    if source {
        session.out.data(workflow.source.as_deref().unwrap_or_default());
        return Ok(());
    }
    session.out.one(&WORKFLOWS, &body(&workflow))?;
    if session.out.for_people() {
        let picture = crate::progress::picture_of(&session.out, &workflow.tasks);
        session.out.data(&picture);
    }
    Ok(())
}

async fn graph(session: &Session, name: &str, mermaid: bool) -> Result<(), Fault> {
    let handle = session.client()?.workflow(name);
    let graph = handle.graph().await?;
    if mermaid || !session.out.for_people() {
        match session.out.asked {
            Some(_) if !mermaid => session.out.value(&body(&graph)),
            _ => session.out.data(&format!("{}\n", graph.mermaid.trim_end())),
        }
        return Ok(());
    }
    let picture = crate::progress::picture_of(&session.out, &handle.get().await?.tasks);
    if picture.is_empty() {
        session.out.note("too large for a picture here; as a Mermaid flowchart:");
        session.out.data(&format!("{}\n", graph.mermaid.trim_end()));
    } else {
        session.out.data(&picture);
    }
    Ok(())
}

/// `run etl/1`, or `3 runs`.
pub(super) fn listed(what: &str, names: &[String]) -> String {
    match names {
        [one] => format!("{what} {one}"),
        many => format!("{} {what}s ({})", many.len(), many.join(", ")),
    }
}
