//! Snapshots: the state as it was after one entry, kept as hard links to files that never change.
//!
//! A checkpoint costs a flush of what is in memory and some links, whatever the size of the state. Only the newest is kept; the
//! log behind it may be purged. It is also what `oarlock doctor` starts from when it applies the log again.

pub(crate) mod build;
pub(crate) mod load;

use std::path::{Path, PathBuf};

use crate::config::SnapshotMeta;
use crate::disk::Place;
use crate::machine::rocks::{applied, members};

/// The folder of snapshots.
pub(crate) const FOLDER: &str = "snapshot";
/// How the folder of an unfinished one begins.
pub(crate) const UNFINISHED: &str = "new-";

/// A snapshot on the disk (or in memory).
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Whose file system it is in.
    pub(crate) place: Place,
    pub(crate) path: PathBuf,
    pub(crate) meta: SnapshotMeta,
}

impl Kept {
    /// Reads what a snapshot says of itself.
    pub(crate) fn read(place: &Place, path: &Path) -> Result<Kept, String> {
        let db = place.open_copy(path).map_err(rocksdb::Error::into_string)?;
        let applied = applied(&db)?;
        let meta = SnapshotMeta { last_log_id: applied.last, last_membership: members(&db)? };
        Ok(Kept { place: place.clone(), path: path.to_path_buf(), meta })
    }
}

/// The newest readable snapshot of a data directory. Unfinished ones are removed.
pub(crate) fn newest(place: &Place) -> Option<Kept> {
    let folder = place.disk()?.join(FOLDER);
    let mut found: Vec<Kept> = Vec::new();
    for entry in std::fs::read_dir(folder).ok()?.filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            remove(&path);
            continue;
        }
        match Kept::read(place, &path) {
            Ok(kept) => found.push(kept),
            Err(why) => tracing::warn!(path = %path.display(), why, "a snapshot cannot be read"),
        }
    }
    found.into_iter().max_by_key(|kept| kept.meta.last_log_id)
}

/// Takes a snapshot's folder away. Its files live on where they are linked.
pub(crate) fn remove(path: &Path) {
    if let Err(why) = std::fs::remove_dir_all(path)
        && why.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %why, "cannot remove an old snapshot");
    }
}
