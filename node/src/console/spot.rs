//! Where in the tree of commands a line is, and so what may come next. Pure.
//!
//! The tree is the parser's own, so what is completed and hinted at is what will be understood. Names of runs and nodes are not in it:
//! for those a [`Kind`] says what to ask the cluster for.

use clap::{Arg, Command};

/// Names that only the cluster, or the user's own file, knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Runs,
    Workflows,
    Tasks,
    Nodes,
    Roles,
    Queues,
    Settings,
    Operations,
    Messages,
    Contexts,
}

/// Something that may stand where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) value: String,
    pub(super) about: String,
}

impl Offer {
    pub(super) fn new(value: impl Into<String>, about: impl Into<String>) -> Offer {
        Offer { value: value.into(), about: about.into() }
    }
}

/// What may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// One of these.
    These(Vec<Offer>),
    /// A name that the cluster knows.
    Name(Kind),
    /// Nobody knows.
    Anything,
}

/// A place in the tree, behind some words.
struct Spot<'a> {
    command: &'a Command,
    path: Vec<&'a str>,
    /// Positional words that were said.
    said: usize,
    /// An option that waits for its value.
    open: Option<&'a Arg>,
}

/// Follows the words into the tree; none: they lead nowhere.
fn walk<'a>(tree: &'a Command, words: &[&str]) -> Option<Spot<'a>> {
    let mut spot = Spot { command: tree, path: Vec::new(), said: 0, open: None };
    for word in words {
        if spot.open.take().is_some() {
            continue;
        }
        if let Some(option) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            spot.open = option_of(spot.command, option);
        } else if spot.command.has_subcommands() {
            let found = sub_of(spot.command, word)?;
            (spot.command, spot.said) = (found, 0);
            spot.path.push(found.get_name());
        } else {
            spot.said += 1;
        }
    }
    Some(spot)
}

/// The option that a word names, if it takes a value that the word does not have.
fn option_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let named = match word.strip_prefix('-') {
        Some(long) => command.get_arguments().find(|arg| arg.get_long() == Some(long)),
        None => command.get_arguments().find(|arg| arg.get_short() == word.chars().last()),
    };
    named.filter(|arg| arg.get_action().takes_values())
}

fn sub_of<'a>(command: &'a Command, word: &str) -> Option<&'a Command> {
    let exact = command
        .get_subcommands()
        .find(|sub| sub.get_name() == word || sub.get_all_aliases().any(|alias| alias == word));
    exact.or_else(|| {
        let mut near = command.get_subcommands().filter(|sub| sub.get_name().starts_with(word));
        near.next().filter(|_| near.next().is_none())
    })
}

/// What may follow these words, where `begun` is what stands of the next one.
pub(super) fn next(tree: &Command, words: &[&str], begun: &str) -> Next {
    let Some(spot) = walk(tree, words) else { return Next::Anything };
    if let Some(option) = spot.open {
        return values(&spot, option);
    }
    if begun.starts_with('-') {
        let options = spot.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let offers = options.filter_map(|arg| {
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.get_long().map(|long| Offer::new(format!("--{long}"), about))
        });
        return Next::These(offers.collect());
    }
    if spot.command.has_subcommands() {
        let subs = spot.command.get_subcommands().filter(|sub| !sub.is_hide_set());
        let offers = subs.map(|sub| {
            Offer::new(sub.get_name(), sub.get_about().map(ToString::to_string).unwrap_or_default())
        });
        return Next::These(offers.collect());
    }
    if spot.path == ["help"] && spot.said == 0 {
        return next(tree, &[], "");
    }
    positional(&spot).map_or(Next::Anything, |arg| values(&spot, arg))
}

/// The positional word that comes next: the last one takes as many as it likes if it takes several.
fn positional<'a>(spot: &Spot<'a>) -> Option<&'a Arg> {
    let all: Vec<&Arg> = spot.command.get_positionals().collect();
    let several = |arg: &&&Arg| matches!(arg.get_action(), clap::ArgAction::Append);
    all.get(spot.said).or_else(|| all.last().filter(several)).copied()
}

fn values(spot: &Spot, arg: &Arg) -> Next {
    let known = arg.get_possible_values();
    if !known.is_empty() {
        let shown = known.iter().filter(|value| !value.is_hide_set());
        return Next::These(
            shown
                .map(|value| {
                    let about = value.get_help().map(ToString::to_string).unwrap_or_default();
                    Offer::new(value.get_name(), about)
                })
                .collect(),
        );
    }
    kind(&spot.path, arg.get_id().as_str()).map_or(Next::Anything, Next::Name)
}

/// What the word of an argument names.
fn kind(path: &[&str], arg: &str) -> Option<Kind> {
    let kind = match (path.first().copied().unwrap_or_default(), arg) {
        ("run", "what") | (_, "workflow") | ("workflows", "name" | "names") => Kind::Workflows,
        (_, "run" | "runs") | ("status" | "logs" | "runs", "id") => Kind::Runs,
        (_, "task" | "tasks") => Kind::Tasks,
        (_, "node" | "to") => Kind::Nodes,
        (_, "role") => Kind::Roles,
        (_, "queue") | ("queues", "name" | "names") => Kind::Queues,
        ("settings", "name") => Kind::Settings,
        ("context", "name") | (_, "context") => Kind::Contexts,
        ("rpc", "operation") => Kind::Operations,
        _ => return None,
    };
    Some(kind)
}

/// What is still to be said behind these words, as a hint: `<RUN> [REASON]`.
pub(super) fn wanted(tree: &Command, words: &[&str]) -> String {
    let Some(spot) = walk(tree, words) else { return String::new() };
    if spot.open.is_some() || spot.command.has_subcommands() {
        return String::new();
    }
    let left = spot.command.get_positionals().skip(spot.said).map(|arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let name =
            names.first().map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
        if arg.is_required_set() { format!("<{name}>") } else { format!("[{name}]") }
    });
    left.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Command {
        let mut tree = crate::cli::tree();
        tree.build();
        tree
    }

    fn after(words: &[&str], begun: &str) -> Next {
        next(&tree(), words, begun)
    }

    fn offered(next: &Next, value: &str) -> bool {
        matches!(next, Next::These(offers) if offers.iter().any(|offer| offer.value == value))
    }

    #[test]
    fn commands_are_offered_as_the_parser_knows_them() {
        assert!(offered(&after(&[], "no"), "nodes"));
        assert!(offered(&after(&["nodes"], ""), "drain"));
        assert!(offered(&after(&["wf"], ""), "pause"));
        assert!(offered(&after(&["roles", "list"], "--"), "--where"));
        assert!(offered(&after(&["help"], ""), "runs"));
        assert_eq!(after(&["nosuch"], ""), Next::Anything);
    }

    #[test]
    fn a_name_is_asked_of_whoever_knows_it() {
        assert_eq!(after(&["runs", "get"], ""), Next::Name(Kind::Runs));
        assert_eq!(after(&["roles", "move"], ""), Next::Name(Kind::Roles));
        assert_eq!(after(&["roles", "move", "r", "--to"], ""), Next::Name(Kind::Nodes));
        assert_eq!(after(&["workflows", "pause", "a"], ""), Next::Name(Kind::Workflows));
        assert_eq!(after(&["cluster", "step-down", "--to"], ""), Next::Name(Kind::Nodes));
        assert_eq!(after(&["rpc"], ""), Next::Name(Kind::Operations));
        assert!(offered(&after(&["runs", "list", "-o"], ""), "jsonl"));
    }

    #[test]
    fn what_is_still_wanted_is_hinted_at() {
        assert_eq!(wanted(&tree(), &["runs", "get"]), "<RUN>");
        assert_eq!(wanted(&tree(), &["rpc", "cluster"]), "[JSON]");
        assert_eq!(wanted(&tree(), &["runs"]), "");
        assert_eq!(wanted(&tree(), &["runs", "get", "etl/1"]), "");
    }
}
