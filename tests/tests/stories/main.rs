//! Whole stories: the real program, started, used, killed and started again.
//!
//! Each file is one promise of the README. They share one test binary, so that it is linked once, and one harness, `node.rs`,
//! which knows how to start a node and what to wait for. The program must have been built before: `cargo verify test` does it.

mod cancel;
mod cluster;
mod console;
mod convert;
mod disk;
mod doors;
mod examples;
mod execute;
mod exits;
mod kill;
mod large;
mod life;
mod load;
mod node;
mod order;
mod service;
mod settings;
mod terminal;
mod tour;
mod tries;
mod watch;
mod words;
