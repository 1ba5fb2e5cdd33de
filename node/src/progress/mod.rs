//! Following a run: a picture that lives on a terminal, one line for each change in a pipe.
//!
//! The picture is never patched: at most four times a second the run is asked for anew and drawn whole ([`board`]), because a
//! picture that is asked for cannot drift from the truth. The feed only says when asking is worth it, and when it is over. In a
//! pipe the feed itself is what is shown ([`lines`]). Leaving is free: the run does not notice.

mod board;
mod draw;
mod lines;
mod live;

use jiff::Timestamp;
use oarlock_client::RunStatus;
use oarlock_client::v1::{Failure, Run, Task, WorkflowTask};

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Format, Out, Tint, body};

/// Tasks that are looked at for one picture.
pub(crate) const TASKS_MAX: usize = 2000;
/// Lines that the picture of a graph may take.
const PICTURE_LINES_MAX: usize = 12;

/// Follows a run to its end, and ends as the run did. Ctrl-C leaves it alone.
pub(crate) async fn follow(session: &Session, id: &str) -> Result<(), Fault> {
    let work = async {
        if session.out.for_people() {
            live::follow(session, id).await
        } else {
            lines::follow(session, id).await
        }
    };
    let run = tokio::select! {
        run = work => run?,
        () = interrupted() => {
            session.out.note(&format!(
                "\ndetached: {id} goes on\n  follow it again: oarlock runs watch {id}\n  \
                 stop it:         oarlock runs cancel {id}"
            ));
            return Err(Fault::silent(Exit::Interrupted));
        }
    };
    if session.out.asked == Some(Format::Json) {
        session.out.value(&body(&run));
    }
    match exit_of(run.status) {
        Exit::Done => Ok(()),
        exit => Err(Fault::silent(exit)),
    }
}

/// Waits for Ctrl-C; for ever, if this machine cannot tell.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The exit code of a run's end.
fn exit_of(status: RunStatus) -> Exit {
    match status {
        RunStatus::Failed => Exit::RunFailed,
        RunStatus::Cancelled => Exit::RunCancelled,
        RunStatus::TimedOut => Exit::RunTimedOut,
        RunStatus::Completed
        | RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Paused
        | RunStatus::Cancelling => Exit::Done,
    }
}

/// A run that did not end well, as a failure of the command that waited for it.
pub(crate) fn ended(name: &str, status: RunStatus, error: Option<&Failure>) -> Fault {
    let how = match status {
        RunStatus::Cancelled => "was cancelled",
        RunStatus::TimedOut => "timed out",
        _ => "failed",
    };
    let (place, why) = error.map_or_else(Default::default, |error| placed(name, error));
    Fault::new(exit_of(status), format!("{name} {how}{place}{why}"))
        .help(format!("oarlock runs get {name}, oarlock logs {name}"))
}

/// Where in a run something failed, and why: ` at load`, `: exit code 1`. What is not known is empty.
pub(crate) fn placed(run: &str, error: &Failure) -> (String, String) {
    let task = error.task.as_deref().unwrap_or_default();
    let task = task.strip_prefix(run).map_or(task, |rest| rest.trim_start_matches('/'));
    let place = if task.is_empty() { String::new() } else { format!(" at {task}") };
    let message = crate::output::one_line(&error.message);
    let why = if message.is_empty() { String::new() } else { format!(": {message}") };
    (place, why)
}

/// A run as it stands, drawn once.
pub(crate) fn still(out: &Out, run: &Run, tasks: &[Task]) -> String {
    let board = board::Board { out, run, tasks, now: Timestamp::now() };
    let mut lines = board.graph();
    lines.push(String::new());
    lines.extend(board.rows(usize::MAX));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A workflow's graph, drawn once; empty if it makes no picture here.
pub(crate) fn picture_of(out: &Out, tasks: &[WorkflowTask]) -> String {
    let nodes = tasks.iter().map(|task| (task.name.clone(), task.needs.clone()));
    let lines = picture(out, &nodes.collect::<Vec<_>>(), |_| Tint::None);
    if lines.is_empty() {
        return String::new();
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("\n{text}")
}

/// A graph as lines, each name in its colour; none if it makes no picture here.
fn picture(
    out: &Out,
    tasks: &[(String, Vec<String>)],
    tint: impl Fn(usize) -> Tint,
) -> Vec<String> {
    let place = |name: &String| tasks.iter().position(|(known, _)| known == name);
    let node = |(name, needs): &(String, Vec<String>)| draw::Node {
        name: name.clone(),
        needs: needs.iter().filter_map(&place).collect(),
    };
    let nodes: Vec<draw::Node> = tasks.iter().map(node).collect();
    let width = out.width.saturating_sub(3);
    let Some(lines) = draw::draw(&nodes, width, PICTURE_LINES_MAX) else { return Vec::new() };
    let piece = |piece: &draw::Piece| match piece {
        draw::Piece::Lines(text) => out.paint(Tint::Faint.style(), text),
        draw::Piece::Name(node, text) => out.paint(tint(*node).style(), text),
    };
    lines.iter().map(|line| format!("  {}", line.iter().map(piece).collect::<String>())).collect()
}
