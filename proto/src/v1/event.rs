//! Events: what happened, in order, for whoever watches.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something that happened. The data of one server-sent event, whose id is the revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its place in the feed: rising, the same on every node. Send it back as `Last-Event-ID` to go on behind it.
    pub revision: u64,
    /// When.
    pub at: String,
    /// Who asked for what led to it.
    pub by: String,
    /// What: `run.started`, `task.succeeded`, `workflow.defined` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The workflow it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The id of the run it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// That run's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    /// The id of the task it concerns: `etl/1042/load`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Which attempt of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What else there is to say, by the kind of event.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl Event {
    /// Every kind of event, and what it says. `types=` takes these, or a group: `task.*`.
    pub const KINDS: &'static [(&'static str, &'static str)] = &[
        ("workflow.named", "a workflow's name was used for the first time, or again"),
        ("workflow.defined", "a workflow has a newer version"),
        ("workflow.paused", "a workflow takes no more starts"),
        ("workflow.resumed", "a workflow takes starts again"),
        ("workflow.removed", "a workflow was deleted"),
        ("run.started", "a run was accepted: it is queued"),
        ("run.held", "a run waits for its moment or its concurrency key"),
        ("run.released", "a run waits no longer"),
        ("run.began", "a run's first task began: it is running"),
        ("run.paused", "nothing new of the run begins"),
        ("run.resumed", "the run goes on"),
        ("run.cancelling", "the run will end as `details.fate` once what is left has settled"),
        ("run.marred", "a task failed for good: the run will fail"),
        ("run.completed", "the run is done, and well"),
        ("run.failed", "the run is over: a task failed for good"),
        ("run.cancelled", "the run is over: somebody stopped it"),
        ("run.timed_out", "the run is over: it took too long"),
        ("run.reopened", "the run is retried"),
        ("run.signalled", "a signal arrived"),
        ("run.signal_taken", "a task took a signal that had been kept"),
        ("run.tagged", "the run's labels are `details.labels` now"),
        ("run.deleted", "the run is forgotten"),
        ("task.opened", "a task came to be"),
        ("task.ordered", "what a task is to do is known"),
        ("task.held", "a task could begin, but its run is paused"),
        ("task.queued", "a task waits for a worker"),
        ("task.started", "a worker has it"),
        ("task.waiting", "a task waits for time, a signal or a child run"),
        ("task.returned", "the worker was lost or gave the task back"),
        ("task.retrying", "an attempt failed, another follows at `details.until`"),
        ("task.succeeded", "a task is done"),
        ("task.failed", "a task failed for good; mostly a dead letter: `details.dead_letter`"),
        ("task.cancelled", "a task's run was cancelled first"),
        ("task.skipped", "a task's condition said no, or all it needs was skipped"),
        ("task.upstream_failed", "something the task needs failed"),
        ("task.revived", "a dead letter was taken up again"),
        ("task.discarded", "a dead letter was given up"),
        ("task.forgotten", "a task is left behind by a retry from before it"),
        ("task.emitted", "a task said something: `details.name`"),
        ("step.asked", "a condition, a list or an input has to be computed"),
        ("step.answered", "it was computed"),
        ("step.unblocked", "something the step needs has settled"),
        ("step.opened", "the step has tasks, or will have"),
        ("step.stumped", "what had to be computed could not be"),
        ("step.widened", "more items of a fan-out have tasks"),
        ("step.counted", "one of the step's tasks settled"),
        ("step.succeeded", "all tasks of the step are done"),
        ("step.failed", "a task of the step failed for good"),
        ("step.cancelled", "the run was cancelled first"),
        ("step.reset", "the step begins anew: its run is retried"),
        ("queue.created", "a definition named a queue for the first time"),
        ("queue.paused", "a queue hands nothing out"),
        ("queue.resumed", "a queue hands out again"),
        ("queue.limited", "a queue's limit changed"),
        ("role.created", "there is such a role"),
        ("role.assigned", "a role changed hands"),
        ("role.wished", "a role is pinned, unpinned, or wants other labels"),
        ("member.joined", "a node takes part"),
        ("member.left", "a node said goodbye"),
        ("member.lost", "a node is gone without a word"),
        ("member.drained", "a node hands over its roles and takes on nothing new"),
        ("member.undrained", "a node takes part again"),
        (
            "member.departed",
            "what a node's going came to: `details.roles` moved, `details.tasks` run again",
        ),
        ("member.profiled", "what a node is for has changed: roles, labels, capacity"),
        ("member.forgotten", "a node that left long ago is forgotten: its place was needed"),
        ("member.agreed", "every node speaks the newer rules `details.rules`"),
        ("worker.attached", "a worker is here"),
        ("worker.drained", "a worker is given nothing more"),
        ("worker.detached", "a worker is gone"),
        ("request.forgotten", "an Idempotency-Key is remembered no longer"),
        ("setting.changed", "a setting has a new value"),
        ("timer.set", "something will be due"),
        ("timer.cleared", "it was due, or is no longer needed"),
        ("feed.trimmed", "only in a stream: older events than `revision` are gone"),
    ];
}
