//! Abuses a real cluster, writes down what clients saw, and has it judged by checkers that are not ours.
//!
//! ```text
//!   world ── nodes, network, disks, clocks ──┐
//!   nemesis ── breaks them, proves it ───────┤
//!   work ── clients at work ─────────────────┼─▶ history.jsonl, effects.jsonl ─▶ check ─▶ verdict ─▶ report
//!   sink ── what workers really did ─────────┘
//! ```
//!
//! The two halves know nothing of each other: what is left of a run is a folder, and whoever judges reads the folder.

pub mod asked;
pub mod check;
pub mod cli;
pub mod edn;
pub mod effect;
pub mod history;
mod judge;
mod nemesis;
pub mod plan;
mod progress;
pub mod report;
mod run;
pub mod sink;
pub mod soak;
pub mod verdict;
pub mod work;
mod world;
