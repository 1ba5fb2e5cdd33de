//! Lists of runs: newest first, through the index that fits, a bounded number of rows a page.
//!
//! ```text
//!   workflow and states   one index a state, merged by number
//!   workflow              by number
//!   states                one index a state, merged by age
//!   neither               by age
//! ```
//!
//! Keys, labels and `since` are looked at row by row. A page that has looked at [`SCANNED_MAX`] rows ends there, perhaps with few
//! runs or none, and says where the next one begins: a list never costs more than its bound.

use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::{Run, State};
use crate::catalog;
use crate::id::{Number, RunId, WorkflowId};
use crate::store::{View, schema};
use crate::time::{Moment, Span};

/// The most rows one page looks at.
pub const SCANNED_MAX: usize = 5_000;
/// Every state, for whoever wants all of a kind.
pub const STATES: [State; 8] = [
    State::Queued,
    State::Running,
    State::Paused,
    State::Cancelling,
    State::Completed,
    State::Failed,
    State::Cancelled,
    State::TimedOut,
];

/// Which runs. What is empty does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Of this workflow.
    pub workflow: Option<WorkflowId>,
    /// In one of these states.
    pub states: Vec<State>,
    /// With this caller's key.
    pub key: Option<String>,
    /// With all of these labels.
    pub labels: Vec<(String, String)>,
    /// Accepted at this moment or later.
    pub since: Option<Moment>,
    /// Accepted before this moment.
    pub until: Option<Moment>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the last run looked at was accepted.
    pub created_at: Moment,
    /// Its number.
    pub number: Number,
    /// Its id.
    pub run: RunId,
}

/// Some runs, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub runs: Vec<Run>,
    /// Pass it as `after` to go on; none: these were the last.
    pub next: Option<Cursor>,
}

/// One page of the runs a filter lets through, newest first, after where the last page ended.
pub fn page(view: &dyn View, filter: &Filter, after: Option<Cursor>, max: usize) -> Page {
    let mut runs = Vec::new();
    let mut last = None;
    for (scanned, id) in candidates(view, filter, after).enumerate() {
        if runs.len() == max || scanned == SCANNED_MAX {
            return Page { runs, next: last };
        }
        let run = super::get(view, id).expect("an index of runs names runs that exist");
        if filter.since.is_some_and(|since| run.created_at < since) {
            break;
        }
        last = Some(Cursor { created_at: run.created_at, number: run.number, run: run.id });
        if lets_through(filter, &run) {
            runs.push(run);
        }
    }
    Page { runs, next: None }
}

/// Finished runs whose time is over, workflow by workflow, oldest first.
pub(super) fn expired(view: &dyn View, now: Moment, default: Span, max: usize) -> Vec<RunId> {
    let mut expired = Vec::new();
    for (id, workflow) in schema::WORKFLOW.under(view, &()) {
        let mut finished = schema::RUN_SETTLED.under(view, &(id,)).peekable();
        if finished.peek().is_none() {
            continue;
        }
        let definition = catalog::definition(view, id, workflow.newest);
        let kept = definition.and_then(|definition| definition.retention).unwrap_or(default);
        let over = finished.map(|(key, ())| key).take_while(|(_, at, _)| at.after(kept) <= now);
        expired.extend(over.map(|(_, _, run)| run).take(max - expired.len()));
        if expired.len() == max {
            break;
        }
    }
    expired
}

fn lets_through(filter: &Filter, run: &Run) -> bool {
    let labelled = |(name, value): &(String, String)| run.labels.get(name) == Some(value);
    filter.key.as_ref().is_none_or(|key| run.key == *key)
        && filter.until.is_none_or(|until| run.created_at < until)
        && filter.labels.iter().all(labelled)
}

fn candidates<'v>(
    view: &'v dyn View,
    filter: &Filter,
    after: Option<Cursor>,
) -> Box<dyn Iterator<Item = RunId> + 'v> {
    let mut states = filter.states.clone();
    states.sort_unstable();
    states.dedup();
    match (filter.workflow, states.is_empty()) {
        (None, true) => {
            let before = after.map(|cursor| (cursor.created_at, cursor.run));
            let rows = schema::RUN_BY_CREATED.before_back(view, &(), before.as_ref());
            Box::new(rows.map(|((_, run), ())| run))
        }
        (Some(workflow), true) => {
            let before = after.map(|cursor| (workflow, cursor.number));
            let rows = schema::RUN_BY_NUMBER.before_back(view, &(workflow,), before.as_ref());
            Box::new(rows.map(|(_, run)| run))
        }
        (None, false) => Box::new(merged(states.into_iter().map(move |state| {
            let before = after.map(|cursor| (state, cursor.created_at, cursor.run));
            let rows = schema::RUN_BY_STATE.before_back(view, &(state,), before.as_ref());
            rows.map(|((_, at, run), ())| ((at, run), run))
        }))),
        (Some(workflow), false) => Box::new(merged(states.into_iter().map(move |state| {
            let before = after.map(|cursor| (workflow, state, cursor.number));
            let lead = (workflow, state);
            let rows = schema::RUN_BY_WORKFLOW_STATE.before_back(view, &lead, before.as_ref());
            rows.map(|((_, _, number), run)| (number, run))
        }))),
    }
}

/// Several falling lists as one.
fn merged<R: Ord + Copy, I: Iterator<Item = (R, RunId)>>(
    lists: impl Iterator<Item = I>,
) -> impl Iterator<Item = RunId> {
    let mut lists: Vec<Peekable<I>> = lists.map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let heads = lists.iter_mut().enumerate();
        let ranks = heads.filter_map(|(place, list)| list.peek().map(|(rank, _)| (*rank, place)));
        let (_, first) = ranks.max()?;
        lists[first].next().map(|(_, run)| run)
    })
}
