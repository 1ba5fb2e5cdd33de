//! `oarlock doctor`: looks at what usually goes wrong, and says what to do.

use std::path::{Path, PathBuf};

use oarlock_client::v1::Status;

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Tint, pretty, span_ms};

/// Open files a node should be allowed.
const FILES_MIN: u64 = 4_096;

/// Of what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock doctor\n\
        \x20 oarlock doctor --data /var/lib/oarlock\n\n\
        With --data the folder of a stopped node is checked: its log, indexes, laws\n\
        and fingerprint. Nothing in it is changed.")]
pub(crate) struct Args {
    /// Check this data folder of a stopped node
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What was looked at, and how it is.
struct Finding {
    good: bool,
    what: String,
    help: String,
}

impl Finding {
    fn good(what: impl Into<String>) -> Finding {
        Finding { good: true, what: what.into(), help: String::new() }
    }

    fn bad(what: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { good: false, what: what.into(), help: help.into() }
    }
}

/// Does it.
pub(crate) async fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    let findings = match &args.data {
        Some(data) => offline(data)?,
        None => online(session).await?,
    };
    let all_good = findings.iter().all(|finding| finding.good);
    if session.out.json() {
        let shown: Vec<_> = findings
            .iter()
            .map(|f| serde_json::json!({"good": f.good, "what": f.what, "help": f.help}))
            .collect();
        session.out.data(&pretty(&serde_json::json!({"good": all_good, "findings": shown})));
    } else {
        for finding in &findings {
            let (mark, tint) = if finding.good { ("✓", Tint::Good) } else { ("✗", Tint::Bad) };
            let mark = session.out.paint(tint.style(), mark);
            session.out.data(&format!("{mark} {}\n", finding.what));
            if !finding.help.is_empty() {
                session.out.data(&format!("    {}\n", finding.help));
            }
        }
    }
    if all_good { Ok(()) } else { Err(Fault::silent(Exit::Failed)) }
}

/// The folder of a stopped node.
fn offline(data: &Path) -> Result<Vec<Finding>, Fault> {
    let report = oarlock_raft::check::offline(data).map_err(|fault| {
        Fault::new(Exit::Invalid, fault.to_string())
            .help("the node must be stopped, and the folder the one that --data named")
    })?;
    let facts = report.facts.iter().map(Finding::good);
    let help = "keep a copy of the folder before anything else; do not start the node on it";
    let faults = report.faults.iter().map(|fault| Finding::bad(fault, help));
    Ok(facts.chain(faults).collect())
}

/// The node that commands ask, and this machine.
async fn online(session: &Session) -> Result<Vec<Finding>, Fault> {
    let address = session.address()?;
    let mut findings =
        vec![Finding::good(format!("address {} (from {})", address.addr, address.origin))];
    match session.client()?.status().await {
        Ok(status) => {
            findings.push(Finding::good(format!(
                "it answers: version {}, up {}",
                status.version,
                span_ms(status.uptime_ms)
            )));
            findings.extend(of_status(&status));
        }
        Err(error) => {
            let fault = session.explained(error.into());
            findings.push(Finding::bad(fault.what, fault.help.join("; ")));
        }
    }
    findings.extend(of_machine());
    Ok(findings)
}

fn of_status(status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = env!("CARGO_PKG_VERSION");
    if status.version != ours {
        let what = format!("this program is version {ours}, the node {}", status.version);
        findings.push(Finding::bad(what, "use the same version on both sides"));
    }
    match &status.cluster.leader {
        Some(leader) => {
            findings.push(Finding::good(format!("{leader} leads, term {}", status.cluster.term)))
        }
        None => findings
            .push(Finding::bad("there is no leader", "nothing can be written until there is one")),
    }
    if let Some(why) = &status.cluster.read_only {
        findings.push(Finding::bad(
            format!("it takes no writes: {why}"),
            "it goes on by itself once that is gone",
        ));
    }
    for missing in &status.readiness.missing {
        findings.push(Finding::bad(missing.clone(), String::new()));
    }
    if status.totals.workers == 0 {
        findings.push(Finding::bad(
            "there is no worker",
            "no task will run: see `oarlock workers list`",
        ));
    }
    if status.totals.vacant_roles > 0 {
        let what = format!("{} roles have no node", status.totals.vacant_roles);
        findings.push(Finding::bad(what, "see `oarlock roles list`"));
    }
    for queue in &status.queues {
        if queue.workers == 0 && queue.counts.waiting > 0 {
            let what = format!(
                "{} tasks wait in `{}`, which no worker serves",
                queue.counts.waiting, queue.name
            );
            findings.push(Finding::bad(
                what,
                "start a worker that serves it, or change `queue:` in the file",
            ));
        }
        if queue.paused && queue.counts.waiting > 0 {
            let what =
                format!("`{}` is paused, {} tasks wait in it", queue.name, queue.counts.waiting);
            findings.push(Finding::bad(what, format!("oarlock queues resume {}", queue.name)));
        }
    }
    if status.totals.dead_letters > 0 {
        let what = format!("{} dead letters wait for somebody", status.totals.dead_letters);
        findings.push(Finding::bad(what, "oarlock dlq list"));
    }
    findings
}

/// What this machine allows a node that would run on it.
fn of_machine() -> Vec<Finding> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    match soft {
        Some(soft) if soft < FILES_MIN && soft > 0 => vec![Finding::bad(
            format!("a process may open {soft} files here; a node wants {FILES_MIN}"),
            format!("ulimit -n {FILES_MIN}, or LimitNOFILE in its systemd unit"),
        )],
        Some(soft) => vec![Finding::good(format!("a process may open {soft} files here"))],
        None => Vec::new(),
    }
}
