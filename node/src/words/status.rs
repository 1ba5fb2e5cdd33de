//! `oarlock status [ID]`: one screen of health; with an id, the right `get`.

use oarlock_client::v1::Status;

use super::tables::{NODES, QUEUES};
use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Rest, Tint, body, grouped, span_ms, tint_of};

/// Of what.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  oarlock status\n  oarlock status etl/1042\n  oarlock status -o json"
)]
pub(crate) struct Args {
    /// A run, a task, a workflow or a worker; absent: the whole
    id: Option<String>,
}

/// Does it.
pub(crate) async fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    if let Some(id) = &args.id {
        return one(session, id).await;
    }
    let status = session.client()?.status().await?;
    if !session.out.for_people() {
        if session.out.asked.is_some() {
            session.out.value(&body(&status));
        } else {
            session.out.data(&flat(&status));
        }
        return healthy(&status);
    }
    screen(session, &status)?;
    healthy(&status)
}

/// Whatever has this id.
async fn one(session: &Session, id: &str) -> Result<(), Fault> {
    use super::{nodes, runs, tasks, workflows};
    let id = id.to_owned();
    let slashes = id.matches('/').count();
    match id.split('_').next() {
        Some("wrk") => nodes::workers(session, nodes::Workers::Get { worker: id }).await,
        Some("run") if slashes == 0 => runs::run(session, runs::Word::Get { run: id }).await,
        Some("run") => tasks::run(session, tasks::Word::Get { task: id }).await,
        _ if slashes > 1 => tasks::run(session, tasks::Word::Get { task: id }).await,
        _ if slashes == 1 => runs::run(session, runs::Word::Get { run: id }).await,
        _ => {
            let word = workflows::Word::Get { name: id, version: None, source: false };
            workflows::run(session, word).await
        }
    }
}

/// A node that cannot be sent work is a failure of `status` too, so that scripts can wait for it.
fn healthy(status: &Status) -> Result<(), Fault> {
    if status.readiness.ready { Ok(()) } else { Err(Fault::silent(Exit::Unreachable)) }
}

fn screen(session: &Session, status: &Status) -> Result<(), Fault> {
    let out = &session.out;
    let (cluster, totals) = (&status.cluster, &status.totals);
    let health = out.paint(tint_of(&status.health).style(), &status.health);
    let leader =
        cluster.leader.as_deref().map_or("no leader".to_owned(), |l| format!("leader {l}"));
    let nodes = if status.members.len() == 1 { "node" } else { "nodes" };
    out.data(&format!(
        "{health} · {} {nodes} · {leader} · term {} · version {} · up {}\n\n",
        status.members.len(),
        cluster.term,
        status.version,
        span_ms(status.uptime_ms),
    ));
    let line = |name: &str, text: String| {
        out.data(&format!("{}  {text}\n", out.paint(Tint::Faint.style(), &format!("{name:<12}"))));
    };
    let by_status: Vec<String> = totals
        .runs
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(status, count)| format!("{} {}", grouped(*count), status.replace('_', " ")))
        .collect();
    let runs = if by_status.is_empty() { "none active".to_owned() } else { by_status.join(", ") };
    line("runs", runs);
    line("workflows", grouped(totals.workflows));
    let (running, ready) = (grouped(totals.running_tasks), grouped(totals.ready_tasks));
    line("tasks", format!("{running} running, {ready} ready"));
    line("workers", format!("{} with {} slots", grouped(totals.workers), grouped(totals.slots)));
    line(
        "roles",
        match totals.vacant_roles {
            0 => grouped(totals.roles),
            vacant => format!("{}, {vacant} of them without a node", grouped(totals.roles)),
        },
    );
    line(
        "log",
        format!(
            "revision {} · applied {} of {} · {} waiting",
            grouped(cluster.revision),
            grouped(cluster.applied),
            grouped(cluster.log_last),
            grouped(cluster.waiting),
        ),
    );
    if totals.dead_letters > 0 {
        let text = format!("{}  oarlock dlq list", grouped(totals.dead_letters));
        line("dead letters", out.paint(Tint::Bad.style(), &text));
    }
    for (title, table, items) in [
        ("", &NODES, status.members.iter().map(body).collect::<Vec<_>>()),
        ("", &QUEUES, status.queues.iter().map(body).collect::<Vec<_>>()),
    ] {
        if !items.is_empty() {
            out.data(&format!("\n{title}"));
            out.list(table, items, &Rest::default())?;
        }
    }
    for missing in status.readiness.missing.iter().chain(&cluster.read_only) {
        out.data(&format!("\n{} {missing}\n", out.paint(Tint::Bad.style(), "!")));
    }
    Ok(())
}

/// Names and values, for pipes.
fn flat(status: &Status) -> String {
    let (cluster, totals) = (&status.cluster, &status.totals);
    let pairs = [
        ("health", status.health.clone()),
        ("ready", status.readiness.ready.to_string()),
        ("version", status.version.clone()),
        ("uptime_ms", status.uptime_ms.to_string()),
        ("leader", cluster.leader.clone().unwrap_or_default()),
        ("term", cluster.term.to_string()),
        ("applied", cluster.applied.to_string()),
        ("revision", cluster.revision.to_string()),
        ("nodes", status.members.len().to_string()),
        ("workflows", totals.workflows.to_string()),
        ("unfinished_runs", totals.unfinished_runs.to_string()),
        ("ready_tasks", totals.ready_tasks.to_string()),
        ("running_tasks", totals.running_tasks.to_string()),
        ("dead_letters", totals.dead_letters.to_string()),
        ("workers", totals.workers.to_string()),
        ("slots", totals.slots.to_string()),
    ];
    pairs.iter().map(|(name, value)| format!("{name}\t{value}\n")).collect()
}
