//! The checkers: each turns a history into what one of them that is not ours understands, and its answer into findings.

pub mod append;
pub mod oracle;
pub mod register;
#[cfg(test)]
pub(crate) mod scene;
pub mod set;
pub mod state;
pub mod effect;
pub mod epoch;
pub mod feed;
pub mod liveness;
pub mod member;
#[cfg(test)]
pub(crate) mod planted;
pub mod failover;
pub mod guard;
#[cfg(test)]
pub(crate) mod made_up;
pub mod metrics;
pub mod story;
