//! Figures of histories whose figures are known.

use super::*;
use crate::check::made_up::{Tale, minute};
use crate::history::Type;

/// Reads, one every 10 ms, answered after 2 ms, but for a span in which nobody answers.
fn with_a_gap(from: u64, until: u64) -> Tale {
    let mut tale = Tale::new();
    tale.at(0).phase("warm-up");
    tale.at(2_000).phase("faults");
    for ms in (0..10_000).step_by(10) {
        let kind = if (from..until).contains(&ms) { Type::Info } else { Type::Ok };
        tale.at(ms).op("register", "read", 2, kind);
    }
    tale
}

fn measured(tale: Tale) -> Failover {
    let history = tale.history();
    measure(&Story::of(&history))
}

#[expect(clippy::float_cmp, reason = "times of a made-up history are exact")]
fn is(took: Option<f64>, ms: f64) -> bool {
    took.is_some_and(|took| took == ms)
}

#[test]
fn the_time_to_failover_ends_with_the_first_success_begun_after_the_fault() {
    let mut tale = with_a_gap(3_000, 4_200);
    tale.at(2_990).op("register", "read", 20, Type::Ok);
    tale.at(3_000).start("kill", 1, &["n1"]);
    let found = measured(tale);
    assert!(is(found.faults[0].ms["register/read"], 1_202.0), "{:?}", found.faults);
    assert!(is(found.faults[0].ms[ALL], 1_202.0), "{:?}", found.faults);
}

#[test]
fn a_success_that_was_begun_later_and_came_sooner_is_the_first() {
    let mut tale = with_a_gap(3_000, 9_000);
    tale.at(3_000).start("kill", 1, &["n1"]);
    tale.at(3_100).op("register", "read", 2_000, Type::Ok);
    tale.at(3_500).op("register", "read", 5, Type::Ok);
    assert!(is(measured(tale).faults[0].ms["register/read"], 505.0));
}

#[test]
fn a_fault_after_which_nothing_succeeds_counts_as_never() {
    let mut tale = with_a_gap(3_000, 10_000);
    tale.at(3_000).start("kill", 1, &["n1"]);
    let found = measured(tale);
    let row = found.table.iter().find(|row| row.class == ALL).expect("there is a row");
    assert_eq!((row.faults, row.never), (1, 1));
}

#[test]
fn a_class_of_which_little_happens_does_not_slow_all() {
    let mut tale = with_a_gap(3_000, 3_400);
    tale.at(1_000).op("member", "add", 100, Type::Ok);
    tale.at(8_000).op("member", "add", 100, Type::Ok);
    tale.at(3_000).start("kill", 1, &["n1"]);
    let found = measured(tale);
    assert!(is(found.faults[0].ms["member/add"], 5_100.0), "{:?}", found.faults);
    assert!(is(found.faults[0].ms[ALL], 402.0), "{:?}", found.faults);
}

#[test]
fn half_a_second_without_a_success_is_a_window_and_less_is_none() {
    let mut tale = with_a_gap(3_000, 3_600);
    tale.at(3_000).start("pause", 4, &["n1"]);
    tale.at(3_200).stop("pause", 4);
    let found = measured(tale);
    let windows: Vec<_> =
        found.windows.iter().filter(|window| window.class == "register").collect();
    assert_eq!(windows.len(), 1, "{windows:?}");
    assert_eq!((windows[0].ms, windows[0].faults.as_slice()), (610, [4].as_slice()));
    assert_eq!(found.windows_ms["register"], 610);
    assert!(measured(with_a_gap(3_000, 3_400)).windows.is_empty());
}

#[test]
fn a_window_that_nothing_explains_has_no_faults() {
    let found = measured(with_a_gap(5_000, 6_000));
    assert!(found.windows.iter().all(|window| window.faults.is_empty()));
    assert!(!found.windows.is_empty());
}

#[test]
fn what_touches_a_stall_of_the_harness_is_marked() {
    let mut tale = with_a_gap(3_000, 4_000);
    tale.at(3_000).start("kill", 1, &["n1"]);
    tale.at(3_500).nemesis("stall", serde_json::json!({"late_ms": 400}));
    let found = measured(tale);
    assert!(found.faults[0].stalled && found.windows[0].stalled);
}

#[test]
fn clients_that_rest_between_the_faults_and_the_fresh_work_make_no_window() {
    let found = measured(minute());
    let rest = 74_000_000_000..78_000_000_000_u64;
    let inside = |window: &&Window| rest.contains(&window.from) && rest.contains(&window.until);
    assert_eq!(found.windows.iter().filter(inside).count(), 0, "{:#?}", found.windows);
    assert_eq!(found.settled_s, Some(4.0));
}

#[test]
fn percentiles_are_those_of_all_faults_of_a_kind() {
    let took = |id: u64, ms: f64| Took {
        id,
        nemesis: "kill".to_owned(),
        ms: BTreeMap::from([(ALL.to_owned(), Some(ms))]),
        stalled: false,
    };
    let faults: Vec<Took> = (1..=100_u32).map(|n| took(u64::from(n), f64::from(n))).collect();
    let rows = table(&faults);
    assert_eq!(rows.len(), 1);
    for (is, should) in [(rows[0].p50_ms, 50.0), (rows[0].p90_ms, 90.0), (rows[0].p99_ms, 99.0)] {
        assert!((is - should).abs() < 0.2, "{is} is not {should}");
    }
    assert!((rows[0].max_ms - 100.0).abs() < 0.2);
}
