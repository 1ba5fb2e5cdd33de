//! The commands of the console's own, which begin with a backslash. Pure.
//!
//! They are about the console, not about the cluster: where it talks to, how it shows things, what it remembers. The table below is what
//! `\?` prints, what completion offers, and what the reader of a line knows; there is no other list.

use std::time::Duration;

use clap::ValueEnum as _;

use crate::config::span;
use crate::output::Format;

/// The pause of `\watch` if none is named.
const WATCH: Duration = Duration::from_secs(2);

/// What each takes, and what it does.
pub(super) const ALL: &[(&str, &str, &str)] = &[
    ("\\?", "", "this list"),
    ("\\h", "[COMMAND]", "what a command takes"),
    ("\\c", "[CONTEXT|-]", "talk to another cluster; -: the one before; nothing: say which"),
    ("\\node", "[NODE|-]", "talk to one node, about what it has; -: to any"),
    ("\\watch", "[SECONDS] COMMAND", "again and again, changes bright, until Ctrl-C"),
    ("\\f", "[FORM]", "show data as table, wide, json, jsonl, yaml, csv, name"),
    ("\\x", "[on|off]", "lists as fields below each other"),
    ("\\timing", "[on|off]", "say how long each command took"),
    ("\\o", "[FILE]", "write data to a file; nothing: here again"),
    ("\\set", "[NAME VALUE]", "give $NAME a value; nothing: all of them"),
    ("\\i", "FILE", "do what a file says, line by line"),
    ("\\!", "COMMAND", "ask the shell"),
    ("\\e", "", "edit the last input in $EDITOR, then do it"),
    ("\\d", "[MESSAGE]", "what a message of the API is made of; nothing: which there are"),
    ("\\notify", "[on|off]", "say above the prompt what happens"),
    ("\\safe", "[on|off]", "ask before what deletes, or changes many at once"),
    ("\\history", "[TEXT]", "what was typed before"),
    ("\\last", "", "the run that was started last"),
    ("\\cancel", "", "cancel it"),
    ("\\q", "", "leave; so does Ctrl-D"),
];

/// Something about the console.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meta {
    Help,
    HelpOf(Vec<String>),
    Context(Option<String>),
    Node(Option<String>),
    Watch(Duration, Vec<String>),
    Form(Option<Format>),
    Cards(Switch),
    Timing(Switch),
    Into(Option<String>),
    Variables,
    Set(String, String),
    Read(String),
    Shell(String),
    Edit,
    Describe(Option<String>),
    Notify(Switch),
    Safe(Switch),
    History(Option<String>),
    Last,
    Cancel,
    Quit,
}

/// On, off, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
    Over,
}

impl Switch {
    /// What it comes to.
    pub(super) fn turn(self, was: bool) -> bool {
        match self {
            Switch::On => true,
            Switch::Off => false,
            Switch::Over => !was,
        }
    }
}

/// Reads the words of a line that begins with a backslash.
pub(super) fn read(words: &[String]) -> Result<Meta, String> {
    let Some((name, rest)) = words.split_first() else { return Err("nothing was said".to_owned()) };
    let one = || match rest {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        _ => Err(usage(name)),
    };
    let must = || one()?.ok_or_else(|| usage(name));
    let none = |meta: Meta| if rest.is_empty() { Ok(meta) } else { Err(usage(name)) };
    let switch = || match rest {
        [] => Ok(Switch::Over),
        [word] if word == "on" => Ok(Switch::On),
        [word] if word == "off" => Ok(Switch::Off),
        _ => Err(usage(name)),
    };
    match name.as_str() {
        "\\?" | "\\help" => none(Meta::Help),
        "\\h" if rest.is_empty() => Ok(Meta::Help),
        "\\h" => Ok(Meta::HelpOf(rest.to_vec())),
        "\\c" | "\\connect" => one().map(Meta::Context),
        "\\node" => one().map(Meta::Node),
        "\\watch" => watch(rest).ok_or_else(|| usage(name)),
        "\\f" => match one()? {
            None => Ok(Meta::Form(None)),
            Some(form) => Format::from_str(&form, true)
                .map(|form| Meta::Form(Some(form)))
                .map_err(|_| format!("`{form}` is not a form; there are {}", forms().join(", "))),
        },
        "\\x" => switch().map(Meta::Cards),
        "\\timing" => switch().map(Meta::Timing),
        "\\o" => one().map(Meta::Into),
        "\\set" => match rest {
            [] => Ok(Meta::Variables),
            [name, value @ ..] if !value.is_empty() && is_name(name) => {
                Ok(Meta::Set(name.trim_start_matches('$').to_owned(), value.join(" ")))
            }
            _ => Err(usage(name)),
        },
        "\\i" => must().map(Meta::Read),
        "\\!" => match rest.concat().trim() {
            "" => Err(usage(name)),
            command => Ok(Meta::Shell(command.to_owned())),
        },
        "\\e" => none(Meta::Edit),
        "\\d" => one().map(Meta::Describe),
        "\\notify" => switch().map(Meta::Notify),
        "\\safe" => switch().map(Meta::Safe),
        "\\history" | "\\s" => Ok(Meta::History((!rest.is_empty()).then(|| rest.join(" ")))),
        "\\last" => none(Meta::Last),
        "\\cancel" => none(Meta::Cancel),
        "\\q" | "\\quit" | "\\exit" => none(Meta::Quit),
        other => Err(unknown(other)),
    }
}

fn watch(rest: &[String]) -> Option<Meta> {
    let (first, more) = rest.split_first()?;
    let seconds = first.parse::<f64>().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    let pause = seconds.map(Duration::from_secs_f64).or_else(|| {
        let counted = first.starts_with(|c: char| c.is_ascii_digit());
        counted.then(|| span::parse(first).ok()).flatten()
    });
    match pause {
        Some(_) if more.is_empty() => None,
        Some(pause) => Some(Meta::Watch(pause, more.to_vec())),
        None => Some(Meta::Watch(WATCH, rest.to_vec())),
    }
}

/// The names of all forms.
pub(super) fn forms() -> Vec<String> {
    let forms = Format::value_variants().iter().filter_map(Format::to_possible_value);
    forms.map(|form| form.get_name().to_owned()).filter(|form| form != "help").collect()
}

fn is_name(name: &str) -> bool {
    let name = name.trim_start_matches('$');
    let letter = |c: char| c == '_' || c.is_alphanumeric();
    name.starts_with(|c: char| c == '_' || c.is_alphabetic()) && name.chars().all(letter)
}

fn usage(name: &str) -> String {
    let known = ALL.iter().find(|(known, _, _)| *known == name);
    let takes = known.map(|(_, takes, _)| *takes).unwrap_or_default();
    format!("this is how: {name} {takes}").trim_end().to_owned()
}

fn unknown(name: &str) -> String {
    let names = ALL.iter().map(|(known, _, _)| *known);
    match crate::ask::nearest(name, names).filter(|_| name.chars().count() > 3) {
        Some(near) => format!("there is no `{name}`; did you mean `{near}`?"),
        None => format!("there is no `{name}`; \\? lists what there is"),
    }
}

/// What `\?` prints.
pub(super) fn help() -> String {
    let mut text = String::from(
        "What `oarlock …` takes, without the word: nodes list, runs get etl/1042, roles move …\n",
    );
    text.push_str("  help, help runs retry      all commands, and what one takes\n");
    text.push_str("  rpc OPERATION {…}          any operation of the API; rpc ? lists them\n\n");
    for (name, takes, does) in ALL {
        text.push_str(&format!("  {:<25}  {does}\n", format!("{name} {takes}")));
    }
    text.push_str("\n`;` stands between commands, # before what nobody reads, $name for a value. What is open goes on in the next line.\n");
    text.push_str("Tab completes, Ctrl-R searches, Ctrl-O opens $EDITOR, Ctrl-C leaves the line or stops the command.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Meta, String> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        read(&words)
    }

    fn some(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_line_of_the_help_is_understood() {
        for (name, takes, _) in ALL {
            let words = takes.trim_matches(['[', ']']).split('|').next().unwrap_or_default();
            let line = match *name {
                "\\f" => "\\f json".to_owned(),
                "\\set" => "\\set a b".to_owned(),
                "\\watch" => "\\watch 2 roles list".to_owned(),
                _ => format!("{name} {words}").trim_end().to_owned(),
            };
            assert!(of(&line).is_ok(), "{line}: {:?}", of(&line));
        }
    }

    #[test]
    fn a_pause_may_stand_before_what_is_watched() {
        let watched = |seconds, text| Ok(Meta::Watch(Duration::from_secs_f64(seconds), some(text)));
        assert_eq!(of("\\watch 5 roles list"), watched(5.0, "roles list"));
        assert_eq!(of("\\watch 0.5 nodes list"), watched(0.5, "nodes list"));
        assert_eq!(of("\\watch 3s nodes list"), watched(3.0, "nodes list"));
        assert_eq!(of("\\watch roles list"), watched(2.0, "roles list"));
        assert!(of("\\watch 2").is_err());
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_is() {
        assert!(of("\\timign").is_err_and(|why| why.contains("did you mean `\\timing`")));
        assert!(of("\\z").is_err_and(|why| why.contains("\\?")));
        assert!(of("\\x maybe").is_err_and(|why| why.contains("\\x [on|off]")));
        assert!(of("\\f yml").is_err_and(|why| why.contains("yaml")));
        assert!(of("\\i").is_err_and(|why| why.contains("\\i FILE")));
    }

    #[test]
    fn a_value_may_have_spaces() {
        assert_eq!(of("\\set day Mon 1"), Ok(Meta::Set("day".to_owned(), "Mon 1".to_owned())));
        assert!(of("\\set 1day x").is_err());
    }
}
