//! Which rules are in force: behaviour switches by agreement, not by deploy.
//!
//! A new rule in `decide` is guarded by `tx.rules() >= N`. The cell moves to N once every member speaks it (the entry in which the
//! last of them joins), so replicas with two builds still reach the same bytes. A node whose build is older than the rules in
//! force cannot join, and stops if it finds them in its own tables.

/// The newest rules this build knows.
pub const NEWEST: u32 = 1;
/// The oldest rules whose logs this build still applies as they were meant.
pub const OLDEST: u32 = 1;
