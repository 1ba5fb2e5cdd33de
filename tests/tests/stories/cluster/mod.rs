//! Three nodes, broken in every way that a machine and a network know, while two clients work with them.
//!
//! A story starts a cluster of real processes, keeps it busy, breaks something, mends it or does not, and then looks whether
//! everything held: see `whole.rs` for what that means.

mod broken;
mod by_hand;
mod console;
mod hidden;
mod lab;
mod long;
mod much;
mod register;
mod three;
mod whole;
mod work;
