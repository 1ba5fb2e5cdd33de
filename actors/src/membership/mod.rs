//! Who takes part: what can be told about other nodes from here.

pub mod detector;
