//! Alarms that are due.

use super::{Alarm, Command, FIRED_MAX, clear, next};
use crate::apply::Reply;
use crate::blob::Payload;
use crate::catalog::{OnTimeout, Order};
use crate::dag::walk::{Todo, Walk};
use crate::id::{Epoch, RoleId, TaskId};
use crate::reject::Rejection;
use crate::store::Tx;
use crate::task::{self, Failure, State};
use crate::{role, run};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Tick { role, epoch } => tick(tx, *role, *epoch),
    }
}

fn tick(tx: &mut Tx<'_>, role: RoleId, epoch: Epoch) -> Result<Reply, Rejection> {
    role::fence(tx, role, epoch)?;
    let mut count = 0;
    while (count as usize) < FIRED_MAX
        && let Some((at, alarm)) = next(tx, role)
        && at <= tx.now()
    {
        clear(tx, role, at, alarm.clone());
        let mut walk = Walk::new(tx);
        fire(&mut walk, alarm);
        walk.finish();
        count += 1;
    }
    Ok(Reply::Changed { count })
}

fn fire(walk: &mut Walk<'_, '_>, alarm: Alarm) {
    match alarm {
        Alarm::RunDue(run) => walk.then(Todo::Admit(run)),
        Alarm::RunOver(run) => run::stop::timed_out(walk, run),
        Alarm::RetryDue(task) => walk.then(Todo::Begin(task)),
        Alarm::SleepOver(task) => {
            if let Some(task) = waiting(walk, task) {
                task::settle::succeed(walk, &task, &Payload::EMPTY);
            }
        }
        Alarm::WaitOver(task) => {
            if let Some(task) = waiting(walk, task) {
                give_up(walk, &task);
            }
        }
        Alarm::RequestOver(key) => walk.tx.emit(run::Event::Unasked { key }),
    }
}

/// The task, if it still waits. (Alarms go with the state they were set for; this is a second lock.)
fn waiting(walk: &Walk<'_, '_>, task: TaskId) -> Option<task::Task> {
    task::get(walk.view(), task).filter(|task| matches!(task.state, State::Waiting { .. }))
}

/// A signal did not come in time.
fn give_up(walk: &mut Walk<'_, '_>, task: &task::Task) {
    let run = walk.run(task.id.run);
    match task::perform::order(walk, &run, task) {
        Some(Order::Wait { on_timeout: OnTimeout::Continue, .. }) => {
            task::settle::succeed(walk, task, &Payload::EMPTY);
        }
        Some(Order::Wait { signal, on_timeout: OnTimeout::Fail, timeout: _ }) => {
            let failure = Failure {
                kind: "timeout".to_owned(),
                message: format!("no signal `{signal}` came in time"),
                retryable: false,
            };
            task::settle::fail(walk, task, failure);
        }
        Some(
            Order::Work { .. } | Order::Sleep { .. } | Order::Child { .. } | Order::Emit { .. },
        )
        | None => {}
    }
}
