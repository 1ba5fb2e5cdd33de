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
    /// A text that nobody is shown, and that no command line may hold: every user of a machine can read those.
    Secret,
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
    "node", Kind::Name, "", "what people call the node; by its number, as n1, if nothing is said";
    "cluster", Kind::Name, "oarlock", "what people call the cluster";
    "data", Kind::Name, "oarlock-data", "the folder where the node keeps everything";
    "listen", Kind::Name, "127.0.0.1:6270", "where the node listens; port 0 picks a free one";
    "advertise", Kind::Text, "", "where others reach the node, if not where it listens";
    "insecure", Kind::Flag, "false", "listen beyond this machine although nobody is asked who they are";
    "log", Kind::Text, "info", "what is logged: error, warn, info, debug, or crate=level,…";
    "log_format", Kind::Choice(&["auto", "pretty", "json"]), "auto", "how the log is written; auto: JSON in a pipe";
    "drain", Kind::Span, "10s", "how long running attempts may go on after the node was told to stop";
    "roles", Kind::List, "api,worker,scheduler,voter", "what the node is for: api, worker, scheduler, voter";
    "labels", Kind::List, "", "what the node is like, as name=value: roles may want some of them";
    "capacity", Kind::Number, "100", "how much the node takes on in proportion to others";
    "peer.listen", Kind::Text, "127.0.0.1:6271", "where the node listens for its peers, if it has a secret";
    "peer.advertise", Kind::Text, "", "HOST:PORT where peers reach the node, if not where it listens";
    "peer.join", Kind::List, "", "peer addresses to ask for admission when the data folder is empty; none: found a cluster";
    "peer.secret", Kind::Secret, "", "what all nodes of a cluster know and nobody else does; without one the node is alone";
    "peer.secret_file", Kind::Text, "", "the file that has the secret";
    "peer.tls_cert", Kind::Text, "", "the file with the node's certificate (PEM): what nodes say to each other is then encrypted";
    "peer.tls_key", Kind::Text, "", "the file with its key (PEM)";
    "peer.tls_ca", Kind::Text, "", "the file with the authority that signs the nodes' certificates (PEM)";
    "peer.voters_max", Kind::Number, "5", "voters that the cluster is brought to while there are nodes: 1, 3 or 5";
    "peer.skew_ms_max", Kind::Number, "5000", "milliseconds by which clocks may differ before a node's changes are refused";
    "worker.slots", Kind::Most(SLOTS_MAX as u64), "0", "attempts the node's worker runs at once; 0: by its processors";
    "worker.queues", Kind::List, "", "queues the node's worker serves; none: every queue";
    "worker.dir", Kind::Text, ".", "where relative folders of `run` tasks begin";
    "raft.snapshot_every", Kind::Number, "50000", "applied log entries between two snapshots";
    "raft.waiting_max", Kind::Number, "16384", "changes that may wait to be written; one more is told to come back";
    "raft.waiting_bytes_max", Kind::Number, "67108864", "bytes of changes that may wait to be written";
    "raft.disk_reserve_bytes", Kind::Number, "268435456", "free bytes of the disk below which nothing new is accepted";
}

/// Other names of settings: the first word is taken wherever the second is.
static ALIASES: [(&str, &str); 6] = [
    ("join", "peer.join"),
    ("peer-listen", "peer.listen"),
    ("node.name", "node"),
    ("node.roles", "roles"),
    ("node.labels", "labels"),
    ("node.capacity", "capacity"),
];

impl Key {
    /// Its name in the environment: `worker.slots` is `OARLOCK_WORKER__SLOTS`.
    pub(crate) fn environment(&self) -> String {
        variable(self.name)
    }

    /// All names in the environment.
    pub(crate) fn is_set_by(&self, name: &str) -> bool {
        let other = |(alias, of): &(&str, &str)| *of == self.name && variable(alias) == name;
        self.environment() == name || ALIASES.iter().any(other)
    }
}

fn variable(name: &str) -> String {
    format!("OARLOCK_{}", name.to_uppercase().replace('.', "__").replace('-', "_"))
}

impl Kind {
    /// What it takes, in words.
    pub(crate) fn words(self) -> String {
        match self {
            Kind::Text | Kind::Secret => "a text".to_owned(),
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
    let meant = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, of)| *of);
    ALL.iter().find(|key| key.name == meant)
}

/// Whether names of settings begin so: it is a section of the file.
pub(crate) fn is_section(name: &str) -> bool {
    let begins = |known: &str| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    ALL.iter().any(|key| begins(key.name)) || ALIASES.iter().any(|(alias, _)| begins(alias))
}

fn on_command_line() -> impl Iterator<Item = &'static Key> {
    ALL.iter().filter(|key| key.kind != Kind::Secret)
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
        for key in on_command_line() {
            if let Some(text) = matches.get_one::<String>(key.name) {
                self.0.push((key.name.to_owned(), text.clone()));
            }
        }
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(on_command_line().map(flag))
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
        Kind::Text | Kind::Name | Kind::Secret => arg.value_name("TEXT"),
    };
    let short = ALIASES.iter().filter(|(alias, of)| *of == key.name && !alias.contains('.'));
    arg = arg.visible_aliases(short.map(|(alias, _)| *alias));
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
            Kind::Text | Kind::Span | Kind::Secret => json!({"type": "string"}),
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
            Kind::List => {
                json!(key.default.split(',').filter(|w| !w.is_empty()).collect::<Vec<_>>())
            }
            Kind::Text | Kind::Name | Kind::Span | Kind::Choice(_) | Kind::Secret => {
                json!(key.default)
            }
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
