//! Which rules are in force: behaviour switches by agreement, not by deploy.
//!
//! A new rule in `decide` is guarded by `tx.rules() >= N`. The cell moves to N once every member speaks it (the entry in which the
//! last of them joins), so replicas with two builds still reach the same bytes. Who is lost may come back and is waited for; who
//! has left is not. Rules in force are never lowered. A node whose build is older than the rules in force cannot join, and stops
//! if it finds them in its own tables.
//!
//! | rules | what they brought |
//! | --- | --- |
//! | 1 | one node |
//! | 2 | several nodes: boots are ordered, joining evens out who drives what, departures are recorded |
//!
//! Commands that only newer rules know may not be proposed before these are in force, with one exception: a node enters by
//! [`crate::member::Command::Enter`] at once, because where rules 1 are in force there is no other node that had to read it.

/// The newest rules this build knows.
pub const NEWEST: u32 = 2;
/// The first rules under which a cell may have several nodes.
pub const CLUSTER: u32 = 2;
/// The oldest rules whose logs this build still applies as they were meant.
pub const OLDEST: u32 = 1;
