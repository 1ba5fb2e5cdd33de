//! What came of a run: green, red, or nobody knows.
//!
//! A check that could not be made is not a check that was passed. So there are three verdicts, and the worst of all parts is that
//! of the whole.

use serde::{Deserialize, Serialize};

/// How it ended. In the order of how bad they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that was checked held, and enough was checked.
    Valid,
    /// Too little happened, or a check did not come to an end.
    Unknown,
    /// Something that must never happen did.
    Invalid,
}

/// One thing that was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub outcome: Outcome,
    /// The law or the guard it speaks for: `register/linearizable`, `guard/rate`.
    pub law: String,
    /// What was looked at and what was found, in a sentence; of a violation also which operations.
    pub says: String,
}

/// All findings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Each law and each guard has at least one, also if it held.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Notes that something held.
    pub fn held(&mut self, law: &str, says: impl Into<String>) {
        self.note(Outcome::Valid, law, says);
    }

    /// Notes that something was broken.
    pub fn broken(&mut self, law: &str, says: impl Into<String>) {
        self.note(Outcome::Invalid, law, says);
    }

    /// Notes that something could not be told.
    pub fn unknown(&mut self, law: &str, says: impl Into<String>) {
        self.note(Outcome::Unknown, law, says);
    }

    fn note(&mut self, outcome: Outcome, law: &str, says: impl Into<String>) {
        self.findings.push(Finding { outcome, law: law.to_owned(), says: says.into() });
    }

    /// The worst of them; without any, nobody knows.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Unknown)
    }
}
