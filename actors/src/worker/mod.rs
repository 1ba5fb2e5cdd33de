//! Filled in next.

pub(crate) mod capture;
pub mod logs;
