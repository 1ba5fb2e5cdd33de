//! Filled in next.

pub(crate) mod restart;
