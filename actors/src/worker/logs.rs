//! The live output of running attempts: what there is so far, and what follows.
//!
//! A log is a blob only when its attempt is over. Until then it is here, on the node that runs it, bounded like the blob will be.
//! A reader gets the text so far and then each piece as it is printed; one that is too slow misses pieces and is told how many,
//! because a slow terminal must not hold a process back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use oarlock_engine::id::{Attempt, RunId, TaskId};
use tokio::sync::broadcast;

use crate::worker::capture::Capture;

/// Pieces that a slow reader may lag behind before it misses some.
const LAG_MAX: usize = 256;

/// The live output of all attempts that run on this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Logs {
    live: Arc<Mutex<Tapes>>,
}

/// The tapes that are being written, by task and attempt.
type Tapes = HashMap<(TaskId, Attempt), Arc<Mutex<Tape>>>;

/// One attempt's output, as it is being printed.
struct Tape {
    capture: Capture,
    readers: broadcast::Sender<Bytes>,
}

/// One reader of one attempt's output.
pub struct Follow {
    /// What was printed before, bounded.
    pub so_far: Vec<u8>,
    pieces: broadcast::Receiver<Bytes>,
}

impl Follow {
    /// The next piece; `None` when the attempt is over: its log is a blob then.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.pieces.recv().await {
            Ok(piece) => Some(piece),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Some(Bytes::from(format!("\n… {missed} pieces missed here …\n")))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Logs {
    /// Follows one attempt; `None` if it does not run on this node (any more).
    #[must_use]
    pub fn follow(&self, task: TaskId, attempt: Attempt) -> Option<Follow> {
        let tape = Arc::clone(self.lock().get(&(task, attempt))?);
        let tape = tape.lock().expect("nothing panics while it holds a tape");
        Some(Follow { so_far: tape.capture.text(), pieces: tape.readers.subscribe() })
    }

    /// The attempts of a run that have live output here.
    #[must_use]
    pub fn of_run(&self, run: RunId) -> Vec<(TaskId, Attempt)> {
        let live = self.lock();
        let mut found: Vec<_> = live.keys().filter(|(task, _)| task.run == run).copied().collect();
        found.sort_unstable();
        found
    }

    /// An attempt begins to print.
    pub(crate) fn begin(&self, task: TaskId, attempt: Attempt) -> Printer {
        let (readers, _) = broadcast::channel(LAG_MAX);
        let tape = Arc::new(Mutex::new(Tape { capture: Capture::default(), readers }));
        self.lock().insert((task, attempt), Arc::clone(&tape));
        Printer { logs: self.clone(), key: (task, attempt), tape }
    }

    fn lock(&self) -> MutexGuard<'_, Tapes> {
        self.live.lock().expect("nothing panics while it holds the logs")
    }
}

/// The writing end of one attempt's output. Dropping it ends the live log: drop it after the blob is kept.
pub(crate) struct Printer {
    logs: Logs,
    key: (TaskId, Attempt),
    tape: Arc<Mutex<Tape>>,
}

impl Printer {
    /// The attempt printed this.
    pub(crate) fn print(&self, bytes: &[u8]) {
        let mut tape = self.tape.lock().expect("nothing panics while it holds a tape");
        tape.capture.push(bytes);
        if tape.readers.receiver_count() > 0 {
            // Nobody listening is no error.
            let _ = tape.readers.send(Bytes::copy_from_slice(bytes));
        }
    }

    /// Everything kept so far.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.tape.lock().expect("nothing panics while it holds a tape").capture.text()
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.logs.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use oarlock_engine::id::{Item, StepNo};

    use super::*;

    const TASK: TaskId = TaskId { run: RunId(1), step: StepNo(0), item: Item(0) };

    #[tokio::test]
    async fn a_reader_sees_what_was_printed_before_and_after_it_came_and_the_end() {
        let logs = Logs::default();
        assert!(logs.follow(TASK, Attempt(1)).is_none());
        let printer = logs.begin(TASK, Attempt(1));
        printer.print(b"one\n");
        let mut follow = logs.follow(TASK, Attempt(1)).expect("it runs");
        printer.print(b"two\n");
        assert_eq!(follow.so_far, b"one\n");
        assert_eq!(follow.next().await.as_deref(), Some(&b"two\n"[..]));
        assert_eq!(logs.of_run(RunId(1)), [(TASK, Attempt(1))]);
        drop(printer);
        assert_eq!(follow.next().await, None);
        assert_eq!(logs.of_run(RunId(1)), []);
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_what_it_missed() {
        let logs = Logs::default();
        let printer = logs.begin(TASK, Attempt(1));
        let mut follow = logs.follow(TASK, Attempt(1)).expect("it runs");
        for _ in 0..LAG_MAX + 10 {
            printer.print(b".");
        }
        let first = follow.next().await.expect("it still runs");
        assert!(String::from_utf8_lossy(&first).contains("10 pieces missed"));
        assert_eq!(follow.next().await.as_deref(), Some(&b"."[..]));
    }
}
