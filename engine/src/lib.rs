//! The engine in one drawing: entry → decide → events → evolve → tables.

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
