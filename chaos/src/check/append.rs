//! Lists that are only appended to: adya looks whether one order explains all reads, and folds say what became of each element.
//!
//! An operation is a transaction of one step, as Jepsen writes them: `[["append", key, element]]`, or `[["r", key, null]]` that is
//! answered `[["r", key, [elements…]]]`. Elements are unique. Every read shows the order of all appends before it, so the whole order
//! is known and what contradicts it is a cycle.
//!
//! The model is *strict* serializability and nothing less: an element that was acknowledged and is in no later read is a cycle
//! only when real time counts, and so is a read of the past. The folds say the same of last reads in plain words, and see what a
//! cycle cannot: an element that was refused, and nodes whose last reads differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use adya::{Opts, Valid, Workload};
use serde_json::{Value, json};

use super::oracle::tell;
use crate::history::{Event, Operation, Type};
use crate::verdict::Verdict;

/// How long the search for a cycle in one knot may take.
const SEARCH_MAX: Duration = Duration::from_secs(10);
/// Kinds of violations that are told in full.
const TOLD_MAX: usize = 4;
/// Letters of an explanation that are kept.
const LETTERS_MAX: usize = 1_200;

/// Whether the transactions are strict-serializable.
pub fn serializable(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    serializable_within(operations, law, SEARCH_MAX, verdict);
}

fn serializable_within(ops: &[Operation], law: &str, at_most: Duration, verdict: &mut Verdict) {
    let begun = Instant::now();
    let text = lines(ops);
    let history = match adya::History::from_json(&text) {
        Ok(history) => history,
        Err(why) => return verdict.unknown(law, format!("adya cannot read the history: {why}")),
    };
    let models = vec!["strict-serializable".to_owned()];
    let report = adya::check(
        &history,
        Workload::ListAppend,
        &Opts { models, timeout: at_most, ..Opts::default() },
    );
    let took = begun.elapsed().as_millis();
    match report.valid {
        Valid::True => {
            let done = ops.iter().filter(|op| op.ok().is_some()).count();
            verdict.held(
                law,
                format!("{done} appends and reads are strict-serializable (adya, {took} ms)"),
            );
        }
        Valid::Unknown => verdict.unknown(
            law,
            format!("adya cannot tell: {} ({took} ms)", report.anomaly_types.join(", ")),
        ),
        Valid::False => {
            for (kind, found) in report.anomalies.iter().take(TOLD_MAX) {
                let first = found.first().map_or("", |one| one.explanation.as_str());
                let first: String = first.chars().take(LETTERS_MAX).collect();
                verdict.broken(law, format!("{kind}, {} times; the first: {first}", found.len()));
            }
            if report.anomalies.is_empty() {
                verdict.broken(law, format!("not {}", report.not.join(", not ")));
            }
        }
    }
}

/// The history as adya reads it. What was not answered keeps the steps that were asked.
fn lines(ops: &[Operation]) -> String {
    let mut events: Vec<(&Event, &Value)> = Vec::new();
    for op in ops.iter().filter(|op| matches!(op.invoke.f.as_str(), "txn" | "final-txn")) {
        events.push((&op.invoke, &op.invoke.value));
        if let Some(end) = &op.end {
            let steps = if end.kind == Type::Ok { &end.value } else { &op.invoke.value };
            events.push((end, steps));
        }
    }
    events.sort_by_key(|(event, _)| event.index);
    let mut text = String::new();
    for (event, steps) in events {
        let line = json!({
            "index": event.index, "time": event.time, "process": event.process,
            "type": event.kind, "f": "txn", "value": steps,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// What is known of the elements of one list.
#[derive(Default)]
struct List<'a> {
    acknowledged: BTreeSet<&'a str>,
    unknown: BTreeSet<&'a str>,
    refused: BTreeSet<&'a str>,
    last: Vec<(&'a Operation, Vec<String>)>,
}

/// Whether last reads, through every node, have each acknowledged element once and no other than those that were asked for.
pub fn folded(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let texts: Vec<String> = operations.iter().map(element).collect();
    let mut lists: BTreeMap<&str, List<'_>> = BTreeMap::new();
    let mut nodes = BTreeSet::new();
    for (op, element) in operations.iter().zip(&texts) {
        nodes.insert(op.invoke.node.as_str());
        let list = lists.entry(&op.invoke.key).or_default();
        if op.invoke.f == "final-txn" {
            list.last.extend(op.ok().map(|end| (op, elements(end))));
        } else if !element.is_empty() {
            let place = match op.kind() {
                Type::Ok => &mut list.acknowledged,
                Type::Fail => &mut list.refused,
                Type::Info | Type::Invoke => &mut list.unknown,
            };
            place.insert(element);
        }
    }
    let (mut wrong, mut seen, mut found, mut missing) = (Vec::new(), 0, 0, Vec::new());
    for (key, list) in &lists {
        let read: BTreeSet<&str> =
            list.last.iter().map(|(op, _)| op.invoke.node.as_str()).collect();
        if list.acknowledged.is_empty() || list.last.is_empty() {
            if !list.acknowledged.is_empty() {
                missing.push(*key);
            }
            continue;
        }
        if read.len() < nodes.len() {
            missing.push(key);
        }
        seen += list.acknowledged.len();
        let longest = list.last.first().map_or(&[][..], |(_, all)| all.as_slice());
        found += longest.iter().filter(|one| list.unknown.contains(one.as_str())).count();
        list.judge(key, &mut wrong);
    }
    if !missing.is_empty() {
        let some: Vec<&str> = missing.iter().copied().take(5).collect();
        let (count, some) = (missing.len(), some.join(", "));
        verdict.unknown(
            law,
            format!("{count} lists were not read in the end through every node: {some}"),
        );
    }
    let good = format!(
        "acknowledged elements of {} lists are there once, as every node says; {found} of which nobody knew are there too",
        lists.len()
    );
    tell(law, &wrong, seen, &good, verdict);
}

impl List<'_> {
    fn judge(&self, key: &str, wrong: &mut Vec<String>) {
        let (first, reference) = &self.last[0];
        for (op, all) in &self.last {
            let node = &op.invoke.node;
            let set: BTreeSet<&str> = all.iter().map(String::as_str).collect();
            if set.len() < all.len() {
                wrong.push(format!("{key}: an element is there twice, as {node} says: {all:?}"));
            }
            for lost in self.acknowledged.difference(&set) {
                wrong.push(format!("{key}: {lost} was acknowledged and is lost, as {node} says"));
            }
            for &extra in &set {
                if self.acknowledged.contains(extra) || self.unknown.contains(extra) {
                    continue;
                }
                let what = if self.refused.contains(extra) { "was refused" } else { "nobody sent" };
                wrong.push(format!("{key}: {extra}, which {what}, is there, as {node} says"));
            }
            if all != reference {
                let other = &first.invoke.node;
                wrong.push(format!("{key}: {node} says {all:?}, and {other} says {reference:?}"));
            }
        }
    }
}

/// The element that an operation appends; empty: it reads.
fn element(op: &Operation) -> String {
    let step = &op.invoke.value[0];
    if step[0] == "append" { step[2].to_string() } else { String::new() }
}

/// The elements that a read was answered with.
fn elements(end: &Event) -> Vec<String> {
    let all = end.value[0][2].as_array();
    all.map_or_else(Vec::new, |all| all.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::scene::{done, refused, unknown};
    use crate::verdict::Outcome;

    fn append(begin: u64, element: u64) -> Operation {
        let steps = json!([["append", "k", element]]);
        done("txn", begin, begin + 5, steps.clone(), steps).by(begin)
    }

    fn read(begin: u64, all: &[u64]) -> Operation {
        done("txn", begin, begin + 5, json!([["r", "k", null]]), json!([["r", "k", all]])).by(begin)
    }

    fn last(begin: u64, node: &str, all: &[u64]) -> Operation {
        let mut op = read(begin, all).node(node);
        "final-txn".clone_into(&mut op.invoke.f);
        op
    }

    /// Appends 1, 2, 3; 4 is unknown and there, 5 was refused.
    fn good() -> Vec<Operation> {
        vec![
            append(10, 1),
            read(20, &[1]),
            append(30, 2),
            append(40, 3),
            read(50, &[1, 2, 3]),
            unknown("txn", 60, json!([["append", "k", 4]])).by(60),
            refused("txn", 62, 63, json!([["append", "k", 5]]), "E0702").by(62),
            read(70, &[1, 2, 3, 4]),
        ]
    }

    /// What adya and what the folds say of a history that ends with these reads.
    fn judged(mut ops: Vec<Operation>, ends: &[&[u64]]) -> (Outcome, Outcome) {
        for (at, all) in (0..).zip(ends) {
            ops.push(last(1_000 + at * 10, &format!("n{}", at + 1), all));
        }
        let (mut one, mut other) = (Verdict::default(), Verdict::default());
        serializable(&ops, "signals/order", &mut one);
        folded(&ops, "signals/once", &mut other);
        (one.outcome(), other.outcome())
    }

    const ALL: &[u64] = &[1, 2, 3, 4];

    #[test]
    fn a_good_history_passes() {
        assert_eq!(judged(good(), &[ALL, ALL]), (Outcome::Valid, Outcome::Valid));
    }

    #[test]
    fn an_acknowledged_element_that_is_lost_is_found() {
        let mut ops = good();
        ops.push(append(80, 6));
        assert_eq!(judged(ops, &[ALL, ALL]), (Outcome::Invalid, Outcome::Invalid));
    }

    #[test]
    fn a_read_of_the_past_is_found() {
        let mut ops = good();
        ops.push(read(80, &[1, 2]));
        assert_eq!(judged(ops, &[ALL, ALL]), (Outcome::Invalid, Outcome::Valid));
    }

    #[test]
    fn two_that_changed_places_are_found() {
        let swapped: &[u64] = &[1, 3, 2, 4];
        assert_eq!(judged(good(), &[ALL, swapped]), (Outcome::Invalid, Outcome::Invalid));
    }

    #[test]
    fn an_element_that_is_there_twice_is_found() {
        let twice: &[u64] = &[1, 2, 3, 4, 2];
        assert_eq!(judged(good(), &[twice, twice]), (Outcome::Invalid, Outcome::Invalid));
    }

    #[test]
    fn an_element_that_was_refused_and_is_there_is_found() {
        let more: &[u64] = &[1, 2, 3, 4, 5];
        assert_eq!(judged(good(), &[more, more]), (Outcome::Invalid, Outcome::Invalid));
    }

    #[test]
    fn an_element_that_nobody_sent_is_found() {
        let more: &[u64] = &[1, 2, 3, 4, 99];
        assert_eq!(judged(good(), &[more, more]).1, Outcome::Invalid);
    }

    #[test]
    fn a_list_that_was_not_read_in_the_end_through_every_node_is_unknown() {
        let mut ops = good();
        ops[0] = append(10, 1).node("n3");
        assert_eq!(judged(ops, &[ALL, ALL]), (Outcome::Valid, Outcome::Unknown));
    }

    #[test]
    fn a_history_that_says_nothing_is_unknown() {
        assert_eq!(judged(Vec::new(), &[]), (Outcome::Unknown, Outcome::Unknown));
    }

    #[test]
    fn a_search_that_does_not_end_is_never_green() {
        // A knot in real time: 400 appends, and reads that each lack what was acknowledged long before.
        let mut ops = Vec::new();
        for at in 0..400 {
            ops.push(append(at * 20, at));
            let all: Vec<u64> = (0..at.saturating_sub(at % 7)).collect();
            ops.push(read(at * 20 + 10, &all));
        }
        let mut verdict = Verdict::default();
        serializable_within(&ops, "law", Duration::ZERO, &mut verdict);
        assert_ne!(verdict.outcome(), Outcome::Valid, "{verdict:?}");
    }
}
