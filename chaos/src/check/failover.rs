//! How long clients were without an answer: time to failover per fault, windows without any success, recovery after the heal.
//!
//! All of it is taken from what clients saw, per class of operation (`register/write`) and per workload (`register`):
//!
//! ```text
//!   ok ok ok │ kill n1 ─────────────────────┤      ok = an operation that was done, at its end
//!            │  ·  ·  ·  ok ok ok ok ok ok ok
//!            ├─────────┤                           time to failover: from the fault to the first success that was begun after it
//!         ├────────────┤                           window: no success of the class for [`WINDOW_MS`] or more
//! ```
//!
//! An operation that was begun before the fault and came through says nothing of the failover, so it does not count. A class of which
//! little happens has long pauses without any fault; its windows begin at ten times the pause that was usual in the warm-up, and
//! it does not take part in `all`, the slowest class of each fault. What touches a stall of the harness itself is marked: it may
//! be the harness that was late.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::check::guard::seconds;
use crate::check::story::{Fault, Op, Story};

/// From how long on a pause is a window of unavailability.
pub const WINDOW_MS: u64 = 500;
/// …and how many usual pauses of its class it must be.
const PAUSES: f64 = 10.0;
/// Successes a second below which a class is seldom.
const SELDOM_PER_S: f64 = 2.0;
/// The class that stands for the slowest one of each fault.
pub const ALL: &str = "all";

/// How long clients were without an answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Failover {
    /// Every fault, with what it cost each class.
    pub faults: Vec<Took>,
    /// The same, summed up by nemesis and class.
    pub table: Vec<Row>,
    /// Spans without any success of a class or a workload.
    pub windows: Vec<Window>,
    /// How long these are together, by class.
    pub windows_ms: BTreeMap<String, u64>,
    /// From how long on a pause counted as one, by class.
    pub window_from_ms: BTreeMap<String, u64>,
    /// Milliseconds from the end of the heal to the first success, by class; none: there was no success.
    pub recovery_ms: BTreeMap<String, Option<f64>>,
    /// How long the harness waited for the cluster to settle.
    pub settled_s: Option<f64>,
}

/// What a fault cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Took {
    /// The fault.
    pub id: u64,
    /// Its family and kind.
    pub nemesis: String,
    /// Milliseconds to the first success, by class; none: never, before fresh work began.
    pub ms: BTreeMap<String, Option<f64>>,
    /// Whether the harness itself was late meanwhile.
    pub stalled: bool,
}

/// What the faults of a kind cost a class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Their family and kind.
    pub nemesis: String,
    /// The class, or `all`.
    pub class: String,
    /// How many faults.
    pub faults: u64,
    /// After how many there was no success.
    pub never: u64,
    /// The usual time, in milliseconds, of those with one.
    pub p50_ms: f64,
    /// Nine of ten took less.
    pub p90_ms: f64,
    /// 99 of 100 took less.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// A span without any success.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    /// Of which class or workload.
    pub class: String,
    /// From the last success before it.
    pub from: u64,
    /// To the first behind it.
    pub until: u64,
    /// Its length.
    pub ms: u64,
    /// What was broken in it, or less than two seconds before.
    pub faults: Vec<u64>,
    /// Whether the harness itself was late in it.
    pub stalled: bool,
}

/// The operations of a class, by when they were begun.
#[derive(Debug, Default)]
struct Class<'a> {
    ops: Vec<Op<'a>>,
    /// Successes a second when nothing was broken.
    rate: f64,
}

/// Measures a history.
#[must_use]
pub fn measure(story: &Story<'_>) -> Failover {
    let classes = classes(story);
    let mut found = Failover {
        settled_s: story.phase("recovery").map(|phase| seconds(phase.from, phase.until)),
        ..Failover::default()
    };
    let until = story.phase("fresh").map_or(story.end, |fresh| fresh.from);
    for fault in &story.faults {
        found.faults.push(took(fault, &classes, story, until));
    }
    found.table = table(&found.faults);
    for (name, class) in &classes {
        windows(name, class, story, &mut found);
    }
    if let Some(healed) = story.phase("recovery").map(|phase| phase.from) {
        let first =
            |class: &Class<'_>| class.first_after(healed, story.end).map(|at| ms(healed, at));
        found.recovery_ms =
            classes.iter().map(|(name, class)| (name.clone(), first(class))).collect();
    }
    found
}

/// Milliseconds between two moments.
fn ms(from: u64, until: u64) -> f64 {
    seconds(from, until) * 1_000.0
}

/// What clients did, by class and by workload.
#[expect(clippy::cast_precision_loss, reason = "operations are counted, not weighed")]
fn classes<'a>(story: &Story<'a>) -> BTreeMap<String, Class<'a>> {
    let mut classes: BTreeMap<String, Class<'a>> = BTreeMap::new();
    for op in story.load() {
        classes.entry(op.class()).or_default().ops.push(*op);
        classes.entry(op.invoke.work.clone()).or_default().ops.push(*op);
    }
    let warm = story.phase("warm-up").map_or((0, story.end), |warm| (warm.from, warm.until));
    for class in classes.values_mut() {
        let done = class.done().filter(|at| (warm.0..warm.1).contains(at)).count();
        class.rate = done as f64 / seconds(warm.0, warm.1).max(0.001);
    }
    classes
}

impl Class<'_> {
    /// When its operations were done.
    fn done(&self) -> impl Iterator<Item = u64> {
        self.ops.iter().filter(|op| op.is_ok()).filter_map(|op| op.end.map(|end| end.time))
    }

    /// The first success of an operation begun at or after a moment.
    fn first_after(&self, from: u64, until: u64) -> Option<u64> {
        let mut best = None;
        for op in &self.ops[self.ops.partition_point(|op| op.invoke.time < from)..] {
            if op.invoke.time > best.unwrap_or(until) {
                break;
            }
            if let Some(end) = op.end.filter(|end| op.is_ok() && end.time <= until) {
                best = Some(best.map_or(end.time, |best: u64| best.min(end.time)));
            }
        }
        best
    }

    /// Whether anything was tried in between.
    fn tried(&self, from: u64, until: u64) -> bool {
        let first = self.ops.partition_point(|op| op.invoke.time < from);
        self.ops.get(first).is_some_and(|op| op.invoke.time < until)
    }

    /// From which pause on it is a window.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a pause in milliseconds"
    )]
    fn window_from_ms(&self) -> u64 {
        WINDOW_MS.max((PAUSES * 1_000.0 / self.rate.max(0.01)) as u64)
    }
}

fn took(
    fault: &Fault,
    classes: &BTreeMap<String, Class<'_>>,
    story: &Story<'_>,
    until: u64,
) -> Took {
    let mut all: Option<Option<f64>> = None;
    let mut found = BTreeMap::new();
    // Workloads are told by their classes here: the first success of any would hide those that wait.
    for (name, class) in classes.iter().filter(|(name, _)| name.contains('/')) {
        if !class.tried(fault.from, until) {
            continue;
        }
        let took = class.first_after(fault.from, until).map(|at| ms(fault.from, at));
        if class.rate >= SELDOM_PER_S {
            all = Some(match (all, took) {
                (Some(None), _) | (_, None) => None,
                (None, Some(took)) => Some(took),
                (Some(Some(longest)), Some(took)) => Some(longest.max(took)),
            });
        }
        found.insert(name.clone(), took);
    }
    if let Some(all) = all {
        found.insert(ALL.to_owned(), all);
    }
    let longest = found.values().flatten().fold(0.0_f64, |longest, took| longest.max(*took));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a span in nanoseconds"
    )]
    let answered = fault.from + (longest * 1e6) as u64;
    Took {
        id: fault.id,
        nemesis: fault.name(),
        ms: found,
        stalled: story.stalled(fault.from, answered),
    }
}

/// Sums up faults by their kind and the class. Also for the faults of many runs.
#[must_use]
pub fn table(faults: &[Took]) -> Vec<Row> {
    let mut cells: BTreeMap<(&str, &str), (Histogram<u64>, u64)> = BTreeMap::new();
    for fault in faults {
        for (class, took) in &fault.ms {
            let cell = cells.entry((&fault.nemesis, class)).or_insert_with(|| (empty(), 0));
            match took {
                Some(ms) => cell.0.saturating_record(micros(*ms)),
                None => cell.1 += 1,
            }
        }
    }
    let row = |((nemesis, class), (times, never)): ((&str, &str), (Histogram<u64>, u64))| Row {
        nemesis: nemesis.to_owned(),
        class: class.to_owned(),
        faults: times.len() + never,
        never,
        p50_ms: millis(times.value_at_quantile(0.5)),
        p90_ms: millis(times.value_at_quantile(0.9)),
        p99_ms: millis(times.value_at_quantile(0.99)),
        max_ms: millis(times.max()),
    };
    cells.into_iter().map(row).collect()
}

/// An empty histogram of microseconds up to an hour, to three digits.
pub(crate) fn empty() -> Histogram<u64> {
    Histogram::new_with_max(3_600_000_000, 3).expect("these bounds are right")
}

/// Microseconds, for a histogram.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time in microseconds"
)]
pub(crate) fn micros(ms: f64) -> u64 {
    (ms * 1_000.0) as u64
}

/// Milliseconds, from a histogram.
#[expect(clippy::cast_precision_loss, reason = "at most an hour in microseconds")]
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// Finds the windows of a class: before fresh work begins, and in it. In between clients rest on purpose.
fn windows(name: &str, class: &Class<'_>, story: &Story<'_>, found: &mut Failover) {
    let least = class.window_from_ms();
    found.window_from_ms.insert(name.to_owned(), least);
    let fresh = story.phase("fresh").map_or(story.end, |fresh| fresh.from);
    let mut total = 0;
    for (from, until) in [(0, fresh), (fresh, story.end + 1)] {
        let inside = |at: &u64| (from..until).contains(at);
        let mut done: Vec<u64> = class.done().filter(inside).collect();
        done.sort_unstable();
        let begun = class.ops.iter().map(|op| op.invoke.time).filter(inside);
        let ended = class.ops.iter().filter_map(|op| op.end.map(|end| end.time)).filter(inside);
        let (Some(first), Some(last)) = (begun.clone().min(), begun.chain(ended).max()) else {
            continue;
        };
        let points: Vec<u64> = std::iter::once(first).chain(done).chain([last]).collect();
        for two in points.windows(2).filter(|two| (two[1] - two[0]) / 1_000_000 >= least) {
            let ms = (two[1] - two[0]) / 1_000_000;
            total += ms;
            found.windows.push(Window {
                class: name.to_owned(),
                from: two[0],
                until: two[1],
                ms,
                faults: broken_in(story, two[0], two[1]),
                stalled: story.stalled(two[0], two[1]),
            });
        }
    }
    found.windows_ms.insert(name.to_owned(), total);
}

/// The faults that a window may be laid to: those in it, and those that ended less than two seconds before.
fn broken_in(story: &Story<'_>, from: u64, until: u64) -> Vec<u64> {
    let near = |fault: &&Fault| {
        fault.from < until && fault.until_or(story.end).saturating_add(2_000_000_000) > from
    };
    story.faults.iter().filter(near).map(|fault| fault.id).collect()
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
