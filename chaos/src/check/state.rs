//! Fingerprints: copies that have applied as much of the log must be equal, whenever and wherever they are looked at.
//!
//! A node says how far it has applied the log, and the running hash of everything it ever wrote. Two samples of one index, from
//! whichever nodes and however far apart, must have one hash. And a process never goes back: a session of samples ends where an
//! answer is missing, because a node that was killed begins again with what it has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::oracle::tell;
use crate::history::{Event, Operation, Process};
use crate::verdict::Verdict;

/// Fewer indices than these, seen at more than one node, say too little.
const SHARED_MIN: usize = 5;

/// A node's state at an index.
struct Sample<'a> {
    node: &'a str,
    applied: u64,
    print: &'a str,
    index: u64,
}

fn sample(event: &Event) -> Option<Sample<'_>> {
    let Event { node, value, index, .. } = event;
    let node = value["node"].as_str().unwrap_or(node);
    let (applied, print) = (value["applied"].as_u64()?, value["print"].as_str()?);
    Some(Sample { node, applied, print, index: *index })
}

/// Whether equal indices mean equal states. `others` are samples that somebody else took.
pub fn equal<'a>(
    operations: &'a [Operation],
    others: impl Iterator<Item = &'a Event>,
    law: &str,
    verdict: &mut Verdict,
) {
    let own = operations.iter().filter_map(Operation::ok);
    let mut known: BTreeMap<u64, (Sample<'a>, BTreeSet<&'a str>)> = BTreeMap::new();
    let (mut seen, mut wrong) = (0, Vec::new());
    for one in own.chain(others).filter_map(sample) {
        seen += 1;
        let (applied, print, node, index) = (one.applied, one.print, one.node, one.index);
        let (first, nodes) = known.entry(applied).or_insert((one, BTreeSet::new()));
        nodes.insert(node);
        if first.print != print {
            wrong.push(format!(
                "after entry {applied} {} is {} (#{}) and {node} is {print} (#{index})",
                first.node, first.print, first.index
            ));
        }
    }
    let shared = known.values().filter(|(_, nodes)| nodes.len() > 1).count();
    if shared < SHARED_MIN && wrong.is_empty() {
        let many = known.len();
        return verdict.unknown(
            law,
            format!(
                "of {many} indices in {seen} samples only {shared} were seen at more than one node"
            ),
        );
    }
    let good =
        format!("samples at {} indices, {shared} of them at several nodes, agree", known.len());
    tell(law, &wrong, seen, &good, verdict);
}

/// Whether no process forgets what it had applied.
pub fn forwards(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let mut newest: BTreeMap<Process, u64> = BTreeMap::new();
    let (mut seen, mut wrong) = (0, Vec::new());
    for op in operations {
        let Some(one) = op.ok().and_then(sample) else { continue };
        seen += 1;
        let before = newest.entry(op.invoke.process).or_default();
        if one.applied < *before {
            let (node, index) = (one.node, one.index);
            wrong.push(format!(
                "{node} went from entry {before} back to {} in #{index}",
                one.applied
            ));
        }
        *before = one.applied.max(*before);
    }
    tell(law, &wrong, seen, "samples, and no process went back", verdict);
}

/// Whether in the end all nodes stand at one index.
pub fn converged(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let nodes: BTreeSet<&str> = operations.iter().map(|op| op.invoke.node.as_str()).collect();
    let mut places: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for op in operations.iter().filter(|op| op.invoke.f == "final-print") {
        let Some(end) = op.ok() else { continue };
        last.insert(&op.invoke.node, &end.value);
        if let Some(one) = sample(end) {
            places.entry(one.applied).or_default().insert(&op.invoke.node);
        }
    }
    let met = places.iter().find(|(_, there)| there.len() == nodes.len());
    match met {
        _ if nodes.is_empty() => verdict.unknown(law, "nobody looked"),
        Some((applied, _)) => {
            verdict.held(law, format!("all {} nodes came to entry {applied}", nodes.len()));
        }
        None => {
            let last: Vec<String> = last.iter().map(|(node, at)| format!("{node}: {at}")).collect();
            verdict.unknown(
                law,
                format!(
                    "the {} nodes were not seen at one index in the end: {}",
                    nodes.len(),
                    last.join(", ")
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::scene::{done, unknown};
    use crate::verdict::Outcome;

    fn print(f: &str, at: u64, node: &str, applied: u64, print: &str) -> Operation {
        let value = json!({"applied": applied, "print": print});
        done(f, at, at + 1, Value::Null, value).node(node).by(u64::from(node.as_bytes()[1]))
    }

    fn good() -> Vec<Operation> {
        let mut ops = Vec::new();
        for at in 0..8 {
            for node in ["n1", "n2"] {
                ops.push(print("print", at * 10, node, at, &format!("p{at}")));
            }
        }
        ops.push(unknown("print", 100, Value::Null).node("n2"));
        ops.push(print("final-print", 110, "n1", 9, "p9"));
        ops.push(print("final-print", 111, "n2", 9, "p9"));
        ops
    }

    fn outcomes(ops: &[Operation]) -> [Outcome; 3] {
        let mut verdicts = [Verdict::default(), Verdict::default(), Verdict::default()];
        equal(ops, std::iter::empty(), "equal/state", &mut verdicts[0]);
        forwards(ops, "equal/forwards", &mut verdicts[1]);
        converged(ops, "equal/converged", &mut verdicts[2]);
        verdicts.map(|verdict| verdict.outcome())
    }

    #[test]
    fn equal_copies_pass() {
        assert_eq!(outcomes(&good()), [Outcome::Valid; 3]);
    }

    #[test]
    fn copies_that_differ_are_found_however_far_apart_they_were_seen() {
        let mut ops = good();
        ops.push(print("print", 900, "n3", 2, "other").by(7));
        assert_eq!(outcomes(&ops)[0], Outcome::Invalid);
    }

    #[test]
    fn a_sample_of_somebody_else_counts() {
        let ops = good();
        let mut other = print("fingerprint", 50, "n9", 3, "other").end.expect("it was answered");
        other.value["node"] = json!("n3");
        let mut verdict = Verdict::default();
        equal(&ops, std::iter::once(&other), "equal/state", &mut verdict);
        assert_eq!(verdict.outcome(), Outcome::Invalid);
    }

    #[test]
    fn a_process_that_goes_back_is_found() {
        let mut ops = good();
        ops.push(print("print", 120, "n1", 3, "p3"));
        assert_eq!(outcomes(&ops)[1], Outcome::Invalid);
    }

    #[test]
    fn nodes_that_were_never_seen_at_one_index_are_unknown() {
        let mut ops = good();
        ops.pop();
        assert_eq!(outcomes(&ops)[2], Outcome::Unknown);
        assert_eq!(outcomes(&[]), [Outcome::Unknown; 3]);
    }
}
