//! What the items of a fan-out share: read once, and kept while they are asked about.
//!
//! Ten thousand items are opened in a window, so their questions come a few at a time, and each few would read the run's inputs,
//! the outputs of other tasks and the whole list anew. What was read is kept with a [`Stamp`] of what it depends on, and used again
//! as long as that is the same. With the last item's answer it goes; a fan-out that is cancelled before leaves it here until
//! [`FANOUTS_MAX`] others have come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use oarlock_engine::dag::{self, Progress};
use oarlock_engine::id::{Item, RunId, StepNo};
use oarlock_engine::run::Run;
use oarlock_engine::store::View;
use oarlock_engine::time::Moment;
use serde_json::Value;

use super::book::{Book, Parsed};
use super::scope;
use crate::expression::{Names, RunView, Scope};

/// Fan-outs kept.
const FANOUTS_MAX: usize = 4;

/// One fan-out, as its items see it.
pub(crate) struct Fanout {
    run: RunId,
    step: StepNo,
    stamp: Stamp,
    pub(crate) scope: Scope,
    /// Of its action; none: there is nothing to compute.
    pub(crate) names: Option<Names>,
    items: Vec<Value>,
}

/// What a scope depends on.
#[derive(PartialEq)]
struct Stamp {
    run: RunView,
    outcomes: (bool, bool),
    /// Of the tasks that are mentioned.
    tasks: Vec<Option<Progress>>,
}

impl Stamp {
    fn of(view: &dyn View, run: &Run, book: &Book, step: StepNo, parsed: &Parsed) -> Stamp {
        let needs = book.definition.steps.get(usize::from(step.0)).map(|step| &*step.needs);
        Stamp {
            run: scope::of_row(run, &book.definition),
            outcomes: scope::outcomes(view, run.id, needs.unwrap_or_default()),
            tasks: parsed.tasks.values().map(|no| dag::progress(view, run.id, *no)).collect(),
        }
    }

    /// Whether it says all that may change: a task that has not settled yet can be tried once more without a word of it here.
    fn is_final(&self) -> bool {
        self.tasks.iter().all(|task| task.as_ref().is_some_and(|row| row.state.settled()))
    }
}

impl Fanout {
    /// The element of an item.
    pub(crate) fn element(&self, item: Item) -> Option<&Value> {
        self.items.get(usize::try_from(item.0).ok()?)
    }

    /// Whether this is the last item there is.
    fn ends_with(&self, item: Item) -> bool {
        usize::try_from(item.0).is_ok_and(|place| place + 1 >= self.items.len())
    }
}

/// The fan-outs that were asked about last, the newest one first.
#[derive(Default)]
pub(crate) struct Fanouts {
    kept: Mutex<VecDeque<Arc<Fanout>>>,
}

impl Fanouts {
    /// A step's fan-out, as it is now.
    pub(crate) fn get(
        &self,
        view: &dyn View,
        run: &Run,
        (book, step, parsed): (&Book, StepNo, &Parsed),
        now: Moment,
    ) -> Arc<Fanout> {
        let stamp = Stamp::of(view, run, book, step, parsed);
        let found = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().find(|known| known.run == run.id && known.step == step).cloned()
        };
        if let Some(known) = found.filter(|known| stamp.is_final() && known.stamp == stamp) {
            return known;
        }
        let mut scope = scope::of_run(view, run, &book.definition, &parsed.tasks, now);
        (scope.succeeded, scope.failed) = stamp.outcomes;
        let names = parsed.action.as_ref().map(|action| action.names());
        let items = scope::elements(view, run.id, step);
        Arc::new(Fanout { run: run.id, step, stamp, scope, names, items })
    }

    /// Keeps a fan-out whose items were asked about, up to this one.
    pub(crate) fn keep(&self, fanout: &Arc<Fanout>, last: Item) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|known| known.run != fanout.run || known.step != fanout.step);
        if !fanout.ends_with(last) {
            kept.push_front(Arc::clone(fanout));
            kept.truncate(FANOUTS_MAX);
        }
    }
}
