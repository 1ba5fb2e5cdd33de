//! Filled in next.

pub mod action;
