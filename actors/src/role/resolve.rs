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
use oarlock_engine::run;
use oarlock_engine::store::View;
use oarlock_engine::task::Failure;
use oarlock_engine::time::Moment;
use serde_json::Value;

use super::action;
use super::book::{Book, Parsed, Wrong};
use super::scope;
use crate::expression::{RunView, Scope, kind_of};
use crate::inputs::{Inputs, Violation};
use crate::shelf::Shelf;
use crate::worker::executor::failure;

/// Bytes of answers in one batch: what is left is answered in the next.
const ANSWERS_BYTES_MAX: usize = 2 << 20;

/// Answers questions; remembers parsed definitions.
#[derive(Default)]
pub(crate) struct Resolver {
    books: Shelf<Book>,
}

/// What was read for the question before: the next one is often about the same step.
#[derive(Default)]
struct Desk {
    about: Option<(RunId, StepNo)>,
    scope: Scope,
    items: Vec<Value>,
}

impl Resolver {
    /// Answers to a role's open questions, oldest runs first, as many as fit into a batch.
    pub(crate) fn answers(
        &self,
        view: &dyn View,
        role: RoleId,
        now: Moment,
    ) -> Vec<(Question, Answer)> {
        let mut desk = Desk::default();
        let mut answers = Vec::new();
        let mut bytes = 0;
        for question in dag::questions(view, role, ANSWERS_MAX) {
            let answered =
                catch_unwind(AssertUnwindSafe(|| self.answer(view, question, now, &mut desk)));
            let answer = match answered {
                Ok(Ok(answer)) => answer,
                Ok(Err(wrong)) => Answer::Fail(failure("expression", wrong.0, false)),
                Err(_) => {
                    desk = Desk::default();
                    tracing::error!(?question, "answering panicked");
                    Answer::Fail(failure("panic", "computing it panicked".to_owned(), false))
                }
            };
            bytes += size(&answer);
            answers.push((question, answer));
            if bytes >= ANSWERS_BYTES_MAX {
                break;
            }
        }
        answers
    }

    fn answer(
        &self,
        view: &dyn View,
        question: Question,
        now: Moment,
        desk: &mut Desk,
    ) -> Result<Answer, Wrong> {
        let run = run::get(view, question.run).ok_or_else(|| gone("run"))?;
        let book = self.books.get(view, run.workflow, run.version, Book::new);
        let book: Arc<Book> = book.ok_or_else(|| gone("definition"))?;
        let step = match question.what {
            What::Output => {
                let outputs = book.outputs().map_err(Clone::clone)?;
                let tasks = book.places(outputs.tasks());
                let scope = scope::of_run(view, &run, &book.definition, &tasks, now);
                let output = outputs.evaluate(&scope);
                let output = output.map_err(|fault| Wrong::in_part("outputs", &fault))?;
                return Ok(Answer::Output(payload(&output)));
            }
            What::Step(no) | What::Item(no, _) => no,
        };
        let (definition, parsed) = book.step(step).ok_or_else(|| gone("step"))?;
        let parsed = parsed.as_ref().map_err(Clone::clone)?;
        if desk.about != Some((run.id, step)) {
            desk.scope = scope::of_run(view, &run, &book.definition, &parsed.tasks, now);
            (desk.scope.succeeded, desk.scope.failed) =
                scope::outcomes(view, run.id, &definition.needs);
            desk.items = Vec::new();
            desk.about = Some((run.id, step));
        }
        match question.what {
            What::Item(_, item) => {
                if desk.items.is_empty() {
                    desk.items = scope::elements(view, run.id, step);
                }
                of_item(view, parsed, desk, item)
            }
            What::Step(_) | What::Output => of_step(view, parsed, &desk.scope),
        }
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
    order(view, parsed, scope)
}

fn of_item(view: &dyn View, parsed: &Parsed, desk: &mut Desk, item: Item) -> Result<Answer, Wrong> {
    let element = usize::try_from(item.0).ok().and_then(|place| desk.items.get(place));
    desk.scope.item = Some(element.cloned().ok_or_else(|| gone("element"))?);
    desk.scope.index = Some(u64::from(item.0));
    order(view, parsed, &desk.scope)
}

/// What a task is to do.
fn order(view: &dyn View, parsed: &Parsed, scope: &Scope) -> Result<Answer, Wrong> {
    let Some(template) = &parsed.action else { return Ok(Answer::Proceed(None)) };
    let action = template.evaluate(scope).map_err(|fault| Wrong::in_part("", &fault))?;
    let mut order = action::order(action).map_err(Wrong)?;
    if let Order::Child { workflow, input } = &mut order {
        *input = bound(view, workflow, input, scope)?;
    }
    Ok(Answer::Proceed(Some(order)))
}

/// A child's inputs, checked against what it declares, defaults filled in: what the door does for other starts.
fn bound(
    view: &dyn View,
    workflow: &str,
    input: &Payload,
    scope: &Scope,
) -> Result<Payload, Wrong> {
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
            started_at: scope.now,
            scheduled_at: scope.now,
            ..RunView::default()
        },
        now: scope.now,
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
