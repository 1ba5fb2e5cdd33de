//! Who acts: a principal on every entry.
//!
//! Only the name exists so far: every entry says who asked for it, and every record of the feed repeats it, so the audit is
//! complete from the first day. Who may do what comes later, in this folder, as a pure table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who asked: `user:local`, `node:n1`, `role:dag-etl-1-of-1`, `worker:wrk_…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Principal(pub String);

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
