//! Conditions, lists and orders of tasks, computed: what the role's driver answers when the engine asks.
//!
//! An answer is a pure function of the tables at one moment and the clock (`now()`). What cannot be computed is an answer too: the
//! task fails with it, kind `expression`, and its author reads why. A bug in here that panics fails the one question.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{self, Order, Workflow};
use oarlock_engine::dag::{self, ANSWERS_MAX, Answer, ITEMS_MAX, Question, What};
use oarlock_engine::id::{Item, RoleId, RunId, StepNo};
use oarlock_engine::run::{self, Run};
use oarlock_engine::store::View;
use oarlock_engine::task::Failure;
use oarlock_engine::time::Moment;
use serde_json::Value;

use super::action;
use super::book::{Book, Parsed, Wrong};
use super::fanout::{Fanout, Fanouts};
use super::scope;
use crate::expression::{Fault, Local, RunView, Scope, kind_of};
use crate::inputs::{Inputs, Violation};
use crate::shelf::Shelf;
use crate::worker::executor::failure;

/// Bytes of answers in one batch: what is left is answered in the next.
const ANSWERS_BYTES_MAX: usize = 2 << 20;

/// Answers questions; remembers parsed definitions.
#[derive(Default)]
pub(crate) struct Resolver {
    books: Shelf<Book>,
    fanouts: Fanouts,
}

/// Answers so far, and how large they are.
#[derive(Default)]
struct Pile {
    answers: Vec<(Question, Answer)>,
    bytes: usize,
}

impl Pile {
    /// Adds the answer to a question, or why there is none. False: the pile is high enough.
    fn add(
        &mut self,
        question: Question,
        computed: impl FnOnce() -> Result<Answer, Wrong>,
    ) -> bool {
        let answer = match catch_unwind(AssertUnwindSafe(computed)) {
            Ok(Ok(answer)) => answer,
            Ok(Err(wrong)) => Answer::Fail(failure("expression", wrong.0, false)),
            Err(_) => {
                tracing::error!(?question, "answering panicked");
                Answer::Fail(failure("panic", "computing it panicked".to_owned(), false))
            }
        };
        self.bytes += size(&answer);
        self.answers.push((question, answer));
        self.bytes < ANSWERS_BYTES_MAX
    }
}

impl Resolver {
    /// Answers to a role's open questions, oldest runs first, as many as fit into a batch.
    pub(crate) fn answers(
        &self,
        view: &dyn View,
        role: RoleId,
        now: Moment,
    ) -> Vec<(Question, Answer)> {
        let mut pile = Pile::default();
        let questions = dag::questions(view, role, ANSWERS_MAX);
        // Questions about the items of a step lie together: what they share is read once.
        let mut groups = questions.chunk_by(|one, next| step_of_item(*one) == step_of_item(*next));
        while let Some(group) = groups.next()
            && self.answer_all(view, group, now, &mut pile)
        {}
        pile.answers
    }

    /// Answers questions about one thing. False: the pile is high enough.
    fn answer_all(
        &self,
        view: &dyn View,
        questions: &[Question],
        now: Moment,
        pile: &mut Pile,
    ) -> bool {
        let [first, ..] = questions else { return true };
        let Some((run, step)) = step_of_item(*first) else {
            let answer = |question| pile.add(question, || self.answer(view, question, now));
            return questions.iter().copied().all(answer);
        };
        let read = catch_unwind(AssertUnwindSafe(|| self.fanout(view, run, step, now)));
        let read = read.unwrap_or_else(|_| Err(Wrong("reading it panicked".to_owned())));
        let (book, fanout) = match read {
            Ok(read) => read,
            Err(wrong) => {
                let fail = |question| pile.add(question, || Err(Wrong::clone(&wrong)));
                return questions.iter().copied().all(fail);
            }
        };
        let action = book.step(step).and_then(|(_, parsed)| parsed.as_ref().ok()?.action.as_ref());
        let reading = fanout.names.as_ref().map(|names| names.read(&fanout.scope, now));
        let compute = |item: Item| {
            let element = fanout.element(item).ok_or_else(|| gone("element"))?;
            let (Some(action), Some(reading)) = (action, &reading) else {
                return Ok(Answer::Proceed(None));
            };
            let (item, index) = (Some(element), Some(u64::from(item.0)));
            let local = Local { item, index, env: &fanout.scope.env };
            order(view, action.evaluate_in(reading, &local), now)
        };
        let mut last = None;
        let room = questions.iter().all(|question| {
            let What::Item(_, item) = question.what else { return true };
            last = Some(item);
            pile.add(*question, || compute(item))
        });
        if let Some(last) = last {
            self.fanouts.keep(&fanout, last);
        }
        room
    }

    fn answer(&self, view: &dyn View, question: Question, now: Moment) -> Result<Answer, Wrong> {
        match question.what {
            What::Output => {
                let (run, book) = self.book(view, question.run)?;
                let outputs = book.outputs().map_err(Clone::clone)?;
                let tasks = book.places(outputs.tasks());
                let scope = scope::of_run(view, &run, &book.definition, &tasks, now);
                let output = outputs.evaluate(&scope);
                let output = output.map_err(|fault| Wrong::in_part("outputs", &fault))?;
                Ok(Answer::Output(payload(&output)))
            }
            What::Step(no) | What::Item(no, _) => {
                let (book, scope) = self.scope(view, question.run, no, now)?;
                let (_, parsed) = book.step(no).ok_or_else(|| gone("step"))?;
                of_step(view, parsed.as_ref().map_err(Clone::clone)?, &scope)
            }
        }
    }

    /// What all items of a step share.
    fn fanout(
        &self,
        view: &dyn View,
        run: RunId,
        no: StepNo,
        now: Moment,
    ) -> Result<(Arc<Book>, Arc<Fanout>), Wrong> {
        let (run, book) = self.book(view, run)?;
        let (_, parsed) = book.step(no).ok_or_else(|| gone("step"))?;
        let parsed = parsed.as_ref().map_err(Clone::clone)?;
        let fanout = self.fanouts.get(view, &run, (&book, no, parsed), now);
        Ok((book, fanout))
    }

    /// What a step's expressions see; an error where they could not be parsed.
    fn scope(
        &self,
        view: &dyn View,
        run: RunId,
        no: StepNo,
        now: Moment,
    ) -> Result<(Arc<Book>, Scope), Wrong> {
        let (run, book) = self.book(view, run)?;
        let (definition, parsed) = book.step(no).ok_or_else(|| gone("step"))?;
        let parsed = parsed.as_ref().map_err(Clone::clone)?;
        let mut scope = scope::of_run(view, &run, &book.definition, &parsed.tasks, now);
        (scope.succeeded, scope.failed) = scope::outcomes(view, run.id, &definition.needs);
        Ok((book, scope))
    }

    fn book(&self, view: &dyn View, run: RunId) -> Result<(Run, Arc<Book>), Wrong> {
        let run = run::get(view, run).ok_or_else(|| gone("run"))?;
        let book = self.books.get(view, run.workflow, run.version, Book::new);
        Ok((run, book.ok_or_else(|| gone("definition"))?))
    }
}

/// Of a question about an item, which step it is an item of.
fn step_of_item(question: Question) -> Option<(RunId, StepNo)> {
    match question.what {
        What::Item(step, _) => Some((question.run, step)),
        What::Step(_) | What::Output => None,
    }
}

fn of_step(view: &dyn View, parsed: &Parsed, scope: &Scope) -> Result<Answer, Wrong> {
    if let Some(condition) = &parsed.condition {
        let holds = condition.evaluate(scope).map_err(|fault| Wrong::in_part("if", &fault))?;
        if !holds {
            return Ok(Answer::Skip);
        }
    }
    if let Some(items) = &parsed.items {
        let items = items.evaluate(scope).map_err(|fault| Wrong::in_part("each", &fault))?;
        let Value::Array(list) = &items else {
            return Err(Wrong(format!("each must be a list, and this is {}", kind_of(&items))));
        };
        let count = u32::try_from(list.len()).ok().filter(|count| *count <= ITEMS_MAX);
        let count = count.ok_or_else(|| {
            Wrong(format!("each has {} elements, more than {ITEMS_MAX}", list.len()))
        })?;
        return Ok(Answer::Spread { items: payload(&items), count });
    }
    let Some(action) = &parsed.action else { return Ok(Answer::Proceed(None)) };
    order(view, action.evaluate(scope), scope.now)
}

/// What a task is to do.
fn order(view: &dyn View, action: Result<Value, Fault>, now: Moment) -> Result<Answer, Wrong> {
    let action = action.map_err(|fault| Wrong::in_part("", &fault))?;
    let mut order = action::order(action).map_err(Wrong)?;
    if let Order::Child { workflow, input } = &mut order {
        *input = bound(view, workflow, input, now)?;
    }
    Ok(Answer::Proceed(Some(order)))
}

/// A child's inputs, checked against what it declares, defaults filled in: what the door does for other starts.
fn bound(view: &dyn View, workflow: &str, input: &Payload, now: Moment) -> Result<Payload, Wrong> {
    // Of a workflow that is not there the engine has its own to say.
    let newest = |row: Workflow| catalog::definition(view, row.id, row.newest);
    let Some(definition) = catalog::find(view, workflow).and_then(newest) else {
        return Ok(input.clone());
    };
    let schema = scope::value(Some(definition.inputs));
    let declared = Inputs::parse(&schema);
    let declared = declared.map_err(|wrong| violated(workflow, &[wrong]))?;
    let child = Scope {
        run: RunView {
            workflow: workflow.to_owned(),
            started_at: now,
            scheduled_at: now,
            ..RunView::default()
        },
        now,
        ..Scope::default()
    };
    let given = scope::value(Some(input.clone()));
    let bound = declared.bind(&given, &child).map_err(|wrong| violated(workflow, &wrong))?;
    Ok(payload(&bound))
}

fn violated(workflow: &str, wrong: &[Violation]) -> Wrong {
    let one = |wrong: &Violation| match wrong.pointer.as_str() {
        "" => wrong.message.clone(),
        pointer => format!("{pointer}: {}", wrong.message),
    };
    let all: Vec<_> = wrong.iter().map(one).collect();
    Wrong(format!("inputs of {workflow}: {}", all.join("; ")))
}

fn gone(what: &str) -> Wrong {
    Wrong(format!("its {what} is gone"))
}

fn payload(value: &Value) -> Payload {
    Payload(value.to_string().into_bytes())
}

/// About how many bytes an answer puts into the log.
fn size(answer: &Answer) -> usize {
    let payload = match answer {
        Answer::Spread { items, .. } => items.0.len(),
        Answer::Output(output) => output.0.len(),
        Answer::Fail(Failure { message, .. }) => message.len(),
        Answer::Proceed(Some(
            Order::Work { body, .. } | Order::Emit { body, .. } | Order::Child { input: body, .. },
        )) => body.0.len(),
        Answer::Skip | Answer::Proceed(_) => 0,
    };
    payload + 64
}
