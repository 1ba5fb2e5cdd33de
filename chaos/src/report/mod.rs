//! What is shown of a run: the verdict on a terminal, and one page that draws it.
//!
//! Both are made from the folder of the run and from nothing else: `verdict.json`, `metrics.json`, `options.json`. So a report can be made
//! again later, on another machine, of a folder that somebody sent.

mod page;
mod picture;
mod terminal;
mod words;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::asked::Asked;
use crate::check::metrics::Metrics;
use crate::verdict::{Finding, Outcome, Verdict};

/// The name of the verdict in the folder of a run.
pub const VERDICT: &str = "verdict.json";
/// The name of the page.
pub const PAGE: &str = "report.html";

/// What there is to show of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its folder.
    pub folder: PathBuf,
    /// What was found.
    pub verdict: Verdict,
    /// Its figures.
    pub metrics: Metrics,
    /// What was asked of it.
    pub asked: Asked,
}

impl Report {
    /// Reads it from a folder that was judged.
    ///
    /// # Errors
    /// When it was not judged, or a file cannot be understood.
    pub fn read(folder: &Path) -> anyhow::Result<Report> {
        let path = folder.join(VERDICT);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{}: no verdict here; `oarlock-chaos check` gives one", path.display())
        })?;
        let verdict = serde_json::from_str(&text).with_context(|| {
            format!("{} was written by another version; check again", path.display())
        })?;
        Ok(Report {
            folder: folder.to_path_buf(),
            verdict,
            metrics: Metrics::read(folder)?,
            asked: Asked::read(folder)?,
        })
    }

    /// The verdict for a terminal, with colour or without.
    #[must_use]
    pub fn text(&self, colour: bool) -> String {
        terminal::text(self, colour)
    }

    /// One self-contained page.
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// Writes the page into the folder, and tells where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(PAGE);
        std::fs::write(&path, self.page())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// What was done to what: `register, submit under kill, partition`.
    fn title(&self) -> String {
        let mut works = self.asked.works.clone();
        if works.is_empty() {
            works = self.metrics.throughput.iter().map(|row| row.work.clone()).collect();
        }
        let mut nemeses = self.asked.nemeses.clone();
        if nemeses.is_empty() {
            for fault in &self.metrics.faults {
                if !nemeses.contains(&fault.nemesis) {
                    nemeses.push(fault.nemesis.clone());
                }
            }
        }
        let under = if nemeses.is_empty() { "no faults".to_owned() } else { nemeses.join(", ") };
        format!("{} under {under}", works.join(", "))
    }

    /// The command that does it again, as far as it is known.
    fn replay(&self) -> &str {
        &self.asked.replay
    }

    /// The laws and the guards, each with its findings, the worst first.
    fn laws(&self, guards: bool) -> Vec<(&str, Outcome, Vec<&Finding>)> {
        let mut laws: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        let of = |law: &str| law.starts_with("guard/") == guards;
        for finding in self.verdict.findings.iter().filter(|finding| of(&finding.law)) {
            laws.entry(&finding.law).or_default().push(finding);
        }
        let worst = |found: &[&Finding]| found.iter().map(|finding| finding.outcome).max();
        let mut laws: Vec<_> = laws
            .into_iter()
            .map(|(law, mut found)| {
                found.sort_by_key(|finding| std::cmp::Reverse(finding.outcome));
                (law, worst(&found).unwrap_or(Outcome::Unknown), found)
            })
            .collect();
        laws.sort_by_key(|(_, outcome, _)| std::cmp::Reverse(*outcome));
        laws
    }
}

/// Whether stdout takes colour.
#[must_use]
pub fn takes_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let plain = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !plain
}

/// A mark that is understood without colour.
fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "✓",
        Outcome::Unknown => "?",
        Outcome::Invalid => "✗",
    }
}

/// A time for people.
pub(crate) fn span(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 100_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms => format!("{:.0} s", ms / 1_000.0),
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
