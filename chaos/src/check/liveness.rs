//! Whether everything that was accepted came to its end, as its input says, and left nothing behind.
//!
//! Read from the history alone: what was started and what it must come to, what every node said of it when all was mended, and what still
//! stood in the queue. Of a start nobody knows what became of, so its run may be there or not; if it is there, it must end well too. A run
//! that hangs is reported with what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::history::{Operation, Type};
use crate::verdict::Verdict;
use crate::work::Record;

/// Fewer accepted runs say nothing.
const RUNS_MIN: usize = 20;
/// Violations that are told in full.
const TOLD_MAX: usize = 5;

/// Judges the runs of a workload.
pub fn judge(work: &str, record: &Record, verdict: &mut Verdict) {
    let operations = record.history.operations(work);
    let of = |f: &'static str| operations.iter().filter(move |done| done.invoke.f == f);
    let starts: Vec<&Operation> = of("start").collect();
    let accepted = starts.iter().filter(|start| start.ok().is_some()).count();
    let seen: BTreeMap<&str, &Value> = of("final-runs")
        .filter_map(|look| look.ok().map(|end| (look.invoke.node.as_str(), &end.value)))
        .collect();
    let looked = of("final-runs").count();
    if accepted < RUNS_MIN || seen.is_empty() || seen.len() < looked {
        let says = format!(
            "{accepted} runs were accepted (at least {RUNS_MIN} are wanted), and {} of {looked} nodes were looked at",
            seen.len()
        );
        verdict.unknown(&law(work, "enough"), says);
    }
    there(work, &starts, &seen, verdict);
    results(work, &starts, &operations, verdict);
    agree(work, &seen, verdict);
    leftovers(work, &operations, verdict);
}

fn law(work: &str, name: &str) -> String {
    format!("{work}/{name}")
}

/// What was accepted is on every node, and what was refused on none.
fn there(work: &str, starts: &[&Operation], seen: &BTreeMap<&str, &Value>, verdict: &mut Verdict) {
    let mut lost = Vec::new();
    for start in starts {
        let run = &start.invoke.key;
        for (node, runs) in seen {
            match (start.kind(), runs.get(run)) {
                (Type::Ok, None) => lost.push(format!("{run} is not on {node}")),
                (Type::Fail, Some(_)) => lost.push(format!("{run} was refused and is on {node}")),
                _ => {}
            }
        }
    }
    told(verdict, &law(work, "accepted-is-there"), &lost, starts.len(), "runs were asked for");
}

/// Each run that is there ended, and as it must.
fn results(work: &str, starts: &[&Operation], operations: &[Operation], verdict: &mut Verdict) {
    let of = |f: &'static str| operations.iter().filter(move |done| done.invoke.f == f);
    let results: BTreeMap<&str, &Value> = of("final-result")
        .filter_map(|look| look.ok().map(|end| (look.invoke.key.as_str(), &end.value)))
        .collect();
    let stuck: BTreeMap<&str, &Value> = of("final-stuck")
        .filter_map(|look| look.ok().map(|end| (look.invoke.key.as_str(), &end.value)))
        .collect();
    let (mut open, mut wrong, mut unread, mut ended) = (Vec::new(), Vec::new(), 0, 0);
    for start in starts {
        let run = start.invoke.key.as_str();
        let Some(result) = results.get(run) else {
            unread += usize::from(start.ok().is_some());
            continue;
        };
        let expect = &start.invoke.value["expect"];
        let status = result["status"].as_str().unwrap_or_default();
        let workflow = start.invoke.value["workflow"].as_str().unwrap_or_default();
        if !["completed", "failed", "cancelled", "timed_out"].contains(&status) {
            let why = stuck.get(run).map_or("nobody looked".to_owned(), ToString::to_string);
            open.push(format!("{run} of {workflow} is {status}: {why}"));
        } else if *status != expect["status"]
            || (!expect["output"].is_null() && result["output"] != expect["output"])
        {
            wrong.push(format!("{run} of {workflow} came to {result}, and should to {expect}"));
        } else {
            ended += 1;
        }
    }
    told(verdict, &law(work, "all-end"), &open, ended, "runs are over");
    told(verdict, &law(work, "result"), &wrong, ended, "runs came to what they should");
    if unread > 0 {
        let says = format!("what {unread} accepted runs came to was not read");
        verdict.unknown(&law(work, "result"), says);
    }
}

/// All nodes say the same.
fn agree(work: &str, seen: &BTreeMap<&str, &Value>, verdict: &mut Verdict) {
    let mut differ = Vec::new();
    let runs: BTreeSet<&String> =
        seen.values().filter_map(|runs| runs.as_object()).flat_map(serde_json::Map::keys).collect();
    for run in &runs {
        let states: BTreeMap<&str, &Value> = seen
            .iter()
            .map(|(node, runs)| (*node, runs.get(run.as_str()).unwrap_or(&Value::Null)))
            .collect();
        let first = states.values().next();
        if states.values().any(|state| Some(state) != first) {
            differ.push(format!("{run}: {states:?}"));
        }
    }
    told(verdict, &law(work, "nodes-agree"), &differ, runs.len(), "runs are the same on all nodes");
}

/// Queues are empty, and nobody who is gone holds anything.
fn leftovers(work: &str, operations: &[Operation], verdict: &mut Verdict) {
    let mut left = Vec::new();
    let mut looked = 0;
    for look in operations.iter().filter(|done| done.invoke.f == "final-queue") {
        let Some(end) = look.ok() else { continue };
        looked += 1;
        if ["waiting", "active", "delayed"].iter().any(|state| end.value[state] != 0) {
            left.push(format!(
                "{} shows {} in the queue {}",
                look.invoke.node, end.value, look.invoke.key
            ));
        }
    }
    let workers: BTreeSet<&str> = ok_of(operations, "final-workers")
        .filter_map(|(_, value)| value.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (node, leases) in ok_of(operations, "final-leases") {
        for (task, worker) in leases.as_object().into_iter().flatten() {
            let alive = worker.as_str().is_some_and(|worker| workers.contains(worker));
            let of = if alive { "" } else { " who is gone" };
            left.push(format!("{node} shows that {worker}{of} still has {task}"));
        }
    }
    told(
        verdict,
        &law(work, "nothing-left"),
        &left,
        looked,
        "nodes show an empty queue and no lease",
    );
}

fn ok_of<'a>(
    operations: &'a [Operation],
    f: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    operations
        .iter()
        .filter(move |done| done.invoke.f == f && done.kind() == Type::Ok)
        .filter_map(|done| done.ok().map(|end| (done.invoke.node.as_str(), &end.value)))
}

/// Violations, the first in full; without any, what was seen; and if that is nothing, nobody knows.
pub(super) fn told(verdict: &mut Verdict, law: &str, wrong: &[String], seen: usize, what: &str) {
    if wrong.is_empty() {
        let says = format!("{seen} {what}");
        return if seen == 0 { verdict.unknown(law, says) } else { verdict.held(law, says) };
    }
    let first = wrong.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = wrong.len().saturating_sub(TOLD_MAX);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    verdict.broken(law, format!("{first}{rest}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::planted::{Tape, broken, outcome};
    use crate::verdict::Outcome;

    fn good() -> Tape {
        let mut tape = Tape::new("flow");
        let expect =
            json!({"workflow": "flow-nap", "expect": {"status": "completed", "output": {"v": 1}}});
        for run in 0..25 {
            tape.ok("start", &format!("r{run}"), "n1", expect.clone(), json!(null));
        }
        let runs: serde_json::Map<_, _> =
            (0..25).map(|run| (format!("r{run}"), json!("completed"))).collect();
        for node in ["n1", "n2"] {
            tape.ok("final-runs", "", node, json!(null), json!(runs));
            let empty = json!({"waiting": 0, "active": 0, "delayed": 0});
            tape.ok("final-queue", "flow", node, json!(null), empty);
            tape.ok("final-workers", "", node, json!(null), json!(["w1"]));
            tape.ok("final-leases", "", node, json!(null), json!({}));
        }
        for run in 0..25 {
            let came = json!({"status": "completed", "output": {"v": 1}, "error": null});
            tape.ok("final-result", &format!("r{run}"), "n1", json!(null), came);
        }
        tape
    }

    fn verdict(tape: Tape) -> Verdict {
        let mut verdict = Verdict::default();
        judge("flow", &tape.record(), &mut verdict);
        verdict
    }

    #[test]
    fn runs_that_all_ended_as_they_must_pass() {
        assert_eq!(outcome(&verdict(good())), Outcome::Valid);
    }

    #[test]
    fn a_run_that_hangs_is_found_with_what_it_waits_for() {
        let mut tape = good();
        tape.change("final-result", "r3", json!({"status": "running", "output": null}));
        tape.ok("final-stuck", "r3", "", json!(null), json!([{"task": "flow-nap/1/s"}]));
        let found = broken(&verdict(tape));
        assert!(found.contains("flow/all-end") && found.contains("flow-nap/1/s"), "{found}");
    }

    #[test]
    fn a_wrong_result_is_found() {
        let mut tape = good();
        tape.change("final-result", "r3", json!({"status": "completed", "output": {"v": 2}}));
        assert!(broken(&verdict(tape)).contains("flow/result"));
    }

    #[test]
    fn a_run_that_one_node_has_lost_is_found() {
        let mut tape = good();
        tape.change_at("final-runs", "n2", |runs| {
            runs.as_object_mut().expect("runs").remove("r7");
        });
        let found = broken(&verdict(tape));
        assert!(found.contains("r7 is not on n2") && found.contains("nodes-agree"), "{found}");
    }

    #[test]
    fn a_run_that_was_refused_and_is_there_is_found() {
        let mut tape = good();
        tape.fail("start", "r99", "n1", json!({"expect": {"status": "completed"}}));
        tape.change_at("final-runs", "n2", |runs| runs["r99"] = json!("completed"));
        assert!(broken(&verdict(tape)).contains("r99 was refused and is on n2"));
    }

    #[test]
    fn a_task_left_in_the_queue_and_a_lease_of_a_dead_worker_are_found() {
        let mut tape = good();
        tape.change("final-queue", "flow", json!({"waiting": 1, "active": 0, "delayed": 0}));
        tape.change_at("final-leases", "n2", |held| *held = json!({"flow-nap/1/b": "w9"}));
        let found = broken(&verdict(tape));
        assert!(found.contains("w9") && found.contains("who is gone"), "{found}");
    }

    #[test]
    fn too_few_runs_are_no_proof() {
        assert_eq!(outcome(&verdict(Tape::new("flow"))), Outcome::Unknown);
    }
}
