//! The rules of walking a graph, alone: what becomes of a step when its needs have settled, and what lies behind it.

use std::collections::BTreeSet;

use super::State;
use crate::catalog::graph::Graph;
use crate::catalog::{OnFailure, Rule, Step};
use crate::id::StepNo;

/// What becomes of a step that was waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is still waiting.
    Wait,
    /// It runs (or is asked about).
    Go,
    /// It does not, and settles like this.
    Settle(State),
}

/// How the needs of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Not settled yet.
    pub(crate) open: usize,
    /// Succeeded, or failed and ignored.
    pub(crate) succeeded: usize,
    /// Failed for good themselves.
    pub(crate) failed: usize,
    /// Did not run because something before them failed.
    pub(crate) barred: usize,
    /// Did not run because their condition said no.
    pub(crate) skipped: usize,
    /// Were cancelled.
    pub(crate) cancelled: usize,
}

impl Tally {
    /// Counts how steps stand.
    pub(crate) fn of(states: impl Iterator<Item = State>) -> Self {
        let mut tally = Tally::default();
        for state in states {
            let count = match state {
                State::Blocked | State::Asking | State::Open => &mut tally.open,
                State::Succeeded => &mut tally.succeeded,
                State::Failed => &mut tally.failed,
                State::Barred => &mut tally.barred,
                State::Skipped => &mut tally.skipped,
                State::Cancelled => &mut tally.cancelled,
            };
            *count += 1;
        }
        tally
    }
}

/// What becomes of a step, by its rule and by how its needs ended. `doomed`: its run is being cancelled.
pub(crate) fn verdict(rule: Rule, needs: Tally, doomed: bool) -> Verdict {
    if needs.open > 0 {
        return Verdict::Wait;
    }
    let failed = needs.failed + needs.barred > 0;
    match rule {
        Rule::Settled => Verdict::Go,
        Rule::Succeeded | Rule::Failed if doomed || needs.cancelled > 0 => {
            Verdict::Settle(State::Cancelled)
        }
        Rule::Succeeded if failed => Verdict::Settle(State::Barred),
        Rule::Succeeded if needs.succeeded == 0 && needs.skipped > 0 => {
            Verdict::Settle(State::Skipped)
        }
        Rule::Succeeded => Verdict::Go,
        Rule::Failed if failed => Verdict::Go,
        Rule::Failed => Verdict::Settle(State::Skipped),
    }
}

/// What becomes of a handler, by how the steps ended that name it. The first one that fails calls it.
pub(crate) fn handler_verdict(named_by: Tally, doomed: bool) -> Verdict {
    if doomed {
        return Verdict::Settle(State::Cancelled);
    }
    if named_by.failed > 0 {
        return Verdict::Go;
    }
    if named_by.open > 0 { Verdict::Wait } else { Verdict::Settle(State::Skipped) }
}

/// How a step ends whose tasks have all settled, so many of them badly.
pub(crate) fn ending(step: &Step, failed: u32) -> State {
    match step.on_failure {
        OnFailure::Ignore => State::Succeeded,
        OnFailure::Fail | OnFailure::DeadLetter | OnFailure::Task(_) if failed == 0 => {
            State::Succeeded
        }
        OnFailure::Fail | OnFailure::DeadLetter | OnFailure::Task(_) => State::Failed,
    }
}

/// Whether a driver has to compute something before the step can open.
pub(crate) fn asks(step: &Step) -> bool {
    step.condition.is_some() || step.each.is_some() || step.order.is_none()
}

/// What a step waits for: its needs, or for a handler the steps that name it.
pub(crate) fn waits_for(graph: &Graph, no: StepNo) -> &[StepNo] {
    match graph.step(no) {
        Some(step) if step.handler => graph.handled_by(no),
        Some(step) => &step.needs,
        None => &[],
    }
}

/// Who waits for a step: those that need it, and its handler.
pub(crate) fn waiters(graph: &Graph, no: StepNo) -> impl Iterator<Item = StepNo> + '_ {
    let handler = match graph.step(no).map(|step| step.on_failure) {
        Some(OnFailure::Task(handler)) => Some(handler),
        Some(OnFailure::Fail | OnFailure::Ignore | OnFailure::DeadLetter) | None => None,
    };
    graph.dependents(no).iter().copied().chain(handler)
}

/// Everything behind some steps, not they themselves unless one lies behind another.
pub(crate) fn behind(graph: &Graph, steps: impl Iterator<Item = StepNo>) -> BTreeSet<StepNo> {
    let mut found = BTreeSet::new();
    let mut next: Vec<StepNo> = steps.collect();
    while let Some(no) = next.pop() {
        next.extend(waiters(graph, no).filter(|waiter| found.insert(*waiter)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rule: Rule, needs: &[State]) -> Verdict {
        verdict(rule, Tally::of(needs.iter().copied()), false)
    }

    #[test]
    fn a_branch_not_taken_does_not_stop_a_join() {
        use State::{Skipped, Succeeded};
        assert_eq!(judge(Rule::Succeeded, &[Succeeded, Skipped]), Verdict::Go);
        assert_eq!(judge(Rule::Succeeded, &[Skipped, Skipped]), Verdict::Settle(Skipped));
        assert_eq!(judge(Rule::Succeeded, &[]), Verdict::Go);
    }

    #[test]
    fn a_failure_bars_what_needs_success_and_lets_in_what_asks_for_it() {
        use State::{Barred, Failed, Succeeded};
        assert_eq!(judge(Rule::Succeeded, &[Succeeded, Failed]), Verdict::Settle(Barred));
        assert_eq!(judge(Rule::Succeeded, &[Barred]), Verdict::Settle(Barred));
        assert_eq!(judge(Rule::Settled, &[Failed]), Verdict::Go);
        assert_eq!(judge(Rule::Failed, &[Barred, Succeeded]), Verdict::Go);
        assert_eq!(judge(Rule::Failed, &[Succeeded]), Verdict::Settle(State::Skipped));
    }

    #[test]
    fn nothing_is_judged_before_all_needs_have_settled() {
        use State::{Failed, Open};
        for rule in [Rule::Succeeded, Rule::Settled, Rule::Failed] {
            assert_eq!(judge(rule, &[Failed, Open]), Verdict::Wait);
        }
    }

    #[test]
    fn of_a_cancelled_run_only_always_steps_go_on() {
        let needs = Tally::of([State::Succeeded, State::Cancelled].into_iter());
        assert_eq!(verdict(Rule::Settled, needs, true), Verdict::Go);
        assert_eq!(verdict(Rule::Succeeded, needs, true), Verdict::Settle(State::Cancelled));
        assert_eq!(verdict(Rule::Failed, needs, true), Verdict::Settle(State::Cancelled));
        assert_eq!(handler_verdict(needs, true), Verdict::Settle(State::Cancelled));
    }

    #[test]
    fn a_handler_is_called_by_the_first_failure_and_skipped_after_the_last_success() {
        use State::{Barred, Failed, Open, Succeeded};
        let judge = |states: &[State]| handler_verdict(Tally::of(states.iter().copied()), false);
        assert_eq!(judge(&[Failed, Open]), Verdict::Go);
        assert_eq!(judge(&[Succeeded, Open]), Verdict::Wait);
        assert_eq!(judge(&[Succeeded, Barred]), Verdict::Settle(State::Skipped));
        assert_eq!(judge(&[]), Verdict::Settle(State::Skipped));
    }
}
