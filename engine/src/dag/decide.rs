//! Answers of a role's driver: fenced, matched with what is asked, and walked.
//!
//! An answer that does not fit its question (a list where an order is asked for, an order that cannot be carried out) is taken as
//! "cannot be computed": a refusal would be repeated for ever, a failed task is seen by somebody.

use super::{ANSWERS_MAX, Answer, Command, Event, Question, What, step};
use crate::apply::Reply;
use crate::blob::{self, Payload, Slot};
use crate::catalog::graph::Graph;
use crate::catalog::{Order, shape};
use crate::codec;
use crate::dag::walk::{Todo, Walk};
use crate::id::{Epoch, Item, RoleId, StepNo, TaskId};
use crate::reject::Rejection;
use crate::run::{self, Run};
use crate::store::{Tx, schema};
use crate::task::{self, Failure};
use crate::{dag, role};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Answer { role, epoch, answers } => answer(tx, *role, *epoch, answers),
    }
}

fn answer(
    tx: &mut Tx<'_>,
    role: RoleId,
    epoch: Epoch,
    answers: &[(Question, Answer)],
) -> Result<Reply, Rejection> {
    role::fence(tx, role, epoch)?;
    if answers.len() > ANSWERS_MAX {
        return Err(Rejection::too_large("answers", ANSWERS_MAX));
    }
    let mut count = 0;
    for (question, answer) in answers {
        if !schema::QUESTION.has(tx, &(role, *question)) {
            continue;
        }
        count += 1;
        tx.emit(Event::Answered { role, question: *question });
        // One walk an answer: the next one may be to a question that this one has made pointless.
        let mut walk = Walk::new(tx);
        let run = walk.run(question.run);
        match question.what {
            What::Step(no) => to_step(&mut walk, &run, no, answer),
            What::Item(no, item) => to_item(&mut walk, &run, no, item, answer),
            What::Output => to_output(&mut walk, &run, answer),
        }
        walk.finish();
    }
    Ok(Reply::Changed { count })
}

fn to_step(walk: &mut Walk<'_, '_>, run: &Run, no: StepNo, answer: &Answer) {
    let graph = walk.graph(run);
    match fitting(&graph, no, answer) {
        Ok(Answer::Skip) => step::settle(walk, run.id, no, dag::State::Skipped, (0, 0)),
        Ok(Answer::Proceed(order)) => step::open(walk, run, &graph, no, order.as_ref()),
        Ok(Answer::Spread { items, count }) => {
            step::spread(walk, run, &graph, no, (items, *count));
        }
        Ok(Answer::Fail(failure)) => step::stump(walk, run, &graph, no, failure.clone()),
        Ok(Answer::Output(_)) => step::stump(walk, run, &graph, no, misfit("an output")),
        Err(failure) => step::stump(walk, run, &graph, no, failure),
    }
}

fn to_item(walk: &mut Walk<'_, '_>, run: &Run, no: StepNo, item: Item, answer: &Answer) {
    let id = TaskId { run: run.id, step: no, item };
    let Some(row) = task::get(walk.tx, id) else { return };
    let failure = match answer {
        Answer::Proceed(Some(order)) => match shape::order("order", order) {
            Ok(()) => {
                let bytes = Payload(codec::encode(order));
                blob::keep(walk.tx, run.id, Slot::order(id), &bytes);
                walk.tx.emit(task::Event::Ordered { task: id, kind: step::kind(order) });
                walk.then(Todo::Begin(id));
                return;
            }
            Err(rejection) => misfit(&rejection.to_string()),
        },
        Answer::Fail(failure) => failure.clone(),
        Answer::Skip => misfit("skip, of an item"),
        Answer::Proceed(None) => misfit("no order"),
        Answer::Spread { .. } => misfit("a list, of an item"),
        Answer::Output(_) => misfit("an output"),
    };
    task::settle::die(walk, &row, failure);
}

fn to_output(walk: &mut Walk<'_, '_>, run: &Run, answer: &Answer) {
    let cause = match answer {
        Answer::Output(output) if blob::check(output).is_ok() => {
            blob::keep(walk.tx, run.id, Slot::Output, output);
            run::settle::end(walk, run, run::State::Completed);
            return;
        }
        Answer::Output(_) => misfit("an output that is too large"),
        Answer::Fail(failure) => failure.clone(),
        Answer::Skip | Answer::Proceed(_) | Answer::Spread { .. } => misfit("no output"),
    };
    let fate = run::State::Failed;
    walk.tx.emit(run::Event::Doomed { run: run.id, fate, cause });
    run::settle::end(walk, run, fate);
}

/// The answer, if the step can do something with it.
fn fitting<'a>(graph: &Graph, no: StepNo, answer: &'a Answer) -> Result<&'a Answer, Failure> {
    let Some(step) = graph.step(no) else { return Err(misfit("a step that is not there")) };
    let bad = match answer {
        Answer::Skip | Answer::Fail(_) | Answer::Output(_) => None,
        Answer::Proceed(_) if step.each.is_some() => Some("an order where a list is asked for"),
        Answer::Proceed(None) if step.order.is_none() => Some("no order"),
        Answer::Proceed(Some(order)) => return ordered(order).map(|()| answer),
        Answer::Proceed(None) => None,
        Answer::Spread { .. } if step.each.is_none() => Some("a list where an order is asked for"),
        Answer::Spread { items, count } => {
            let large = *count > dag::ITEMS_MAX || blob::check(items).is_err();
            large.then_some("a list that is too long")
        }
    };
    bad.map_or(Ok(answer), |bad| Err(misfit(bad)))
}

fn ordered(order: &Order) -> Result<(), Failure> {
    shape::order("order", order).map_err(|rejection| misfit(&rejection.to_string()))
}

fn misfit(what: &str) -> Failure {
    Failure {
        kind: "expression".to_owned(),
        message: format!("what was computed does not fit: {what}"),
        retryable: false,
    }
}
