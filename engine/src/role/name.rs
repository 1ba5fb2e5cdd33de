//! Names of roles: `{kind}-{what}-{shard}-of-{shards}`.
//!
//! The name says what is driven and which part of it, so that people and logs need no table. Every workflow's runs are one shard
//! so far, and there is one keeper.

/// The keeper's: retention and whatever else a cell needs done once.
pub const KEEPER: &str = "keeper-1-of-1";

/// Who drives the runs of a workflow.
#[must_use]
pub fn dag(workflow: &str) -> String {
    format!("dag-{workflow}-1-of-1")
}

/// The workflow whose runs a role drives, if it is such a role.
#[must_use]
pub fn workflow(role: &str) -> Option<&str> {
    role.strip_prefix("dag-")?.strip_suffix("-1-of-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_names_its_workflow() {
        assert_eq!(workflow(&dag("nightly-report")), Some("nightly-report"));
        assert_eq!(workflow(KEEPER), None);
    }
}
