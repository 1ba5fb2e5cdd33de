//! openraft's own suite for storages, over ours.

use std::sync::Arc;

use oarlock_engine::id::NodeId;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::admin::Stores;
use crate::config::{Cell, Config};
use crate::log::store::Log;
use crate::machine::Machine;

/// Opens the stores of a new replica for each test of the suite.
struct Build {
    on_disk: bool,
}

/// What must outlive a test: the directory and the threads' other ends.
struct Guard {
    _dir: Option<TempDir>,
    _rest: Arc<crate::machine::Shared>,
}

impl StoreBuilder<Cell, Log, Machine, Guard> for Build {
    async fn build(&self) -> Result<(Guard, Log, Machine), StorageError<Cell>> {
        let dir = self.on_disk.then(|| tempfile::tempdir().expect("a temporary directory"));
        let data = dir.as_ref().map(|dir| dir.path().to_path_buf());
        let stores = Stores::open(&Config::new(NodeId(0), data)).expect("an empty directory opens");
        Ok((Guard { _dir: dir, _rest: stores.shared }, stores.log, stores.machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_on_a_disk_do_what_openraft_expects() {
    Suite::test_all(Build { on_disk: true }).await.expect("the suite of openraft");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_in_memory_do_what_openraft_expects() {
    Suite::test_all(Build { on_disk: false }).await.expect("the suite of openraft");
}
