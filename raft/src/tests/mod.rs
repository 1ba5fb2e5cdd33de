//! Tests that must see inside: openraft's own suite, and what a power cut leaves.

mod odd;
mod power;
mod suite;
