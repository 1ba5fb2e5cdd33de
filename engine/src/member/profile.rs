//! What a node is for: its duties, its labels, how much it takes on.
//!
//! Every node of a cell runs the same program; its profile says which parts of it are wanted there. It comes with the node at
//! each start, so it is changed by changing the node's settings and starting it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::catalog::shape;
use crate::reject::Rejection;

/// What a node takes on in proportion to others, unless it says otherwise.
pub const CAPACITY_USUAL: u32 = 100;
/// The most that a node may say it takes on.
pub const CAPACITY_MAX: u32 = 1_000_000;

/// Something a node can be for. Outside these are called the roles of a node: `--roles api,worker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Duty {
    /// It answers people and programs.
    Api,
    /// It may drive roles.
    Scheduler,
    /// It runs tasks.
    Worker,
    /// Its vote counts in the log.
    Voter,
}

impl Duty {
    /// All of them.
    pub const ALL: [Duty; 4] = [Duty::Api, Duty::Scheduler, Duty::Worker, Duty::Voter];

    /// Its word, as people write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Duty::Api => "api",
            Duty::Scheduler => "scheduler",
            Duty::Worker => "worker",
            Duty::Voter => "voter",
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoDuty(pub String);

impl fmt::Display for NoDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is none of api, scheduler, worker, voter", self.0)
    }
}

impl std::error::Error for NoDuty {}

impl FromStr for Duty {
    type Err = NoDuty;

    fn from_str(text: &str) -> Result<Self, NoDuty> {
        let known = Duty::ALL.into_iter().find(|duty| duty.word() == text);
        known.ok_or_else(|| NoDuty(text.to_owned()))
    }
}

/// What a node is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What it does; never empty.
    pub duties: BTreeSet<Duty>,
    /// What it is like: `zone: a`, `disk: fast`. A role may want some of them.
    pub labels: BTreeMap<String, String>,
    /// How much it takes on in proportion to others: twice the number, twice the roles.
    pub capacity: u32,
}

impl Default for Profile {
    fn default() -> Self {
        let duties = BTreeSet::from(Duty::ALL);
        Profile { duties, labels: BTreeMap::new(), capacity: CAPACITY_USUAL }
    }
}

impl Profile {
    /// Whether it is for this.
    #[must_use]
    pub fn is(&self, duty: Duty) -> bool {
        self.duties.contains(&duty)
    }
}

/// The first label that is wanted and not there.
#[must_use]
pub fn lacks<'w>(
    labels: &BTreeMap<String, String>,
    wanted: &'w BTreeMap<String, String>,
) -> Option<(&'w String, &'w String)> {
    wanted.iter().find(|(name, value)| labels.get(*name) != Some(*value))
}

/// Refuses a profile that is none.
pub(crate) fn check(profile: &Profile) -> Result<(), Rejection> {
    if profile.duties.is_empty() {
        return Err(Rejection::invalid("roles", "the node is for nothing"));
    }
    if profile.capacity == 0 {
        let why = "is 0: a node that is to drive nothing goes without the role `scheduler`";
        return Err(Rejection::invalid("capacity", why));
    }
    if profile.capacity > CAPACITY_MAX {
        return Err(Rejection::too_large("capacity", CAPACITY_MAX as usize));
    }
    shape::labels(&profile.labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_reads_back_as_it_was_written() {
        for duty in Duty::ALL {
            assert_eq!(duty.to_string().parse(), Ok(duty));
        }
        assert_eq!("boss".parse::<Duty>(), Err(NoDuty("boss".to_owned())));
    }

    #[test]
    fn a_label_that_differs_is_missing() {
        let has = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        let wants = BTreeMap::from([("zone".to_owned(), "b".to_owned())]);
        assert_eq!(lacks(&has, &has), None);
        assert!(lacks(&has, &wants).is_some());
        assert_eq!(lacks(&has, &BTreeMap::new()), None);
    }
}
