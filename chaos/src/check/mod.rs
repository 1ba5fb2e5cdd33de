//! The checkers: each turns a history into what one of them that is not ours understands, and its answer into findings.

pub mod failover;
pub mod guard;
#[cfg(test)]
pub(crate) mod made_up;
pub mod metrics;
pub mod story;
