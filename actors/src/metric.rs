//! Every metric of this crate on one page.
//!
//! | name | kind | says |
//! | --- | --- | --- |
//! | `oarlock_tasks_started_total{kind}` | counter | attempts begun here |
//! | `oarlock_tasks_completed_total{kind}` | counter | attempts that ended well here |
//! | `oarlock_tasks_failed_total{kind,failure}` | counter | attempts that failed here; of the failure only the part before `:` |
//! | `oarlock_tasks_stopped_total{kind,why}` | counter | attempts that were told to stop here |
//! | `oarlock_tasks_retried_total` | counter | tasks that will be tried again, seen in the feed |
//! | `oarlock_tasks_dead_total` | counter | tasks that failed for good, seen in the feed |
//! | `oarlock_tasks_claims_total` | counter | proposals that only asked for work |
//! | `oarlock_tasks_attempt_seconds{kind}` | histogram | how long attempts took here |
//! | `oarlock_tasks_slots{state}` | gauge | `used` and `free` slots of the built-in worker |
//! | `oarlock_tasks_queue_depth{queue,state}` | gauge | tasks by queue: `ready`, `leased`, `resting`, `dead` |
//! | `oarlock_tasks_queue_oldest_seconds{queue}` | gauge | how long the longest waiting task waits |
//! | `oarlock_actors_restarts_total{kind}` | counter | actors that died and were started again |
//! | `oarlock_role_active{role}` | gauge | 1: this node drives it; over all nodes the sum is 1, or 0 while it moves |
//! | `oarlock_actors_proposals_repeated_total` | counter | proposals that got no answer at first |
//! | `oarlock_actors_questions_total` | counter | expressions answered |
//! | `oarlock_actors_breaker_state{host}` | gauge | 0 closed, 1 probing, 2 open |
//! | `oarlock_actors_line_up{node}` | gauge | 1: connected to the actors of that node |
//! | `oarlock_actors_hints_total{what}` | counter | hints between nodes: `sent`, `heard`, `garbled` |
//! | `oarlock_actors_purged_runs_total` | counter | runs that the keeper has forgotten |

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use oarlock_engine::id::NodeId;
use oarlock_engine::queue::Queue;
use oarlock_engine::time::Span;

use crate::worker::executor::breaker::State;

/// An attempt begins.
pub(crate) fn attempt_started(kind: &'static str) {
    counter!("oarlock_tasks_started_total", "kind" => kind).increment(1);
}

/// An attempt ended well.
pub(crate) fn attempt_completed(kind: &'static str, took: Duration) {
    counter!("oarlock_tasks_completed_total", "kind" => kind).increment(1);
    histogram!("oarlock_tasks_attempt_seconds", "kind" => kind).record(took);
}

/// An attempt failed.
pub(crate) fn attempt_failed(kind: &'static str, failure: &str, took: Duration) {
    let failure = failure.split(':').next().unwrap_or_default().to_owned();
    counter!("oarlock_tasks_failed_total", "kind" => kind, "failure" => failure).increment(1);
    histogram!("oarlock_tasks_attempt_seconds", "kind" => kind).record(took);
}

/// An attempt was told to stop.
pub(crate) fn attempt_stopped(kind: &'static str, why: &'static str) {
    counter!("oarlock_tasks_stopped_total", "kind" => kind, "why" => why).increment(1);
}

/// Work is asked for.
pub(crate) fn claimed() {
    counter!("oarlock_tasks_claims_total").increment(1);
}

/// Seen in the feed.
pub(crate) fn feed_told(retried: u64, dead: u64) {
    if retried > 0 {
        counter!("oarlock_tasks_retried_total").increment(retried);
    }
    if dead > 0 {
        counter!("oarlock_tasks_dead_total").increment(dead);
    }
}

/// How full the built-in worker is.
pub(crate) fn slots(used: u32, free: u32) {
    gauge!("oarlock_tasks_slots", "state" => "used").set(used);
    gauge!("oarlock_tasks_slots", "state" => "free").set(free);
}

/// How many tasks stand where in a queue.
pub(crate) fn queue(queue: &Queue, oldest: Span) {
    let counts = &queue.counts;
    for (state, count) in [
        ("ready", counts.ready),
        ("leased", counts.leased),
        ("resting", counts.resting),
        ("dead", counts.dead),
    ] {
        let depth = gauge!(
            "oarlock_tasks_queue_depth", "queue" => queue.name.clone(), "state" => state
        );
        depth.set(inexact(count));
    }
    let seconds = inexact(oldest.0) / 1_000.0;
    gauge!("oarlock_tasks_queue_oldest_seconds", "queue" => queue.name.clone()).set(seconds);
}

/// An actor is started again.
pub(crate) fn actor_restarted(kind: &'static str) {
    counter!("oarlock_actors_restarts_total", "kind" => kind).increment(1);
}

/// This node drives a role now, or does so no longer. Counted, not set: when a role leaves and comes back at once, its next driver
/// may begin before the last one has ended.
pub(crate) fn role_active(role: &str, active: bool) {
    let gauge = gauge!("oarlock_role_active", "role" => role.to_owned());
    if active { gauge.increment(1) } else { gauge.decrement(1) }
}

/// A proposal got no answer.
pub(crate) fn proposal_repeated() {
    counter!("oarlock_actors_proposals_repeated_total").increment(1);
}

/// Expressions were answered.
pub(crate) fn questions_answered(count: usize) {
    counter!("oarlock_actors_questions_total").increment(count as u64);
}

/// A connection to another node's actors is there, or gone.
pub(crate) fn line(node: NodeId, up: bool) {
    gauge!("oarlock_actors_line_up", "node" => node.to_string()).set(u32::from(up));
}

/// A hint between nodes.
pub(crate) fn hint(what: &'static str) {
    counter!("oarlock_actors_hints_total", "what" => what).increment(1);
}

/// Runs were forgotten.
pub(crate) fn runs_purged(count: usize) {
    counter!("oarlock_actors_purged_runs_total").increment(count as u64);
}

/// Where the breakers stand; `known` remembers which hosts have a gauge, so that a closed one is set back.
pub(crate) fn breakers(states: &[(String, State)], known: &mut BTreeSet<String>) {
    for host in std::mem::take(known) {
        gauge!("oarlock_actors_breaker_state", "host" => host).set(0);
    }
    for (host, state) in states {
        let value = match state {
            State::Closed(_) => 0,
            State::Probing(_) => 1,
            State::Open(_) => 2,
        };
        gauge!("oarlock_actors_breaker_state", "host" => host.clone()).set(value);
        known.insert(host.clone());
    }
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floats; 2^53 is far away")]
fn inexact(count: u64) -> f64 {
    count as f64
}
