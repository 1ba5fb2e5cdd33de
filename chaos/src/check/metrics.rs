//! The figures of a run, in one file: operations, throughput, failover, faults, elections, stalls.
//!
//! `metrics.json` is computed from the history alone, by `check`, so that a figure that somebody doubts can be computed again.
//! Whoever adds up many runs finds the raw times of each fault in it: percentiles cannot be added.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::check::failover::{self, Failover};
use crate::check::guard::seconds;
use crate::check::story::{Fault, Lack, Leader, Phase, Stall, Story};
use crate::history::{History, Type};

/// The name of the figures in the folder of a run.
pub const FILE: &str = "metrics.json";

/// The figures of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// How long the history is.
    pub lasted_s: f64,
    /// How long things were being broken.
    pub faults_s: f64,
    /// Operations of all kinds.
    pub operations: Counts,
    /// Each kind, with the last look.
    pub kinds: Vec<Kind>,
    /// What each workload got done in each second.
    pub throughput: Vec<Throughput>,
    /// How long clients were without an answer.
    pub failover: Failover,
    /// How often the lead changed.
    pub elections: u64,
    /// What the harness was at.
    pub phases: Vec<Phase>,
    /// What was broken.
    pub faults: Vec<Fault>,
    /// Who led.
    pub leaders: Vec<Leader>,
    /// When the harness itself was late.
    pub stalls: Vec<Stall>,
    /// What this machine cannot do.
    pub lacks: Vec<Lack>,
}

/// How operations ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// They were done.
    pub ok: u64,
    /// They were certainly not done.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

/// A kind of operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kind {
    /// `register/write`.
    pub class: String,
    /// How they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// The usual time of those that were done, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 took less.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What a workload got done in each second, from the beginning of the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Throughput {
    /// The workload.
    pub work: String,
    /// What was done, by the second in which it ended.
    pub ok: Vec<u32>,
    /// What was refused or left without an answer.
    pub not: Vec<u32>,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.ok + self.fail + self.info
    }

    /// Adds one.
    pub fn add(&mut self, kind: Type) {
        match kind {
            Type::Ok => self.ok += 1,
            Type::Fail => self.fail += 1,
            Type::Info | Type::Invoke => self.info += 1,
        }
    }
}

impl Metrics {
    /// Computes them.
    #[must_use]
    pub fn of(history: &History) -> Metrics {
        let story = Story::of(history);
        let mut metrics = Metrics {
            lasted_s: seconds(0, story.end),
            faults_s: story.phase("faults").map_or(0.0, |phase| seconds(phase.from, phase.until)),
            kinds: kinds(&story),
            throughput: throughput(&story),
            failover: failover::measure(&story),
            elections: story.changes(),
            ..Metrics::default()
        };
        for op in &story.ops {
            metrics.operations.add(op.kind());
        }
        Metrics {
            phases: story.phases,
            faults: story.faults,
            leaders: story.leaders,
            stalls: story.stalls,
            lacks: story.lacks,
            ..metrics
        }
    }

    /// Writes them into a folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(FILE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads them from a folder.
    ///
    /// # Errors
    /// When there are none, or they cannot be understood.
    pub fn read(folder: &Path) -> anyhow::Result<Metrics> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{}: no figures here; `oarlock-chaos check` writes them", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| {
            format!("{} was written by another version; check again", path.display())
        })
    }
}

fn kinds(story: &Story<'_>) -> Vec<Kind> {
    let mut kinds: BTreeMap<String, (Counts, Histogram<u64>)> = BTreeMap::new();
    for op in &story.ops {
        let kind =
            kinds.entry(op.class()).or_insert_with(|| (Counts::default(), failover::empty()));
        kind.0.add(op.kind());
        if let Some(end) = op.end.filter(|_| op.is_ok()) {
            kind.1.saturating_record(end.time.saturating_sub(op.invoke.time) / 1_000);
        }
    }
    let kind = |(class, (counts, times)): (String, (Counts, Histogram<u64>))| Kind {
        class,
        counts,
        p50_ms: failover::millis(times.value_at_quantile(0.5)),
        p99_ms: failover::millis(times.value_at_quantile(0.99)),
        max_ms: failover::millis(times.max()),
    };
    kinds.into_iter().map(kind).collect()
}

fn throughput(story: &Story<'_>) -> Vec<Throughput> {
    let place = |at: u64| usize::try_from(at / 1_000_000_000).unwrap_or(0);
    let seconds = place(story.end) + 1;
    let mut works: BTreeMap<&str, Throughput> = BTreeMap::new();
    for op in story.load() {
        let Some(end) = op.end else { continue };
        let work = works.entry(&op.invoke.work).or_insert_with(|| Throughput {
            work: op.invoke.work.clone(),
            ok: vec![0; seconds],
            not: vec![0; seconds],
        });
        let row = if op.is_ok() { &mut work.ok } else { &mut work.not };
        row[place(end.time)] += 1;
    }
    works.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::made_up::{Tale, minute};

    #[test]
    fn figures_are_the_same_when_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let metrics = Metrics::of(&minute().history());
        metrics.write(folder.path()).expect("it can be written");
        let again = Metrics::read(folder.path()).expect("it can be read");
        assert_eq!(again.operations, metrics.operations);
        assert_eq!(again.faults, metrics.faults);
        assert_eq!(again.failover.table.len(), metrics.failover.table.len());
    }

    #[test]
    fn what_ends_in_a_second_is_counted_there() {
        let mut tale = Tale::new();
        tale.at(100).op("submit", "start", 10, Type::Ok);
        tale.at(900).op("submit", "start", 200, Type::Ok);
        tale.at(1_500).op("submit", "start", 10, Type::Info);
        let metrics = Metrics::of(&tale.history());
        assert_eq!(metrics.throughput[0].ok, [1, 1]);
        assert_eq!(metrics.throughput[0].not, [0, 1]);
        assert_eq!(metrics.operations, Counts { ok: 2, fail: 0, info: 1 });
    }

    #[test]
    fn a_folder_without_figures_says_how_to_get_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let why = Metrics::read(folder.path()).expect_err("there are none").to_string();
        assert!(why.contains("oarlock-chaos check"), "{why}");
    }
}
