//! Which commands only look. Everything else changes something, and is refused where nothing may be changed. Pure.
//!
//! What is not on the list counts as a change: a command that is forgotten here is refused too often and never too seldom. A test knows
//! the whole tree, so that nothing is forgotten for long.

/// Commands that change nothing in the cluster, by their words.
const LOOKS: &[&str] = &[
    "actors get",
    "actors tree",
    "cluster members",
    "cluster status",
    "completions",
    "config explain",
    "config schema",
    "config show",
    "context list",
    "context show",
    "convert",
    "diff",
    "dlq export",
    "dlq get",
    "dlq list",
    "doctor",
    "explain",
    "help",
    "logs",
    "nodes get",
    "nodes list",
    "queues get",
    "queues list",
    "raft status",
    "roles get",
    "roles list",
    "runs export",
    "runs get",
    "runs list",
    "runs logs",
    "runs result",
    "runs watch",
    "schema",
    "settings get",
    "settings list",
    "status",
    "tasks get",
    "tasks list",
    "validate",
    "version",
    "workers get",
    "workers list",
    "workflows get",
    "workflows graph",
    "workflows history",
    "workflows list",
    "workflows versions",
];

/// Commands that run for as long as a node or a console does: not for a console.
const OWN: &[&str] = &["chaos", "console", "dev", "server"];

/// Whether a command only looks. `rpc` is asked about elsewhere: its operation says.
pub(super) fn looks(path: &str) -> bool {
    LOOKS.binary_search(&path).is_ok()
}

/// Whether a command wants a terminal and a process of its own.
pub(super) fn wants_its_own(path: &str) -> bool {
    OWN.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands that change something.
    const CHANGES: &[&str] = &["apply", "recover", "rpc", "run"];
    /// Verbs that do.
    const VERBS: &[&str] = &[
        "add",
        "apply",
        "cancel",
        "complete",
        "delete",
        "demote",
        "discard",
        "drain",
        "fail",
        "move",
        "pause",
        "pin",
        "promote",
        "rebalance",
        "remove",
        "restart",
        "resume",
        "retry",
        "set",
        "signal",
        "step-down",
        "tag",
        "terminate",
        "undrain",
        "unpin",
        "use",
        "reset",
        "unset",
        "heartbeat",
    ];

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name()).trim().to_owned();
            if sub.has_subcommands() { leaves(sub, &path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn every_command_looks_or_changes_something() {
        let mut all = Vec::new();
        leaves(&crate::cli::tree(), "", &mut all);
        for path in &all {
            let verb = path.rsplit(' ').next().unwrap_or_default();
            let known =
                (path.contains(' ') && VERBS.contains(&verb)) || CHANGES.contains(&path.as_str());
            let places = [looks(path), wants_its_own(path), known].iter().filter(|is| **is).count();
            assert_eq!(places, 1, "`{path}` must look, change something, or want its own terminal");
        }
        for path in LOOKS {
            assert!(all.iter().any(|one| one == path), "`{path}` is not a command");
        }
        assert!(LOOKS.is_sorted(), "it is searched by halves");
    }
}
