//! How often and how fast a task is tried again.
//!
//! The pause before attempt n + 1 is `initial × factor^(n-1)`, never more than `cap`. With jitter it is spread over its upper
//! half by a hash of task and attempt: tasks that failed together come back apart, and every replica computes the same moment.

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, TaskId};
use crate::time::Span;

/// A retry policy. FlowCtl's names: `max_attempts`, `initial_delay`, `max_delay`, `backoff_factor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all: 1 means no second one.
    pub attempts_max: u32,
    /// Before the second attempt.
    pub initial: Span,
    /// No pause is longer.
    pub cap: Span,
    /// Each pause is so many thousandths of the one before: 2000 doubles.
    pub factor_milli: u32,
    /// Spread pauses over the half below: derived from task and attempt, the same on every replica.
    pub jitter: bool,
    /// Kinds of failure that no second attempt would mend: `exit:2`, `http:404`, `timeout`; `exit:*` is every exit code.
    pub not_on: Vec<String>,
}

impl Retry {
    /// Whether a failure of this kind is one that another attempt might mend.
    #[must_use]
    pub fn mends(&self, kind: &str) -> bool {
        !self.not_on.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == pattern,
        })
    }

    /// The pause after a round's `nth` attempt (the first is 1) has failed.
    #[must_use]
    pub fn pause(&self, task: TaskId, attempt: Attempt, nth: u32) -> Span {
        let full = self.full(nth);
        if !self.jitter {
            return full;
        }
        let half = full.0 / 2;
        Span(full.0 - hash(task, attempt) % (half + 1))
    }

    fn full(&self, nth: u32) -> Span {
        let cap = u128::from(self.cap.0);
        let mut thousandths = u128::from(self.initial.0) * 1_000;
        for _ in 1..nth {
            let next = thousandths * u128::from(self.factor_milli) / 1_000;
            // At its cap, at nothing, or standing still: more attempts change nothing, or nothing soon enough to count.
            if next == thousandths || thousandths >= cap * 1_000 {
                break;
            }
            thousandths = next;
        }
        Span(u64::try_from((thousandths / 1_000).min(cap)).unwrap_or(u64::MAX))
    }
}

/// A text, cut at a character if it is longer than so many bytes.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// FNV-1a over task and attempt. <http://www.isthe.com/chongo/tech/comp/fnv/>
fn hash(task: TaskId, attempt: Attempt) -> u64 {
    let run = task.run.0.to_be_bytes();
    let (step, item, attempt) =
        (task.step.0.to_be_bytes(), task.item.0.to_be_bytes(), attempt.0.to_be_bytes());
    let bytes = run.iter().chain(&step).chain(&item).chain(&attempt);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Item, RunId, StepNo};

    const TASK: TaskId = TaskId { run: RunId(7), step: StepNo(1), item: Item(0) };

    fn policy(initial: u64, factor_milli: u32, cap: u64) -> Retry {
        Retry {
            attempts_max: 9,
            initial: Span(initial),
            cap: Span(cap),
            factor_milli,
            jitter: false,
            not_on: vec!["exit:2".to_owned(), "http:4*".to_owned()],
        }
    }

    fn pauses(policy: &Retry) -> Vec<u64> {
        (1..6).map(|nth| policy.pause(TASK, Attempt(nth), nth).0).collect()
    }

    #[test]
    fn pauses_grow_up_to_their_cap() {
        assert_eq!(pauses(&policy(1_000, 2_000, 300_000)), [1_000, 2_000, 4_000, 8_000, 16_000]);
        assert_eq!(pauses(&policy(1_000, 2_000, 5_000)), [1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(pauses(&policy(100, 1_500, 300_000)), [100, 150, 225, 337, 506]);
        assert_eq!(pauses(&policy(1_000, 1_000, 300_000)), [1_000; 5]);
        assert_eq!(pauses(&policy(0, 2_000, 300_000)), [0; 5]);
        assert_eq!(pauses(&policy(9_000, 2_000, 5_000)), [5_000; 5]);
    }

    #[test]
    fn a_pause_after_very_many_attempts_is_the_cap() {
        assert_eq!(policy(1, u32::MAX, u64::MAX).pause(TASK, Attempt(1), u32::MAX), Span(u64::MAX));
    }

    #[test]
    fn jitter_stays_in_the_upper_half_and_differs_by_task() {
        let policy = Retry { jitter: true, ..policy(1_000, 1_000, 300_000) };
        let spread: Vec<u64> = (0..100)
            .map(|item| policy.pause(TaskId { item: Item(item), ..TASK }, Attempt(1), 1).0)
            .collect();
        assert!(spread.iter().all(|pause| (500..=1_000).contains(pause)), "{spread:?}");
        let distinct: std::collections::BTreeSet<&u64> = spread.iter().collect();
        assert!(distinct.len() > 50, "{spread:?}");
        assert_eq!(policy.pause(TASK, Attempt(1), 1), policy.pause(TASK, Attempt(1), 1));
    }

    #[test]
    fn some_failures_no_second_attempt_would_mend() {
        let policy = policy(1, 1_000, 1);
        assert!(!policy.mends("exit:2") && !policy.mends("http:404"));
        assert!(policy.mends("exit:20") && policy.mends("http:503") && policy.mends("timeout"));
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("ééé", 4), "éé");
        assert_eq!(cut("ééé", 3), "é");
        assert_eq!(cut("short", 100), "short");
    }
}
