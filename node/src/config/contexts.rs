//! Contexts: names for clusters, in one small file of the user's.
//!
//! ```toml
//! current = "prod"
//!
//! [context.prod]
//! addr = "https://oar.example.com:6270"
//! token = "…"
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ask::Address;
use crate::fault::{Exit, Fault};

/// One cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Where a node of it is; of several nodes with commas.
    pub(crate) addr: String,
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// The user's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// The one in use before, for `use -`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<String>,
    /// All of them.
    #[serde(default, rename = "context", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) all: BTreeMap<String, Context>,
    /// Where the file is.
    #[serde(skip)]
    pub(crate) path: PathBuf,
}

impl Contexts {
    /// Reads the file; none is an empty one.
    pub(crate) fn load() -> Result<Contexts, Fault> {
        let path = path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(fault) => {
                let what = format!("cannot read {}: {fault}", path.display());
                return Err(Fault::new(Exit::Invalid, what));
            }
        };
        let read: Result<Contexts, _> = toml::from_str(&text);
        let mut contexts = read.map_err(|fault| {
            Fault::new(Exit::Invalid, format!("{} is not valid\n{fault}", path.display()))
        })?;
        contexts.path = path;
        Ok(contexts)
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn save(&self) -> Result<(), Fault> {
        let wrong = |fault: std::io::Error| {
            let what = format!("cannot write {}: {fault}", self.path.display());
            Fault::new(Exit::Failed, what)
        };
        let text =
            toml::to_string(self).map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))?;
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        let beside = self.path.with_extension("toml.new");
        std::fs::write(&beside, text).map_err(wrong)?;
        std::fs::rename(&beside, &self.path).map_err(wrong)
    }

    /// Where the nodes of one of them are.
    pub(crate) fn address(&self, name: &str) -> Result<Address, Fault> {
        let Context { addr, token } = self.get(name)?.clone();
        let origin = format!("the context `{name}` in {}", self.path.display());
        Ok(Address { addr, origin, token, context: Some(name.to_owned()) })
    }

    /// One of them.
    pub(crate) fn get(&self, name: &str) -> Result<&Context, Fault> {
        self.all.get(name).ok_or_else(|| {
            let fault = Fault::new(Exit::NotFound, format!("no context `{name}`"));
            match crate::ask::nearest(name, self.all.keys().map(String::as_str)) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("all contexts: `oarlock context list`"),
            }
        })
    }
}

/// The user's file: OARLOCK_CONFIG, else below XDG's folder, else below the home.
fn path() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = set("OARLOCK_CONFIG") {
        return path.into();
    }
    let folder = match (set("XDG_CONFIG_HOME"), set("HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => PathBuf::from(home).join(".config"),
        (None, None) => PathBuf::from("."),
    };
    folder.join("oarlock").join("config.toml")
}
