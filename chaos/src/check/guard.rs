//! Whether enough happened for a green verdict to mean something.
//!
//! A cluster that does nothing breaks no promise. So each run must prove that clients got work done, that every fault struck, and
//! that the last look saw something; where it cannot, nobody knows what the run says, and it is never green. Only one guard can
//! turn a run red:
//!
//! ```text
//!   guard/end        the harness came to its end
//!   guard/rate       operations done in each second of the warm-up          [`RATE_MIN`], or `rate_min` of the options
//!   guard/share      at least a fifth of all operations was done
//!   guard/kinds      of every kind of operation enough were done            [`OK_OF_KIND`] a minute of faults
//!   guard/struck     every nemesis that was asked for struck, and its strikes are proven
//!   guard/leaders    nemeses that are after the leader made it change
//!   guard/stalls     the harness itself was not late for long
//!   guard/look       the last look succeeded through every node
//!   liveness/fresh   when all was mended, fresh work was done               a violation if not
//! ```
//!
//! Why the last is red and not unknown: all faults are undone, all nodes are up, and the cluster had half a minute. That it then does
//! nothing is no lack of evidence; it is evidence against the promise that a mended cluster works. If the harness stalled meanwhile, it is
//! unknown again.

use std::collections::{BTreeMap, BTreeSet};

use crate::asked::Asked;
use crate::check::story::{Fault, Op, Story};
use crate::history::Type;
use crate::verdict::Verdict;

/// Operations done in a second of the warm-up, over all workloads. Others ask for 100 of a machine that is the cluster's own. Here three
/// nodes, their clients and the sink share as little as two cores and one disk: 50 is a tenth of what such a cluster does, and
/// ten times what one does that has lost its leader.
pub const RATE_MIN: f64 = 50.0;
/// A warm-up that says anything.
const WARM_UP_S_MIN: f64 = 3.0;
/// The share of all operations that must have been done, in percent.
const SHARE_MIN: u64 = 20;
/// What must be done of every kind in a run whose faults last a minute or more; shorter ones in proportion.
const OK_OF_KIND: f64 = 100.0;
/// …but never fewer.
const OK_OF_KIND_MIN: u64 = 5;
/// Kinds that are seldom by nature, with what is enough of them: one takes seconds, changes the whole cluster, or stays open for
/// as long as it can.
/// Where there are only three nodes whoever is demoted would vote again at once, so that every demotion is refused.
const SELDOM: [(&str, &str, u64); 11] = [
    ("flow", "signal", OK_OF_KIND_MIN),
    ("live", "start", OK_OF_KIND_MIN),
    ("member", "drain", 1),
    ("member", "undrain", 1),
    ("member", "demote", 0),
    ("member", "promote", 0),
    ("member", "step-down", 1),
    ("owner", "rebalance", 0),
    ("live", "watch", OK_OF_KIND_MIN),
    ("live", "follow", OK_OF_KIND_MIN),
    ("effects", "complete-stale", OK_OF_KIND_MIN),
];
/// Kinds that must be refused; of them a refusal counts as done.
const REFUSED: [(&str, &str); 1] = [("effects", "complete-stale")];
/// Changes of the leader that are enough, however often nemeses were after it.
const CHANGES_ENOUGH: u64 = 3;
/// How long somebody must keep the leader away, other than by killing it, for another one to be sure to lead.
const AWAY_S: f64 = 3.0;
/// The share of the phase with faults in which the harness itself may be late, in percent.
const STALLED_MAX: u64 = 20;
/// The share of fresh operations that may end without an answer, in percent.
const FRESH_INFO_MAX: usize = 10;

/// Judges whether enough happened.
pub fn judge(story: &Story<'_>, asked: &Asked, verdict: &mut Verdict) {
    end(story, verdict);
    rate(story, asked, verdict);
    share(story, verdict);
    kinds(story, verdict);
    struck(story, asked, verdict);
    leaders(story, verdict);
    stalls(story, verdict);
    look(story, asked, verdict);
    fresh(story, verdict);
}

fn end(story: &Story<'_>, verdict: &mut Verdict) {
    let last = story.phases.last().map_or("none", |phase| phase.name.as_str());
    if last == "end" {
        verdict.held("guard/end", "the harness came to its end");
    } else {
        let says =
            format!("the harness did not come to its end; the last phase it began was {last}");
        verdict.unknown("guard/end", says);
    }
}

/// Seconds of a span.
#[expect(clippy::cast_precision_loss, reason = "a run does not last 104 days")]
pub(crate) fn seconds(from: u64, until: u64) -> f64 {
    until.saturating_sub(from) as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "operations are counted, not weighed")]
fn rate(story: &Story<'_>, asked: &Asked, verdict: &mut Verdict) {
    let law = "guard/rate";
    let (Some(warm), Some(first)) = (story.phase("warm-up"), story.first_fault()) else {
        return verdict.unknown(law, "there was no warm-up before the first fault");
    };
    let until = warm.until.min(first);
    let lasted = seconds(warm.from, until);
    if lasted < WARM_UP_S_MIN {
        let says = format!("{lasted:.1} s before the first fault are too short to tell a rate");
        return verdict.unknown(law, says);
    }
    let done = story.load().filter(|op| op.is_ok() && ended_in(op, warm.from, until)).count();
    let (least, rate) = (asked.rate_min.unwrap_or(RATE_MIN), done as f64 / lasted);
    let says = format!(
        "{rate:.0} operations a second in the warm-up of {lasted:.0} s; {least:.0} are enough"
    );
    if rate >= least { verdict.held(law, says) } else { verdict.unknown(law, says) }
}

fn ended_in(op: &Op<'_>, from: u64, until: u64) -> bool {
    op.end.is_some_and(|end| (from..until).contains(&end.time))
}

fn share(story: &Story<'_>, verdict: &mut Verdict) {
    let all = story.load().count() as u64;
    let done = story.load().filter(|op| is_done(op)).count() as u64;
    let percent = (done * 100).checked_div(all).unwrap_or(0);
    let says =
        format!("{done} of {all} operations were done, {percent} %; {SHARE_MIN} % are enough");
    if percent >= SHARE_MIN {
        verdict.held("guard/share", says);
    } else {
        verdict.unknown("guard/share", says);
    }
}

/// Whether it came to what it was meant to.
fn is_done(op: &Op<'_>) -> bool {
    let must_fail = REFUSED.iter().any(|(work, f)| op.invoke.work == *work && op.invoke.f == *f);
    op.is_ok() || must_fail && op.kind() == Type::Fail
}

/// What must be done of a kind.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 5 and 100")]
fn enough_of(story: &Story<'_>, op: &Op<'_>) -> u64 {
    let seldom = SELDOM.iter().find(|(work, f, _)| op.invoke.work == *work && op.invoke.f == *f);
    if let Some((.., enough)) = seldom {
        return *enough;
    }
    let faults = story.phase("faults").map_or(60.0, |phase| seconds(phase.from, phase.until));
    ((OK_OF_KIND * faults / 60.0).min(OK_OF_KIND) as u64).max(OK_OF_KIND_MIN)
}

fn kinds(story: &Story<'_>, verdict: &mut Verdict) {
    let mut kinds: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for op in story.load() {
        let kind = kinds.entry(op.class()).or_insert_with(|| (0, 0, enough_of(story, op)));
        kind.0 += 1;
        kind.1 += u64::from(is_done(op));
    }
    let few = kinds.iter().filter(|(_, (_, done, enough))| done < enough);
    let few: Vec<String> = few
        .map(|(kind, (tried, done, enough))| {
            format!("{kind} was tried {tried} times and done {done} times, {enough} are enough")
        })
        .collect();
    if kinds.is_empty() {
        verdict.unknown("guard/kinds", "no client did anything");
    } else if few.is_empty() {
        let says = format!("each of {} kinds of operations was done often enough", kinds.len());
        verdict.held("guard/kinds", says);
    } else {
        verdict.unknown("guard/kinds", few.join("; "));
    }
}

/// Whether a fault is one of those asked for: `partition` also stands for `partition-ring`.
fn is_of(fault: &Fault, asked: &str) -> bool {
    let name = fault.name();
    let rest = name.strip_prefix(asked);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn struck(story: &Story<'_>, asked: &Asked, verdict: &mut Verdict) {
    let law = "guard/struck";
    let mut wrong = Vec::new();
    for nemesis in &asked.nemeses {
        if !story.faults.iter().any(|fault| is_of(fault, nemesis)) {
            // A lack is of what faults need, not of a fault: whoever reads it knows which it is.
            let lacks = story.lacks.iter().map(|lack| format!("; {}: {}", lack.name, lack.why));
            let why: String = lacks.collect();
            wrong.push(format!("{nemesis} was asked for and never struck{why}"));
        }
    }
    for fault in story.faults.iter().filter(|fault| !fault.proven) {
        let Fault { id, targets, proof, .. } = fault;
        let name = fault.name();
        let proof = if proof.is_empty() { "nothing was looked at" } else { proof };
        wrong.push(format!("fault {id}, {name} of {}, is not proven: {proof}", targets.join(", ")));
    }
    if wrong.is_empty() && story.faults.is_empty() {
        verdict.held(law, "nothing was to be broken, and nothing was");
    } else if wrong.is_empty() {
        let says = format!("each of {} faults struck, and was seen to", story.faults.len());
        verdict.held(law, says);
    } else {
        verdict.unknown(law, wrong.join("; "));
    }
}

/// Nemeses that are after the leader must make another one lead. A pause that is shorter than an election need not.
fn leaders(story: &Story<'_>, verdict: &mut Verdict) {
    let hunts = |fault: &&Fault| {
        let name = fault.name();
        let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let away = seconds(fault.from, fault.until_or(story.end)) >= AWAY_S;
        is(&["transfer", "step-down"])
            || is(&["leader"]) && (is(&["kill"]) || away && is(&["pause", "partition"]))
    };
    let strikes = story.faults.iter().filter(hunts).count() as u64;
    if strikes == 0 {
        return;
    }
    let (changes, enough) = (story.changes(), strikes.div_ceil(2).min(CHANGES_ENOUGH));
    let says = format!(
        "{changes} changes of the leader while nemeses were after it {strikes} times; {enough} are enough"
    );
    if changes >= enough {
        verdict.held("guard/leaders", says);
    } else {
        verdict.unknown("guard/leaders", says);
    }
}

fn stalls(story: &Story<'_>, verdict: &mut Verdict) {
    let Some(faults) = story.phase("faults") else { return };
    let inside =
        story.stalls.iter().filter(|stall| (faults.from..faults.until).contains(&stall.at));
    let (count, late) =
        inside.fold((0, 0), |(count, late), stall| (count + 1, late + stall.late_ms));
    let lasted = (faults.until - faults.from) / 1_000_000;
    let percent = (late * 100).checked_div(lasted).unwrap_or(0);
    let moments = if count == 1 { "moment" } else { "moments" };
    let says = format!(
        "the harness was late at {count} {moments}, {late} ms of {lasted} ms with faults; figures that touch one are marked"
    );
    if percent <= STALLED_MAX {
        verdict.held("guard/stalls", says);
    } else {
        verdict.unknown("guard/stalls", says);
    }
}

/// The nodes that must answer at the end: those that the harness names in that phase, or the options, or all that were ever asked.
fn nodes(story: &Story<'_>, asked: &Asked) -> BTreeSet<String> {
    let named = story.phase("look").map(|phase| phase.nodes.clone()).unwrap_or_default();
    let told = if named.is_empty() { asked.nodes.clone() } else { named };
    if told.is_empty() {
        let seen = story.ops.iter().map(|op| op.invoke.node.clone());
        return seen.filter(|node| !node.is_empty()).collect();
    }
    told.into_iter().collect()
}

fn look(story: &Story<'_>, asked: &Asked, verdict: &mut Verdict) {
    let mut looks: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    for op in story.ops.iter().filter(|op| op.is_final()) {
        let seen = looks.entry(&op.invoke.work).or_default();
        *seen.entry(&op.invoke.node).or_default() |= op.is_ok();
    }
    let nodes = nodes(story, asked);
    let mut blind = Vec::new();
    for (work, seen) in &looks {
        let missing = nodes.iter().filter(|node| !seen.get(node.as_str()).is_some_and(|ok| *ok));
        blind.extend(missing.map(|node| format!("{work} saw nothing through {node}")));
    }
    if looks.is_empty() || nodes.is_empty() {
        verdict.unknown("guard/look", "nobody looked at what was left when all was mended");
    } else if blind.is_empty() {
        let says = format!(
            "{} workloads looked at what was left through {} nodes",
            looks.len(),
            nodes.len()
        );
        verdict.held("guard/look", says);
    } else {
        verdict.unknown("guard/look", blind.join("; "));
    }
}

fn fresh(story: &Story<'_>, verdict: &mut Verdict) {
    let law = "liveness/fresh";
    let Some(phase) = story.phase("fresh") else {
        return verdict.unknown(law, "no fresh work was begun when all was mended");
    };
    let mut works: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for op in story.load().filter(|op| (phase.from..phase.until).contains(&op.invoke.time)) {
        let counts = works.entry(&op.invoke.work).or_default();
        counts[0] += 1;
        counts[1] += usize::from(op.is_ok());
        counts[2] += usize::from(op.kind() == Type::Info && op.end.is_some());
    }
    let dead = works
        .iter()
        .filter(|(_, [all, done, info])| *done == 0 || *info * 100 > *all * FRESH_INFO_MAX);
    let dead: Vec<String> = dead
        .map(|(work, [all, done, info])| {
            format!("of {all} fresh operations of {work} {done} were done and {info} got no answer")
        })
        .collect();
    let lasted = seconds(phase.from, phase.until);
    if works.is_empty() {
        verdict.unknown(law, "no client tried anything when all was mended");
    } else if dead.is_empty() {
        let done: usize = works.values().map(|[_, done, _]| done).sum();
        let says =
            format!("{done} fresh operations were done in {lasted:.0} s when all was mended");
        verdict.held(law, says);
    } else if story.stalled(phase.from, phase.until) {
        let says = format!("{}; but the harness itself stalled meanwhile", dead.join("; "));
        verdict.unknown(law, says);
    } else {
        let says = format!("all was mended and had its time, and yet {}", dead.join("; "));
        verdict.broken(law, says);
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
