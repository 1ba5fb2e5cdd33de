//! Room on the disk: when there is none, the node takes no writes, loses nothing, and goes on by itself when there is room again.
//!
//! Two lines of defence.
//!
//! **The reserve.** Once a second the free space of the data directory's file system is looked at. Below the reserve proposals are
//! refused before they enter the log ([`Gate`] is shut for reason [`Why::Reserve`]); what is in the log already still has the
//! reserve to be written, applied and flushed into. Above the reserve and an eighth the gate opens.
//!
//! **The wall.** If a write fails all the same — the disk filled within the second, or a file-size limit of the process
//! (`RLIMIT_FSIZE`) is met — it is never acknowledged and never forgotten:
//!
//! * the *log's* writer keeps the entries in memory, shuts the gate, and tries again until it works. RocksDB does not write to a
//!   write-ahead log that has failed once, so it closes and opens the database first; the torn record at the end is dropped by
//!   the recovery, and nothing in it was acknowledged. Proposals in flight are answered "unknown": they are in memory, and will be
//!   in the log when there is room, unless the process ends before.
//! * the *state's* writer holds tables in memory that could not be flushed. RocksDB refuses more writes and offers no way to
//!   resume after `EFBIG`, so it too is closed and opened, and the entries that were only in memory are applied again from the log.
//!
//! Before either database is closed, a file of the size of one flush is allocated and removed: it is opened again only when there
//! is room to open it. `SIGXFSZ` must not kill the process: a handler is installed, so that the write fails with `EFBIG`.
//! `EIO` and everything else that is not about room ends the process (`fault.rs`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tokio::sync::watch;

/// How often the reserve is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a writer that met the wall waits before it tries again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(250);
/// Room that must be there before a database is closed to be opened again: what its recovery writes out. On a small disk an eighth
/// of it must do.
const PROBE_BYTES_MAX: u64 = 40 << 20;

/// Why writes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Little space is left.
    Reserve,
    /// The log could not be written.
    Log,
    /// The state could not be written.
    State,
    /// This node's clock differs from most others'.
    Clock,
}

/// What shuts the gate, each in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shut {
    reserve: Option<String>,
    log: Option<String>,
    state: Option<String>,
    clock: Option<String>,
}

impl Shut {
    /// A sentence for people, if writes are refused.
    pub(crate) fn why(&self) -> Option<&str> {
        let disk = self.log.as_deref().or(self.state.as_deref()).or(self.reserve.as_deref());
        disk.or(self.clock.as_deref())
    }

    /// Whether what is in flight may never come back.
    pub(crate) fn stuck(&self) -> bool {
        self.log.is_some() || self.state.is_some()
    }

    fn slot(&mut self, why: Why) -> &mut Option<String> {
        match why {
            Why::Reserve => &mut self.reserve,
            Why::Log => &mut self.log,
            Why::State => &mut self.state,
            Why::Clock => &mut self.clock,
        }
    }
}

/// Whether proposals are accepted, and who wants to know.
#[derive(Debug)]
pub(crate) struct Gate {
    shut: watch::Sender<Shut>,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate { shut: watch::Sender::new(Shut::default()) }
    }

    /// Refuses writes for this reason too.
    pub(crate) fn shut(&self, why: Why, words: String) {
        let news = self.shut.send_if_modified(|shut| {
            let slot = shut.slot(why);
            slot.replace(words.clone()).is_none()
        });
        if news {
            tracing::warn!(reason = words, "read-only");
        }
    }

    /// This reason is gone.
    pub(crate) fn open(&self, why: Why) {
        if self.shut.send_if_modified(|shut| shut.slot(why).take().is_some()) {
            tracing::info!(?why, "a reason to be read-only is gone");
        }
    }

    /// Whether this node's clock is astray, in words.
    pub(crate) fn stray(&self, words: Option<String>) {
        match words {
            Some(words) => self.shut(Why::Clock, words),
            None => self.open(Why::Clock),
        }
    }

    /// Why writes are refused, if they are.
    pub(crate) fn why(&self) -> Option<String> {
        self.shut.borrow().why().map(str::to_owned)
    }

    /// Whether writes are refused.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.borrow().why().is_some()
    }

    /// Tells of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<Shut> {
        self.shut.subscribe()
    }
}

/// Looks at the free space once.
pub(crate) fn look(dir: &Path, reserve_max: u64, gate: &Gate) {
    let disk = match statvfs(dir) {
        Ok(disk) => disk,
        Err(why) => {
            tracing::warn!(%why, "cannot see how much space is left");
            return;
        }
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let size = disk.f_blocks.saturating_mul(disk.f_frsize);
    let reserve = reserve_max.min(size / 20);
    metrics::gauge!(crate::metric::DISK_FREE).set(free as f64);
    if free < reserve {
        let words = format!(
            "the disk of {} is nearly full: {} MiB are free and {} MiB are kept in reserve. Free some space; writes are \
             accepted again by themselves",
            dir.display(),
            free >> 20,
            reserve >> 20
        );
        gate.shut(Why::Reserve, words);
    } else if free >= reserve + reserve / 8 {
        gate.open(Why::Reserve);
    }
}

/// Looks at the free space for as long as the replica lives.
pub(crate) async fn keep_looking(dir: PathBuf, reserve: u64, gate: std::sync::Weak<Gate>) {
    let mut pace = tokio::time::interval(LOOK_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let Some(gate) = gate.upgrade() else { return };
        look(&dir, reserve, &gate);
    }
}

/// Whether there is room to open a database again.
pub(crate) fn has_room(dir: Option<&Path>) -> bool {
    let Some(dir) = dir else { return true };
    let path = dir.join("room");
    let size = statvfs(dir).map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    let tried = File::create(&path).and_then(|file| {
        fallocate(&file, FallocateFlags::empty(), 0, PROBE_BYTES_MAX.min(size / 8))?;
        file.sync_data()
    });
    // It may not exist: then there was not even room for its name.
    drop(std::fs::remove_file(&path));
    tried.is_ok()
}

/// Makes a write beyond the process's file-size limit fail instead of kill.
pub(crate) fn survive_file_size_limit() {
    /// `SIGXFSZ` on Linux.
    const SIGXFSZ: i32 = 25;
    let kind = tokio::signal::unix::SignalKind::from_raw(SIGXFSZ);
    // The handler stays when the stream is dropped; that is all that is wanted of it.
    if let Err(why) = tokio::signal::unix::signal(kind) {
        tracing::warn!(%why, "cannot handle SIGXFSZ: a file-size limit would end the process");
    }
}
