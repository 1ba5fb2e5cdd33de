//! The picture that lives on a terminal: asked for when something happened, drawn over itself at most four times a second.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use oarlock_client::v1::{Run, Task};
use oarlock_client::{Error, RunHandle};
use tokio::task::JoinSet;

use super::board::Board;
use super::{TASKS_MAX, ended};
use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::Out;

/// The shortest time between two pictures.
const REDRAW: Duration = Duration::from_millis(250);
/// The longest time between two looks, whatever the feed says: so it shows when nobody answers.
const LOOK: Duration = Duration::from_secs(2);

/// Draws until the run is over.
pub(super) async fn follow(session: &Session, id: &str) -> Result<Run, Fault> {
    let handle = session.client()?.run(id);
    let mut run = handle.get().await?;
    let mut tasks = tasks_of(&handle).await?;
    let mut screen = Screen::new(&session.out);
    // The feed is read by a task of its own: a look that takes long must not cut a reading short. It ends with this function, also when
    // whoever waits for that is called off.
    let (tell, mut told) = tokio::sync::watch::channel(0_u64);
    let mut events = handle.events(0);
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        while events.next().await?.is_some() {
            tell.send_modify(|count| *count += 1);
        }
        Ok::<(), Error>(())
    });
    let mut tick = tokio::time::interval(REDRAW);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked = Instant::now();
    let (mut changed, mut over, mut silent) = (false, run.status.finished(), false);
    while !over {
        tokio::select! {
            Ok(()) = told.changed() => changed = true,
            Some(ended) = reading.join_next() => {
                ended.map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))??;
                over = true;
            }
            _ = tick.tick() => {
                if changed || looked.elapsed() > LOOK {
                    looked = Instant::now();
                    match look(&handle).await {
                        Ok(seen) => {
                            (run, tasks) = seen;
                            (changed, silent) = (false, false);
                        }
                        Err(error) if error.is_retryable() => silent = true,
                        Err(error) => return Err(error.into()),
                    }
                }
                screen.draw(&run, &tasks, silent);
                over = run.status.finished();
            }
        }
    }
    reading.abort_all();
    (run, tasks) = look(&handle).await?;
    screen.draw(&run, &tasks, false);
    farewell(&session.out, &run);
    Ok(run)
}

async fn look(handle: &RunHandle) -> Result<(Run, Vec<Task>), Error> {
    Ok((handle.get().await?, tasks_of(handle).await?))
}

async fn tasks_of(handle: &RunHandle) -> Result<Vec<Task>, Error> {
    handle.tasks().take(TASKS_MAX).await.map(|(tasks, _)| tasks)
}

/// What it came to, or what went wrong and where to look.
fn farewell(out: &Out, run: &Run) {
    let fault = ended(&run.name, run.status, run.error.as_ref());
    if fault.exit as u8 != 0 {
        out.note(&format!("\n{}\n  more: {}", fault.what, fault.help.join(", ")));
    } else if let Some(output) = run.output.as_ref().filter(|output| !output.is_null()) {
        out.data(&format!("\noutput {}", crate::output::pretty(output)));
    }
}

/// What was drawn last, so that the next picture can take its place.
struct Screen<'a> {
    out: &'a Out,
    lines: usize,
}

impl<'a> Screen<'a> {
    fn new(out: &'a Out) -> Screen<'a> {
        Screen { out, lines: 0 }
    }

    fn draw(&mut self, run: &Run, tasks: &[Task], silent: bool) {
        let board = Board { out: self.out, run, tasks, now: Timestamp::now() };
        let mut lines = board.lines(self.out.height.saturating_sub(2));
        if silent {
            lines.push("  the node does not answer; trying again …".to_owned());
        }
        let mut text = String::new();
        if self.lines > 0 {
            text.push_str(&format!("\x1b[{}A", self.lines));
        }
        for line in &lines {
            text.push_str(&format!("\r{line}\x1b[K\n"));
        }
        // A picture may shrink: what is left of the last one goes.
        text.push_str("\x1b[J");
        self.lines = lines.len();
        self.out.data(&text);
    }
}
