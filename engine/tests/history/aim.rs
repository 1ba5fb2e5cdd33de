//! What would come next, as the tables say.

use oarlock_engine::blob::Payload;
use oarlock_engine::command::Command;
use oarlock_engine::dag::{Answer, Question, What};
use oarlock_engine::id::{BootId, NodeId, WorkerId};
use oarlock_engine::store::View;
use oarlock_engine::task::{self, State, Task};
use oarlock_engine::{catalog, dag, member, role, run, timer, version, worker};

use super::{Throw, blind};

/// A command that is likely to be accepted; none: nothing of this kind is there to be done.
pub(crate) fn command(view: &dyn View, throw: Throw) -> Option<Command> {
    let [a, b, c, _] = throw.dice;
    match throw.kind / 2 % 8 {
        0..=2 => report(view, throw),
        3 | 4 => answer(view, throw),
        5 => tick(view, a),
        6 => letter(view, throw),
        _ => match b % 12 {
            // Somebody has to be there: without a node and a worker nothing ever happens.
            0 => Some(join(view, c)),
            1..=5 => attach(view, c),
            _ => tick(view, a),
        },
    }
}

/// The next life of a node, or a change of mind about this one.
fn join(view: &dyn View, die: u8) -> Command {
    let node = NodeId(u64::from(die % 3) + 1);
    let known = member::get(view, node);
    let boot = known.as_ref().map_or(BootId(1), |row| BootId(row.boot.0 + 1));
    match known.filter(|_| !die.is_multiple_of(4)) {
        Some(row) if row.state == member::State::Draining => {
            member::Command::Undrain { node, boot: row.boot }
        }
        Some(row) if row.state == member::State::Up && die.is_multiple_of(2) => {
            member::Command::Drain { node, boot: row.boot, why: "dice".to_owned() }
        }
        _ => member::Command::Enter {
            node,
            name: format!("n{node}"),
            boot,
            address: String::new(),
            speaks: version::NEWEST,
            profile: Box::new(blind::profile(die)),
        },
    }
    .into()
}

fn attach(view: &dyn View, die: u8) -> Option<Command> {
    let up = member::list(view).into_iter().filter(|row| row.state == member::State::Up);
    let node = up.max_by_key(|row| row.boot)?;
    let attach = worker::Command::Attach {
        worker: WorkerId(u128::from(die % 4) + 1),
        name: "w".to_owned(),
        node: node.node,
        boot: node.boot,
        queues: Vec::new(),
        calls: Vec::new(),
        builtin: true,
        slots: 2,
    };
    Some(attach.into())
}

fn leased(view: &dyn View) -> Vec<Task> {
    let workers = worker::list(view).into_iter();
    let held = workers.flat_map(|row| task::leased(view, row.id));
    held.filter_map(|id| task::get(view, id)).collect()
}

fn report(view: &dyn View, throw: Throw) -> Option<Command> {
    let [a, b, c, d] = throw.dice;
    let held = leased(view);
    let row = held.get(usize::from(a) % held.len().max(1))?;
    let State::Leased { worker, since: _ } = row.state else { return None };
    let (task, attempt) = (row.id, row.attempt);
    let command = match b % 8 {
        0 | 1 => {
            let log = Payload::from(if d % 2 == 0 { "" } else { "hm" });
            let failure = blind::failure(c);
            task::Command::Fail { task, attempt, worker: Some(worker), failure, log }
        }
        2 => task::Command::Return { task, attempt, worker },
        _ => task::Command::Complete {
            task,
            attempt,
            worker: Some(worker),
            output: Payload::from("1"),
            log: Payload::EMPTY,
        },
    };
    Some(command.into())
}

/// A fitting answer to a question that is open.
pub(crate) fn fitting(view: &dyn View, question: Question, die: u8) -> Answer {
    let order = || Answer::Proceed(super::flows::step("x", &[]).order);
    match question.what {
        What::Output => Answer::Output(Payload::from("{}")),
        What::Item(..) => order(),
        What::Step(no) => {
            let row = run::get(view, question.run);
            let known = row.and_then(|row| catalog::definition(view, row.workflow, row.version));
            let step = known.and_then(|known| known.steps.into_iter().nth(usize::from(no.0)));
            let Some(step) = step else { return Answer::Skip };
            if step.each.is_some() {
                let count = u32::from(die % 4);
                return Answer::Spread { items: Payload::from("[1,2,3]"), count };
            }
            if step.order.is_some() { Answer::Proceed(None) } else { order() }
        }
    }
}

fn answer(view: &dyn View, throw: Throw) -> Option<Command> {
    let [a, b, c, d] = throw.dice;
    let asked: Vec<_> = role::list(view)
        .into_iter()
        .filter_map(|role| Some((role.id, role.epoch, *dag::questions(view, role.id, 8).first()?)))
        .collect();
    let (role, epoch, question) = *asked.get(usize::from(a) % asked.len().max(1))?;
    let answer = if b % 5 == 0 { blind::an_answer(c) } else { fitting(view, question, d) };
    Some(dag::Command::Answer { role, epoch, answers: vec![(question, answer)] }.into())
}

fn tick(view: &dyn View, die: u8) -> Option<Command> {
    let due: Vec<_> =
        role::list(view).into_iter().filter(|role| timer::next(view, role.id).is_some()).collect();
    let role = due.get(usize::from(die) % due.len().max(1))?;
    Some(timer::Command::Tick { role: role.id, epoch: role.epoch }.into())
}

fn letter(view: &dyn View, throw: Throw) -> Option<Command> {
    let [a, b, _, _] = throw.dice;
    let letters = task::dead::list(view, None, 8);
    let task = letters.get(usize::from(a) % letters.len().max(1))?.task;
    let command = if b % 3 == 0 {
        task::Command::Discard { tasks: vec![task], reason: String::new() }
    } else {
        task::Command::Revive { tasks: vec![task] }
    };
    Some(command.into())
}
