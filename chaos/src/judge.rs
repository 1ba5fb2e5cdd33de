//! Judging: the folder of a run goes in, a verdict comes out, today or years later.
//!
//! Each workload speaks for its own law. Beside them stand a few laws of the cluster itself, which hold whatever clients do: no node ends
//! by itself, and a cluster that was mended becomes whole.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::asked::Asked;
use crate::check::guard;
use crate::check::metrics::Metrics;
use crate::check::story::Story;
use crate::edn;
use crate::history::Event;
use crate::plan::Plan;
use crate::report::{self, Report};
use crate::verdict::Verdict;
use crate::work::{self, Record};

/// Judges what is in a folder, and writes the verdict there.
pub(crate) fn judge(folder: &Path) -> Result<Verdict> {
    let plan = Plan::read(folder)?;
    let record = Record::read(folder)?;
    let mut verdict = Verdict::default();
    for work in work::all() {
        if plan.workloads.iter().any(|name| name == work.name()) {
            work.judge(&record, &mut verdict);
        }
    }
    cluster(&record, &plan, &mut verdict);
    guard::judge(&Story::of(&record.history), &Asked::read(folder)?, &mut verdict);
    Metrics::of(&record.history).write(folder)?;
    edn::write(&record.history, folder)?;
    let path = folder.join(report::VERDICT);
    let text = json!({"outcome": verdict.outcome(), "findings": verdict.findings});
    std::fs::write(&path, serde_json::to_string_pretty(&text)? + "\n").with_context(|| {
        format!(
            "the verdict is {:?}, and cannot be written to {}",
            verdict.outcome(),
            path.display()
        )
    })?;
    Ok(verdict)
}

/// What holds of the cluster whatever clients do.
fn cluster(record: &Record, plan: &Plan, verdict: &mut Verdict) {
    let told =
        |f: &str| record.history.nemesis().filter(|event| event.f == f).collect::<Vec<&Event>>();
    match told("died").as_slice() {
        [] => verdict.held("cluster/alive", "no node ended by itself"),
        died => {
            for event in died {
                verdict.broken("cluster/alive", format!("a node ended by itself: {}", event.value));
            }
        }
    }
    match told("settled").last() {
        Some(event) if event.value["settled"] == true => {
            let says = format!("whole {} ms after the heal", event.value["took_ms"]);
            verdict.held("cluster/recovers", says);
        }
        Some(event) => {
            let says =
                format!("not whole {} s after the heal: {}", plan.recovery_s, event.value["why"]);
            verdict.broken("cluster/recovers", says);
        }
        None => verdict.unknown("cluster/recovers", "the run ended before the cluster was mended"),
    }
    for event in told("interrupted").into_iter().chain(told("unseen")) {
        verdict.unknown("run/whole", event.value["why"].as_str().unwrap_or_default());
    }
}

/// Says what a verdict is.
pub(crate) fn show(folder: &Path, verdict: &Verdict, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let text = json!({
            "outcome": verdict.outcome(), "folder": folder, "findings": verdict.findings,
        });
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let text = Report::read(folder)?.text(report::takes_colour());
    write!(out, "{text}")?;
    Ok(())
}

/// Draws a run: one page, whose place is told.
pub(crate) fn draw(folder: &Path) -> Result<()> {
    let page = Report::read(folder)?.write()?;
    writeln!(std::io::stdout().lock(), "{}", page.display())?;
    Ok(())
}
