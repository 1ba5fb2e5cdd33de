//! What can be set for a node, where each value came from, and what is refused.
//!
//! ```text
//!   flag ─ wins over ─ environment ─ wins over ─ file ─ wins over ─ default
//! ```
//!
//! One name everywhere: `[worker] slots = 4` in the file is `OARLOCK_WORKER__SLOTS=4` and `--worker.slots 4`. The file is
//! first read alone, so that a fault in it is shown with its line; then the others are laid over it as text, each with a note
//! of where it came from, and the whole is checked once more.

pub(crate) mod contexts;
pub(crate) mod keys;
pub(crate) mod peer;
pub(crate) mod span;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use oarlock_engine::member::profile::Profile;
use oarlock_raft::Peering;
use toml::{Table, Value};

use crate::fault::{Exit, Fault};
use keys::{ALL, Key, Kind};

/// A node's settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What people call the node; empty: by its number.
    pub(crate) node: String,
    /// What people call the cluster.
    pub(crate) cluster: String,
    /// Where it keeps everything.
    pub(crate) data: PathBuf,
    /// What the node is for.
    pub(crate) profile: Profile,
    /// How it takes part in a cluster with others; none: it is alone.
    pub(crate) peer: Option<Peering>,
    /// Where it listens.
    pub(crate) listen: String,
    /// Where others reach it; empty: where it listens.
    pub(crate) advertise: String,
    /// Whether it may listen beyond this machine although nobody has to say who they are.
    pub(crate) insecure: bool,
    /// What it logs.
    pub(crate) log: String,
    /// How it writes its log.
    pub(crate) log_format: crate::log::Form,
    /// How long running attempts may go on after it was told to stop.
    pub(crate) drain: Duration,
    /// Attempts its worker runs at once; 0: by the machine's processors.
    pub(crate) slots: u32,
    /// Queues its worker serves; none: all.
    pub(crate) queues: Vec<String>,
    /// Where relative folders of `run` tasks begin.
    pub(crate) dir: PathBuf,
    /// Applied log entries between two snapshots.
    pub(crate) snapshot_every: u64,
    /// Changes that may wait to be written.
    pub(crate) waiting_max: usize,
    /// Bytes of changes that may wait to be written.
    pub(crate) waiting_bytes_max: usize,
    /// Free bytes of the disk below which nothing new is accepted.
    pub(crate) disk_reserve: u64,
}

/// Settings with where each came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loaded {
    values: BTreeMap<&'static str, (Value, String)>,
}

impl Loaded {
    /// Reads the file, the environment and the flags (name and text).
    pub(crate) fn from(file: Option<&str>, flags: &[(String, String)]) -> Result<Loaded, Fault> {
        let mut loaded = Loaded::default();
        if let Some(path) = file {
            loaded.read(path)?;
        }
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        loaded.environment(environment)?;
        for (name, text) in flags {
            let key = keys::find(name).ok_or_else(|| unknown(name, "flag"))?;
            let origin = format!("--{name}");
            loaded.put(key, text, &origin)?;
        }
        Ok(loaded)
    }

    fn read(&mut self, path: &str) -> Result<(), Fault> {
        let text = std::fs::read_to_string(path).map_err(|fault| {
            let why = match fault.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => fault.to_string(),
            };
            Fault::new(Exit::Invalid, format!("cannot read {path}: {why}"))
        })?;
        let table: Table = text.parse().map_err(|fault: toml::de::Error| invalid(path, &fault))?;
        self.take(&table, "", path, &text)
    }

    /// Takes a table of the file, its sections by their names with a dot.
    fn take(&mut self, table: &Table, above: &str, path: &str, text: &str) -> Result<(), Fault> {
        for (name, value) in table {
            let full = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            if let (Value::Table(inner), true) = (value, keys::is_section(&full)) {
                self.take(inner, &full, path, text)?;
                continue;
            }
            let place =
                line_of(text, name).map_or(path.to_owned(), |line| format!("{path}:{line}"));
            let Some(key) = keys::find(&full) else { return Err(unknown(&full, &place)) };
            let value = key.kind.checked(value).map_err(|why| wrong(key, &why, &place))?;
            self.values.insert(key.name, (value, place));
        }
        Ok(())
    }

    fn environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Fault> {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix("OARLOCK_") else { continue };
            let known = ALL.iter().find(|key| key.is_set_by(&name));
            match known {
                Some(key) => self.put(key, &text, &name)?,
                // What belongs to commands, or to tasks that run below a node, is none of a node's.
                None if rest.contains("__") => {
                    let full = rest.to_lowercase().replace("__", ".");
                    return Err(unknown(&full, &name));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, key: &'static Key, text: &str, origin: &str) -> Result<(), Fault> {
        let value = key.kind.parsed(text).map_err(|why| wrong(key, &why, origin))?;
        self.values.insert(key.name, (value, origin.to_owned()));
        Ok(())
    }

    /// A setting's value and origin, as text for people: of a secret only that it is set.
    pub(crate) fn shown(&self, name: &str) -> (String, String) {
        let (value, origin) = self.value(name);
        let hidden = keys::find(name).is_some_and(|key| key.kind == Kind::Secret);
        (if hidden && !value.is_empty() { "(set)".to_owned() } else { value }, origin)
    }

    /// Whether somebody has set it.
    fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn value(&self, name: &str) -> (String, String) {
        let key = keys::find(name);
        match (self.values.get(name), key) {
            (Some((value, origin)), _) => (plain(value), origin.clone()),
            (None, Some(key)) => (key.default.to_owned(), "the default".to_owned()),
            (None, None) => (String::new(), String::new()),
        }
    }

    /// The words of a list.
    fn words(&self, name: &str) -> Vec<String> {
        let text = self.value(name).0;
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    /// The settings, checked.
    pub(crate) fn config(&self) -> Result<Config, Fault> {
        let text = |name: &str| self.value(name).0;
        let number = |name: &str| text(name).parse::<u64>().unwrap_or_default();
        let small = |name: &str| usize::try_from(number(name)).unwrap_or(usize::MAX);
        Ok(Config {
            node: text("node"),
            cluster: text("cluster"),
            profile: peer::profile(self)?,
            peer: peer::peering(self)?,
            data: PathBuf::from(text("data")),
            listen: text("listen"),
            advertise: text("advertise"),
            insecure: text("insecure") == "true",
            log: text("log"),
            log_format: match text("log_format").as_str() {
                "pretty" => crate::log::Form::Pretty,
                "json" => crate::log::Form::Json,
                _ => crate::log::Form::Auto,
            },
            drain: span::parse(&text("drain")).map_err(|why| Fault::new(Exit::Invalid, why))?,
            slots: u32::try_from(number("worker.slots")).unwrap_or(u32::MAX),
            queues: self.words("worker.queues"),
            dir: PathBuf::from(text("worker.dir")),
            snapshot_every: number("raft.snapshot_every"),
            waiting_max: small("raft.waiting_max"),
            waiting_bytes_max: small("raft.waiting_bytes_max"),
            disk_reserve: number("raft.disk_reserve_bytes"),
        })
    }
}

impl Kind {
    /// A value of the file, if it is of this kind.
    fn checked(self, value: &Value) -> Result<Value, String> {
        match (self, value) {
            (
                Kind::Text | Kind::Name | Kind::Span | Kind::Choice(_) | Kind::Secret,
                Value::String(text),
            ) => self.parsed(text),
            (Kind::Number | Kind::Most(_), Value::Integer(number)) => {
                self.parsed(&number.to_string())
            }
            (Kind::Flag, Value::Boolean(_)) => Ok(value.clone()),
            (Kind::List, Value::Array(items)) if items.iter().all(Value::is_str) => {
                Ok(value.clone())
            }
            _ => Err(format!("it is {}, and should be {}", value.type_str(), self.words())),
        }
    }

    /// Whether a number is not too large for it.
    fn room_for(self, number: i64) -> bool {
        match self {
            Kind::Most(most) => number.unsigned_abs() <= most,
            _ => true,
        }
    }

    /// A text as a value of this kind.
    fn parsed(self, text: &str) -> Result<Value, String> {
        let wrong = || format!("`{text}` is not {}", self.words());
        match self {
            Kind::Name if text.trim().is_empty() => Err(wrong()),
            Kind::Text | Kind::Name | Kind::Secret => Ok(Value::String(text.to_owned())),
            Kind::Span => span::parse(text).map(|_| Value::String(text.to_owned())),
            Kind::Choice(known) if known.contains(&text) => Ok(Value::String(text.to_owned())),
            Kind::Choice(_) => Err(wrong()),
            Kind::Number | Kind::Most(_) => match text.parse::<i64>() {
                Ok(number) if number >= 0 && self.room_for(number) => Ok(Value::Integer(number)),
                _ => Err(wrong()),
            },
            Kind::Flag => text.parse().map(Value::Boolean).map_err(|_| wrong()),
            Kind::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The line on which a name is set, for messages.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let sets = |line: &str| {
        let rest = line.trim_start().trim_start_matches('[').strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
    };
    text.lines().position(sets).map(|line| line + 1)
}

fn invalid(path: &str, fault: &toml::de::Error) -> Fault {
    Fault::new(Exit::Invalid, format!("{path} is not valid TOML\n{}", fault.to_string().trim_end()))
}

fn unknown(name: &str, place: &str) -> Fault {
    let fault = Fault::new(Exit::Invalid, format!("{place}: there is no setting `{name}`"));
    match crate::ask::nearest(name, ALL.iter().map(|key| key.name)) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("all settings: `oarlock config show`"),
    }
}

fn wrong(key: &Key, why: &str, place: &str) -> Fault {
    let fault = Fault::new(Exit::Invalid, format!("{place}: `{}`: {why}", key.name));
    fault.help(format!("{}; the default is `{}`", key.about, key.default))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Loaded, Fault> {
        let mut loaded = Loaded::default();
        let table: Table = text.parse().map_err(|fault| invalid("o.toml", &fault))?;
        loaded.take(&table, "", "o.toml", text).map(|()| loaded)
    }

    fn what(outcome: Result<Loaded, Fault>) -> String {
        outcome
            .err()
            .map(|fault| format!("{} / {}", fault.what, fault.help.join(" ")))
            .unwrap_or_default()
    }

    #[test]
    fn the_environment_wins_over_the_file_and_says_so() {
        let mut loaded = read("[worker]\nslots = 4\n").expect("a file");
        assert_eq!(loaded.shown("worker.slots"), ("4".to_owned(), "o.toml:2".to_owned()));
        let set = [("OARLOCK_WORKER__SLOTS".to_owned(), "7".to_owned())];
        loaded.environment(set.into_iter()).expect("a number");
        let shown = loaded.shown("worker.slots");
        assert_eq!(shown, ("7".to_owned(), "OARLOCK_WORKER__SLOTS".to_owned()));
        assert_eq!(loaded.config().expect("settings").slots, 7);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
        assert_eq!(
            what(read("node = \"n1\"\n[worker]\nslot = 4\n")),
            "o.toml:3: there is no setting `worker.slot` / did you mean `worker.slots`?"
        );
    }

    #[test]
    fn a_wrong_type_is_refused_with_what_is_right() {
        let told = what(read("drain = 10\n"));
        assert!(told.starts_with("o.toml:1: `drain`: it is integer"), "{told}");
        let mut loaded = Loaded::default();
        let set = [("OARLOCK_WORKER__SLOTS".to_owned(), "many".to_owned())];
        let told = loaded.environment(set.into_iter()).expect_err("no number").what;
        assert_eq!(
            told,
            "OARLOCK_WORKER__SLOTS: `worker.slots`: `many` is not a number from 0 to 10000"
        );
    }

    #[test]
    fn what_belongs_to_tasks_and_commands_is_left_alone() {
        let set = ["OARLOCK_RUN", "OARLOCK_ADDR", "OARLOCK_TASK"];
        let set = set.map(|name| (name.to_owned(), "x".to_owned()));
        assert!(Loaded::default().environment(set.into_iter()).is_ok());
        let set = [("OARLOCK_WORKER__SLOT".to_owned(), "1".to_owned())];
        assert!(Loaded::default().environment(set.into_iter()).is_err());
    }

    #[test]
    fn the_defaults_are_a_whole_configuration() {
        let config = Loaded::default().config().expect("settings");
        assert_eq!(config.listen, "127.0.0.1:6270");
        assert_eq!(config.drain, Duration::from_secs(10));
    }
}
