//! Revisions: what answers say of the order is held against the order of real time, in one pass and without a search.
//!
//! Where each change of a key makes its revision one more and every answer carries it, three laws need no search:
//!
//! ```text
//!   one revision has one value            whoever reads it, wherever, also from an old copy
//!   a change is later than what was       its revision is above every one that was answered before it was asked
//!   a read is not older than what was     its revision is at least every one that was answered before it was asked
//! ```
//!
//! A read that is content with an old copy (`stale-read`) is bound by the first law, and by a weaker form of the third: within one
//! session, which is one process at one node until the first answer that is missing, revisions never go back. A node that was killed comes
//! back with what it has, which may be less than it had shown: so a session ends there.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::{Operation, Process};
use crate::verdict::Verdict;

/// Violations told in full, of each law.
const TOLD_MAX: usize = 5;

/// Whether revisions agree with real time. Operations whose answers carry none are passed over.
pub fn revisions(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for op in operations.iter().filter(|op| op.ok().is_some_and(|end| end.rev.is_some())) {
        keys.entry(&op.invoke.key).or_default().push(op);
    }
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (key, ops) in &keys {
        seen += ops.len();
        values(key, ops, &mut wrong);
        times(key, ops, &mut wrong);
    }
    tell(law, &wrong, seen, "answers with a revision fit real time", verdict);
}

/// Whether sessions that are content with an old copy never see an older one.
pub fn sessions(operations: &[Operation], law: &str, verdict: &mut Verdict) {
    let mut newest: BTreeMap<(Process, &str), (u64, u64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for op in operations.iter().filter(|op| op.invoke.f == "stale-read") {
        let Some((end, rev)) = op.ok().and_then(|end| Some((end, end.rev?))) else { continue };
        seen += 1;
        let place = newest.entry((op.invoke.process, &op.invoke.key)).or_insert((rev, end.index));
        if rev < place.0 {
            wrong.push(format!(
                "{}: a session at {} saw revision {} in #{} and then {rev} in #{}",
                op.invoke.key, op.invoke.node, place.0, place.1, end.index
            ));
        }
        *place = (rev, end.index).max(*place);
    }
    tell(law, &wrong, seen, "reads of copies that may be old went only forwards", verdict);
}

/// One revision, one value; and nobody reads what nobody wrote.
fn values(key: &str, ops: &[&Operation], wrong: &mut Vec<String>) {
    let mut values: BTreeMap<u64, (&Value, u64)> = BTreeMap::new();
    for op in ops {
        let Some(end) = op.ok() else { continue };
        let rev = end.rev.unwrap_or_default();
        let value = if op.invoke.f == "cas" { &end.value[1] } else { &end.value };
        let (known, first) = values.entry(rev).or_insert((value, end.index));
        if *known != value {
            wrong.push(format!(
                "{key}: revision {rev} is {known} in #{first} and {value} in #{} at {}",
                end.index, end.node
            ));
        }
    }
}

/// Against real time: a sweep over beginnings and ends.
fn times(key: &str, ops: &[&Operation], wrong: &mut Vec<String>) {
    let fresh: Vec<&&Operation> = ops.iter().filter(|op| op.invoke.f != "stale-read").collect();
    let mut ends: Vec<(u64, u64, u64)> = Vec::new();
    for end in fresh.iter().filter_map(|op| op.ok()) {
        ends.push((end.time, end.rev.unwrap_or_default(), end.index));
    }
    ends.sort_unstable();
    let mut begun = fresh;
    begun.sort_by_key(|op| op.invoke.time);
    let (mut at, mut newest) = (0, (0, 0));
    for op in begun {
        while at < ends.len() && ends[at].0 < op.invoke.time {
            newest = newest.max((ends[at].1, ends[at].2));
            at += 1;
        }
        let Some(end) = op.ok() else { continue };
        let rev = end.rev.unwrap_or_default();
        let changes = matches!(op.invoke.f.as_str(), "write" | "cas");
        if rev < newest.0 || (changes && rev == newest.0) {
            wrong.push(format!(
                "{key}: #{} ({} at {}) has revision {rev}, and {} had been answered before it was asked, in #{}",
                end.index, op.invoke.f, op.invoke.node, newest.0, newest.1
            ));
        }
    }
}

/// Findings of a law of which so many answers spoke.
pub(crate) fn tell(law: &str, wrong: &[String], seen: usize, good: &str, verdict: &mut Verdict) {
    for one in wrong.iter().take(TOLD_MAX) {
        verdict.broken(law, one);
    }
    if wrong.len() > TOLD_MAX {
        verdict.broken(law, format!("and {} more", wrong.len() - TOLD_MAX));
    }
    if seen == 0 {
        verdict.unknown(law, "nothing that this law speaks of happened");
    } else if wrong.is_empty() {
        verdict.held(law, format!("{seen} {good}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::scene::{done, unknown};
    use crate::verdict::Outcome;

    fn both(ops: &[Operation]) -> (Outcome, Outcome) {
        let (mut one, mut other) = (Verdict::default(), Verdict::default());
        revisions(ops, "register/revisions", &mut one);
        sessions(ops, "register/sessions", &mut other);
        (one.outcome(), other.outcome())
    }

    fn good() -> Vec<Operation> {
        vec![
            done("write", 10, 20, json!(1), json!(1)).rev(1),
            done("cas", 21, 30, json!([1, 2]), json!([1, 2])).rev(2),
            unknown("write", 31, json!(3)),
            done("read", 40, 50, json!(null), json!(3)).rev(3),
            done("stale-read", 41, 51, json!(null), json!(1)).rev(1).by(7),
            done("stale-read", 60, 61, json!(null), json!(3)).rev(3).by(7),
            done("stale-read", 62, 63, json!(null), json!(2)).rev(2).by(8),
        ]
    }

    #[test]
    fn good_revisions_pass() {
        assert_eq!(both(&good()), (Outcome::Valid, Outcome::Valid));
    }

    #[test]
    fn a_read_behind_what_was_answered_before_is_found() {
        let mut ops = good();
        ops.push(done("read", 70, 80, json!(null), json!(2)).rev(2));
        assert_eq!(both(&ops).0, Outcome::Invalid);
    }

    #[test]
    fn a_change_that_is_not_later_than_what_was_is_found() {
        let mut ops = good();
        ops.push(done("write", 70, 80, json!(3), json!(3)).rev(3));
        assert_eq!(both(&ops).0, Outcome::Invalid);
    }

    #[test]
    fn a_revision_with_two_values_is_found() {
        let mut ops = good();
        ops.push(done("stale-read", 70, 80, json!(null), json!(9)).rev(2).by(9));
        assert_eq!(both(&ops), (Outcome::Invalid, Outcome::Valid));
    }

    #[test]
    fn a_session_that_goes_back_is_found() {
        let mut ops = good();
        ops.push(done("stale-read", 70, 80, json!(null), json!(2)).rev(2).by(7));
        assert_eq!(both(&ops), (Outcome::Valid, Outcome::Invalid));
    }

    #[test]
    fn overlapping_operations_may_be_in_any_order() {
        let ops = [
            done("write", 10, 30, json!(1), json!(1)).rev(2),
            done("write", 11, 29, json!(2), json!(2)).rev(1),
            done("read", 12, 28, json!(null), json!(null)).rev(0),
        ];
        assert_eq!(both(&ops).0, Outcome::Valid);
    }

    #[test]
    fn nothing_at_all_is_unknown() {
        assert_eq!(both(&[]), (Outcome::Unknown, Outcome::Unknown));
    }
}
