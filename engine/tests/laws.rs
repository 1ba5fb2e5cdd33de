//! Properties: whatever is asked, the laws hold and replicas agree.
//!
//! `PROPTEST_CASES=10000 cargo test -p oarlock-engine --test laws` looks longer than the gate has time for.

mod history;

use std::collections::BTreeMap;

use history::{Play, Throw, throws};
use oarlock_engine::apply::{Engine, Parcel};
use oarlock_engine::law;
use oarlock_engine::store::mem::MemStore;
use proptest::prelude::*;

fn played(throws: &[Throw]) -> Play {
    let mut play = Play::begun();
    play.play(throws, |_| ());
    play
}

/// A short look, unless the surroundings ask for a longer one.
fn config() -> ProptestConfig {
    let known = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    // 256 is what proptest does when nobody says anything.
    let cases = if known.cases == 256 { 40 } else { known.cases };
    ProptestConfig { cases, ..known }
}

/// Whether the dice are good: a law that is never put to the test holds always.
#[test]
fn histories_are_eventful() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut refused = 0;
    for seed in 0..300 {
        let play = played(&history::thrown(seed, 150));
        for record in &play.records {
            *seen.entry(history::kind(&record.event)).or_default() += 1;
        }
        refused += play.log.iter().flat_map(|(_, _, all)| all).filter(|one| one.is_err()).count();
    }
    assert!(refused > 0);
    let missing: Vec<_> = history::KINDS.iter().filter(|kind| !seen.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}; happened: {seen:?}");
}

proptest! {
    #![proptest_config(config())]

    /// After every parcel, whatever it was.
    #[test]
    fn the_laws_hold(throws in throws(160)) {
        let mut play = Play::begun();
        let mut parcels = 0;
        play.play(&throws, |play| {
            parcels += 1;
            let breaches = law::check(&play.store);
            let asked = play.log.last().map(|(parcel, _, outcomes)| format!("{parcel:?} {outcomes:?}"));
            assert!(breaches.is_empty(), "after parcel {parcels}: {breaches:?}\n{asked:?}");
        });
    }

    /// Two replicas that apply the same log write the same bytes.
    #[test]
    fn equal_logs_make_equal_bytes(throws in throws(120)) {
        let play = played(&throws);
        let mut store = MemStore::default();
        let mut engine = Engine::default();
        for (parcel, batch, outcomes) in &play.log {
            let applied = engine.apply(&store, parcel);
            prop_assert_eq!(&applied.batch, batch);
            prop_assert_eq!(&applied.outcomes, outcomes);
            store.write(applied.batch);
        }
        prop_assert_eq!(store, play.store);
    }

    /// A replica that begins from a copy, with an engine that remembers nothing, agrees with one that was there all along.
    #[test]
    fn who_begins_in_the_middle_agrees(throws in throws(120), cut in 0usize..100) {
        let play = played(&throws);
        let middle = cut.min(play.log.len());
        let mut store = MemStore::default();
        for (_, batch, _) in &play.log[..middle] {
            store.write(batch.clone());
        }
        for (parcel, batch, _) in &play.log[middle..] {
            let applied = Engine::default().apply(&store, parcel);
            prop_assert_eq!(&applied.batch, batch);
            store.write(applied.batch);
        }
        prop_assert_eq!(store, play.store);
    }

    /// A refused entry leaves no trace: the same history without it ends in the same bytes.
    #[test]
    fn a_refused_entry_leaves_no_trace(throws in throws(120)) {
        let play = played(&throws);
        let mut store = MemStore::default();
        let mut engine = Engine::default();
        for (parcel, _, outcomes) in &play.log {
            let kept = parcel.entries.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
            let entries = kept.map(|(entry, _)| entry.clone()).collect();
            let applied = engine.apply(&store, &Parcel { entries });
            store.write(applied.batch);
        }
        prop_assert_eq!(store, play.store);
    }

    /// How entries are put into parcels makes no difference.
    #[test]
    fn a_parcel_is_its_entries_one_by_one(throws in throws(120)) {
        let play = played(&throws);
        let mut store = MemStore::default();
        let mut engine = Engine::default();
        for (parcel, _, _) in &play.log {
            for entry in &parcel.entries {
                let applied = engine.apply(&store, &Parcel { entries: vec![entry.clone()] });
                store.write(applied.batch);
            }
        }
        prop_assert_eq!(store, play.store);
    }

    /// Revisions have no gaps, time never runs backwards.
    #[test]
    fn the_feed_is_in_order(throws in throws(120)) {
        let play = played(&throws);
        for (place, record) in play.records.iter().enumerate() {
            prop_assert_eq!(record.revision.0, place as u64 + 1);
        }
        for pair in play.records.windows(2) {
            prop_assert!(pair[0].at <= pair[1].at);
        }
    }
}
