//! What was started: nothing acknowledged is lost, nothing is there that nobody asked for, nothing is there twice.
//!
//! ```text
//!   add          7                        {"serial": 7, "run": "run_…", "number": 3}   under one key, perhaps several times
//!   get          null                     7, or null: there is no such run; the key is the run's id
//!   list         50                       [[number, serial, run] …], newest first, at most so many
//!   final-list   null                     the same, all of them, through one node
//! ```
//!
//! A start has a serial number of its own, which stands in the run's labels and in its inputs, and a key, the same when it is sent again.
//! What it came to is seen in the last lists; that it was seen at once, in every read that began after its acknowledgement; and
//! that the numbers of runs are the order of their starts, in real time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::oracle::tell;
use crate::history::{Event, Operation, Type};
use crate::verdict::Verdict;

/// One run, as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shown<'a> {
    number: u64,
    serial: u64,
    run: &'a str,
}

/// Everything that was said of one start.
#[derive(Default)]
struct Start<'a> {
    /// When it was first asked for.
    begun: u64,
    /// The first acknowledgement.
    acknowledged: Option<u64>,
    /// Whether all that was sent was refused.
    refused: bool,
    /// What acknowledgements said, and whether they agree.
    shown: BTreeSet<Shown<'a>>,
    keys: BTreeSet<&'a str>,
    sent: u32,
}

/// All starts, by serial number.
type Starts<'a> = BTreeMap<u64, Start<'a>>;

fn starts(ops: &[Operation]) -> Starts<'_> {
    let mut starts = Starts::new();
    for op in ops.iter().filter(|op| op.invoke.f == "add") {
        let Some(serial) = op.invoke.value.as_u64() else { continue };
        let fresh = || Start { begun: op.invoke.time, refused: true, ..Start::default() };
        let start = starts.entry(serial).or_insert_with(fresh);
        start.sent += 1;
        start.keys.insert(&op.invoke.key);
        start.refused &= op.kind() == Type::Fail;
        if let Some(end) = op.ok() {
            let known = start.acknowledged.unwrap_or(u64::MAX);
            start.acknowledged = Some(known.min(end.time));
            let number = end.value["number"].as_u64().unwrap_or_default();
            let run = end.value["run"].as_str().unwrap_or_default();
            start.shown.insert(Shown { number, serial, run });
        }
    }
    starts
}

/// The runs of a list.
fn listed(end: &Event) -> Vec<Shown<'_>> {
    let all = end.value.as_array().map_or(&[][..], Vec::as_slice);
    let one = |row: &'_ Value| (row[0].as_u64().unwrap_or_default(), row[1].as_u64());
    let shown = all.iter().map(|row| {
        let (number, serial) = one(row);
        let run = row[2].as_str().unwrap_or_default();
        Shown { number, serial: serial.unwrap_or(u64::MAX), run }
    });
    shown.collect()
}

/// What became of everything that was started, as each node says in the end.
pub fn kept(operations: &[Operation], work: &str, verdict: &mut Verdict) {
    let starts = starts(operations);
    let nodes: BTreeSet<&str> = operations.iter().map(|op| op.invoke.node.as_str()).collect();
    let mut lists: BTreeMap<&str, Vec<Shown<'_>>> = BTreeMap::new();
    for op in operations.iter().filter(|op| op.invoke.f == "final-list") {
        if let Some(end) = op.ok() {
            lists.insert(&op.invoke.node, listed(end));
        }
    }
    let acknowledged = starts.values().filter(|start| start.acknowledged.is_some()).count();
    let law = |name: &str| format!("{work}/{name}");
    if lists.len() < nodes.len() || lists.is_empty() {
        let missing: Vec<&str> = nodes.iter().copied().filter(|n| !lists.contains_key(n)).collect();
        let says = format!("no last list through {}", missing.join(", "));
        verdict.unknown(&law("lists"), says);
    }
    let (mut lost, mut phantom, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    for (node, list) in &lists {
        let found: BTreeSet<u64> = list.iter().map(|shown| shown.serial).collect();
        for (serial, _) in starts.iter().filter(|(_, start)| start.acknowledged.is_some()) {
            if !found.contains(serial) {
                lost.push(format!(
                    "start {serial} was acknowledged and is not there, as {node} says"
                ));
            }
        }
        for shown in list {
            let Shown { number, serial, run } = shown;
            match starts.get(serial) {
                None => phantom.push(format!("run {number} ({run}) at {node} is no start of ours")),
                Some(start) if start.refused => phantom.push(format!(
                    "start {serial} was refused each time and is there as run {number} ({run}), as {node} says"
                )),
                Some(_) => {}
            }
        }
        repeated(node, list, &mut twice);
    }
    disagreements(&lists, &mut twice);
    for (serial, start) in &starts {
        if start.shown.len() > 1 {
            twice.push(format!("start {serial} was answered with {:?}", start.shown));
        }
    }
    let lists_seen = if lists.is_empty() { 0 } else { acknowledged };
    tell(
        &law("lost"),
        &lost,
        lists_seen,
        "acknowledged starts are there, as each node says",
        verdict,
    );
    let (unknown, came) = indeterminate(&starts, lists.values().next());
    let good = format!(
        "starts, and no run is there that was not asked for; of {unknown} of which nobody knew {came} are there"
    );
    tell(&law("phantom"), &phantom, starts.len(), &good, verdict);
    let again = starts.values().filter(|start| start.sent > 1).count();
    tell(&law("once"), &twice, again, "starts were sent again and are there once", verdict);
}

/// Starts of which nobody knew, and those of them that came to be.
fn indeterminate(starts: &Starts<'_>, list: Option<&Vec<Shown<'_>>>) -> (usize, usize) {
    let there: BTreeSet<u64> = list.into_iter().flatten().map(|shown| shown.serial).collect();
    let open = starts.iter().filter(|(_, start)| start.acknowledged.is_none() && !start.refused);
    let open: Vec<&u64> = open.map(|(serial, _)| serial).collect();
    (open.len(), open.iter().filter(|serial| there.contains(serial)).count())
}

/// What a list has twice, by serial, number or run.
fn repeated(node: &str, list: &[Shown<'_>], wrong: &mut Vec<String>) {
    let mut serials: BTreeMap<u64, &Shown<'_>> = BTreeMap::new();
    let (mut numbers, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for shown in list {
        if let Some(other) = serials.insert(shown.serial, shown) {
            let says = format!("start {} is there twice at {node}", shown.serial);
            wrong.push(format!("{says}: as run {} and as run {}", other.number, shown.number));
        }
        if !numbers.insert(shown.number) || !runs.insert(shown.run) {
            wrong.push(format!("run {} ({}) is there twice at {node}", shown.number, shown.run));
        }
    }
}

/// Where nodes differ.
fn disagreements(lists: &BTreeMap<&str, Vec<Shown<'_>>>, wrong: &mut Vec<String>) {
    let mut all = lists.iter().map(|(node, list)| (node, list.iter().collect::<BTreeSet<_>>()));
    let Some((first, reference)) = all.next() else { return };
    for (node, list) in all {
        if let Some(one) = list.symmetric_difference(&reference).next() {
            let (a, b) = (list.len(), reference.len());
            wrong.push(format!("{node} has {a} runs and {first} {b}; they differ in {one:?}"));
        }
    }
}

/// Whether each read that began after an acknowledgement saw what had been acknowledged.
pub fn visible(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let starts = starts(operations);
    let mut sweep: Vec<Moment<'_>> = Vec::new();
    let mut runs: BTreeMap<&str, u64> = BTreeMap::new();
    for (serial, start) in &starts {
        let (Some(time), Some(shown)) = (start.acknowledged, start.shown.first()) else { continue };
        runs.insert(shown.run, *serial);
        sweep.push(Moment { time, what: What::Acknowledged(shown) });
    }
    let answered = |op: &&Operation| op.ok().is_some();
    let reads = operations.iter().filter(answered);
    let reads = reads.filter(|op| matches!(op.invoke.f.as_str(), "get" | "list" | "final-list"));
    sweep.extend(reads.map(|op| Moment { time: op.invoke.time, what: What::Read(op) }));
    sweep.sort_by_key(|moment| (moment.time, matches!(moment.what, What::Acknowledged(..))));
    let mut known: BTreeMap<u64, &Shown<'_>> = BTreeMap::new();
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    let (mut seen, mut wrong) = (0, Vec::new());
    for moment in sweep {
        match moment.what {
            What::Acknowledged(shown) => {
                known.insert(shown.number, shown);
                gone.insert(shown.run);
            }
            What::Read(op) => {
                seen += 1;
                let Some(end) = op.ok() else { continue };
                if op.invoke.f == "get" {
                    let expected = gone.get(op.invoke.key.as_str()).and_then(|run| runs.get(run));
                    got(op, end, expected.copied(), &mut wrong);
                } else {
                    lists(op, end, &known, &mut wrong);
                }
            }
        }
    }
    tell(law, &wrong, seen, "reads and lists had all that was acknowledged before them", verdict);
}

/// A moment of the sweep.
struct Moment<'a> {
    time: u64,
    what: What<'a>,
}

enum What<'a> {
    Acknowledged(&'a Shown<'a>),
    Read(&'a Operation),
}

fn got(op: &Operation, end: &Event, expected: Option<u64>, wrong: &mut Vec<String>) {
    let Some(expected) = expected else { return };
    if end.value.as_u64() != Some(expected) {
        let (node, key, index) = (&end.node, &op.invoke.key, end.index);
        wrong.push(format!(
            "{key} was acknowledged as start {expected}; {node} then answered {} in #{index}",
            end.value
        ));
    }
}

fn lists(op: &Operation, end: &Event, known: &BTreeMap<u64, &Shown<'_>>, wrong: &mut Vec<String>) {
    let list = listed(end);
    let (node, index) = (&end.node, end.index);
    if !list.windows(2).all(|pair| pair[0].number > pair[1].number) {
        wrong.push(format!("the list of {node} in #{index} is not newest first"));
    }
    let full = op.invoke.value.as_u64().is_some_and(|size| list.len() as u64 >= size);
    let from = if full { list.last().map_or(0, |shown| shown.number) } else { 0 };
    let there: BTreeSet<u64> = list.iter().map(|shown| shown.number).collect();
    for (number, shown) in known.range(from..) {
        if !there.contains(number) {
            let serial = shown.serial;
            wrong.push(format!(
                "start {serial} had been acknowledged as run {number}, and the list of {node} in #{index} lacks it"
            ));
        }
    }
}

/// Whether numbers are the order of starts: one that began after another was acknowledged has a higher number.
pub fn numbered(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let starts = starts(operations);
    let mut ends: Vec<(u64, u64, u64)> = Vec::new();
    let mut begun: Vec<(u64, u64, u64)> = Vec::new();
    for (serial, start) in &starts {
        let (Some(time), Some(shown)) = (start.acknowledged, start.shown.first()) else { continue };
        ends.push((time, shown.number, *serial));
        begun.push((start.begun, shown.number, *serial));
    }
    ends.sort_unstable();
    begun.sort_unstable();
    let (mut at, mut newest, mut wrong) = (0, (0, 0), Vec::new());
    for (time, number, serial) in &begun {
        while at < ends.len() && ends[at].0 < *time {
            newest = newest.max((ends[at].1, ends[at].2));
            at += 1;
        }
        if *number <= newest.0 {
            wrong.push(format!(
                "start {serial} is run {number}, and start {} had been acknowledged as run {} before it was asked for",
                newest.1, newest.0
            ));
        }
    }
    tell(law, &wrong, begun.len(), "starts have numbers in the order of real time", verdict);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::scene::{done, refused, unknown};
    use crate::verdict::Outcome;

    fn add(begin: u64, serial: u64, number: u64) -> Operation {
        let answer = json!({"serial": serial, "run": format!("run_{serial}"), "number": number});
        done("add", begin, begin + 5, json!(serial), answer).key(&format!("key-{serial}"))
    }

    fn rows(rows: &[(u64, u64)]) -> Value {
        json!(rows.iter().map(|(n, s)| json!([n, s, format!("run_{s}")])).collect::<Vec<_>>())
    }

    fn list(begin: u64, all: &[(u64, u64)]) -> Operation {
        done("list", begin, begin + 5, json!(2), rows(all))
    }

    fn last(node: &str, all: &[(u64, u64)]) -> Operation {
        done("final-list", 900, 950, Value::Null, rows(all)).node(node)
    }

    fn get(begin: u64, serial: u64, saw: Value) -> Operation {
        done("get", begin, begin + 5, Value::Null, saw).key(&format!("run_{serial}"))
    }

    const ALL: &[(u64, u64)] = &[(4, 14), (3, 13), (2, 12), (1, 11)];

    /// Starts 11, 12 (twice), 13; 14 of which nobody knows is there, 15 is not; 16 was refused.
    fn good() -> Vec<Operation> {
        vec![
            add(10, 11, 1),
            add(20, 12, 2),
            add(30, 12, 2),
            list(36, &[(2, 12), (1, 11)]),
            add(40, 13, 3),
            get(41, 13, Value::Null),
            get(50, 13, json!(13)),
            unknown("add", 60, json!(14)),
            unknown("add", 62, json!(15)),
            refused("add", 64, 65, json!(16), "E0702"),
            list(70, &[(4, 14), (3, 13)]),
        ]
    }

    fn verdict(mut ops: Vec<Operation>, ends: &[&[(u64, u64)]]) -> Vec<String> {
        ops.extend((1..).zip(ends).map(|(at, all)| last(&format!("n{at}"), all)));
        let mut verdict = Verdict::default();
        kept(&ops, "submit", &mut verdict);
        visible(&ops, "submit/visible", &mut verdict);
        numbered(&ops, "submit/order", &mut verdict);
        let bad = verdict.findings.into_iter().filter(|one| one.outcome != Outcome::Valid);
        let mut laws: Vec<String> =
            bad.map(|one| format!("{:?} {}", one.outcome, one.law)).collect();
        laws.dedup();
        laws
    }

    #[test]
    fn a_good_history_passes() {
        assert!(verdict(good(), &[ALL, ALL]).is_empty(), "{:?}", verdict(good(), &[ALL, ALL]));
    }

    #[test]
    fn a_start_that_is_lost_is_found() {
        let short = &[(4, 14), (3, 13), (1, 11)];
        let found = verdict(good(), &[ALL, short]);
        assert!(found.contains(&"Invalid submit/lost".to_owned()), "{found:?}");
    }

    #[test]
    fn a_run_that_nobody_started_is_found() {
        let more = &[(5, 99), (4, 14), (3, 13), (2, 12), (1, 11)];
        assert_eq!(verdict(good(), &[more, more]), ["Invalid submit/phantom"]);
    }

    #[test]
    fn a_start_that_was_refused_and_done_is_found() {
        let more = &[(5, 16), (4, 14), (3, 13), (2, 12), (1, 11)];
        assert_eq!(verdict(good(), &[more, more]), ["Invalid submit/phantom"]);
    }

    #[test]
    fn a_start_done_twice_is_found() {
        let more = &[(5, 12), (4, 14), (3, 13), (2, 12), (1, 11)];
        assert_eq!(verdict(good(), &[more, more]), ["Invalid submit/once"]);
        let mut ops = good();
        ops.push(add(80, 11, 7));
        assert!(verdict(ops, &[ALL, ALL]).contains(&"Invalid submit/once".to_owned()));
    }

    #[test]
    fn nodes_that_differ_are_found() {
        let more = &[(5, 15), (4, 14), (3, 13), (2, 12), (1, 11)];
        assert_eq!(verdict(good(), &[ALL, more]), ["Invalid submit/once"]);
    }

    #[test]
    fn a_read_that_misses_what_was_acknowledged_is_found() {
        for late in [get(80, 13, Value::Null), get(80, 13, json!(12))] {
            let mut ops = good();
            ops.push(late);
            assert_eq!(verdict(ops, &[ALL, ALL]), ["Invalid submit/visible"]);
        }
    }

    #[test]
    fn a_list_that_misses_or_swaps_what_was_acknowledged_is_found() {
        for late in [list(80, &[(2, 12), (1, 11)]), list(80, &[(3, 13), (4, 14)])] {
            let mut ops = good();
            ops.push(late);
            assert_eq!(verdict(ops, &[ALL, ALL]), ["Invalid submit/visible"]);
        }
    }

    #[test]
    fn numbers_against_real_time_are_found() {
        let mut ops = good();
        ops.push(add(80, 17, 0));
        let more = &[(4, 14), (3, 13), (2, 12), (1, 11), (0, 17)];
        assert_eq!(verdict(ops, &[more, more]), ["Invalid submit/order"]);
    }

    #[test]
    fn a_node_without_a_last_list_is_unknown() {
        let mut ops = good();
        ops[0] = add(10, 11, 1).node("n3");
        assert_eq!(verdict(ops, &[ALL, ALL]), ["Unknown submit/lists"]);
        assert!(!verdict(Vec::new(), &[]).is_empty());
    }
}
