//! The Raft log: what was agreed upon, in order, on the disk before anybody is told.
//!
//! ```text
//!   openraft's core ──append──▶ cache ──job──▶ writer thread ── one write batch, one sync for all that waits ──▶ RocksDB
//!                                 │                  │
//!   replication, apply ◀──read────┘                  ├── tells openraft that it is durable
//!                                                    └── notes it in the high-water mark
//! ```

pub(crate) mod cache;
pub(crate) mod key;
pub(crate) mod mark;
pub(crate) mod store;
pub(crate) mod writer;
