//! Oarlock's one binary: a node, and everything people type.
//!
//! The words are in [`cli`], what each does in [`words`], how things are shown in [`output`], how a node starts and stops in
//! [`serve`]; the same words without a new process for each are in [`console`]. Nothing is decided here.

mod again;
mod ask;
mod cli;
mod config;
mod console;
mod fault;
mod lab;
mod log;
mod news;
mod output;
mod progress;
mod serve;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
