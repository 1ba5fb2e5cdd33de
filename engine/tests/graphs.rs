//! A thousand random graphs: every task starts after all that it needs, and every run comes to its end.

mod history;

use std::collections::BTreeMap;

use history::{Play, flow, step};
use oarlock_engine::apply::Offer;
use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{self, Definition};
use oarlock_engine::dag;
use oarlock_engine::event::Event;
use oarlock_engine::id::{Priority, Revision, RunId, StepNo, WorkerId};
use oarlock_engine::run::{self, Start, State};
use oarlock_engine::task::{self, Failure};
use oarlock_engine::time::Moment;
use oarlock_engine::{law, role, timer};
use proptest::prelude::*;

const RUN: RunId = RunId(1);
const WORKER: WorkerId = WorkerId(1);

/// A graph of up to 16 steps, in any order in the file, and dice for how its tasks go.
fn graphs() -> impl Strategy<Value = (Definition, Vec<u8>)> {
    let steps = proptest::collection::vec(any::<u16>(), 1..16);
    let order = any::<u64>();
    (steps, order, proptest::collection::vec(any::<u8>(), 8)).prop_map(|(masks, order, dice)| {
        let count = masks.len();
        // Where each step stands in the file: a permutation drawn from one number.
        let mut places: Vec<usize> = (0..count).collect();
        let mut left = order;
        for place in (1..count).rev() {
            places.swap(place, (left % (place as u64 + 1)) as usize);
            left = left / 7 + 13;
        }
        let mut steps = vec![step("", &[]); count];
        for (rank, mask) in masks.iter().enumerate() {
            let needs: Vec<u16> = (0..rank)
                .filter(|need| mask >> need & 1 == 1)
                .map(|need| places[need] as u16)
                .collect();
            steps[places[rank]] = step(&format!("s{rank}"), &needs);
        }
        (flow("random", steps), dice)
    })
}

fn begin(definition: &Definition) -> Play {
    let mut play = Play::begun();
    let define =
        catalog::Command::Define { definition: Box::new(definition.clone()), expected: None };
    let start = Start {
        run: RUN,
        workflow: "random".to_owned(),
        version: None,
        input: Payload::EMPTY,
        key: String::new(),
        lane: String::new(),
        priority: Some(Priority::NORMAL),
        labels: BTreeMap::new(),
        due_at: None,
        request: None,
    };
    for entry in [
        play.entry(define, None),
        play.entry(
            run::Command::Start(Box::new(start)),
            Some(Offer { worker: WORKER, tasks_max: 2 }),
        ),
    ] {
        let outcomes = play.apply(vec![entry]);
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
    }
    play
}

/// Works until the run is over; the dice say which task is next and how it goes.
fn work(play: &mut Play, dice: &[u8]) -> State {
    let mut throws =
        (0u64..).zip(dice.iter().cycle()).map(|(turn, die)| u64::from(*die) + turn * 31);
    for _ in 0..2_000 {
        let row = run::get(&play.store, RUN).expect("the run was started");
        if row.state.finished() {
            return row.state;
        }
        let offer = Some(Offer { worker: WORKER, tasks_max: 2 });
        let held = task::leased(&play.store, WORKER);
        let entry = if held.is_empty() {
            let (at, _) =
                timer::next(&play.store, row.role).expect("something is due, or it hangs");
            play.now = Moment(play.now.0.max(at.0));
            let epoch = role::get(&play.store, row.role).expect("the run's role").epoch;
            play.entry(timer::Command::Tick { role: row.role, epoch }, offer)
        } else {
            let die = throws.next().unwrap_or_default();
            let id = held[die as usize % held.len()];
            let attempt = task::get(&play.store, id).expect("it is leased").attempt;
            let (worker, log) = (Some(WORKER), Payload::EMPTY);
            let failure = Failure {
                kind: "exit:1".to_owned(),
                message: String::new(),
                retryable: die % 4 != 0,
            };
            let command = if die % 5 == 0 {
                task::Command::Fail { task: id, attempt, worker, failure, log }
            } else {
                let output = Payload::EMPTY;
                task::Command::Complete { task: id, attempt, worker, output, log }
            };
            play.entry(command, offer)
        };
        let outcomes = play.apply(vec![entry]);
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
    }
    panic!("the run does not end: {:?}", dag::steps(&play.store, RUN));
}

/// When each step succeeded, and when a task of it was first opened.
fn course(play: &Play) -> (BTreeMap<StepNo, Revision>, BTreeMap<StepNo, Revision>) {
    let (mut succeeded, mut opened) = (BTreeMap::new(), BTreeMap::new());
    for record in &play.records {
        match &record.event {
            Event::Dag(dag::Event::Settled { step, state: dag::State::Succeeded, .. }) => {
                succeeded.insert(*step, record.revision);
            }
            Event::Task(task::Event::Opened { task }) => {
                opened.entry(task.id.step).or_insert(record.revision);
            }
            _ => {}
        }
    }
    (succeeded, opened)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_task_starts_after_all_that_it_needs((definition, dice) in graphs()) {
        let mut play = begin(&definition);
        let end = work(&mut play, &dice);
        let breaches = law::check(&play.store);
        prop_assert!(breaches.is_empty(), "{breaches:?}");
        let (succeeded, opened) = course(&play);
        for (place, step) in definition.steps.iter().enumerate() {
            let no = StepNo(place as u16);
            let Some(start) = opened.get(&no) else {
                // It never started: something that it needs did not succeed.
                prop_assert!(step.needs.iter().any(|need| !succeeded.contains_key(need)));
                continue;
            };
            for need in &step.needs {
                let done = succeeded.get(need);
                prop_assert!(done.is_some_and(|done| done < start), "{} before {need}", step.name);
            }
        }
        let all = succeeded.len() == definition.steps.len();
        prop_assert_eq!(end, if all { State::Completed } else { State::Failed });
    }
}
