//! Each guard, with a run that it lets through and one that it does not.

use serde_json::json;

use super::*;
use crate::check::made_up::{Tale, minute};
use crate::verdict::Outcome;

fn asked() -> Asked {
    let options = json!({
        "workloads": ["register", "submit"], "nemeses": ["kill", "partition", "pause"], "nodes": ["n1", "n2", "n3"],
    });
    Asked::of(options.as_object().expect("an object").clone())
}

fn judged(tale: Tale, asked: &Asked) -> Verdict {
    let history = tale.history();
    let mut verdict = Verdict::default();
    judge(&Story::of(&history), asked, &mut verdict);
    verdict
}

fn of(verdict: &Verdict, law: &str) -> (Outcome, String) {
    let found = verdict.findings.iter().find(|finding| finding.law == law);
    let found = found.unwrap_or_else(|| panic!("nothing on {law}: {verdict:#?}"));
    (found.outcome, found.says.clone())
}

/// A tale, a minute long, in which clients do so many operations in each second between two moments.
fn steady(a_second: u64, spans: &[(u64, u64)], kind: Type) -> Tale {
    let mut tale = Tale::new();
    for (at, phase) in [
        (0, "warm-up"),
        (10_000, "faults"),
        (70_000, "heal"),
        (75_000, "fresh"),
        (85_000, "look"),
        (86_000, "end"),
    ] {
        tale.at(at).phase(phase);
    }
    for (from, until) in spans {
        for ms in (*from..*until).step_by(usize::try_from(1_000 / a_second).expect("small")) {
            tale.at(ms).op("register", "read", 2, kind);
        }
    }
    tale
}

#[test]
fn a_minute_like_many_passes_all_guards() {
    let verdict = judged(minute(), &asked());
    assert_eq!(verdict.outcome(), Outcome::Valid, "{verdict:#?}");
    assert!(verdict.findings.len() >= 8, "{verdict:#?}");
}

#[test]
fn a_harness_that_died_is_unknown() {
    let mut tale = Tale::new();
    tale.at(0).phase("warm-up");
    let (outcome, says) = of(&judged(tale, &Asked::default()), "guard/end");
    assert_eq!(outcome, Outcome::Unknown);
    assert!(says.contains("warm-up"), "{says}");
}

#[test]
fn too_few_operations_in_the_warm_up_are_unknown_and_the_option_decides_what_is_few() {
    let slow = || steady(20, &[(0, 70_000), (75_000, 85_000)], Type::Ok);
    assert_eq!(of(&judged(slow(), &asked()), "guard/rate").0, Outcome::Unknown);
    let lax = Asked { rate_min: Some(10.0), ..asked() };
    assert_eq!(of(&judged(slow(), &lax), "guard/rate").0, Outcome::Valid);
}

#[test]
fn a_warm_up_of_a_second_tells_no_rate() {
    let mut tale = steady(100, &[(0, 2_000)], Type::Ok);
    tale.at(1_000).start("kill", 1, &["n1"]);
    assert_eq!(of(&judged(tale, &asked()), "guard/rate").0, Outcome::Unknown);
}

#[test]
fn operations_that_are_mostly_refused_are_unknown() {
    let tale = steady(100, &[(0, 70_000)], Type::Fail);
    assert_eq!(of(&judged(tale, &asked()), "guard/share").0, Outcome::Unknown);
}

#[test]
fn a_kind_that_was_hardly_ever_done_is_unknown_and_named() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    tale.at(20_000).op("register", "cas", 3, Type::Ok);
    let (outcome, says) = of(&judged(tale, &asked()), "guard/kinds");
    assert_eq!(outcome, Outcome::Unknown);
    assert!(says.contains("register/cas"), "{says}");
}

#[test]
fn a_change_of_members_is_seldom_and_once_is_enough() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    tale.at(20_000).op("member", "demote", 3_000, Type::Ok);
    assert_eq!(of(&judged(tale, &asked()), "guard/kinds").0, Outcome::Valid);
}

#[test]
fn a_nemesis_that_never_struck_is_unknown_and_says_why() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    let value = json!({"name": "disk-full", "there": false, "why": "no tmpfs without root"});
    tale.at(0).nemesis("capability", value);
    let asked = Asked { nemeses: vec!["disk-full".to_owned()], ..asked() };
    let (outcome, says) = of(&judged(tale, &asked), "guard/struck");
    assert_eq!(outcome, Outcome::Unknown);
    assert!(says.contains("no tmpfs without root"), "{says}");
}

#[test]
fn a_strike_without_a_proof_is_unknown() {
    let mut tale = minute();
    let value = json!({"id": 9, "nemesis": "pause", "targets": ["n1"], "proven": false, "proof": "state S"});
    tale.at(60_000).nemesis("start-pause", value);
    let (outcome, says) = of(&judged(tale, &asked()), "guard/struck");
    assert_eq!(outcome, Outcome::Unknown);
    assert!(says.contains("fault 9") && says.contains("state S"), "{says}");
}

#[test]
fn a_nemesis_asked_for_by_its_family_is_found() {
    let mut tale = minute();
    tale.at(60_000).start("clock-jump", 9, &["n1"]);
    let asked = Asked { nemeses: vec!["clock".to_owned()], ..asked() };
    assert_eq!(of(&judged(tale, &asked), "guard/struck").0, Outcome::Valid);
}

#[test]
fn leaders_that_were_hunted_and_stayed_are_unknown() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    tale.at(0).leader("n1", 1);
    for id in 1..=4 {
        let value = json!({"id": id, "nemesis": "kill", "kind": "leader", "targets": ["n1"], "proven": true});
        tale.at(10_000 + id * 1_000).nemesis("start-kill", value);
    }
    let (outcome, says) = of(&judged(tale, &asked()), "guard/leaders");
    assert_eq!(outcome, Outcome::Unknown);
    assert!(says.contains("4 times; 2 are enough"), "{says}");
}

#[test]
fn a_leader_that_was_paused_for_less_than_an_election_may_stay() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    tale.at(20_000).start("pause-leader", 1, &["n1"]);
    tale.at(20_400).stop("pause-leader", 1);
    let verdict = judged(tale, &asked());
    assert!(verdict.findings.iter().all(|finding| finding.law != "guard/leaders"), "{verdict:#?}");
}

#[test]
fn what_must_be_refused_is_done_when_it_is() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    for ms in (20_000..30_000).step_by(1_000) {
        tale.at(ms).op("effects", "complete-stale", 3, Type::Fail);
    }
    assert_eq!(of(&judged(tale, &asked()), "guard/kinds").0, Outcome::Valid);
}

#[test]
fn a_harness_that_was_late_for_a_third_of_the_time_is_unknown() {
    let mut tale = minute();
    tale.at(40_000).nemesis("stall", json!({"late_ms": 20_000}));
    assert_eq!(of(&judged(tale, &asked()), "guard/stalls").0, Outcome::Unknown);
}

#[test]
fn a_node_that_nobody_looked_through_is_unknown_and_named() {
    let mut asked = asked();
    asked.nodes.push("n4".to_owned());
    let (outcome, says) = of(&judged(minute(), &asked), "guard/look");
    assert_eq!(outcome, Outcome::Unknown);
    assert!(says.contains("register saw nothing through n4"), "{says}");
}

#[test]
fn the_harness_may_say_which_nodes_are_left_to_look_through() {
    let mut tale = minute();
    tale.at(88_001).nemesis("phase", json!({"phase": "look", "nodes": ["n1", "n2"]}));
    let history = tale.history();
    let mut story = Story::of(&history);
    story.phases.retain(|phase| phase.name != "look" || !phase.nodes.is_empty());
    assert_eq!(nodes(&story, &asked()).len(), 2);
}

#[test]
fn a_mended_cluster_that_does_nothing_is_a_violation() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    for ms in (75_000..85_000).step_by(1_000) {
        tale.at(ms).op("register", "read", 900, Type::Info);
    }
    assert_eq!(of(&judged(tale, &asked()), "liveness/fresh").0, Outcome::Invalid);
}

#[test]
fn a_mended_cluster_that_does_nothing_while_the_harness_stalls_is_unknown() {
    let mut tale = steady(100, &[(0, 70_000)], Type::Ok);
    tale.at(76_000).op("register", "read", 900, Type::Info);
    tale.at(80_000).nemesis("stall", json!({"late_ms": 3_000}));
    assert_eq!(of(&judged(tale, &asked()), "liveness/fresh").0, Outcome::Unknown);
}

#[test]
fn a_refusal_of_fresh_work_is_an_answer() {
    let mut tale = steady(100, &[(0, 70_000), (75_000, 85_000)], Type::Ok);
    for ms in (75_000..85_000).step_by(20) {
        tale.at(ms).op("register", "cas", 3, Type::Fail);
    }
    assert_eq!(of(&judged(tale, &asked()), "liveness/fresh").0, Outcome::Valid);
}
