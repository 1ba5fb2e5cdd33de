//! The checkers: each turns a history into what one of them that is not ours understands, and its answer into findings.

pub mod append;
pub mod effect;
pub mod epoch;
pub mod failover;
pub mod feed;
pub mod guard;
pub mod liveness;
#[cfg(test)]
pub(crate) mod made_up;
pub mod member;
pub mod metrics;
pub mod oracle;
#[cfg(test)]
pub(crate) mod planted;
pub mod register;
#[cfg(test)]
pub(crate) mod scene;
pub mod set;
pub mod state;
pub mod story;
