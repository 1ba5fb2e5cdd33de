//! A checkpoint of the state: flushed, linked, looked at, and only then called a snapshot.
//!
//! It is made while entries are applied. What it contains is the state after some entry that was applied meanwhile, so it is asked
//! itself which; entry and rows are in one write, so the answer is exact.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use openraft::RaftSnapshotBuilder;
use openraft::storage::Snapshot;
use rocksdb::checkpoint::Checkpoint;

use super::{FOLDER, Kept, UNFINISHED, remove};
use crate::config::Cell;
use crate::machine::Shared;
use crate::metric;

/// Names of unfinished snapshots, and of all in memory.
static COUNT: AtomicU64 = AtomicU64::new(1);

/// Builds one snapshot.
pub(crate) struct Builder {
    pub(crate) shared: Arc<Shared>,
}

impl RaftSnapshotBuilder<Cell> for Builder {
    type SnapshotData = Kept;

    async fn build_snapshot(
        &mut self,
    ) -> Result<openraft::alias::SnapshotOf<Cell, Kept>, io::Error> {
        let shared = self.shared.clone();
        let kept = tokio::task::spawn_blocking(move || build(&shared)).await??;
        Ok(Snapshot { meta: kept.meta.clone(), snapshot: kept })
    }
}

fn build(shared: &Shared) -> io::Result<Kept> {
    let begin = std::time::Instant::now();
    let _alone = shared.building.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = shared.place.path(FOLDER);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let fresh = folder.join(format!("{UNFINISHED}{number}"));
    if shared.place.disk().is_some() {
        std::fs::create_dir_all(&folder)?;
        remove(&fresh);
    }
    shared
        .shelf
        .with(|db| Checkpoint::new(db).and_then(|made| made.create_checkpoint(&fresh)))
        .map_err(io::Error::other)?;
    let mut kept = Kept::read(&shared.place, &fresh).map_err(io::Error::other)?;
    if shared.place.disk().is_some() {
        kept.path = folder.join(name(&kept));
        remove(&kept.path);
        std::fs::rename(&fresh, &kept.path)?;
        sync_folder(&folder)?;
    }
    let old = {
        let mut newest = shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        newest.replace(kept.clone())
    };
    if let Some(old) = old
        && old.path != kept.path
    {
        shared.place.forget_copy(&old.path);
    }
    metric::snapshot_taken(begin.elapsed());
    Ok(kept)
}

/// What the folder of a snapshot is called.
pub(crate) fn name(kept: &Kept) -> String {
    format!("{:020}", crate::machine::index(kept.meta.last_log_id))
}

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
