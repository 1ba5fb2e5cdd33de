//! A snapshot received: verified, then swapped in for the state.
//!
//! The files are linked into a folder beside the state, which then takes the state's name. A crash in between leaves either the
//! old state or the new one under a name that the next start understands.

use std::io;
use std::path::Path;

use oarlock_engine::law;
use rocksdb::DB;

use super::Kept;
use super::build::sync_folder;
use crate::config::SnapshotMeta;
use crate::disk::Place;
use crate::machine::rocks::Then;

/// The new state before it has its name.
const FRESH: &str = "state-new";
/// The old state after it lost its name.
const STALE: &str = "state-old";

/// Whether a snapshot is what it says, and obeys the laws.
pub(crate) fn verify(meta: &SnapshotMeta, kept: &Kept) -> io::Result<()> {
    let refuse = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let found = Kept::read(&kept.place, &kept.path).map_err(refuse)?;
    if found.meta.last_log_id != meta.last_log_id {
        return Err(refuse(format!("a snapshot of {:?} says {:?}", meta, found.meta)));
    }
    let db = kept.place.open_copy(&kept.path).map_err(io::Error::other)?;
    match law::check(&Then::new(&db)).first() {
        None => Ok(()),
        Some(breach) => Err(refuse(format!("a snapshot breaks a law: {breach}"))),
    }
}

/// Puts a snapshot in the place of the (closed) state and opens it.
pub(crate) fn swap_in(place: &Place, kept: &Kept) -> io::Result<DB> {
    let Some(dir) = place.disk() else { return in_memory(place, kept) };
    let (fresh, stale, state) = (dir.join(FRESH), dir.join(STALE), dir.join("state"));
    super::remove(&fresh);
    super::remove(&stale);
    copy_files(&kept.path, &fresh)?;
    std::fs::rename(&state, &stale)?;
    std::fs::rename(&fresh, &state)?;
    sync_folder(dir)?;
    super::remove(&stale);
    place.open_state().map_err(io::Error::other)
}

/// Ends or undoes a swap that a crash interrupted. Called before the state is opened.
pub(crate) fn settle(dir: &Path) -> io::Result<()> {
    let (fresh, stale, state) = (dir.join(FRESH), dir.join(STALE), dir.join("state"));
    if !state.exists() && fresh.exists() {
        std::fs::rename(&fresh, &state)?;
        sync_folder(dir)?;
    }
    super::remove(&fresh);
    super::remove(&stale);
    Ok(())
}

/// A copy of a database that nobody writes.
pub(crate) fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for file in std::fs::read_dir(from)?.filter_map(Result::ok) {
        if file.file_name() != "LOCK" && file.file_type()?.is_file() {
            link_or_copy(&file.path(), &to.join(file.file_name()))?;
        }
    }
    sync_folder(to)
}

/// Files of tables never change and may be shared; the few others are written to.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.extension().is_some_and(|end| end == "sst") {
        return std::fs::hard_link(from, to);
    }
    std::fs::copy(from, to).and_then(|_| std::fs::File::open(to)?.sync_all())
}

/// In memory nothing can be renamed through the file system: the rows are copied.
fn in_memory(place: &Place, kept: &Kept) -> io::Result<DB> {
    let from = kept.place.open_copy(&kept.path).map_err(io::Error::other)?;
    let to = place.open_state().map_err(io::Error::other)?;
    let mut all = rocksdb::WriteBatch::default();
    all.delete_range(&[0u8][..], &[0xff_u8; 64][..]);
    to.write(all).map_err(io::Error::other)?;
    for row in from.iterator(rocksdb::IteratorMode::Start) {
        let (key, value) = row.map_err(io::Error::other)?;
        to.put(key, value).map_err(io::Error::other)?;
    }
    Ok(to)
}
