//! What can go wrong with a replica, and which of it ends the process.
//!
//! Three kinds. A [`Fault`] is for whoever opened the replica or asked it for something. A disk without space is not an end: the
//! log and the state wait for space and go on where they stopped (see `space.rs`). Everything else that the disk refuses *is* an
//! end: after a failed sync nobody knows which bytes are on the disk, and a copy that cannot be read must not be voted with. A
//! node that stops loses nothing that was acknowledged; one that goes on guessing might.

use std::io::Write as _;

/// What stops or hinders a replica: operational, with its source.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The data directory cannot be used: which, why and what to do.
    #[error("{0}")]
    Data(String),
    /// The store failed.
    #[error("storage: {0}")]
    Storage(String),
    /// The consensus layer failed.
    #[error("raft: {0}")]
    Raft(String),
    /// What was asked for is not allowed as things stand: why.
    #[error("{0}")]
    Refused(String),
    /// There is no leader, or the replica stops.
    #[error("not available: {0}")]
    Unavailable(String),
}

impl From<rocksdb::Error> for Fault {
    fn from(error: rocksdb::Error) -> Self {
        Fault::Storage(error.into_string())
    }
}

/// What a failed call of the store means for the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no room: wait until there is.
    Full,
    /// The disk or the data is broken: stop.
    Broken,
}

/// RocksDB hands system errors on as text: these are the texts of `ENOSPC`, `EFBIG` and `EDQUOT`.
const FULL: [&str; 4] =
    ["No space left on device", "File too large", "Disk quota exceeded", "Max allowed space"];

/// Whether an error says that there is no room.
pub(crate) fn trouble(error: &rocksdb::Error) -> Trouble {
    let text: &str = error.as_ref();
    if FULL.iter().any(|full| text.contains(full)) { Trouble::Full } else { Trouble::Broken }
}

/// Stops the process at once, because going on could break a promise. The next start recovers from the log.
pub(crate) fn halt(what: &str, why: &dyn std::fmt::Display) -> ! {
    tracing::error!(%why, "{what}: stopping, because going on could lose acknowledged work");
    let told = writeln!(
        std::io::stderr().lock(),
        "oarlock: {what}: {why}\noarlock: stopping now. Nothing acknowledged is lost: what was synced is in the log, and the \
         next start reads it. Check the disk (dmesg, smartctl), then `oarlock doctor --data DIR`."
    );
    drop(told);
    std::process::abort()
}

/// The same, as an answer to a result.
pub(crate) trait OrHalt<T> {
    /// The value, or the end of the process.
    fn or_halt(self, what: &str) -> T;
}

impl<T, E: std::fmt::Display> OrHalt<T> for Result<T, E> {
    fn or_halt(self, what: &str) -> T {
        self.unwrap_or_else(|why| halt(what, &why))
    }
}
