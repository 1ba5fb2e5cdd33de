//! One attempt: it waits for its slot, works, reports, and frees the slot.
//!
//! An attempt is a task of the runtime and not an actor of its own: nobody sends it messages but the one "stop", and ten thousand
//! a second would pay for a mailbox each. A panic of its executor is caught in here and fails this attempt and nothing else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use oarlock_engine::blob::Payload;
use oarlock_engine::command::Command;
use oarlock_engine::id::Revision;
use oarlock_engine::reject::Rejection;
use oarlock_engine::task::{self, Failure};
use tokio::sync::oneshot;

use super::assignment::holds;
use super::executor::{Halt, Halting, Job, KINDS, Outcome, failure};
use super::logs::Printer;
use super::pool::{Key, Pool};
use crate::metric;
use crate::proposal::{Verdict, patiently};

/// Performs an attempt from the lease to the freed slot. True: ready work was missed meanwhile, and somebody must claim.
pub(crate) async fn perform(
    pool: Arc<Pool>,
    key: Key,
    job: Box<Job>,
    stopped: oneshot::Receiver<Halt>,
) -> bool {
    let kind = KINDS.into_iter().find(|kind| *kind == job.kind).unwrap_or("unknown");
    metric::attempt_started(kind);
    let began = Instant::now();
    let (outcome, printer) = match caught(async { pool.executors.at_once(&job) }).await {
        Ok(Some(outcome)) => (outcome, None),
        Ok(None) => {
            // In a box: what is done at once must not carry the room about that a process or a call needs.
            let (outcome, printer) = Box::pin(work(&pool, key, &job, stopped)).await;
            (outcome, Some(printer))
        }
        Err(panicked) => (panicked, None),
    };
    pool.worked(key);
    let took = began.elapsed();
    match &outcome {
        Outcome::Done(_) => metric::attempt_completed(kind, took),
        Outcome::Failed(failure) => metric::attempt_failed(kind, &failure.kind, took),
        Outcome::Halted(Halt::Timeout) => metric::attempt_failed(kind, "timeout", took),
        Outcome::Halted(Halt::Revoked) => metric::attempt_stopped(kind, "revoked"),
        Outcome::Halted(Halt::Drained) => metric::attempt_stopped(kind, "drained"),
    }
    let log = printer.as_ref().map_or(Payload::EMPTY, |printer| Payload(printer.text()));
    let accepted = report(&pool, key, outcome, log, &job).await;
    // The live log ends when the kept one is there.
    drop(printer);
    pool.release(key, accepted)
}

/// Reports an attempt that could not even begin.
pub(crate) async fn refuse(pool: Arc<Pool>, key: Key, why: Failure) -> bool {
    pool.worked(key);
    let command = fail(&pool, key, why, Payload::EMPTY);
    let accepted = propose(&pool, key, command).await.ok().flatten();
    pool.release(key, accepted)
}

async fn work(
    pool: &Pool,
    key: Key,
    job: &Job,
    mut stopped: oneshot::Receiver<Halt>,
) -> (Outcome, Printer) {
    let printer = pool.logs.begin(key.0, key.1);
    let permit = tokio::select! {
        permit = pool.permits.acquire() => permit,
        Ok(halt) = &mut stopped => return (Outcome::Halted(halt), printer),
    };
    let _permit = permit.expect("the slots are never closed");
    let timeout = job.timeout;
    let halting: Halting = Box::pin(async move {
        tokio::select! {
            () = tokio::time::sleep(timeout) => Halt::Timeout,
            Ok(halt) = stopped => halt,
        }
    });
    let outcome = caught(pool.executors.execute(job, &printer, halting)).await;
    (outcome.unwrap_or_else(|panicked| panicked), printer)
}

/// The value of a future, or the failure that its panic is.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Outcome> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        tracing::error!(panic = text, "an executor panicked");
        Outcome::Failed(failure("panic", format!("the executor panicked: {text}"), true))
    })
}

/// Says how it ended; gives the revision if that was accepted.
async fn report(
    pool: &Pool,
    key: Key,
    outcome: Outcome,
    log: Payload,
    job: &Job,
) -> Option<Revision> {
    let (task, attempt) = key;
    let command = match outcome {
        Outcome::Done(output) => task::Command::Complete {
            task,
            attempt,
            worker: Some(pool.worker()),
            output: Payload(output),
            log: log.clone(),
        },
        Outcome::Failed(why) => fail(pool, key, why, log.clone()),
        Outcome::Halted(Halt::Timeout) => {
            let message = format!("took longer than {:?}", job.timeout);
            fail(pool, key, failure("timeout", message, true), log.clone())
        }
        // Nobody waits for a report: whoever revoked it has said how the task stands.
        Outcome::Halted(Halt::Revoked) => return None,
        Outcome::Halted(Halt::Drained) => {
            task::Command::Return { task, attempt, worker: pool.worker() }
        }
    };
    match propose(pool, key, command).await {
        Ok(accepted) => accepted,
        // What it came to is not acceptable as such: then that is the failure.
        Err(why) => {
            let why = failure("report", format!("its result was refused: {why}"), false);
            propose(pool, key, fail(pool, key, why, log)).await.ok().flatten()
        }
    }
}

fn fail(pool: &Pool, (task, attempt): Key, failure: Failure, log: Payload) -> task::Command {
    task::Command::Fail { task, attempt, worker: Some(pool.worker()), failure, log }
}

/// Proposes a report for as long as the attempt is ours. An error: the engine will not have it in this form.
async fn propose(
    pool: &Pool,
    key: Key,
    command: task::Command,
) -> Result<Option<Revision>, Rejection> {
    let (task, attempt) = key;
    let ours = || {
        let row = || pool.replica.read(|view| task::get(view, task));
        pool.open() && row().is_some_and(|row| holds(&row, pool.worker(), attempt))
    };
    let offer = || pool.offer_own();
    match patiently(&pool.replica, &pool.by(), offer, Command::Task(command), ours).await {
        Verdict::Accepted(accepted) => Ok(Some(accepted.revision)),
        Verdict::Refused(why @ (Rejection::TooLarge { .. } | Rejection::Invalid { .. })) => {
            tracing::warn!(%task, %attempt, %why, "a report was refused");
            Err(why)
        }
        Verdict::Refused(why) => {
            tracing::debug!(%task, %attempt, %why, "a report came too late");
            Ok(None)
        }
        Verdict::Unwanted => Ok(None),
    }
}
