//! Whether members came and went without a loss, and whether they agree in the end.
//!
//! From what each node said of itself: who led which term, and that nobody else did in the same. From the end: every start that was
//! acknowledged is on every node, nothing is there that nobody asked for, and all nodes show the same members, each of them up and a voter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::liveness::told;
use crate::history::{Operation, Type};
use crate::verdict::Verdict;
use crate::work::Record;

/// Fewer steps that were taken say nothing about steps.
const STEPS_MIN: usize = 4;
/// What the operator does.
const STEPS: [&str; 5] = ["drain", "undrain", "demote", "promote", "step-down"];

/// Judges.
pub fn judge(work: &str, record: &Record, verdict: &mut Verdict) {
    let operations = record.history.operations(work);
    leaders(work, record, &operations, verdict);
    kept(work, &operations, verdict);
    members(work, &operations, verdict);
    let steps: BTreeMap<&str, usize> = STEPS
        .map(|f| {
            (
                f,
                operations
                    .iter()
                    .filter(|done| done.invoke.f == f && done.kind() == Type::Ok)
                    .count(),
            )
        })
        .into();
    let law = format!("{work}/steps");
    if steps.values().sum::<usize>() < STEPS_MIN {
        verdict.unknown(&law, format!("too few steps were taken: {steps:?}"));
    } else {
        verdict.held(&law, format!("taken: {steps:?}"));
    }
}

/// One leader a term, by the leaders' own words.
fn leaders(work: &str, record: &Record, operations: &[Operation], verdict: &mut Verdict) {
    let mut led: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    let own =
        operations.iter().filter(|done| done.invoke.f == "standing").filter_map(Operation::ok);
    let own = own.filter(|end| end.value["standing"] == "leader").map(|end| &end.value);
    let own = own.filter_map(|value| Some((value["term"].as_u64()?, value["node"].as_str()?)));
    let seen =
        record.history.nemesis().filter(|event| event.f == "leader").map(|event| &event.value);
    let seen = seen.filter_map(|value| Some((value["term"].as_u64()?, value["leader"].as_str()?)));
    let mut samples = 0;
    for (term, node) in own.chain(seen) {
        samples += 1;
        led.entry(term).or_default().insert(node);
    }
    let wrong: Vec<String> = led
        .iter()
        .filter(|(_, nodes)| nodes.len() > 1)
        .map(|(term, nodes)| format!("in term {term} {nodes:?} led"))
        .collect();
    let what = format!("samples of leaders in {} terms show one a term", led.len());
    told(verdict, &format!("{work}/one-leader"), &wrong, samples, &what);
}

/// What was acknowledged is on every node, and what is there was asked for.
fn kept(work: &str, operations: &[Operation], verdict: &mut Verdict) {
    let starts = || operations.iter().filter(|done| done.invoke.f == "start");
    let asked = starts().filter(|done| done.kind() != Type::Fail);
    let asked: BTreeSet<&str> = asked.map(|done| done.invoke.key.as_str()).collect();
    let accepted: BTreeSet<&str> =
        starts().filter(|done| done.ok().is_some()).map(|done| done.invoke.key.as_str()).collect();
    let looks = || operations.iter().filter(|done| done.invoke.f == "final-runs");
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for (node, runs) in looks().filter_map(|look| Some((&look.invoke.node, &look.ok()?.value))) {
        looked += 1;
        let there: BTreeMap<&str, &Value> = runs
            .as_object()
            .into_iter()
            .flatten()
            .map(|(run, state)| (run.as_str(), state))
            .collect();
        let lost = accepted.iter().filter(|run| !there.contains_key(*run));
        wrong.extend(lost.map(|run| format!("{run} was acknowledged and is not on {node}")));
        let phantom = there.keys().filter(|run| !asked.contains(*run));
        wrong.extend(
            phantom.map(|run| {
                format!("{run} is on {node}, and nobody asked for it, or it was refused")
            }),
        );
        let open = there.iter().filter(|(_, state)| **state != "completed");
        wrong.extend(open.map(|(run, state)| format!("{run} is {state} on {node}")));
    }
    let law = format!("{work}/kept");
    if looked < looks().count() {
        verdict.unknown(&law, format!("only {looked} nodes were looked at"));
    }
    let seen = if looked == 0 { 0 } else { accepted.len() };
    told(verdict, &law, &wrong, seen, &format!("acknowledged runs are on all of {looked} nodes"));
}

/// All show the same, and it is what is wanted.
fn members(work: &str, operations: &[Operation], verdict: &mut Verdict) {
    let looks = || operations.iter().filter(|done| done.invoke.f == "final-members");
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for look in looks() {
        let Some(end) = look.ok() else { continue };
        looked += 1;
        let node = &look.invoke.node;
        let wanted: BTreeSet<&str> =
            look.invoke.value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let shown: BTreeMap<&str, &Value> = end
            .value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, member)| (name.as_str(), member))
            .collect();
        if shown.keys().copied().collect::<BTreeSet<_>>() != wanted {
            wrong.push(format!("{node} shows {:?}, and {wanted:?} are wanted", shown.keys()));
        }
        for (name, member) in shown {
            if member["state"] != "up" || member["votes"] != true {
                wrong.push(format!("{node} shows {name} as {member}"));
            }
        }
    }
    let law = format!("{work}/same-members");
    if looked < looks().count() {
        verdict.unknown(&law, format!("only {looked} nodes were looked at"));
    }
    told(verdict, &law, &wrong, looked, "nodes show the same members, all up and voters");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::planted::{Tape, broken, outcome};
    use crate::verdict::Outcome;

    fn good() -> Tape {
        let mut tape = Tape::new("member");
        for (term, node) in [(1, "n1"), (2, "n2"), (3, "n1")] {
            let told = json!({"node": node, "standing": "leader", "term": term, "leader": node});
            tape.ok("standing", "", node, json!(null), told);
        }
        for f in STEPS {
            tape.ok(f, "n2", "n1", json!(null), json!("up"));
        }
        let mut runs = serde_json::Map::new();
        for run in 0..30 {
            tape.ok("start", &format!("r{run}"), "n1", json!(null), json!(null));
            runs.insert(format!("r{run}"), json!("completed"));
        }
        let all =
            json!({"n1": {"state": "up", "votes": true}, "n2": {"state": "up", "votes": true}});
        for node in ["n1", "n2"] {
            tape.ok("final-runs", "", node, json!(null), json!(runs));
            tape.ok("final-members", "", node, json!(["n1", "n2"]), all.clone());
        }
        tape
    }

    fn verdict(tape: Tape) -> Verdict {
        let mut verdict = Verdict::default();
        judge("member", &tape.record(), &mut verdict);
        verdict
    }

    #[test]
    fn a_cluster_that_lost_nothing_passes() {
        assert_eq!(outcome(&verdict(good())), Outcome::Valid);
    }

    #[test]
    fn two_leaders_in_a_term_are_found() {
        let mut tape = good();
        let told = json!({"node": "n3", "standing": "leader", "term": 2, "leader": "n3"});
        tape.ok("standing", "", "n3", json!(null), told);
        assert!(broken(&verdict(tape)).contains("in term 2"));
    }

    #[test]
    fn a_lost_run_and_one_that_nobody_asked_for_are_found() {
        let mut tape = good();
        tape.change_at("final-runs", "n2", |runs| {
            let runs = runs.as_object_mut().expect("runs");
            runs.remove("r3");
            runs.insert("r99".to_owned(), json!("completed"));
        });
        let found = broken(&verdict(tape));
        assert!(found.contains("r3 was acknowledged") && found.contains("r99 is on n2"), "{found}");
    }

    #[test]
    fn a_voter_that_did_not_come_back_and_a_member_too_many_are_found() {
        let mut tape = good();
        tape.change_at("final-members", "n1", |all| {
            all["n2"] = json!({"state": "up", "votes": false});
            all["n9"] = json!({"state": "up", "votes": true});
        });
        let found = broken(&verdict(tape));
        assert!(found.contains("n1 shows n2") && found.contains("n9"), "{found}");
    }

    #[test]
    fn nothing_done_is_no_proof() {
        assert_eq!(outcome(&verdict(Tape::new("member"))), Outcome::Unknown);
    }
}
