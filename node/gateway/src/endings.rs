//! Who waits for which run to end: one follower of the feed for all of them.
//!
//! `POST …/runs?wait=30s` on a quick workflow must not cost a subscription each. A waiter leaves its name here *before* the start
//! is proposed, so the end cannot come unseen; one task reads the feed and calls whoever waits. The same task knows the newest
//! revision that has been seen here, for those who wait for their own writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oarlock_engine::event::Event;
use oarlock_engine::feed::Record;
use oarlock_engine::id::{Revision, RunId};
use oarlock_engine::run;
use oarlock_raft::Replica;
use tokio::sync::{oneshot, watch};

/// Who waits for what.
#[derive(Debug)]
pub(crate) struct Endings {
    waiting: Mutex<HashMap<RunId, Vec<oneshot::Sender<run::State>>>>,
    seen: watch::Sender<Revision>,
}

/// A place in the line; leaving it (dropping this) takes the name off.
#[derive(Debug)]
pub(crate) struct Place {
    endings: Arc<Endings>,
    run: RunId,
    end: oneshot::Receiver<run::State>,
}

impl Endings {
    /// Begins to follow the feed. The follower ends when the replica closes, or nobody needs it any more.
    pub(crate) fn follow(replica: &Replica) -> Arc<Endings> {
        let from = replica.status().revision;
        let endings = Arc::new(Endings {
            waiting: Mutex::new(HashMap::new()),
            seen: watch::Sender::new(from),
        });
        let mut feed = replica.watch(from);
        let weak = Arc::downgrade(&endings);
        tokio::spawn(async move {
            while let Some(records) = feed.next().await {
                let Some(endings) = weak.upgrade() else { return };
                endings.note(&records);
            }
        });
        endings
    }

    /// A place in the line for a run's end. Take it before anything is proposed.
    pub(crate) fn place(self: &Arc<Self>, run: RunId) -> Place {
        let (call, end) = oneshot::channel();
        self.lock().entry(run).or_default().push(call);
        Place { endings: Arc::clone(self), run, end }
    }

    /// Waits until this node has seen a revision. False: it did not come in time.
    pub(crate) async fn reached(&self, revision: Revision, patience: Duration) -> bool {
        let mut seen = self.seen.subscribe();
        let arrival = seen.wait_for(|seen| *seen >= revision);
        matches!(tokio::time::timeout(patience, arrival).await, Ok(Ok(_)))
    }

    fn note(&self, records: &[Record]) {
        for record in records {
            if let Event::Run(run::Event::Settled { run, state }) = &record.event
                && let Some(line) = self.lock().remove(run)
            {
                for call in line {
                    // Whoever has gone away in between is not missed.
                    let _ = call.send(*state);
                }
            }
        }
        if let Some(last) = records.last() {
            self.seen.send_replace(last.revision);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Vec<oneshot::Sender<run::State>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// How the run ended, if it did in time.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Option<run::State> {
        tokio::time::timeout(patience, &mut self.end).await.ok()?.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end.close();
        let mut waiting = self.endings.lock();
        if let Some(line) = waiting.get_mut(&self.run) {
            line.retain(|call| !call.is_closed());
            if line.is_empty() {
                waiting.remove(&self.run);
            }
        }
    }
}
