//! Whether results are final, tasks kept their order, and one attempt of each task counted.
//!
//! ```text
//!   history   what runs came to, read again and again     ─┐
//!   history   completions by hand with old attempts        ├─▶ laws
//!   sink      which attempt began, finished, came too late ─┘
//! ```
//!
//! The sink is believed above all: it saw what happened. Its clock is that of the history, so "before" means before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::liveness::told;
use crate::history::{Operation, Type};
use crate::sink::Effect;
use crate::verdict::Verdict;
use crate::work::Record;

/// Fewer runs that ended well say nothing.
const RUNS_MIN: usize = 20;
/// Fewer completions with an old attempt say nothing about refusing them.
const STALE_MIN: usize = 3;
/// How a run ends.
const ENDS: [&str; 4] = ["completed", "failed", "cancelled", "timed_out"];
/// The tasks of a chain, in their order; those of the other workflows begin in the same way.
const ORDER: [(&str, &str); 2] = [("a", "b"), ("b", "c")];

/// What the sink knows of one task: when each attempt began and when it said that it had finished.
#[derive(Debug, Default)]
struct Seen {
    begun: BTreeMap<u32, Vec<u64>>,
    done: BTreeMap<u32, u64>,
}

/// Judges.
pub fn judge(work: &str, record: &Record, verdict: &mut Verdict) {
    let operations = record.history.operations(work);
    let effects: Vec<&Effect> = record.effects.iter().filter(|one| one.work == work).collect();
    let seen = seen(&effects);
    finality(work, &operations, &effects, verdict);
    let counted = counted(&operations);
    once(work, &counted, &seen, verdict);
    order(work, &counted, &seen, verdict);
    attempts(work, &operations, verdict);
    stale(work, &operations, &effects, verdict);
}

/// By idempotency key: `run_…/load`.
fn seen(effects: &[&Effect]) -> BTreeMap<String, Seen> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    for effect in effects {
        let seen = all.entry(effect.idempotency_key.clone()).or_default();
        match effect.f.as_str() {
            "begin" => seen.begun.entry(effect.attempt).or_default().push(effect.time),
            "done" => {
                seen.done.entry(effect.attempt).or_insert(effect.time);
            }
            _ => {}
        }
    }
    all
}

/// Reads of one run, in the order of time: once it is over, it says the same for ever, and nothing of it begins.
fn finality(work: &str, operations: &[Operation], effects: &[&Effect], verdict: &mut Verdict) {
    let mut ends: BTreeMap<&str, (u64, &Value)> = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let reads = || {
        let read = |done: &&Operation| ["read", "final-result"].contains(&done.invoke.f.as_str());
        operations.iter().filter(read).filter_map(|done| Some((&done.invoke, done.ok()?)))
    };
    let (mut count, mut again) = (0, 0);
    for (invoke, end) in reads().filter(|(_, end)| over(&end.value)) {
        let first = *ends.entry(invoke.key.as_str()).or_insert((end.time, &end.value));
        count += 1;
        again += usize::from(first.0 != end.time);
        if *first.1 != end.value {
            changed.insert(format!("{} was {} and is {}", invoke.key, first.1, end.value));
        }
        if end.time < first.0 {
            ends.insert(invoke.key.as_str(), (end.time, &end.value));
        }
    }
    for (invoke, end) in reads().filter(|(_, end)| !over(&end.value)) {
        if ends.get(invoke.key.as_str()).is_some_and(|(time, _)| *time < invoke.time) {
            changed.insert(format!("{} was over and is {}", invoke.key, end.value["status"]));
        }
    }
    let accepted = operations.iter().filter(|done| done.invoke.f == "start");
    let accepted: BTreeMap<&str, u64> =
        accepted.filter_map(|done| Some((done.invoke.key.as_str(), done.ok()?.time))).collect();
    for (invoke, _) in reads().filter(|(_, end)| end.value["status"] == "absent") {
        if accepted.get(invoke.key.as_str()).is_some_and(|time| *time < invoke.time) {
            changed.insert(format!(
                "{} was accepted, and {} does not know it",
                invoke.key, invoke.node
            ));
        }
    }
    let last = last(operations);
    for effect in effects.iter().filter(|effect| effect.f == "begin") {
        // A worker that was asleep may begin an attempt that is not wanted any more; nothing new is handed out.
        let handed_out = last
            .get(&effect.idempotency_key)
            .is_some_and(|last| *last <= u64::from(effect.attempt));
        let over = ends.get(effect.run.as_str()).is_some_and(|(time, _)| *time < effect.time);
        if handed_out && over {
            changed.insert(format!("{} began after its run was over", effect.idempotency_key));
        }
    }
    let law = format!("{work}/final");
    let changed: Vec<String> = changed.into_iter().collect();
    told(
        verdict,
        &law,
        &changed,
        again,
        &format!("of {count} reads of what was over found it again as it was"),
    );
}

fn over(value: &Value) -> bool {
    value["status"].as_str().is_some_and(|status| ENDS.contains(&status))
}

/// The attempt of each task that Oarlock says has completed it, by everything that says so.
fn counted(operations: &[Operation]) -> BTreeMap<String, BTreeSet<u64>> {
    let mut counted: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for done in operations {
        let Some(end) = done.ok() else { continue };
        let run = &done.invoke.key;
        match done.invoke.f.as_str() {
            "read" | "final-result" if end.value["status"] == "completed" => {
                for (task, output) in end.value["output"].as_object().into_iter().flatten() {
                    let attempt = output["attempt"].as_u64().unwrap_or_default();
                    counted.entry(format!("{run}/{task}")).or_default().insert(attempt);
                }
            }
            "final-tasks" => {
                for (task, shown) in end.value.as_object().into_iter().flatten() {
                    if shown["status"] == "completed" {
                        let attempt = shown["attempt"].as_u64().unwrap_or_default();
                        counted.entry(format!("{run}/{task}")).or_default().insert(attempt);
                    }
                }
            }
            _ => {}
        }
    }
    counted
}

/// The last attempt of each task that was looked at in the end.
fn last(operations: &[Operation]) -> BTreeMap<String, u64> {
    let looks = operations.iter().filter(|done| done.invoke.f == "final-tasks");
    let tasks = looks.filter_map(|look| Some((&look.invoke.key, look.ok()?.value.as_object()?)));
    let all = tasks.flat_map(|(run, tasks)| {
        let attempt = |shown: &Value| shown["attempt"].as_u64().unwrap_or_default();
        tasks.iter().map(move |(task, shown)| (format!("{run}/{task}"), attempt(shown)))
    });
    all.collect()
}

/// One attempt of each task counts, the sink saw it finish, and no attempt was begun twice.
fn once(
    work: &str,
    counted: &BTreeMap<String, BTreeSet<u64>>,
    seen: &BTreeMap<String, Seen>,
    verdict: &mut Verdict,
) {
    let mut wrong = Vec::new();
    for (key, attempts) in counted {
        if attempts.len() > 1 {
            wrong.push(format!("{key} was completed by attempts {attempts:?}"));
        }
        let Some(seen) = seen.get(key) else {
            wrong.push(format!("{key} is completed, and never told the sink"));
            continue;
        };
        // A plain request does not know its attempt.
        let knows = !seen.done.contains_key(&0);
        let finished = |attempt: &u64| seen.done.keys().any(|done| u64::from(*done) == *attempt);
        for attempt in attempts.iter().filter(|attempt| knows && !finished(attempt)) {
            wrong.push(format!("{key} was completed by attempt {attempt}, which never finished"));
        }
    }
    for (key, seen) in seen {
        for (attempt, begun) in seen.begun.iter().filter(|(_, begun)| begun.len() > 1) {
            wrong.push(format!("attempt {attempt} of {key} began {} times", begun.len()));
        }
    }
    let law = format!("{work}/once");
    if counted.len() < RUNS_MIN {
        verdict.unknown(&law, format!("only {} tasks were seen completed", counted.len()));
    }
    let doubles = seen.values().filter(|seen| seen.done.len() > 1).count();
    let what = format!(
        "tasks count one attempt each; {doubles} were finished by more than one, of which one counts"
    );
    told(verdict, &law, &wrong, counted.len(), &what);
}

/// Nothing begins before the attempt that counts of what it needs has finished.
fn order(
    work: &str,
    counted: &BTreeMap<String, BTreeSet<u64>>,
    seen: &BTreeMap<String, Seen>,
    verdict: &mut Verdict,
) {
    let mut wrong = Vec::new();
    let mut pairs = 0;
    for (key, attempts) in counted {
        let Some((run, task)) = key.rsplit_once('/') else { continue };
        let behind = ORDER.iter().filter(|(before, _)| *before == task);
        let Some(before) = seen.get(key) else { continue };
        let finished = attempts.iter().filter_map(|attempt| {
            before.done.get(&0).or_else(|| before.done.get(&u32::try_from(*attempt).ok()?))
        });
        let Some(finished) = finished.min() else { continue };
        for after in behind.filter_map(|(_, after)| seen.get(&format!("{run}/{after}"))) {
            let begun = after.begun.values().flatten().chain(after.done.values()).min();
            pairs += 1;
            if let Some(begun) = begun.filter(|begun| *begun < finished) {
                wrong.push(format!(
                    "what needs {key} began {} ns before it had finished",
                    finished - begun
                ));
            }
        }
    }
    told(verdict, &format!("{work}/order"), &wrong, pairs, "tasks began after what they need");
}

/// No more attempts count than are allowed; what failed has used them all.
fn attempts(work: &str, operations: &[Operation], verdict: &mut Verdict) {
    let mut wrong = Vec::new();
    let mut looked = 0;
    for done in operations.iter().filter(|done| done.invoke.f == "final-attempts") {
        let Some(end) = done.ok() else { continue };
        looked += 1;
        let of = |wanted: &[&str]| {
            let states = end.value.as_object().into_iter().flatten();
            states.filter(|(_, state)| wanted.iter().any(|one| *state == one)).count()
        };
        let (failed, well) = (of(&["failed"]), of(&["completed"]));
        let max = usize::try_from(done.invoke.value["max"].as_u64().unwrap_or_default())
            .unwrap_or(usize::MAX);
        let key = &done.invoke.key;
        if failed + well > max {
            wrong.push(format!("{key} was tried {} times of {max}: {}", failed + well, end.value));
        }
        if well > 1 {
            wrong.push(format!("{key} was completed {well} times: {}", end.value));
        }
        if done.invoke.value["status"] == "failed" && failed < max && of(&["returned"]) == 0 {
            wrong.push(format!(
                "{key} failed for good after {failed} of {max} attempts: {}",
                end.value
            ));
        }
    }
    let what = "tasks that were tried again kept to their attempts";
    told(verdict, &format!("{work}/attempts"), &wrong, looked, what);
}

/// Completions with an old attempt are refused, by hand and by ghosts.
fn stale(work: &str, operations: &[Operation], effects: &[&Effect], verdict: &mut Verdict) {
    let tried = || operations.iter().filter(|done| done.invoke.f == "complete-stale");
    let taken: Vec<String> = tried()
        .filter(|done| done.ok().is_some())
        .map(|done| format!("{} was completed as {}", done.invoke.key, done.invoke.value))
        .collect();
    let refused = tried().filter(|done| done.kind() == Type::Fail).count();
    let late = effects.iter().filter(|effect| effect.f == "late").count();
    let law = format!("{work}/stale-refused");
    let says =
        format!("completions with an old attempt were refused; {late} workers answered too late");
    if refused < STALE_MIN && taken.is_empty() {
        verdict.unknown(&law, format!("only {refused} {says}"));
    } else {
        told(verdict, &law, &taken, refused, &says);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::planted::{Tape, broken, outcome};
    use crate::verdict::Outcome;

    fn says(tape: &mut Tape, f: &str, run: &str, task: &str, attempt: u32) {
        tape.effect(Effect {
            f: f.to_owned(),
            run: run.to_owned(),
            attempt,
            idempotency_key: format!("{run}/{task}"),
            accepted: true,
            ..Effect::default()
        });
    }

    fn chain(tape: &mut Tape, run: &str) {
        for task in ["a", "b", "c"] {
            says(tape, "begin", run, task, 1);
            says(tape, "fail", run, task, 1);
            says(tape, "begin", run, task, 2);
            says(tape, "done", run, task, 2);
        }
        let own = json!({"attempt": 2});
        let came =
            json!({"status": "completed", "output": {"a": own, "b": own, "c": own}, "error": null});
        tape.ok("read", run, "n1", json!(null), came.clone());
        tape.ok("read", run, "n2", json!(null), came.clone());
        tape.ok("final-result", run, "n3", json!(null), came);
        let task = json!({"status": "completed", "attempt": 2, "max": 12});
        tape.ok("final-tasks", run, "n1", json!(null), json!({"a": task, "b": task, "c": task}));
        let asked = json!({"max": 12, "status": "completed"});
        let tried = json!({"1": "failed", "2": "completed"});
        tape.ok("final-attempts", &format!("{run}/a"), "n1", asked, tried);
        tape.fail("complete-stale", &format!("{run}/a"), "n1", json!({"attempt": 1, "current": 2}));
    }

    fn good() -> Tape {
        let mut tape = Tape::new("effects");
        (0..10).for_each(|run| chain(&mut tape, &format!("r{run}")));
        tape
    }

    fn verdict(tape: Tape) -> Verdict {
        let mut verdict = Verdict::default();
        judge("effects", &tape.record(), &mut verdict);
        verdict
    }

    #[test]
    fn chains_that_were_tried_twice_pass() {
        assert_eq!(outcome(&verdict(good())), Outcome::Valid);
    }

    #[test]
    fn a_result_that_changes_is_found() {
        let mut tape = good();
        let failed = json!({"status": "failed", "output": null, "error": "exit:1"});
        tape.ok("read", "r1", "n3", json!(null), failed);
        assert!(broken(&verdict(tape)).contains("effects/final: r1 was"));
    }

    #[test]
    fn a_run_that_goes_on_after_its_end_is_found() {
        let mut tape = good();
        tape.ok("read", "r1", "n3", json!(null), json!({"status": "running"}));
        says(&mut tape, "begin", "r2", "c", 3);
        let found = broken(&verdict(tape));
        assert!(found.contains("r1 was over") && found.contains("r2/c began after"), "{found}");
    }

    #[test]
    fn an_accepted_run_that_a_node_does_not_know_is_found() {
        let mut tape = good();
        tape.ok("start", "r77", "n1", json!(null), json!("effects-chain/77"));
        tape.ok("read", "r77", "n2", json!(null), json!({"status": "absent"}));
        assert!(broken(&verdict(tape)).contains("r77 was accepted, and n2 does not know it"));
    }

    #[test]
    fn a_task_that_begins_before_its_parent_has_finished_is_found() {
        let mut tape = Tape::new("effects");
        says(&mut tape, "begin", "r99", "b", 1);
        (0..10).for_each(|run| chain(&mut tape, &format!("r{run}")));
        says(&mut tape, "begin", "r99", "a", 1);
        says(&mut tape, "done", "r99", "a", 1);
        let task = json!({"status": "completed", "attempt": 1, "max": 12});
        tape.ok("final-tasks", "r99", "n1", json!(null), json!({"a": task}));
        assert!(broken(&verdict(tape)).contains("what needs r99/a began"));
    }

    #[test]
    fn two_attempts_that_count_and_one_that_never_finished_are_found() {
        let mut tape = good();
        let task = json!({"status": "completed", "attempt": 1, "max": 12});
        tape.ok("final-tasks", "r4", "n2", json!(null), json!({"b": task}));
        let found = broken(&verdict(tape));
        assert!(found.contains("r4/b was completed by attempts {1, 2}"), "{found}");
        assert!(found.contains("attempt 1, which never finished"), "{found}");
    }

    #[test]
    fn an_attempt_that_was_given_out_twice_is_found() {
        let mut tape = Tape::new("effects");
        says(&mut tape, "begin", "r5", "a", 2);
        (0..10).for_each(|run| chain(&mut tape, &format!("r{run}")));
        assert!(broken(&verdict(tape)).contains("attempt 2 of r5/a began 2 times"));
    }

    #[test]
    fn a_completion_with_an_old_attempt_and_one_attempt_too_many_are_found() {
        let mut tape = good();
        tape.ok("complete-stale", "r6/a", "n1", json!({"attempt": 1}), json!(2));
        let tried = json!({"1": "failed", "2": "failed", "3": "failed"});
        tape.ok("final-attempts", "r6/c", "n1", json!({"max": 2, "status": "failed"}), tried);
        let found = broken(&verdict(tape));
        assert!(found.contains("stale-refused") && found.contains("3 times of 2"), "{found}");
    }

    #[test]
    fn nothing_seen_is_no_proof() {
        assert_eq!(outcome(&verdict(Tape::new("effects"))), Outcome::Unknown);
    }
}
