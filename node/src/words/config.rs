//! `oarlock config …`: every setting of this program and of a node, with its value and who set it.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::ask::{Session, nearest};
use crate::config::{Loaded, keys};
use crate::fault::{Exit, Fault};
use crate::output::{Rest, Show, Table};

const SETTINGS: Table = Table {
    columns: &[
        ("SETTING", "name", Show::Text),
        ("VALUE", "value", Show::Text),
        ("ORIGIN", "origin", Show::Text),
        ("+ENVIRONMENT", "environment", Show::Text),
        ("+ABOUT", "about", Show::Text),
    ],
    name: "name",
    empty: "No settings.",
};

/// What can be done with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show every setting with its value
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock config show --origin\n\
            \x20 oarlock config show --config oarlock.toml -o json")]
    Show {
        /// Also say where each value comes from
        #[arg(long)]
        origin: bool,
        /// The node's file
        #[arg(long, value_name = "FILE")]
        config: Option<String>,
    },
    /// Explain one setting and who set it
    #[command(
        after_long_help = "Examples:\n  oarlock config explain addr\n  oarlock config explain worker.slots"
    )]
    Explain {
        /// Its name
        key: String,
        /// The node's file
        #[arg(long, value_name = "FILE")]
        config: Option<String>,
    },
    /// Print a JSON Schema of the node's file
    #[command(after_long_help = "Examples:\n  oarlock config schema > oarlock.schema.json")]
    Schema,
}

/// Does it.
pub(crate) fn run(session: &Session, word: &Word) -> Result<(), Fault> {
    match word {
        Word::Show { origin, config } => {
            let mut out = session.out.clone();
            if out.columns.is_empty() && !origin && out.asked.is_none() {
                out.columns = vec!["name".to_owned(), "value".to_owned()];
            }
            out.list(&SETTINGS, all(session, config.as_deref())?, &Rest::default())
        }
        Word::Explain { key, config } => {
            let settings = all(session, config.as_deref())?;
            let found = settings.iter().find(|setting| setting["name"] == key.as_str());
            match found {
                Some(setting) => session.out.one(&SETTINGS, setting),
                None => {
                    let names = settings.iter().filter_map(|setting| setting["name"].as_str());
                    let fault = Fault::new(Exit::NotFound, format!("no setting `{key}`"));
                    Err(match nearest(key, names) {
                        Some(near) => fault.help(format!("did you mean `{near}`?")),
                        None => fault.help("all settings: `oarlock config show`"),
                    })
                }
            }
        }
        Word::Schema => {
            session.out.value(&keys::schema());
            Ok(())
        }
    }
}

fn all(session: &Session, file: Option<&str>) -> Result<Vec<Value>, Fault> {
    let mut settings = client(session)?;
    let loaded = Loaded::from(file, &[])?;
    settings.extend(keys::ALL.iter().map(|key| {
        let (value, origin) = loaded.shown(key.name);
        json!({
            "name": key.name, "value": value, "origin": origin,
            "environment": key.environment(), "about": key.about,
        })
    }));
    Ok(settings)
}

/// What a command that asks a node takes.
fn client(session: &Session) -> Result<Vec<Value>, Fault> {
    let address = session.address()?;
    let typed = |flag: &str| std::env::args().any(|word| word.starts_with(flag));
    let origin = |flag: &str, variable: &str| match std::env::var_os(variable) {
        _ if typed(flag) => flag.to_owned(),
        Some(_) => variable.to_owned(),
        None => "the default".to_owned(),
    };
    let token = if address.token.is_some() { "(set)" } else { "" };
    let output = session.out.asked.map_or(String::new(), |form| format!("{form:?}").to_lowercase());
    let setting = |name: &str, value: &str, origin: String, variable: &str, about: &str| {
        let value = json!({"name": name, "value": value, "origin": origin});
        with(with(value, "environment", variable), "about", about)
    };
    Ok(vec![
        setting(
            "addr",
            &address.addr,
            address.origin.clone(),
            "OARLOCK_ADDR",
            "the node that commands ask",
        ),
        setting("token", token, origin("--token", "OARLOCK_TOKEN"), "OARLOCK_TOKEN", "who asks"),
        setting(
            "context",
            session.global.context.as_deref().unwrap_or_default(),
            origin("--context", "OARLOCK_CONTEXT"),
            "OARLOCK_CONTEXT",
            "a cluster by name: oarlock context list",
        ),
        setting(
            "namespace",
            session.global.namespace.as_deref().unwrap_or("default"),
            origin("--namespace", "OARLOCK_NAMESPACE"),
            "OARLOCK_NAMESPACE",
            "where names are looked up",
        ),
        setting(
            "output",
            &output,
            origin("--output", "OARLOCK_OUTPUT"),
            "OARLOCK_OUTPUT",
            "the form of data",
        ),
    ])
}

fn with(mut value: Value, name: &str, text: &str) -> Value {
    value[name] = json!(text);
    value
}
