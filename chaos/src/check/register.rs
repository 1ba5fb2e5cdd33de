//! Registers: whether there is one order of all operations on a key that explains every answer, as porcupine-rs searches it.
//!
//! Operations are `read`, `write` and `cas`, with the values of Jepsen's registers: a write's is what it writes, a cas has
//! `[old, new]`, an answered read what it saw, `null` before the first write. Where answers carry a revision (the version of a definition),
//! it must be the one that the order gives: a change makes it one more. What nobody knows of may take effect at any later time; a
//! read without an answer says nothing; a cas that was refused because of the value says that the value was another. What was
//! refused for other reasons was not done.
//!
//! Each key is searched alone: keys are independent, a search needs a thread and memory for each, and so the key that is wrong has a
//! name. Only `check_operations_timeout` is asked; its relatives that also explain call a search that ran out of time a violation.
//! Of a key that is wrong the shortest history that is wrong already is found by halving.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use porcupine_rs::{CheckResult, Model, Operation as Interval, check_operations_timeout};
use serde_json::Value;

use crate::history::{Operation, Type};
use crate::verdict::Verdict;

/// How long the search for one key may take.
const SEARCH_MAX: Duration = Duration::from_secs(5);
/// After so many keys whose search did not end, the others are left: each costs gigabytes.
const UNSEARCHED_MAX: usize = 3;
/// Keys that are wrong and told in full.
const TOLD_MAX: usize = 3;
/// The code of a refusal that says that the value was another.
pub const CHANGED: &str = "E0403";
/// The operations.
const OPERATIONS: [&str; 4] = ["read", "final-read", "write", "cas"];

/// One register: a version and a value.
#[derive(Debug, Clone)]
struct Register;

/// A value, or nothing.
type Held = Option<i64>;

#[derive(Debug, Clone)]
enum Did {
    Read {
        saw: Held,
        version: Option<u64>,
    },
    Write {
        to: Held,
        version: Option<u64>,
    },
    Cas {
        from: Held,
        to: Held,
        version: Option<u64>,
    },
    Mismatch {
        from: Held,
    },
    /// A cas of which nobody knows. The search must place it somewhere: where it does not fit, it does nothing.
    Attempt {
        from: Held,
        to: Held,
    },
}

impl Model for Register {
    type State = (u64, Held);
    type Op = Did;
    type Metadata = ();

    fn init() -> (u64, Held) {
        (0, None)
    }

    fn step(state: &(u64, Held), did: &Did) -> (bool, (u64, Held)) {
        let (now, held) = *state;
        let fits = |version: &Option<u64>, truth: u64| version.is_none_or(|said| said == truth);
        match did {
            Did::Read { saw, version } => (*saw == held && fits(version, now), *state),
            Did::Write { to, version } => (fits(version, now + 1), (now + 1, *to)),
            Did::Cas { from, to, version } => {
                (*from == held && fits(version, now + 1), (now + 1, *to))
            }
            Did::Mismatch { from } => (*from != held, *state),
            Did::Attempt { from, to } if *from == held => (true, (now + 1, *to)),
            Did::Attempt { .. } => (true, *state),
        }
    }
}

/// Whether every key is linearizable.
pub fn linearizable(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    linearizable_within(operations, law, SEARCH_MAX, verdict);
}

fn linearizable_within(ops: &[Operation], law: &str, at_most: Duration, verdict: &mut Verdict) {
    let keys = by_key(ops);
    let begun = Instant::now();
    let (mut searched, mut told, mut open) = (0, 0, Vec::new());
    let (mut wrong, mut longest) = (0, 0);
    for (key, ops) in &keys {
        if open.len() >= UNSEARCHED_MAX {
            open.push(*key);
            continue;
        }
        searched += ops.len();
        longest = longest.max(ops.len());
        match judge(ops, None, at_most) {
            CheckResult::Ok => {}
            CheckResult::Unknown => open.push(key),
            CheckResult::Illegal => {
                wrong += 1;
                if told < TOLD_MAX {
                    told += 1;
                    verdict.broken(law, explain(key, ops, at_most));
                }
            }
        }
    }
    if wrong > told {
        verdict.broken(law, format!("and {} more keys", wrong - told));
    }
    let took = begun.elapsed().as_millis();
    if !open.is_empty() {
        let sample: Vec<&str> = open.iter().copied().take(5).collect();
        let keys = open.len();
        verdict.unknown(law, format!(
            "the search came to no end for {keys} keys, such as {}: too many operations of which nobody knows?",
            sample.join(", ")
        ));
    } else if searched == 0 {
        verdict.unknown(law, "no operation on any register");
    } else if wrong == 0 {
        verdict.held(law, format!(
            "{searched} operations on {} keys, at most {longest} on one, each in one order (searched in {took} ms)",
            keys.len()
        ));
    }
}

/// The operations that say something, by key.
fn by_key(ops: &[Operation]) -> BTreeMap<&str, Vec<&Operation>> {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for op in ops.iter().filter(|op| OPERATIONS.contains(&op.invoke.f.as_str())) {
        keys.entry(&op.invoke.key).or_default().push(op);
    }
    keys
}

/// Searches an order; of the history until `end` only, if one is given.
fn judge(ops: &[&Operation], end: Option<u64>, at_most: Duration) -> CheckResult {
    let known = ops.iter().filter(|op| end.is_none_or(|end| op.invoke.time <= end));
    let history: Vec<Interval<Register>> =
        known.filter_map(|op| interval(op, end.unwrap_or(u64::MAX))).collect();
    check_operations_timeout(&history, at_most)
}

/// What an operation says, as it is known at a moment; none: nothing.
fn interval(op: &Operation, now: u64) -> Option<Interval<Register>> {
    let ended = op.end.as_ref().filter(|end| end.time <= now);
    let kind = ended.map_or(Type::Info, |end| end.kind);
    let (asked, answer) = (&op.invoke.value, ended.map_or(&Value::Null, |end| &end.value));
    let version = ended.filter(|_| kind == Type::Ok).and_then(|end| end.rev);
    let pair = || (asked.get(0).and_then(Value::as_i64), asked.get(1).and_then(Value::as_i64));
    let did = match (op.invoke.f.as_str(), kind) {
        ("read" | "final-read", Type::Ok) => Did::Read { saw: answer.as_i64(), version },
        ("read" | "final-read", _) => return None,
        ("cas", Type::Fail) if ended?.error.starts_with(CHANGED) => {
            Did::Mismatch { from: pair().0 }
        }
        (_, Type::Fail) => return None,
        ("write", _) => Did::Write { to: asked.as_i64(), version },
        (_, Type::Ok) => Did::Cas { from: pair().0, to: pair().1, version },
        _ => Did::Attempt { from: pair().0, to: pair().1 },
    };
    let open = matches!(kind, Type::Info | Type::Invoke);
    let moment = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    Some(Interval {
        client_id: None,
        call_time: moment(op.invoke.time),
        return_time: if open { i64::MAX } else { ended.map_or(i64::MAX, |end| moment(end.time)) },
        op: did,
        metadata: None,
    })
}

/// The shortest beginning of a key's history that has no order, told by the answer that made it so.
fn explain(key: &str, ops: &[&Operation], at_most: Duration) -> String {
    let mut ends: Vec<u64> = ops.iter().filter_map(|op| op.end.as_ref()).map(|e| e.time).collect();
    ends.sort_unstable();
    let (mut good, mut bad) = (0, ends.len());
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        match judge(ops, Some(ends[middle - 1]), at_most) {
            CheckResult::Illegal => bad = middle,
            CheckResult::Ok | CheckResult::Unknown => good = middle,
        }
    }
    let last = bad.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or(u64::MAX);
    let culprit = ops.iter().find(|op| op.end.as_ref().is_some_and(|end| end.time == last));
    let told = culprit.map_or_else(String::new, |op| tell(op));
    let mut before: Vec<&&Operation> = ops
        .iter()
        .filter(|op| op.invoke.time <= last && op.invoke.f != "read" && op.kind() != Type::Fail)
        .collect();
    before.sort_by_key(|op| op.invoke.time);
    let before: Vec<String> = before.iter().rev().take(4).map(|op| tell(op)).collect();
    format!(
        "{key}: no order of its {} operations explains all answers. The first that fits nothing: {told}. Changes last begun before it: {}",
        ops.len(),
        before.join("; ")
    )
}

/// An operation in a line.
fn tell(op: &Operation) -> String {
    let ms = |time: u64| format!("{}.{:03} s", time / 1_000_000_000, time / 1_000_000 % 1_000);
    let end = match &op.end {
        None => "without an end".to_owned(),
        Some(end) => format!("{:?} {} at {}", end.kind, end.value, ms(end.time)).to_lowercase(),
    };
    let rev = op.ok().and_then(|end| end.rev).map_or_else(String::new, |rev| format!(" rev {rev}"));
    let Operation { invoke, .. } = op;
    let begun = ms(invoke.time);
    format!(
        "#{} {} {} at {} from {begun}, {end}{rev}",
        invoke.index, invoke.f, invoke.value, invoke.node
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::scene::{done, refused, unknown};
    use crate::verdict::Outcome;

    fn outcome(ops: &[Operation]) -> Outcome {
        let mut verdict = Verdict::default();
        linearizable(ops, "register/linearizable", &mut verdict);
        verdict.outcome()
    }

    /// Two writes, a cas that fits, one that does not, a write of which nobody knows, and reads between them.
    fn good() -> Vec<Operation> {
        vec![
            done("read", 0, 5, json!(null), json!(null)).rev(0),
            done("write", 10, 20, json!(1), json!(1)).rev(1),
            done("write", 15, 30, json!(2), json!(2)).rev(2),
            done("read", 31, 40, json!(null), json!(2)).rev(2),
            done("cas", 41, 50, json!([2, 3]), json!([2, 3])).rev(3),
            refused("cas", 51, 60, json!([2, 4]), "E0403: changed since"),
            refused("write", 52, 61, json!(9), "E0702: no leader"),
            unknown("write", 62, json!(5)),
            done("read", 70, 80, json!(null), json!(3)).rev(3),
            done("read", 81, 90, json!(null), json!(5)).rev(4),
            unknown("read", 91, json!(null)),
            done("final-read", 100, 110, json!(null), json!(5)).rev(4),
        ]
    }

    #[test]
    fn a_good_history_passes() {
        assert_eq!(outcome(&good()), Outcome::Valid);
    }

    #[test]
    fn a_stale_read_is_found() {
        let mut ops = good();
        ops.push(done("read", 92, 95, json!(null), json!(3)).rev(3));
        assert_eq!(outcome(&ops), Outcome::Invalid);
    }

    #[test]
    fn a_lost_write_is_found() {
        let mut ops = good();
        ops.push(done("write", 91, 95, json!(7), json!(7)));
        assert_eq!(outcome(&ops), Outcome::Invalid, "the read after it still sees what was before");
    }

    #[test]
    fn a_write_that_was_refused_and_done_is_found() {
        let mut ops = good();
        ops.push(done("read", 120, 130, json!(null), json!(9)));
        assert_eq!(outcome(&ops), Outcome::Invalid);
    }

    #[test]
    fn a_value_that_nobody_wrote_is_found() {
        let mut ops = good();
        ops.push(done("read", 120, 130, json!(null), json!(77)));
        assert_eq!(outcome(&ops), Outcome::Invalid);
    }

    #[test]
    fn a_cas_on_what_is_no_more_is_found() {
        let mut ops = good();
        ops.push(done("cas", 120, 130, json!([2, 8]), json!([2, 8])));
        assert_eq!(outcome(&ops), Outcome::Invalid);
    }

    #[test]
    fn a_cas_of_which_nobody_knows_may_be_done_late_or_never() {
        let mut ops = good();
        ops.push(unknown("cas", 55, json!([77, 8])));
        ops.push(unknown("cas", 55, json!([5, 6])));
        assert_eq!(outcome(&ops), Outcome::Valid, "never");
        ops.push(done("read", 120, 130, json!(null), json!(6)).rev(5));
        assert_eq!(outcome(&ops), Outcome::Valid, "late");
        ops.push(done("read", 140, 150, json!(null), json!(8)).rev(6));
        assert_eq!(outcome(&ops), Outcome::Invalid, "it never fitted");
    }

    #[test]
    fn a_cas_that_was_refused_on_what_was_there_is_found() {
        let mut ops = good();
        ops.push(refused("cas", 120, 130, json!([5, 8]), "E0403: changed since"));
        assert_eq!(outcome(&ops), Outcome::Invalid);
    }

    #[test]
    fn a_write_done_twice_is_found() {
        let mut ops = good();
        ops.push(done("write", 120, 125, json!(6), json!(6)).rev(5));
        ops.push(done("write", 130, 135, json!(7), json!(7)).rev(6));
        ops.push(done("read", 140, 150, json!(null), json!(6)).rev(7));
        assert_eq!(outcome(&ops), Outcome::Invalid);
    }

    #[test]
    fn the_key_and_the_answer_that_are_wrong_are_named() {
        let mut ops = good();
        ops.push(done("read", 92, 95, json!(null), json!(3)).rev(3));
        ops.extend(good().into_iter().map(|op| op.key("other")));
        let mut verdict = Verdict::default();
        linearizable(&ops, "law", &mut verdict);
        let broken: Vec<&str> = verdict
            .findings
            .iter()
            .filter(|one| one.outcome == Outcome::Invalid)
            .map(|one| one.says.as_str())
            .collect();
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].starts_with("k: ") && broken[0].contains("#92 read"), "{}", broken[0]);
    }

    #[test]
    fn a_search_that_does_not_end_is_unknown() {
        // Thirty overlapping writes of which nobody knows, and a read of what none wrote.
        let mut ops: Vec<Operation> =
            (0..30).map(|value| unknown("write", value, json!(value))).collect();
        ops.push(done("read", 100, 110, json!(null), json!(99)));
        let mut verdict = Verdict::default();
        linearizable_within(&ops, "law", Duration::from_millis(30), &mut verdict);
        assert_eq!(verdict.outcome(), Outcome::Unknown, "{verdict:?}");
    }

    #[test]
    fn nothing_at_all_is_unknown() {
        assert_eq!(outcome(&[]), Outcome::Unknown);
    }
}
