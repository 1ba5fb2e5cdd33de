//! What a role's driver does next: a pure plan from what there is, what is due and what is under way.
//!
//! At most one batch of answers and one tick are under way at a time: more would compute the same twice. After a proposal that
//! got no answer, or one that changed nothing, the driver rests, longer each time, so that trouble does not become load.

use std::time::Duration;

use oarlock_engine::dag::Question;
use oarlock_engine::time::{Moment, Span};
use oarlock_engine::timer::Alarm;

/// The first rest.
const REST: Span = Span(20);
/// No rest is longer.
const REST_MAX: Span = Span(5_000);

/// What the tables show at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The moment.
    pub(crate) now: Moment,
    /// The first open question.
    pub(crate) question: Option<Question>,
    /// The first alarm.
    pub(crate) alarm: Option<(Moment, Alarm)>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Answer questions now.
    pub(crate) answer: bool,
    /// Propose a tick now.
    pub(crate) tick: bool,
    /// Look again then, whatever happens until then.
    pub(crate) wake_at: Option<Moment>,
}

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Accepted.
    Well,
    /// Without an answer, or with one that a later try may change.
    Later,
    /// Somebody else drives the role now.
    Deposed,
}

/// What is under way, and how it went so far.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    answering: bool,
    ticking: bool,
    /// What the last batch and the last tick were about: seeing the same again means that they changed nothing.
    answered: Option<Question>,
    ticked: Option<(Moment, Alarm)>,
    fruitless: u32,
    rests_until: Moment,
}

impl Agenda {
    /// Plans, and takes what it plans to be under way from now on.
    pub(crate) fn plan(&mut self, sight: Sight) -> Plan {
        let mut plan = Plan::default();
        if sight.now < self.rests_until {
            plan.wake_at = Some(self.rests_until);
            return plan;
        }
        let due = sight.alarm.as_ref().is_some_and(|(at, _)| *at <= sight.now);
        let wants_answer = !self.answering && sight.question.is_some();
        let wants_tick = !self.ticking && due;
        let again = (wants_answer && self.answered == sight.question)
            || (wants_tick && self.ticked == sight.alarm);
        if again {
            self.answered = None;
            self.ticked = None;
            plan.wake_at = Some(self.rest(sight.now));
            return plan;
        }
        if wants_answer {
            self.answering = true;
            self.answered = sight.question;
            plan.answer = true;
        }
        if wants_tick {
            self.ticking = true;
            self.ticked.clone_from(&sight.alarm);
            plan.tick = true;
        }
        plan.wake_at = sight.alarm.map(|(at, _)| at).filter(|at| *at > sight.now);
        plan
    }

    /// The batch of answers ended.
    pub(crate) fn answering_ended(&mut self, ending: Ending, now: Moment) {
        self.answering = false;
        if ending == Ending::Later {
            self.answered = None;
        }
        self.ended(ending, now);
    }

    /// The tick ended.
    pub(crate) fn ticking_ended(&mut self, ending: Ending, now: Moment) {
        self.ticking = false;
        if ending == Ending::Later {
            self.ticked = None;
        }
        self.ended(ending, now);
    }

    /// How many proposals are under way.
    pub(crate) fn in_flight(&self) -> usize {
        usize::from(self.answering) + usize::from(self.ticking)
    }

    fn ended(&mut self, ending: Ending, now: Moment) {
        match ending {
            Ending::Well => self.fruitless = 0,
            Ending::Later => {
                self.rest(now);
            }
            Ending::Deposed => {}
        }
    }

    fn rest(&mut self, now: Moment) -> Moment {
        let rest = REST.0.saturating_mul(1 << self.fruitless.min(16)).min(REST_MAX.0);
        self.fruitless = self.fruitless.saturating_add(1);
        self.rests_until = now.after(Span(rest));
        self.rests_until
    }
}

/// How long to sleep until a moment.
pub(crate) fn until(moment: Moment, now: Moment) -> Duration {
    Duration::from_millis(moment.since(now).0)
}

#[cfg(test)]
mod tests {
    use oarlock_engine::dag::What;
    use oarlock_engine::id::RunId;

    use super::*;

    fn sight(now: u64, question: Option<u128>, alarm: Option<u64>) -> Sight {
        Sight {
            now: Moment(now),
            question: question.map(|run| Question { run: RunId(run), what: What::Output }),
            alarm: alarm.map(|at| (Moment(at), Alarm::RunDue(RunId(1)))),
        }
    }

    #[test]
    fn with_nothing_to_do_it_sleeps_until_the_first_alarm() {
        let mut agenda = Agenda::default();
        assert_eq!(agenda.plan(sight(10, None, None)), Plan::default());
        let plan = agenda.plan(sight(10, None, Some(50)));
        assert_eq!(plan, Plan { wake_at: Some(Moment(50)), ..Plan::default() });
    }

    #[test]
    fn one_batch_and_one_tick_are_under_way_at_most() {
        let mut agenda = Agenda::default();
        let plan = agenda.plan(sight(50, Some(1), Some(50)));
        assert_eq!(plan, Plan { answer: true, tick: true, wake_at: None });
        assert_eq!(agenda.plan(sight(51, Some(2), Some(51))), Plan::default());
        assert_eq!(agenda.in_flight(), 2);
        agenda.answering_ended(Ending::Well, Moment(52));
        assert!(agenda.plan(sight(52, Some(2), None)).answer);
        agenda.ticking_ended(Ending::Well, Moment(53));
        assert!(agenda.plan(sight(53, None, Some(51))).tick);
    }

    #[test]
    fn without_an_answer_it_rests_ever_longer_and_tries_the_same_again() {
        let mut agenda = Agenda::default();
        let mut now = 1_000;
        for rest in [20, 40, 80, 160] {
            assert!(agenda.plan(sight(now, Some(1), None)).answer);
            agenda.answering_ended(Ending::Later, Moment(now));
            let plan = agenda.plan(sight(now, Some(1), None));
            assert_eq!(plan, Plan { wake_at: Some(Moment(now + rest)), ..Plan::default() });
            now += rest;
        }
        assert!(agenda.plan(sight(now, Some(1), None)).answer);
        agenda.answering_ended(Ending::Well, Moment(now));
        assert!(agenda.plan(sight(now, Some(2), None)).answer);
    }

    #[test]
    fn a_proposal_that_changed_nothing_is_not_repeated_at_once() {
        let mut agenda = Agenda::default();
        assert!(agenda.plan(sight(50, None, Some(50))).tick);
        agenda.ticking_ended(Ending::Well, Moment(50));
        let plan = agenda.plan(sight(50, None, Some(50)));
        assert_eq!(plan, Plan { wake_at: Some(Moment(70)), ..Plan::default() });
        assert!(agenda.plan(sight(70, None, Some(50))).tick);
    }
}
