//! The cast: who supervises whom, who tells whom what.
//!
//! ```text
//!                       ┌──────────── supervisor ────────────┬──────────┬──────────┐   who starts whom again
//!                    herald           worker             scheduler    sentry    steward, liaison
//!                       │               │               ┌────┴─────┐    │          │
//!                       │               │             role …    keeper  │          │
//!                       │               │               │               │          │
//!   feed ──────────────▶│── leases ────▶│ attempts      │               │          │   hints: each may be lost
//!                       │── questions, alarms ─────────▶│               │          │
//!                       │── members ───────────────────────────────────▶│─────────▶│
//!   other nodes ◀──────────────────────────────── signs of life, questions ───────▶│
//!                       │                               │               │          │
//!   log ◀───────────────│──── Complete, Fail ◀──────────│ Answer, Tick ◀│ Enter   ◀│ GiveUp    truth: proposals
//! ```
//!
//! Actors are the shell around the engine: they watch the feed, talk to the world and propose. They never decide what is true,
//! and nothing that must survive is only in one of them: killing any of them at any time costs time and loses nothing. Work is
//! bounded before it is sent: by the worker's slots, and by one batch and one tick a role.

pub mod crew;
pub mod expression;
pub(crate) mod herald;
pub mod inputs;
pub(crate) mod keeper;
pub mod link;
pub mod membership;
pub(crate) mod metric;
pub(crate) mod placement;
pub(crate) mod post;
pub(crate) mod proposal;
pub mod role;
pub(crate) mod scheduler;
pub(crate) mod shelf;
pub mod status;
pub(crate) mod supervisor;
pub(crate) mod wire;
pub mod worker;

#[cfg(test)]
mod tests;
