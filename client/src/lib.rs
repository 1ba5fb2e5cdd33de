//! Asks a cluster patiently: start workflows, look at runs, tell them things, watch what happens.
//!
//! A [`Client`] is where the nodes are and how patient to be with them. It is cheap to clone, keeps its connections alive, and types
//! every answer by `oarlock-proto`. From it come small handles that hold an id and nothing else, so that what reads as a
//! sentence is one request:
//!
//! ```no_run
//! use oarlock_client::{Client, RunStatus};
//!
//! # async fn story() -> Result<(), oarlock_client::Error> {
//! let client = Client::from_env()?;                            // OARLOCK_ADDR, OARLOCK_TOKEN …
//! client.apply("kind: workflow\nname: hello\ntasks: {greet: {run: echo hi}}").send().await?;
//!
//! let run = client.workflow("hello").start().input("day", "2026-11-20").send().await?;
//! let result = client.run(&run.id).wait().await?;              // follows the feed until the run is over
//! println!("{} came to {:?}", run.name, result.output);
//!
//! let mut failed = client.runs().status(RunStatus::Failed).since("1h").stream();
//! while let Some(run) = futures::TryStreamExt::try_next(&mut failed).await? {
//!     client.run(&run.id).retry(None).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is repeated, and what is not
//!
//! A request is sent again only where that cannot do a thing twice: reads, changes that say what is to be afterwards, and
//! starts, which carry a key made for each call. Everything else is repeated only when it certainly did not arrive, or when
//! the answer said that it had not been taken in. Pauses grow and are spread at random, and the caller's time is their bound.
//!
//! # When it fails
//!
//! An [`Error`] says what the caller can do: [`Advice::Retry`], [`Advice::Fix`] or [`Advice::GiveUp`], and carries the
//! server's own [`Problem`] with its code.
//!
//! What this crate never knows: the engine, the log, or where anything is kept.

mod client;
mod cluster;
mod dead;
mod endpoint;
mod error;
mod list;
mod path;
mod queue;
mod raw;
mod run;
mod sse;
mod start;
mod task;
mod watch;
mod workflow;

pub use client::{Builder, Client, DEFAULT_ADDR};
pub use cluster::{ActorHandle, NodeHandle, RoleHandle};
pub use dead::DeadLetterHandle;
pub use error::{Advice, Error};
pub use list::List;
pub use oarlock_proto::v1;
pub use oarlock_proto::v1::{Problem, RunStatus, TaskStatus};
pub use path::new_run_id;
pub use queue::QueueHandle;
pub use raw::{Answer, Raw};
pub use run::RunHandle;
pub use start::Start;
pub use task::TaskHandle;
pub use watch::{Events, Log};
pub use workflow::{Apply, WorkflowHandle};
