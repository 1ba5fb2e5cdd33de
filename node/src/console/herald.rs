//! The herald: tells above the prompt what happens in the cluster, and never so much that nobody can type.

use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use oarlock_client::Client;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::desk::Desk;
use crate::news;

/// Sentences that may wait to be told.
const LINES_MAX: usize = 64;
/// Sentences a second; what is more is counted.
const A_SECOND_MAX: u32 = 5;

/// Tells, or is silent.
pub(super) struct Herald {
    handle: Handle,
    client: Option<Client>,
    teller: SyncSender<String>,
    at_work: Vec<JoinHandle<()>>,
    /// What is told whether news are wanted or not: it came of something that was done here.
    beside: Option<JoinHandle<()>>,
}

impl Herald {
    pub(super) fn new(desk: &Desk, teller: SyncSender<String>) -> Herald {
        let (handle, client) = (desk.handle(), desk.client().ok());
        let beside = desk.told().map(|told| {
            let teller = teller.clone();
            handle.spawn(async move {
                let mut told = told.lock().await;
                while let Some(sentence) = told.recv().await {
                    // As below.
                    let _ = teller.try_send(format!("! {sentence}"));
                }
            })
        });
        Herald { handle, client, teller, at_work: Vec::new(), beside }
    }

    /// Begins or ends, as the desk wants it.
    pub(super) fn heed(&mut self, desk: &Desk) {
        if !desk.notifies() {
            self.hush();
        } else if self.at_work.is_empty()
            && let Some(client) = &self.client
        {
            let (tell, mut told) = mpsc::channel::<String>(LINES_MAX);
            let follow = news::follow(client.clone(), tell.clone());
            let leaders = news::leaders(client.clone(), tell);
            let teller = self.teller.clone();
            let valve = async move {
                let mut valve = Valve::default();
                while let Some(sentence) = told.recv().await {
                    for line in valve.pass(sentence, Instant::now()) {
                        // Nobody reads while a command runs: what does not fit is not worth a wait.
                        let _ = teller.try_send(format!("! {line}"));
                    }
                }
            };
            self.at_work.push(self.handle.spawn(follow));
            self.at_work.push(self.handle.spawn(leaders));
            self.at_work.push(self.handle.spawn(valve));
        }
    }

    fn hush(&mut self) {
        self.at_work.drain(..).for_each(|work| work.abort());
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.hush();
        if let Some(beside) = self.beside.take() {
            beside.abort();
        }
    }
}

/// Lets through so many a second and counts the others. Pure.
#[derive(Debug, Default)]
struct Valve {
    since: Option<Instant>,
    passed: u32,
    held: u32,
}

impl Valve {
    fn pass(&mut self, sentence: String, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        let over = self.since.is_none_or(|since| now - since >= Duration::from_secs(1));
        if over {
            let held = std::mem::take(&mut self.held);
            if held > 0 {
                lines.push(format!("… and {held} more (\\notify off: none)"));
            }
            (self.since, self.passed) = (Some(now), 0);
        }
        if self.passed < A_SECOND_MAX {
            self.passed += 1;
            lines.push(sentence);
        } else {
            self.held += 1;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_told() {
        let (mut valve, begun) = (Valve::default(), Instant::now());
        let told: usize = (0..8).map(|_| valve.pass("x".to_owned(), begun).len()).sum();
        assert_eq!(told, 5);
        let later = valve.pass("y".to_owned(), begun + Duration::from_secs(1));
        assert_eq!(later, ["… and 3 more (\\notify off: none)", "y"]);
    }
}
