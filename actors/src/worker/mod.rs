//! Filled in next.

pub(crate) mod capture;
pub(crate) mod executor;
pub mod logs;
