//! A person at a throw-away cluster: the console, whose lines that break things are carried out here.
//!
//! ```text
//!   a thread of its own                  the cluster's own loop
//!   console ── `nodes kill n2` ─────────▶ order, done, answered
//!      ▲  └── anything else: the command line, as in every console
//!      └───────── what came of it, above the prompt
//! ```
//!
//! The console waits for its lines on a thread, because whoever types is in no hurry, while nodes end and stories go on. Ctrl-C is the
//! console's: it ends a command. The cluster ends when the console does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::order::{self, BREAK, Order};
use crate::ask::Session;
use crate::cli::Global;
use crate::console::{self, Beside};
use crate::fault::{Exit, Fault};

/// Lines and sentences that may wait.
const LINES_MAX: usize = 64;
/// How long the console may take to leave the terminal as it was.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// A line, and who waits for what comes of it; nobody, if it came through a pipe.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) answer: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// The console of a throw-away cluster.
pub(super) struct Person {
    above: mpsc::Sender<String>,
    over: Arc<AtomicBool>,
}

impl Person {
    /// Opens a console for these nodes; its orders come out of the other end, which closes when the person leaves.
    pub(super) fn sits_down(
        session: &Session,
        addresses: String,
    ) -> (Person, mpsc::Receiver<Line>) {
        let (orders, lines) = mpsc::channel(LINES_MAX);
        let (above, told) = mpsc::channel(LINES_MAX);
        let over = Arc::new(AtomicBool::new(false));
        let mut global = session.global.clone();
        (global.addr, global.context) = (Some(addresses), None);
        let stop = Arc::clone(&over);
        std::thread::spawn(move || {
            let order = move |text: &str| carried_out(text, &orders);
            let beside = Beside { order: Box::new(order), help: BREAK, told, over: stop };
            if let Err(fault) = talk(global, beside) {
                crate::output::complain(&format!("error: {}\n", fault.what));
            }
        });
        (Person { above, over }, lines)
    }

    /// Tells something above the prompt.
    pub(super) async fn hears(&self, sentence: String) {
        // Whoever has left does not hear it.
        let _ = self.above.send(sentence).await;
    }

    /// Ends the console, and waits until the terminal is as it was.
    pub(super) async fn leaves(self, mut lines: mpsc::Receiver<Line>) {
        self.over.store(true, Ordering::Relaxed);
        let gone = async { while lines.recv().await.is_some() {} };
        // One that does not leave has a terminal that somebody else must mend: `reset`.
        let _ = tokio::time::timeout(LEAVE_MAX, gone).await;
    }
}

fn talk(global: Global, beside: Beside) -> Result<(), Fault> {
    let out = global.out();
    console::beside(&Session::new(global, out)?, beside)
}

/// Has an order carried out by the cluster; none: the line is not one.
fn carried_out(text: &str, orders: &mpsc::Sender<Line>) -> Option<Result<(), Fault>> {
    match order::read(text) {
        Ok(Order::Nothing | Order::Help | Order::Quit | Order::Say(_)) => None,
        Err(why) => Some(Err(Fault::new(Exit::Usage, why))),
        Ok(_) => {
            let (answer, answered) = oneshot::channel();
            let line = Line { text: text.to_owned(), answer: Some(answer) };
            let stopped = || Fault::new(Exit::Failed, "the cluster is stopping");
            let done = match orders.blocking_send(line) {
                Ok(()) => answered.blocking_recv().unwrap_or_else(|_| Err(stopped())),
                Err(_) => Err(stopped()),
            };
            Some(done)
        }
    }
}
