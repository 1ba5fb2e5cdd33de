//! A soak: many runs one after the other, which may be broken off and gone on with.
//!
//! ```text
//!   DIR/soak.plan.json     what was asked and which cells came of it; made by the first call, never changed
//!   DIR/soak.jsonl         a line for each cell that came to its end
//!   DIR/soak.json          all of them added up, written anew after each
//!   DIR/0007-…/            the folder of a run, as of any other
//! ```
//!
//! The next call skips the cells that have a line. One that was broken off has none, and one that ended in an error of the
//! harness has a line that says so: both are run again from their beginning. When all cells are done and there is time left, the
//! next round begins, with other seeds. How a cell is run is not known here: whoever calls hands over a function.

mod plan;
mod sum;
pub(crate) mod words;

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

pub use plan::{Cell, Plan, Wish};
pub use sum::Sum;

use crate::check::failover::Took;
use crate::check::metrics::{Counts, Metrics};
use crate::report::Report;
use crate::verdict::Outcome;

/// The name of the plan.
pub const PLAN: &str = "soak.plan.json";
/// The name of the results.
pub const RESULTS: &str = "soak.jsonl";
/// The name of the figures.
pub const SUM: &str = "soak.json";

/// What a cell takes beside its faults, before one has shown it: set-up, warm-up, heal, recovery, fresh work, checks.
const BESIDE: Duration = Duration::from_secs(75);
/// Cells that may end in an error one after the other before somebody must look.
const ERRORS_MAX: usize = 3;
/// Findings of a cell that are kept.
const FINDINGS_MAX: usize = 10;

/// How long a soak may go on.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// No cell is begun that would not be done by then. Counted from this call.
    pub lasts: Duration,
    /// Rounds of the plan at most, over all calls; none: as many as there is time for.
    pub rounds: Option<usize>,
}

/// A cell that came to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    /// Which.
    pub cell: Cell,
    /// The name of its folder.
    pub folder: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, with everything.
    pub took_s: f64,
    /// How long things were being broken.
    pub faults_s: f64,
    /// What clients did.
    pub operations: Counts,
    /// Changes of the leader.
    pub elections: u64,
    /// How often the harness itself was late.
    pub stalls: u64,
    /// What each fault cost.
    pub faults: Vec<Took>,
    /// Why there is no verdict: an error of the harness. It is run again by the next call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The laws that were broken or could not be told, each with what was found.
    pub findings: Vec<(Outcome, String)>,
}

/// Runs cells until the time is over or the rounds are. `run` runs one into a folder that it makes, and judges it; `say` hears of each.
///
/// # Errors
/// When the folder belongs to another soak, cannot be written, or cell after cell ends in an error.
pub async fn soak(
    folder: &Path,
    wish: Wish,
    bound: Bound,
    mut run: impl AsyncFnMut(&Cell, &Path) -> anyhow::Result<()>,
    mut say: impl FnMut(&Done),
) -> anyhow::Result<Sum> {
    let plan = begin(folder, wish)?;
    let mut done = results(folder)?;
    let (begun, mut errors) = (Instant::now(), 0);
    let mut longest = Duration::from_secs(plan.wish.time_s) + BESIDE;
    for number in 0.. {
        let over = bound.rounds.is_some_and(|rounds| number >= rounds * plan.cells.len());
        if over || begun.elapsed() + longest > bound.lasts {
            break;
        }
        if done.iter().any(|one| one.cell.number == number) {
            continue;
        }
        let cell = plan.cell(number);
        let name = format!("{number:04}-{}-{}", cell.works.join("+"), cell.nemeses.join("+"));
        let place = folder.join(&name);
        if place.exists() {
            std::fs::remove_dir_all(&place).with_context(|| {
                format!("cannot clear {}, which was broken off", place.display())
            })?;
        }
        let at = Instant::now();
        let ended = run(&cell, &place).await;
        longest = longest.max(at.elapsed());
        errors = if ended.is_err() { errors + 1 } else { 0 };
        let one = judged(cell, name, &place, ended.err(), at.elapsed());
        note(folder, &one)?;
        say(&one);
        done.push(one);
        Sum::of(&plan, &done).write(folder)?;
        ensure!(
            errors < ERRORS_MAX,
            "{errors} cells in a row ended in an error; the last lines of {} say why. Mend it and call again: what is done stays done",
            folder.join(RESULTS).display()
        );
    }
    let sum = Sum::of(&plan, &done);
    sum.write(folder)?;
    Ok(sum)
}

/// The plan of a folder: the one that is there, if it is of the same wish, or a new one.
fn begin(folder: &Path, wish: Wish) -> anyhow::Result<Plan> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(PLAN);
    if path.exists() {
        let text = std::fs::read_to_string(&path)?;
        let plan: Plan = serde_json::from_str(&text)
            .with_context(|| format!("{} was written by another version", path.display()))?;
        if plan.wish != wish || plan.cells.is_empty() {
            bail!(
                "{} is the plan of another soak: {} workloads, {} nemeses, {} s a cell, seed {}. Go on with the same options, or choose another folder with --out",
                path.display(),
                plan.wish.works.len(),
                plan.wish.nemeses.len(),
                plan.wish.time_s,
                plan.wish.seed,
            );
        }
        return Ok(plan);
    }
    let plan = Plan::of(wish)?;
    std::fs::write(&path, serde_json::to_vec_pretty(&plan)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(plan)
}

/// The cells of a folder that came to their end. A torn last line belongs to one that did not.
fn results(folder: &Path) -> anyhow::Result<Vec<Done>> {
    let path = folder.join(RESULTS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut done = Vec::with_capacity(lines.len());
    let mut whole = String::new();
    for (number, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(one) => done.push(one),
            Err(_) if number + 1 == lines.len() => {
                // What is written next must begin a line of its own.
                std::fs::write(&path, &whole)?;
                break;
            }
            Err(why) => bail!("{}, line {}: {why}", path.display(), number + 1),
        }
        whole.push_str(line);
        whole.push('\n');
    }
    done.retain(|one: &Done| one.error.is_none());
    Ok(done)
}

fn note(folder: &Path, done: &Done) -> anyhow::Result<()> {
    let path = folder.join(RESULTS);
    let mut line = serde_json::to_vec(done)?;
    line.push(b'\n');
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
    file.write_all(&line)?;
    file.sync_data().with_context(|| format!("cannot write {}", path.display()))
}

/// What the folder of a cell says of it. Without a verdict nobody knows, and the error says why.
fn judged(
    cell: Cell,
    folder: String,
    place: &Path,
    error: Option<anyhow::Error>,
    took: Duration,
) -> Done {
    let (report, error) = match (error, Report::read(place)) {
        (None, Ok(report)) => (Some(report), None),
        (Some(why), _) | (None, Err(why)) => (None, Some(format!("{why:#}"))),
    };
    let mut findings: Vec<_> = error
        .iter()
        .map(|why| (Outcome::Unknown, format!("the harness ended in an error: {why}")))
        .collect();
    let outcome = report.as_ref().map_or(Outcome::Unknown, |report| report.verdict.outcome());
    let metrics = report.as_ref().map_or_else(Metrics::default, |report| report.metrics.clone());
    let found = report.iter().flat_map(|report| &report.verdict.findings);
    let mut bad: Vec<_> = found.filter(|finding| finding.outcome != Outcome::Valid).collect();
    bad.sort_by_key(|finding| std::cmp::Reverse(finding.outcome));
    let line = |finding: &&crate::verdict::Finding| {
        (finding.outcome, format!("{}: {}", finding.law, finding.says))
    };
    findings.extend(bad.iter().take(FINDINGS_MAX).map(line));
    Done {
        cell,
        folder,
        outcome,
        took_s: took.as_secs_f64(),
        faults_s: metrics.faults_s,
        operations: metrics.operations,
        elections: metrics.elections,
        stalls: metrics.stalls.len() as u64,
        faults: metrics.failover.faults,
        error,
        findings,
    }
}

/// Says something on the terminal.
fn said(line: &str) {
    // Whoever listened may have gone; the results are in the folder.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

#[cfg(test)]
#[path = "soak_tests.rs"]
mod tests;
