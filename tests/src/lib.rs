//! The house seen from outside: what the tests of the whole workspace share.

pub mod house;
