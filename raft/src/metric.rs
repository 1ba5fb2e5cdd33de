//! Every metric of this crate on one page.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// Commands proposed, by how it ended: `accepted`, `refused`, `busy`, `unavailable`, `unknown`.
const PROPOSALS: &str = "oarlock_raft_proposals_total";
/// Commands in one parcel.
const PARCEL_COMMANDS: &str = "oarlock_raft_parcel_commands";
/// Bytes of one parcel.
const PARCEL_BYTES: &str = "oarlock_raft_parcel_bytes";
/// Commands that wait to be proposed.
const WAITING: &str = "oarlock_raft_waiting";
/// Syncs of the log.
const FSYNCS: &str = "oarlock_raft_fsyncs_total";
/// How long a write with its sync took.
const FSYNC_SECONDS: &str = "oarlock_raft_fsync_seconds";
/// Appends and votes that shared one sync.
const FSYNC_SHARED: &str = "oarlock_raft_fsync_shared";
/// Commands applied.
const APPLIED: &str = "oarlock_raft_applied_commands_total";
/// How long it took to apply what openraft handed over at once.
const APPLY_SECONDS: &str = "oarlock_raft_apply_seconds";
/// The log's last index, the last applied one, the last purged one.
const LOG_LAST: &str = "oarlock_raft_log_last";
const LOG_APPLIED: &str = "oarlock_raft_log_applied";
const LOG_PURGED: &str = "oarlock_raft_log_purged";
/// Bytes of files: `log`, `state`.
const STORE_BYTES: &str = "oarlock_raft_store_bytes";
/// Snapshots taken.
const SNAPSHOTS: &str = "oarlock_raft_snapshots_total";
/// How long a snapshot took.
const SNAPSHOT_SECONDS: &str = "oarlock_raft_snapshot_seconds";
/// Whether writes are refused: 1 or 0.
const READ_ONLY: &str = "oarlock_raft_read_only";
/// Free bytes of the data directory's file system.
pub(crate) const DISK_FREE: &str = "oarlock_raft_disk_free_bytes";

/// How a proposal ended.
pub(crate) fn proposed(how: &'static str, commands: usize) {
    counter!(PROPOSALS, "outcome" => how).increment(commands as u64);
}

/// A parcel went its way.
pub(crate) fn parcel(commands: usize, bytes: usize, waiting: usize) {
    histogram!(PARCEL_COMMANDS).record(commands as f64);
    histogram!(PARCEL_BYTES).record(bytes as f64);
    gauge!(WAITING).set(waiting as f64);
}

/// The log was synced once for so many.
pub(crate) fn synced(took: Duration, shared: usize) {
    counter!(FSYNCS).increment(1);
    histogram!(FSYNC_SECONDS).record(took.as_secs_f64());
    histogram!(FSYNC_SHARED).record(shared as f64);
}

/// Entries were applied.
pub(crate) fn applied(took: Duration, commands: usize) {
    counter!(APPLIED).increment(commands as u64);
    histogram!(APPLY_SECONDS).record(took.as_secs_f64());
}

/// A snapshot was taken.
pub(crate) fn snapshot_taken(took: Duration) {
    counter!(SNAPSHOTS).increment(1);
    histogram!(SNAPSHOT_SECONDS).record(took.as_secs_f64());
}

/// What is looked at now and then.
pub(crate) fn sizes(last: u64, applied: u64, purged: u64, read_only: bool) {
    gauge!(LOG_LAST).set(last as f64);
    gauge!(LOG_APPLIED).set(applied as f64);
    gauge!(LOG_PURGED).set(purged as f64);
    gauge!(READ_ONLY).set(f64::from(u8::from(read_only)));
}

/// Bytes of a database's files and tables in memory.
pub(crate) fn store(which: &'static str, bytes: u64) {
    gauge!(STORE_BYTES, "store" => which).set(bytes as f64);
}
