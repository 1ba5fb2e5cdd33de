//! Which rules are in force: behaviour switches by agreement, not by deploy.
//!
//! A new rule in `decide` is guarded by `tx.rules() >= N`. The cell moves to N once every member speaks it, so replicas with two
//! builds still reach the same bytes.

/// The newest rules this build knows.
pub const NEWEST: u32 = 1;
/// The oldest rules whose logs this build still applies as they were meant.
pub const OLDEST: u32 = 1;
