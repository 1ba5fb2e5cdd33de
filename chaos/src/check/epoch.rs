//! Whether each role had one owner an epoch, and whether the sink was safe from owners of the past.
//!
//! Everything that anybody was told of a role is a sample: who has it, under which epoch, and between which two moments that was asked.
//! Two samples with one epoch and two nodes are two owners. A certain read that began after another had ended, or after a move
//! was answered, must not show an older epoch. What a node merely believes may be old, and must not contradict anybody about the
//! same epoch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::liveness::told;
use crate::history::Operation;
use crate::verdict::Verdict;
use crate::work::Record;

/// Fewer changes of hands say nothing.
const CHANGES_MIN: usize = 10;

/// What somebody was told of a role.
#[derive(Debug)]
struct Sample<'a> {
    begun: u64,
    ended: u64,
    node: Option<&'a str>,
    epoch: u64,
    certain: bool,
    by: String,
}

/// Judges.
pub fn judge(work: &str, record: &Record, verdict: &mut Verdict) {
    let operations = record.history.operations(work);
    let mut samples: BTreeMap<&str, Vec<Sample<'_>>> = BTreeMap::new();
    for done in &operations {
        sample(done, &mut samples);
    }
    one_owner(work, &samples, verdict);
    rising(work, &mut samples, verdict);
    fence(work, record, &samples, verdict);
    completed(work, record, &operations, verdict);
}

fn sample<'a>(done: &'a Operation, samples: &mut BTreeMap<&'a str, Vec<Sample<'a>>>) {
    let Some(end) = done.ok() else { return };
    let f = done.invoke.f.as_str();
    let mut add = |role: &'a str, told: &'a Value| {
        let Some(epoch) = told[1].as_u64() else { return };
        samples.entry(role).or_default().push(Sample {
            begun: done.invoke.time,
            ended: end.time,
            node: told[0].as_str(),
            epoch,
            certain: f != "roles-stale",
            by: format!("{f} at {} ({})", done.invoke.node, done.invoke.index),
        });
    };
    match f {
        "roles" | "roles-stale" | "final-roles" => {
            for (role, told) in end.value.as_object().into_iter().flatten() {
                add(role, told);
            }
        }
        "move" => add(&done.invoke.key, &end.value),
        _ => {}
    }
}

/// One node an epoch. A role that nobody has keeps its epoch or takes one of its own.
fn one_owner(work: &str, samples: &BTreeMap<&str, Vec<Sample<'_>>>, verdict: &mut Verdict) {
    let mut wrong = Vec::new();
    let mut changes = 0;
    for (role, samples) in samples {
        let mut owners: BTreeMap<u64, (&str, &str)> = BTreeMap::new();
        for sample in samples {
            let Some(node) = sample.node else { continue };
            let (first, by) = *owners.entry(sample.epoch).or_insert((node, &sample.by));
            if first != node {
                wrong.push(format!(
                    "{role} is under epoch {} {first}'s by {by}, and {node}'s by {}",
                    sample.epoch, sample.by
                ));
            }
        }
        changes += owners.len().saturating_sub(1);
    }
    let law = format!("{work}/one-owner");
    if changes < CHANGES_MIN {
        verdict.unknown(&law, format!("roles changed hands only {changes} times"));
    }
    let count: usize = samples.values().map(Vec::len).sum();
    let what = format!(
        "samples of {} roles, which changed hands {changes} times, show one node an epoch",
        samples.len()
    );
    told(verdict, &law, &wrong, count, &what);
}

/// Who asks later is not told of an older epoch: a sweep over beginnings, with the highest epoch of what has ended before.
fn rising(work: &str, samples: &mut BTreeMap<&str, Vec<Sample<'_>>>, verdict: &mut Verdict) {
    let mut wrong = Vec::new();
    let mut looked = 0;
    for (role, samples) in samples {
        samples.retain(|sample| sample.certain);
        let mut by_begin: Vec<usize> = (0..samples.len()).collect();
        let mut by_end = by_begin.clone();
        by_begin.sort_by_key(|number| samples[*number].begun);
        by_end.sort_by_key(|number| samples[*number].ended);
        let mut ended = by_end.into_iter().peekable();
        let mut highest: Option<usize> = None;
        for number in by_begin {
            while let Some(before) =
                ended.next_if(|end| samples[*end].ended < samples[number].begun)
            {
                if highest.is_none_or(|high| samples[high].epoch < samples[before].epoch) {
                    highest = Some(before);
                }
            }
            looked += 1;
            let Some(high) = highest.filter(|high| samples[*high].epoch > samples[number].epoch)
            else {
                continue;
            };
            let (high, low) = (&samples[high], &samples[number]);
            wrong.push(format!(
                "{role} had epoch {} by {}, and afterwards {} by {}",
                high.epoch, high.by, low.epoch, low.by
            ));
        }
    }
    told(
        verdict,
        &format!("{work}/epochs-rise"),
        &wrong,
        looked,
        "certain samples show rising epochs",
    );
}

/// What the sink took: epochs of a role never fall, and none was invented.
fn fence(
    work: &str,
    record: &Record,
    samples: &BTreeMap<&str, Vec<Sample<'_>>>,
    verdict: &mut Verdict,
) {
    let (mut wrong, mut accepted, mut refused) = (Vec::new(), 0, 0);
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    for effect in record.effects.iter().filter(|effect| effect.work == work) {
        if !effect.accepted {
            refused += 1;
            continue;
        }
        accepted += 1;
        let high = highest.entry(effect.role.as_str()).or_default();
        if effect.epoch < *high {
            wrong.push(format!(
                "{} was taken under epoch {} after {high}",
                effect.idempotency_key, effect.epoch
            ));
        }
        *high = effect.epoch.max(*high);
        if effect.epoch == 0 {
            wrong.push(format!("{} did not know its epoch", effect.idempotency_key));
        }
    }
    for (role, high) in &highest {
        let known = samples.get(role).and_then(|samples| samples.iter().map(|one| one.epoch).max());
        if let Some(known) = known.filter(|known| known < high) {
            wrong.push(format!("{role} acted under epoch {high}, and never had more than {known}"));
        }
    }
    let what =
        format!("effects under rising epochs; {refused} came with an old one and were refused");
    told(verdict, &format!("{work}/fence"), &wrong, accepted, &what);
}

/// The attempt that Oarlock took as completing was one that the sink had taken.
fn completed(work: &str, record: &Record, operations: &[Operation], verdict: &mut Verdict) {
    let taken: BTreeSet<(&str, u64, u64)> = record
        .effects
        .iter()
        .filter(|effect| effect.work == work && effect.f == "done" && effect.accepted)
        .map(|effect| (effect.idempotency_key.as_str(), u64::from(effect.attempt), effect.epoch))
        .collect();
    let (mut wrong, mut well) = (Vec::new(), 0);
    for done in operations.iter().filter(|done| done.invoke.f == "final-result") {
        let Some(end) = done.ok().filter(|end| end.value["status"] == "completed") else {
            continue;
        };
        let output = &end.value["output"]["t"];
        let number = |name: &str| output[name].as_u64().unwrap_or_default();
        let key = output["key"].as_str().unwrap_or_default();
        if taken.contains(&(key, number("attempt"), number("epoch"))) {
            well += 1;
        } else {
            wrong.push(format!("{} came to {output}, which the sink never took", done.invoke.key));
        }
    }
    told(
        verdict,
        &format!("{work}/completed-was-taken"),
        &wrong,
        well,
        "runs were completed by an attempt that the sink took",
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::planted::{Tape, broken, outcome};
    use crate::sink::Effect;
    use crate::verdict::Outcome;

    const ROLE: &str = "dag-owner-00-1-of-1";

    fn done(tape: &mut Tape, run: u64, epoch: u64) {
        tape.effect(Effect {
            f: "done".to_owned(),
            attempt: 1,
            epoch,
            idempotency_key: format!("r{run}/t"),
            role: ROLE.to_owned(),
            accepted: true,
            ..Effect::default()
        });
    }

    fn good() -> Tape {
        let mut tape = Tape::new("owner");
        for epoch in 1..=15 {
            let node = ["n1", "n2", "n3"][usize::try_from(epoch).expect("small") % 3];
            tape.ok("move", ROLE, "n1", json!(node), json!([node, epoch]));
            tape.ok("roles", "", "n2", json!(null), json!({ROLE: [node, epoch]}));
            tape.ok("roles-stale", "", "n3", json!(null), json!({ROLE: ["n2", 1]}));
            done(&mut tape, epoch, epoch);
            let output = json!({"t": {"key": format!("r{epoch}/t"), "attempt": 1, "epoch": epoch}});
            let came = json!({"status": "completed", "output": output});
            tape.ok("final-result", &format!("r{epoch}"), "n1", json!(null), came);
        }
        tape
    }

    fn verdict(tape: Tape) -> Verdict {
        let mut verdict = Verdict::default();
        judge("owner", &tape.record(), &mut verdict);
        verdict
    }

    #[test]
    fn a_role_that_moves_about_under_rising_epochs_passes() {
        assert_eq!(outcome(&verdict(good())), Outcome::Valid);
    }

    #[test]
    fn two_owners_of_one_epoch_are_found_also_when_one_only_believes_it() {
        let mut tape = good();
        tape.ok("roles-stale", "", "n3", json!(null), json!({ROLE: ["n2", 15]}));
        assert!(broken(&verdict(tape)).contains("one-owner"));
    }

    #[test]
    fn an_epoch_that_falls_is_found() {
        let mut tape = good();
        tape.ok("roles", "", "n3", json!(null), json!({ROLE: ["n3", 14]}));
        let found = broken(&verdict(tape));
        assert!(found.contains("had epoch 15") && found.contains("afterwards 14"), "{found}");
    }

    #[test]
    fn an_old_epoch_that_the_sink_took_and_an_invented_one_are_found() {
        let mut tape = good();
        done(&mut tape, 90, 3);
        done(&mut tape, 91, 99);
        let found = broken(&verdict(tape));
        assert!(
            found.contains("under epoch 3 after 15") && found.contains("under epoch 99"),
            "{found}"
        );
    }

    #[test]
    fn a_run_that_was_completed_by_a_refused_attempt_is_found() {
        let mut tape = good();
        let output = json!({"t": {"key": "r4/t", "attempt": 2, "epoch": 4}});
        tape.change("final-result", "r4", json!({"status": "completed", "output": output}));
        assert!(broken(&verdict(tape)).contains("r4 came to"));
    }

    #[test]
    fn roles_that_never_moved_prove_nothing() {
        let mut tape = Tape::new("owner");
        tape.ok("roles", "", "n2", json!(null), json!({ROLE: ["n1", 1]}));
        assert_eq!(outcome(&verdict(tape)), Outcome::Unknown);
    }
}
