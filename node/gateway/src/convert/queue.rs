//! Queues.

use oarlock_engine::queue::{self, Queue};
use oarlock_engine::store::View;
use oarlock_engine::time::Moment;
use oarlock_engine::worker::Worker;
use oarlock_proto::v1;

/// A queue with what stands in it and who serves it.
pub(crate) fn shown(view: &dyn View, row: &Queue, workers: &[Worker], now: Moment) -> v1::Queue {
    let serving = workers.iter().filter(|worker| {
        !worker.draining && (worker.queues.is_empty() || worker.queues.contains(&row.name))
    });
    let (count, slots) =
        serving.fold((0u32, 0u32), |(count, slots), worker| (count + 1, slots + worker.slots));
    v1::Queue {
        name: row.name.clone(),
        paused: row.paused,
        concurrency: row.concurrency_max,
        counts: v1::QueueCounts {
            waiting: row.counts.ready,
            active: row.counts.leased,
            delayed: row.counts.resting,
            completed: row.counts.succeeded,
            failed: row.counts.failed,
            dead: row.counts.dead,
        },
        oldest_ms: queue::oldest(view, &row.name).map(|since| now.since(since).0),
        workers: count,
        slots,
        dead_letter_queue: format!("{}:dead-letter", row.name),
    }
}
