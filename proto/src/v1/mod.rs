//! Version 1 of the contract, one resource a file.

mod actor;
mod attempt;
mod cluster;
mod dead;
mod event;
mod health;
mod log;
mod member;
mod page;
mod problem;
mod queue;
mod role;
mod run;
mod setting;
mod signal;
mod status;
mod task;
mod worker;
mod workflow;

pub use actor::Actor;
pub use attempt::{Attempt, AttemptStatus};
pub use cluster::{Cluster, Departure, Peer, RaftStatus, StepDown};
pub use dead::{DeadLetter, DeadLetterGroup, DeadSelection, Selected};
pub use event::Event;
pub use health::{Health, Readiness};
pub use log::LogChunk;
pub use member::{Member, MemberState, MemberStep};
pub use page::Page;
pub use problem::{Problem, Violation};
pub use queue::{Queue, QueueCounts, QueueLimit};
pub use role::{MoveRole, PinRole, Role};
pub use run::{
    Execution, Failure, Reason, RetryRun, Run, RunList, RunResult, RunStatus, RunStep,
    StartOutcome, StartRun, StartRuns, Started, Tag,
};
pub use setting::{SetSetting, Setting};
pub use signal::Signal;
pub use status::{ClusterStatus, Status, Totals};
pub use task::{Awaiting, Backoff, CompleteTask, FailTask, Policy, Task, TaskStatus};
pub use worker::Worker;
pub use workflow::{
    Applied, AppliedDefinition, Change, Graph, Workflow, WorkflowTask, WorkflowVersion,
};
