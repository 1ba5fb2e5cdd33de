//! The engine in one drawing: entry → decide → events → evolve → tables.
//!
//! ```text
//!                 ┌──────────────────────────── Engine::apply ────────────────────────────┐
//!   Entry ───────▶│ command::decide ──▶ <concept>/decide.rs   reads Tx, may only emit     │
//!   (at, by,      │                          │ emit(event)                                │
//!    offer,       │                          ▼                                            │
//!    command)     │ event::evolve ────▶ <concept>/evolve.rs   one event, the rows it      │──▶ Applied: batch,
//!                 │                          │                changes                     │    records, outcomes
//!   View ────────▶│                          ▼                                            │
//!   (the store)   │                     store: Overlay ── feed: records of this entry     │
//!                 └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! This crate decides what a command means and what is true afterwards. What is absent from it is its point: no clock (time
//! arrives in the entry), no randomness (ids are chosen by who asks), no I/O, no threads, no hash order. Equal logs make equal
//! bytes on every replica, so the log is all that nodes have to agree about.
//!
//! Start reading at [`apply`], then a concept: its `mod.rs` draws its life, `decide.rs` says what a command comes to, `evolve.rs`
//! which rows an event changes. [`store::schema`] has every table on one page, [`law`] what is true between any two entries.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod access;
pub mod apply;
pub mod blob;
pub mod catalog;
pub mod codec;
pub mod command;
pub mod dag;
pub mod event;
pub mod feed;
pub mod id;
pub mod law;
pub mod member;
pub mod queue;
pub mod reject;
pub mod role;
pub mod run;
pub mod setting;
pub mod store;
pub mod task;
pub mod time;
pub mod timer;
pub mod version;
pub mod worker;
