//! Settings of the cell: few, by name, the same on every node, changed through the log.

pub(crate) mod decide;
pub(crate) mod evolve;

use serde::{Deserialize, Serialize};

use crate::store::{View, schema};
use crate::time::Span;

/// How long finished runs are kept where their workflow does not say: milliseconds as decimal text. Default: 30 days.
pub const RETENTION_MS: &str = "retention_ms";
/// How long the feed is kept: milliseconds as decimal text. Default: 7 days.
pub const FEED_RETENTION_MS: &str = "feed_retention_ms";
/// Every setting there is; others are refused.
pub const KNOWN: [&str; 2] = [RETENTION_MS, FEED_RETENTION_MS];

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Set it; an empty value brings the default back.
    Set {
        /// One of [`KNOWN`].
        name: String,
        /// The new value.
        value: String,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It has a new value.
    Changed {
        /// Which.
        name: String,
        /// The new value; empty: the default.
        value: String,
    },
}

/// A setting; none: it is at its default.
pub fn get(view: &dyn View, name: &str) -> Option<String> {
    schema::SETTING.get(view, &name.to_owned())
}

/// A setting that is a length of time; none: it is at its default.
pub fn span(view: &dyn View, name: &str) -> Option<Span> {
    get(view, name)?.parse().ok().map(Span)
}
