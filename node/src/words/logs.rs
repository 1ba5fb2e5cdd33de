//! `oarlock logs ID[/TASK]`: what tasks printed.

use oarlock_client::v1::LogChunk;

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Tint, body};

/// What is wanted of the logs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock logs etl/1042\n\
        \x20 oarlock logs etl/1042/load --attempt 2\n\
        \x20 oarlock logs etl/1042 --follow --tail 100\n\
        \x20 oarlock logs etl/1042 --since 1h --until 30m")]
pub(crate) struct Args {
    /// A run or one of its tasks: `etl/1042`, `etl/1042/load`, `etl/1042/load@2`
    id: String,
    /// Only this attempt
    #[arg(long)]
    attempt: Option<u32>,
    /// Go on as more is printed, until the run is over
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines of each attempt
    #[arg(long, value_name = "N")]
    tail: Option<u32>,
    /// Only what ended since: 5m, or a moment
    #[arg(long)]
    since: Option<String>,
    /// Only what began until: 5m, or a moment
    #[arg(long, conflicts_with = "follow")]
    until: Option<String>,
}

/// Does it.
pub(crate) async fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    let client = session.client()?;
    let (run, task, attempt) = parts(&args.id)?;
    let attempt = args.attempt.or(attempt);
    let mut params: Vec<(&str, String)> = Vec::new();
    if let Some(task) = task {
        params.push(("task", task.to_owned()));
    }
    if let Some(attempt) = attempt {
        params.push(("attempt", attempt.to_string()));
    }
    if let Some(tail) = args.tail {
        params.push(("tail", tail.to_string()));
    }
    if let Some(since) = &args.since {
        params.push(("since", since.clone()));
    }
    if let Some(until) = &args.until {
        params.push(("until", until.clone()));
    }
    if args.follow {
        params.push(("follow", "true".to_owned()));
    }
    let mut log = client.run(run).logs_with(&params).await?;
    let mut last: Option<String> = None;
    let mut some = false;
    while let Some(chunk) = log.next().await? {
        some = true;
        show(session, &chunk, task.is_none(), &mut last);
    }
    if !some {
        session.out.note("nothing was printed");
    }
    Ok(())
}

/// Text for people has a line above each attempt; a pipe gets the text alone, or one JSON object for each piece.
fn show(session: &Session, chunk: &LogChunk, many: bool, last: &mut Option<String>) {
    let out = &session.out;
    if out.json() {
        out.data(&format!("{}\n", body(chunk)));
        return;
    }
    if many && last.as_deref() != Some(&chunk.attempt) && out.terminal {
        let gap = if last.is_some() { "\n" } else { "" };
        let head = out.paint(Tint::Strong.style(), &format!("── {}", chunk.attempt));
        out.data(&format!("{gap}{head}\n"));
    }
    *last = Some(chunk.attempt.clone());
    let end = if chunk.text.ends_with('\n') || chunk.text.is_empty() { "" } else { "\n" };
    out.data(&format!("{}{end}", chunk.text));
}

/// The run, the task and the attempt of an id.
fn parts(id: &str) -> Result<(&str, Option<&str>, Option<u32>), Fault> {
    let (id, attempt) = match id.split_once('@') {
        Some((id, number)) => {
            let number = number.parse().map_err(|_| {
                Fault::new(Exit::Usage, format!("`@{number}` is not an attempt such as @2"))
            })?;
            (id, Some(number))
        }
        None => (id, None),
    };
    // `etl/1042` and `run_…` are runs; with one more part they are tasks.
    let slashes = if id.starts_with("run_") { 0 } else { 1 };
    match id.match_indices('/').nth(slashes) {
        Some((at, _)) => Ok((&id[..at], Some(&id[at + 1..]), attempt)),
        None => Ok((id, None, attempt)),
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn an_id_names_a_run_a_task_or_an_attempt() {
        let ok = |id| parts(id).expect("an id");
        assert_eq!(ok("etl/1042"), ("etl/1042", None, None));
        assert_eq!(ok("etl/1042/load"), ("etl/1042", Some("load"), None));
        assert_eq!(ok("etl/1042/load@2"), ("etl/1042", Some("load"), Some(2)));
        assert_eq!(ok("run_01k/extract[3]"), ("run_01k", Some("extract[3]"), None));
        assert_eq!(ok("run_01k"), ("run_01k", None, None));
    }
}
