//! The cast: who supervises whom, who tells whom what.

pub mod crew;
pub mod role;
pub mod status;
mod supervisor;
pub mod worker;
