//! Whether watchers saw everything once, in order, and all the same.
//!
//! The whole feed counts its records without a hole, so behind revision 41 the next is 42, whoever is asked. The feed of one run
//! has holes, where other things happened: there the watchers are compared with each other and with what is read at the end. A
//! record's digest has to be the same for everybody who saw its revision, and a run ends exactly once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::liveness::told;
use crate::history::Operation;
use crate::verdict::Verdict;
use crate::work::Record;

/// Fewer returns of watchers say nothing about returning.
const RETURNS_MIN: usize = 10;
/// How the end of a run is told.
const ENDS: [&str; 4] = ["run.completed", "run.failed", "run.cancelled", "run.timed_out"];

/// One record, as somebody saw it.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    revision: u64,
    digest: &'a str,
    kind: &'a str,
    run: &'a str,
}

/// What one watcher saw, over all its streams.
#[derive(Debug, Default)]
struct Watched<'a> {
    seen: Vec<Seen<'a>>,
    streams: usize,
    over: bool,
}

/// Judges.
pub fn judge(work: &str, record: &Record, verdict: &mut Verdict) {
    let operations = record.history.operations(work);
    let mut wrong = Vec::new();
    let watchers = watched(&operations, "watch", true, &mut wrong);
    let followers = watched(&operations, "follow", false, &mut wrong);
    let all = || watchers.values().chain(followers.values());
    let records: usize = all().map(|one| one.seen.len()).sum();
    let returns: usize = all().map(|one| one.streams.saturating_sub(1)).sum();
    let law = format!("{work}/no-gap-no-repeat");
    if returns < RETURNS_MIN {
        verdict.unknown(&law, format!("watchers came back only {returns} times"));
    }
    let what = format!(
        "records came in order and once, to {} watchers and {} followers who came back {returns} times",
        watchers.len(),
        followers.len()
    );
    told(verdict, &law, &wrong, records, &what);
    same(work, all(), verdict);
    runs(work, &followers, &operations, verdict);
    ends(work, &watchers, &followers, verdict);
}

/// The streams of each watcher, joined; what is wrong inside of them and between them.
fn watched<'a>(
    operations: &'a [Operation],
    f: &str,
    whole: bool,
    wrong: &mut Vec<String>,
) -> BTreeMap<&'a str, Watched<'a>> {
    let mut all: BTreeMap<&str, Watched<'_>> = BTreeMap::new();
    for done in operations.iter().filter(|done| done.invoke.f == f) {
        let Some(end) = done.ok() else { continue };
        let key = done.invoke.key.as_str();
        let watched = all.entry(key).or_default();
        watched.streams += 1;
        watched.over |= end.value["over"] == true;
        let mut before = done.invoke.value["after"].as_u64().unwrap_or_default();
        for told in end.value["records"].as_array().into_iter().flatten() {
            let text = |number: usize| told[number].as_str().unwrap_or_default();
            let revision = told[0].as_u64().unwrap_or_default();
            let seen = Seen { revision, digest: text(1), kind: text(2), run: text(3) };
            if seen.digest == "trimmed" {
                // It says itself that there is a hole, and up to where.
                before = seen.revision.max(before);
                continue;
            }
            let place = format!("{key} at {} (operation {})", done.invoke.node, done.invoke.index);
            if seen.revision <= before {
                wrong.push(format!("{place} was told {} behind {before}", seen.revision));
            } else if whole && seen.revision != before + 1 {
                wrong.push(format!("{place} was told {} next to {before}", seen.revision));
            }
            before = seen.revision;
            watched.seen.push(seen);
        }
    }
    all
}

/// A revision is the same record for everybody.
fn same<'a>(work: &str, all: impl Iterator<Item = &'a Watched<'a>>, verdict: &mut Verdict) {
    let mut known: BTreeMap<u64, &str> = BTreeMap::new();
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for seen in all.flat_map(|watched| &watched.seen) {
        if let Some(first) = known.insert(seen.revision, seen.digest) {
            compared += 1;
            if first != seen.digest {
                wrong.push(format!("revision {} is {first} and {}", seen.revision, seen.digest));
            }
        }
    }
    let what = "records that more than one saw were the same";
    told(verdict, &format!("{work}/same-record"), &wrong, compared, what);
}

/// Followers of one run who saw its end saw the same, and no less than is there.
fn runs(
    work: &str,
    followers: &BTreeMap<&str, Watched<'_>>,
    operations: &[Operation],
    verdict: &mut Verdict,
) {
    let there: BTreeMap<&str, BTreeSet<u64>> = operations
        .iter()
        .filter(|done| done.invoke.f == "final-events")
        .filter_map(|done| Some((done.invoke.key.as_str(), done.ok()?)))
        .map(|(run, end)| {
            (run, end.value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect())
        })
        .collect();
    let mut of_run: BTreeMap<&str, Vec<(&str, BTreeSet<u64>)>> = BTreeMap::new();
    for (key, watched) in followers.iter().filter(|(_, watched)| watched.over) {
        let run = key.split('#').next().unwrap_or_default();
        let revisions = watched.seen.iter().map(|seen| seen.revision).collect();
        of_run.entry(run).or_default().push((key, revisions));
    }
    let mut wrong = Vec::new();
    for (run, all) in &of_run {
        let wanted = there.get(run).unwrap_or(&all[0].1);
        for (key, revisions) in all.iter().filter(|(_, revisions)| revisions != wanted) {
            let missed: Vec<&u64> = wanted.difference(revisions).collect();
            let more: Vec<&u64> = revisions.difference(wanted).collect();
            wrong.push(format!("{key} missed {missed:?} and saw {more:?} besides"));
        }
    }
    let what = "runs were followed to their end without a loss";
    told(verdict, &format!("{work}/whole-run"), &wrong, of_run.len(), what);
}

/// A run ends once, for each who watches.
fn ends(
    work: &str,
    watchers: &BTreeMap<&str, Watched<'_>>,
    followers: &BTreeMap<&str, Watched<'_>>,
    verdict: &mut Verdict,
) {
    let (mut wrong, mut ended) = (Vec::new(), 0);
    for (key, watched) in watchers.iter().chain(followers) {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for seen in watched.seen.iter().filter(|seen| ENDS.contains(&seen.kind)) {
            *times.entry(seen.run).or_default() += 1;
        }
        ended += times.len();
        let often = times.iter().filter(|(_, times)| **times > 1);
        wrong.extend(often.map(|(run, times)| format!("{key} saw {run} end {times} times")));
        if watched.over && times.is_empty() {
            wrong.push(format!("{key} was told that there is nothing more, and saw no end"));
        }
    }
    told(verdict, &format!("{work}/ends-once"), &wrong, ended, "ends of runs were seen once");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::planted::{Tape, broken, outcome};
    use crate::verdict::Outcome;

    fn records(from: u64, to: u64) -> Value {
        (from..=to).map(|revision| json!([revision, format!("d{revision}")])).collect()
    }

    fn good() -> Tape {
        let mut tape = Tape::new("live");
        for who in ["w0", "w1"] {
            for stream in 0..8 {
                let told = json!({"records": records(stream * 10 + 1, stream * 10 + 10)});
                tape.ok("watch", who, "n1", json!({"after": stream * 10}), told);
            }
        }
        for who in ["r1#0", "r1#1"] {
            let told = json!({"records": [[3, "d3", "run.started", "r1"], [7, "d7"]]});
            tape.ok("follow", who, "n1", json!({"after": 0}), told);
            let told = json!({"records": [[9, "d9", "run.completed", "r1"]]});
            tape.ok("follow", who, "n2", json!({"after": 7}), told);
            tape.ok("follow", who, "n2", json!({"after": 9}), json!({"records": [], "over": true}));
        }
        tape.ok("final-events", "r1", "n3", json!(null), json!([3, 7, 9]));
        tape
    }

    fn verdict(tape: Tape) -> Verdict {
        let mut verdict = Verdict::default();
        judge("live", &tape.record(), &mut verdict);
        verdict
    }

    #[test]
    fn watchers_who_saw_everything_once_pass() {
        assert_eq!(outcome(&verdict(good())), Outcome::Valid);
    }

    #[test]
    fn a_gap_after_coming_back_is_found() {
        let mut tape = good();
        tape.ok("watch", "w0", "n2", json!({"after": 80}), json!({"records": records(82, 83)}));
        assert!(broken(&verdict(tape)).contains("was told 82 next to 80"));
    }

    #[test]
    fn a_repetition_is_found() {
        let mut tape = good();
        tape.ok("watch", "w0", "n2", json!({"after": 80}), json!({"records": records(80, 83)}));
        assert!(broken(&verdict(tape)).contains("was told 80 behind 80"));
    }

    #[test]
    fn another_record_at_the_same_revision_is_found() {
        let mut tape = good();
        tape.ok("watch", "w0", "n2", json!({"after": 80}), json!({"records": [[81, "a"]]}));
        tape.ok("watch", "w1", "n3", json!({"after": 80}), json!({"records": [[81, "b"]]}));
        assert!(broken(&verdict(tape)).contains("revision 81 is a and b"));
    }

    #[test]
    fn a_follower_who_missed_something_is_found() {
        let mut tape = good();
        tape.change("final-events", "r1", json!([3, 5, 7, 9]));
        assert!(broken(&verdict(tape)).contains("missed [5]"));
    }

    #[test]
    fn a_second_end_and_a_missing_one_are_found() {
        let mut tape = good();
        let again = json!({"records": [[81, "x", "run.failed", "r1"]]});
        tape.ok("follow", "r1#0", "n1", json!({"after": 9}), again);
        tape.ok("follow", "r2#0", "n1", json!({"after": 9}), json!({"records": [], "over": true}));
        let found = broken(&verdict(tape));
        assert!(found.contains("saw r1 end 2 times") && found.contains("saw no end"), "{found}");
    }

    #[test]
    fn nothing_watched_is_no_proof() {
        assert_eq!(outcome(&verdict(Tape::new("live"))), Outcome::Unknown);
    }
}
