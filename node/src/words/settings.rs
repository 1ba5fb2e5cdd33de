//! `oarlock settings …`: what holds for the whole cluster, kept in its log.

use clap::Subcommand;
use oarlock_client::v1::Setting;

use crate::ask::{Session, nearest};
use crate::config::span;
use crate::fault::{Exit, Fault};
use crate::output::{Show, Table, body};

const SETTINGS: Table = Table {
    columns: &[
        ("SETTING", "name", Show::Text),
        ("VALUE", "value", Show::Text),
        ("DEFAULT", "default", Show::Text),
        ("SET", "set", Show::Yes),
        ("ABOUT", "description", Show::Text),
    ],
    name: "name",
    empty: "No settings.",
};

/// What can be done with settings of the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show every setting of the cluster
    #[command(visible_alias = "ls", after_long_help = "Examples:\n  oarlock settings list")]
    List,
    /// Show one setting of the cluster
    #[command(after_long_help = "Examples:\n  oarlock settings get retention_ms -o json")]
    Get {
        /// Its name
        name: String,
    },
    /// Change a setting of the cluster
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock settings set retention_ms 14d\n\
            \x20 oarlock settings set retention_ms default")]
    Set {
        /// Its name
        name: String,
        /// Milliseconds or a length of time such as 14d; `default` brings the default back
        value: String,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::List => session.list(&SETTINGS, client.settings()).await,
        Word::Get { name } => session.out.one(&SETTINGS, &body(&find(session, &name).await?)),
        Word::Set { name, value } => {
            find(session, &name).await?;
            let text = sent(&value)?;
            if session.dry(&format!("set {name} to {value}")) {
                return Ok(());
            }
            let setting = client.set_setting(&name, &text).await?;
            session.did(&SETTINGS, &setting, &format!("{name} is {}", setting.value))
        }
    }
}

async fn find(session: &Session, name: &str) -> Result<Setting, Fault> {
    let (all, _) = session.client()?.settings().take(1000).await?;
    if let Some(found) = all.iter().find(|setting| setting.name == name) {
        return Ok(found.clone());
    }
    let fault = Fault::new(Exit::NotFound, format!("no setting `{name}`")).code("E0308");
    Err(match nearest(name, all.iter().map(|setting| setting.name.as_str())) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("all settings: `oarlock settings list`"),
    })
}

/// What a value is for the node: every setting of this release is a length of time, in milliseconds.
fn sent(value: &str) -> Result<String, Fault> {
    match value {
        "default" => Ok(String::new()),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number.to_owned()),
        text => match span::parse(text) {
            Ok(span) => Ok(span.as_millis().to_string()),
            Err(why) => Err(Fault::new(Exit::Usage, why)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::sent;

    #[test]
    fn a_value_is_milliseconds_or_a_length_of_time() {
        let ok = |text| sent(text).expect("a value");
        assert_eq!(ok("1500"), "1500");
        assert_eq!(ok("14d"), "1209600000");
        assert_eq!(ok("90s"), "90000");
        assert_eq!(ok("default"), "");
        assert!(sent("soon").is_err());
    }
}
