//! Every setting of a node: its name, what it takes, what it is if nobody sets it.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use oarlock_engine::worker::SLOTS_MAX;
use serde_json::{Value, json};

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Any text but none.
    Name,
    /// A number from 0 on.
    Number,
    /// A number from 0 to this.
    Most(u64),
    /// Yes or no.
    Flag,
    /// A length of time.
    Span,
    /// Texts.
    List,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// A setting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name; a dot stands between section and name.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// What it is if nobody sets it, as text.
    pub(crate) default: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
}

macro_rules! keys {
    ($($name:literal, $kind:expr, $default:literal, $about:literal;)*) => {
        /// All of them.
        pub(crate) static ALL: &[Key] =
            &[$(Key { name: $name, kind: $kind, default: $default, about: $about }),*];
    };
}

keys! {
    "node", Kind::Name, "n1", "what people call the node";
    "data", Kind::Name, "oarlock-data", "the folder where the node keeps everything";
    "listen", Kind::Name, "127.0.0.1:6270", "where the node listens; port 0 picks a free one";
    "advertise", Kind::Text, "", "where others reach the node, if not where it listens";
    "insecure", Kind::Flag, "false", "listen beyond this machine although nobody is asked who they are";
    "log", Kind::Text, "info", "what is logged: error, warn, info, debug, or crate=level,…";
    "log_format", Kind::Choice(&["auto", "pretty", "json"]), "auto", "how the log is written; auto: JSON in a pipe";
    "drain", Kind::Span, "10s", "how long running attempts may go on after the node was told to stop";
    "worker.slots", Kind::Most(SLOTS_MAX as u64), "0", "attempts the node's worker runs at once; 0: by its processors";
    "worker.queues", Kind::List, "", "queues the node's worker serves; none: every queue";
    "worker.dir", Kind::Text, ".", "where relative folders of `run` tasks begin";
    "raft.snapshot_every", Kind::Number, "50000", "applied log entries between two snapshots";
    "raft.waiting_max", Kind::Number, "16384", "changes that may wait to be written; one more is told to come back";
    "raft.waiting_bytes_max", Kind::Number, "67108864", "bytes of changes that may wait to be written";
    "raft.disk_reserve_bytes", Kind::Number, "268435456", "free bytes of the disk below which nothing new is accepted";
}

impl Key {
    /// Its name in the environment: `worker.slots` is `OARLOCK_WORKER__SLOTS`.
    pub(crate) fn environment(&self) -> String {
        format!("OARLOCK_{}", self.name.to_uppercase().replace('.', "__"))
    }
}

impl Kind {
    /// What it takes, in words.
    pub(crate) fn words(self) -> String {
        match self {
            Kind::Text => "a text".to_owned(),
            Kind::Name => "a text that is not empty".to_owned(),
            Kind::Number => "a number from 0".to_owned(),
            Kind::Most(most) => format!("a number from 0 to {most}"),
            Kind::Flag => "true or false".to_owned(),
            Kind::Span => "a length of time such as \"10s\"".to_owned(),
            Kind::List => "a list of texts".to_owned(),
            Kind::Choice(known) => format!("one of {}", known.join(", ")),
        }
    }
}

/// A setting by its name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    ALL.iter().find(|key| key.name == name)
}

/// Settings as flags: `--worker.slots 4`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags(pub(crate) Vec<(String, String)>);

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in ALL {
            if let Some(text) = matches.get_one::<String>(key.name) {
                self.0.push((key.name.to_owned(), text.clone()));
            }
        }
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(ALL.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(key: &'static Key) -> Arg {
    let first = key.about.chars().next().map(|letter| letter.to_uppercase().to_string());
    let rest: String = key.about.chars().skip(1).collect();
    let about = format!("{}{rest}", first.unwrap_or_default());
    let default =
        if key.default.is_empty() { String::new() } else { format!(" [{}]", key.default) };
    let mut arg = Arg::new(key.name).long(key.name).help(format!("{about}{default}"));
    arg = match key.kind {
        Kind::Flag => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Number | Kind::Most(_) => arg.value_name("N"),
        Kind::Span => arg.value_name("TIME"),
        Kind::List => arg.value_name("A,B"),
        Kind::Choice(_) => arg.value_name("WORD"),
        Kind::Text | Kind::Name => arg.value_name("TEXT"),
    };
    arg.hide_short_help(key.name.contains('.'))
}

/// A JSON Schema of the file.
pub(crate) fn schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "oarlock.toml", "type": "object", "additionalProperties": false, "properties": {},
    });
    for key in ALL {
        let mut of = match key.kind {
            Kind::Text | Kind::Span => json!({"type": "string"}),
            Kind::Name => json!({"type": "string", "minLength": 1}),
            Kind::Number => json!({"type": "integer", "minimum": 0}),
            Kind::Most(most) => json!({"type": "integer", "minimum": 0, "maximum": most}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::List => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Choice(known) => json!({"enum": known}),
        };
        of["description"] = json!(key.about);
        let default = match key.kind {
            Kind::Number | Kind::Most(_) => {
                key.default.parse::<u64>().map_or(Value::Null, Value::from)
            }
            Kind::Flag => json!(key.default == "true"),
            Kind::List => json!([]),
            Kind::Text | Kind::Name | Kind::Span | Kind::Choice(_) => json!(key.default),
        };
        of["default"] = default;
        match key.name.split_once('.') {
            None => root["properties"][key.name] = of,
            Some((section, name)) => {
                let section = &mut root["properties"][section];
                if section.is_null() {
                    *section =
                        json!({"type": "object", "additionalProperties": false, "properties": {}});
                }
                section["properties"][name] = of;
            }
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_setting() {
        let schema = schema();
        assert_eq!(schema["properties"]["worker"]["properties"]["slots"]["type"], "integer");
        assert_eq!(schema["properties"]["listen"]["default"], "127.0.0.1:6270");
    }
}
