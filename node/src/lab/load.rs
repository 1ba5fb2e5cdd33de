//! Work for a throw-away cluster: so many runs a second, each accounted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oarlock_client::Client;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// What is run again and again: a chain with a pause in it, so that there is always something under way.
pub(super) const BUSY: &str = "\
kind: workflow
name: busy
description: What a throw-away cluster does to be busy.
tasks:
  pick: {noop: {output: {parts: 3}}}
  pack: {needs: [pick], sleep: 200ms}
  ship: {needs: [pack], noop: {output: {shipped: true}}}
outputs: {shipped: \"${{ tasks.ship.output.shipped }}\"}
retention: 1h
";
/// Starts that may be under way at once.
const FLYING_MAX: usize = 256;

/// What became of the starts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Accepted: the cluster will finish them.
    pub(super) accepted: AtomicU64,
    /// Not accepted, after all repetitions.
    pub(super) failed: AtomicU64,
    /// Left out, because too many were under way.
    pub(super) skipped: AtomicU64,
}

/// A load that is on until it is dropped.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) counts: Arc<Counts>,
    going: JoinHandle<()>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.going.abort();
    }
}

impl Load {
    /// Starts so many runs a second.
    pub(super) fn begin(client: Client, per_second: f64) -> Load {
        let counts = Arc::new(Counts::default());
        let going = tokio::spawn(go(client, per_second, Arc::clone(&counts)));
        Load { counts, going }
    }

    /// What became of it, in a sentence.
    pub(super) fn told(&self) -> String {
        let Counts { accepted, failed, skipped } = &*self.counts;
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut told = format!("{} runs accepted, {} refused", count(accepted), count(failed));
        if count(skipped) > 0 {
            told.push_str(&format!(", {} not sent: the cluster was behind", count(skipped)));
        }
        told
    }
}

async fn go(client: Client, per_second: f64, counts: Arc<Counts>) {
    let flying = Arc::new(Semaphore::new(FLYING_MAX));
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second.max(0.01)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        pace.tick().await;
        let Ok(place) = Arc::clone(&flying).try_acquire_owned() else {
            counts.skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (client, counts) = (client.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            let started = client.workflow("busy").start().send().await;
            let count = if started.is_ok() { &counts.accepted } else { &counts.failed };
            count.fetch_add(1, Ordering::Relaxed);
            if let Err(fault) = started {
                tracing::debug!(%fault, "a start of the load failed");
            }
            drop(place);
        });
    }
}
