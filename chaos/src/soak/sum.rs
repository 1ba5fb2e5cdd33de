//! A soak, added up: what was done, what was broken, what was found, and how long clients waited.
//!
//! Times of faults are added as times and not as percentiles: the percentiles of many runs are those of all their faults together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Done, Plan, SUM};
use crate::check::failover::{self, ALL, Row, Took};
use crate::check::metrics::Counts;
use crate::report::{count, span};
use crate::verdict::Outcome;

/// All cells together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sum {
    /// Cells of one round of the plan.
    pub planned: usize,
    /// Cells that came to their end.
    pub cells: usize,
    /// …in which every law held.
    pub valid: usize,
    /// …of which nobody knows.
    pub unknown: usize,
    /// …in which something happened that must never happen.
    pub violated: usize,
    /// Pairs of a workload and a nemesis that the plan has.
    pub pairs_planned: usize,
    /// Pairs that met in a cell that was green or red.
    pub pairs_met: usize,
    /// Hours of all cells.
    pub hours: f64,
    /// Hours in which things were being broken.
    pub fault_hours: f64,
    /// What clients did.
    pub operations: Counts,
    /// Faults, by their kind.
    pub faults: BTreeMap<String, u64>,
    /// Changes of the leader.
    pub elections: u64,
    /// How often the harness itself was late.
    pub stalls: u64,
    /// How long clients waited after faults, by kind: the slowest class of each.
    pub failover: Vec<Row>,
    /// What was broken: the folder, and what was found.
    pub violations: Vec<(String, String)>,
    /// What could not be told.
    pub unknowns: Vec<(String, String)>,
}

impl Sum {
    /// Adds up.
    #[must_use]
    pub fn of(plan: &Plan, done: &[Done]) -> Sum {
        let ended = |outcome: Outcome| done.iter().filter(|one| one.outcome == outcome).count();
        let mut sum = Sum {
            planned: plan.cells.len(),
            cells: done.len(),
            valid: ended(Outcome::Valid),
            unknown: ended(Outcome::Unknown),
            violated: ended(Outcome::Invalid),
            pairs_planned: plan.pairs().len(),
            hours: done.iter().map(|one| one.took_s).sum::<f64>() / 3_600.0,
            fault_hours: done.iter().map(|one| one.faults_s).sum::<f64>() / 3_600.0,
            elections: done.iter().map(|one| one.elections).sum(),
            stalls: done.iter().map(|one| one.stalls).sum(),
            ..Sum::default()
        };
        let mut met = BTreeSet::new();
        let mut faults: Vec<Took> = Vec::new();
        for one in done {
            sum.operations.ok += one.operations.ok;
            sum.operations.fail += one.operations.fail;
            sum.operations.info += one.operations.info;
            for fault in &one.faults {
                *sum.faults.entry(fault.nemesis.clone()).or_default() += 1;
                faults.push(Took { ms: slowest(fault), ..fault.clone() });
            }
            for (outcome, says) in &one.findings {
                let list = match outcome {
                    Outcome::Invalid => &mut sum.violations,
                    _ => &mut sum.unknowns,
                };
                list.push((one.folder.clone(), says.clone()));
            }
            if one.outcome != Outcome::Unknown {
                for work in &one.cell.works {
                    met.extend(one.cell.nemeses.iter().map(|nemesis| (work, nemesis)));
                }
            }
        }
        sum.pairs_met = met.len();
        sum.failover = failover::table(&faults);
        sum
    }

    /// How it ended as a whole: green only if every cell was.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            sum if sum.violated > 0 => Outcome::Invalid,
            sum if sum.unknown > 0 || sum.cells == 0 => Outcome::Unknown,
            _ => Outcome::Valid,
        }
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(SUM);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// As a table for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} cells in {:.1} h, {:.1} h of them with faults: {} valid, {} unknown, {} violated\n",
            self.cells, self.hours, self.fault_hours, self.valid, self.unknown, self.violated,
        );
        let _ = writeln!(
            text,
            "{} of {} pairs of a workload and a nemesis were judged; a round has {} cells",
            self.pairs_met, self.pairs_planned, self.planned,
        );
        let done = self.operations;
        let _ = writeln!(
            text,
            "{} operations: {} done, {} refused, of {} nobody knows; {} changes of the leader\n",
            count(done.all()),
            count(done.ok),
            count(done.fail),
            count(done.info),
            self.elections,
        );
        let wide = self.faults.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(7);
        let _ = writeln!(
            text,
            "{:wide$}  {:>7}  {:>8}  {:>8}  {:>8}  {:>8}  {:>5}",
            "NEMESIS", "STRIKES", "P50", "P90", "P99", "LONGEST", "NEVER"
        );
        for (nemesis, strikes) in &self.faults {
            let row = self.failover.iter().find(|row| row.nemesis == *nemesis && row.class == ALL);
            let times = row.filter(|row| row.faults > row.never).map_or_else(
                || std::array::from_fn(|_| "–".to_owned()),
                |row| [row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms].map(span),
            );
            let never = row.map_or(0, |row| row.never);
            let [p50, p90, p99, longest] = times;
            let _ = writeln!(
                text,
                "{nemesis:wide$}  {strikes:>7}  {p50:>8}  {p90:>8}  {p99:>8}  {longest:>8}  {never:>5}"
            );
        }
        for (mark, list) in [("✗", &self.violations), ("?", &self.unknowns)] {
            for (folder, says) in list {
                let _ = write!(text, "\n{mark} {folder}: {says}");
            }
        }
        text.push('\n');
        text
    }
}

/// Only the slowest class of a fault.
fn slowest(fault: &Took) -> BTreeMap<String, Option<f64>> {
    fault
        .ms
        .iter()
        .filter(|(class, _)| *class == ALL)
        .map(|(class, ms)| (class.clone(), *ms))
        .collect()
}
