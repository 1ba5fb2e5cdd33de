//! Opens RocksDB: where the databases lie and with which options, in one place.
//!
//! ```text
//!   DIR/identity      who this is; refuses another node's number                    (admin.rs)
//!   DIR/lock          held while a process uses the directory                       (admin.rs)
//!   DIR/log/          the Raft log: write-ahead log synced, tail may be torn        (log/)
//!   DIR/mark          the log's high-water mark                                     (log/mark.rs)
//!   DIR/state/        the tables: no write-ahead log, the Raft log replays          (machine/)
//!   DIR/snapshot/N/   hard links to the state's files as they were after entry N    (snapshot/)
//! ```
//!
//! Two databases, because they want opposite things: the log is written once, read hardly ever and deleted soon, and each write is
//! synced; the state is read all the time and never synced by itself. A replica in memory is the same code over RocksDB's
//! in-memory file system.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, Env, Options};

use crate::ending::Open;
use crate::fault::Fault;

/// Memory for blocks read from the state's files.
const BLOCK_CACHE_BYTES_MAX: usize = 64 << 20;
/// One table in memory before it is written out.
const LOG_TABLE_BYTES: usize = 16 << 20;
const STATE_TABLE_BYTES: usize = 32 << 20;

/// Where a replica's databases lie.
#[derive(Clone)]
pub(crate) struct Place {
    dir: PathBuf,
    /// RocksDB's own file system in memory, if the replica is.
    memory: Option<Env>,
    blocks: Cache,
    /// Held for as long as anything of the directory is open.
    _lock: Option<Arc<File>>,
    _open: Arc<Open>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = self.memory.is_some();
        f.debug_struct("Place").field("dir", &self.dir).field("memory", &memory).finish()
    }
}

impl Place {
    /// A directory, or memory.
    pub(crate) fn new(data: Option<&Path>) -> Result<Place, Fault> {
        // RocksDB's statics exist from here on.
        let _files = Env::new()?;
        let memory = if data.is_none() { Some(Env::mem_env()?) } else { None };
        let dir = data.map_or_else(|| PathBuf::from("/oarlock"), Path::to_path_buf);
        let blocks = Cache::new_lru_cache(BLOCK_CACHE_BYTES_MAX);
        Ok(Place { dir, memory, blocks, _lock: None, _open: Arc::new(Open::now()) })
    }

    /// The same place, taken for this process.
    pub(crate) fn taken(self, lock: Option<File>) -> Place {
        Place { _lock: lock.map(Arc::new), ..self }
    }

    /// The directory, if it is on a disk.
    pub(crate) fn disk(&self) -> Option<&Path> {
        self.memory.is_none().then_some(self.dir.as_path())
    }

    /// Where something of the replica lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Opens the log.
    pub(crate) fn open_log(&self) -> Result<DB, rocksdb::Error> {
        let mut options = self.options();
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_write_buffer_size(LOG_TABLE_BYTES);
        options.set_max_write_buffer_number(3);
        DB::open(&options, self.path("log"))
    }

    /// Opens the tables.
    pub(crate) fn open_state(&self) -> Result<DB, rocksdb::Error> {
        DB::open(&self.state_options(), self.path("state"))
    }

    /// Opens a copy of the tables to look at it.
    pub(crate) fn open_copy(&self, path: &Path) -> Result<DB, rocksdb::Error> {
        let mut options = self.state_options();
        options.create_if_missing(false);
        DB::open_for_read_only(&options, path, false)
    }

    /// Opens a copy of the tables to write in it.
    pub(crate) fn open_scratch(&self, path: &Path) -> Result<DB, rocksdb::Error> {
        let mut options = self.state_options();
        options.create_if_missing(false);
        DB::open(&options, path)
    }

    /// Opens empty tables.
    pub(crate) fn open_fresh(&self, path: &Path) -> Result<DB, rocksdb::Error> {
        DB::open(&self.state_options(), path)
    }

    /// Takes a copy of the tables away.
    pub(crate) fn forget_copy(&self, path: &Path) {
        if self.memory.is_none() {
            crate::snapshot::remove(path);
        } else if let Err(error) = DB::destroy(&self.state_options(), path) {
            tracing::warn!(%error, "cannot remove an old snapshot from memory");
        }
    }

    /// Opens the log to look at it.
    pub(crate) fn open_log_to_read(&self) -> Result<DB, rocksdb::Error> {
        let mut options = self.options();
        options.create_if_missing(false);
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        DB::open_for_read_only(&options, self.path("log"), false)
    }

    fn state_options(&self) -> Options {
        let mut options = self.options();
        options.set_write_buffer_size(STATE_TABLE_BYTES);
        options.set_max_write_buffer_number(3);
        options.set_min_write_buffer_number_to_merge(1);
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
        options.set_level_compaction_dynamic_level_bytes(true);
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.blocks);
        blocks.set_bloom_filter(10.0, false);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        blocks.set_block_size(8 << 10);
        options.set_block_based_table_factory(&blocks);
        options
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::None);
        options.set_max_background_jobs(2);
        options.set_max_open_files(512);
        options.set_keep_log_file_num(2);
        options.set_log_level(rocksdb::LogLevel::Warn);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_skip_stats_update_on_db_open(true);
        options.set_bytes_per_sync(1 << 20);
        if let Some(env) = &self.memory {
            options.set_env(env);
        }
        options
    }
}

/// A database that may have to be closed and opened again underneath its readers.
pub(crate) struct Shelf {
    db: RwLock<Option<DB>>,
    _open: Open,
}

impl Shelf {
    pub(crate) fn new(db: DB) -> Shelf {
        Shelf { db: RwLock::new(Some(db)), _open: Open::now() }
    }

    /// Uses the database. Do not use the same shelf inside: a reopening in between would lock both out.
    pub(crate) fn with<R>(&self, user: impl FnOnce(&DB) -> R) -> R {
        let guard: RwLockReadGuard<'_, Option<DB>> =
            self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = guard.as_ref().expect("a shelf is empty only while its lock is held for writing");
        user(db)
    }

    /// Closes the database and opens it again; `open` does not return before it has it. Readers wait.
    pub(crate) fn reopen(&self, open: impl FnOnce() -> DB) {
        let mut guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        drop(guard.take());
        *guard = Some(open());
    }
}

/// Bytes of a database's files and of its tables in memory.
pub(crate) fn bytes(db: &DB) -> u64 {
    ["rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables"]
        .iter()
        .filter_map(|name| db.property_int_value(*name).ok().flatten())
        .sum()
}
