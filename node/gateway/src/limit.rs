//! Every limit of this crate on one page.

use std::time::Duration;

/// The largest body of a request, in bytes: a definition with its source, or a batch of starts.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// How long a body may take to arrive.
pub const BODY_MAX: Duration = Duration::from_secs(30);
/// How deep the JSON of a body may nest.
pub const JSON_DEPTH_MAX: usize = 128;
/// Items on a page, where nothing is said.
pub const PAGE_DEFAULT: usize = 50;
/// Items on a page at most.
pub const PAGE_MAX: usize = 1_000;
/// Rows that one page of a filtered list looks at; then it is handed out, however few passed.
pub const SCAN_MAX: usize = 5_000;
/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 2_048;
/// The longest header that is echoed or kept: request ids, idempotency keys.
pub const HEADER_BYTES_MAX: usize = 256;
/// Starts in one batch.
pub const BATCH_MAX: usize = 1_000;
/// How many starts of a batch are under way at once.
pub const BATCH_PARALLEL_MAX: usize = 256;
/// Live streams of events and logs at a time.
pub const STREAMS_MAX: usize = 1_024;
/// How long `?wait=` may be.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// How long a read waits for its copy to catch up.
pub const BEHIND_MAX: Duration = Duration::from_secs(5);
/// How long a call waits for a leader before it is told that there is none.
pub const LEADER_MAX: Duration = Duration::from_secs(3);
/// How long a change, or a read that must be certain, may take in a cluster before its caller is told so.
pub const WRITE_MAX: Duration = Duration::from_millis(4_500);
/// How often a silent stream says that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Definitions kept decoded.
pub const SHELF_MAX: usize = 256;
/// Bytes of definitions kept decoded, by their size as text.
pub const SHELF_BYTES_MAX: usize = 64 << 20;
/// Names of runs that one stream remembers.
pub const NAMES_MAX: usize = 4_096;
/// Dead letters that one grouped answer looks at.
pub const DEAD_SCAN_MAX: usize = 20_000;
/// Dead letters in one command: the engine's own limit.
pub const DEAD_BATCH_MAX: usize = 256;
/// Runs of one status that the overview counts.
pub const COUNT_MAX: usize = 10_000;
/// Bytes of captured output in one answer of `logs`.
pub const LOGS_BYTES_MAX: usize = 8 << 20;
/// Events of one run in one answer of `export`.
pub const EXPORT_MAX: usize = 1_000_000;
/// Records read from the tables at once by a stream.
pub const RECORDS_MAX: usize = 512;
