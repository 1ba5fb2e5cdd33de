//! `oarlock actors …`: the supervision tree of a node.

use clap::Subcommand;
use oarlock_client::v1::Actor;
use oarlock_client::{ActorHandle, Client};
use serde_json::Value;

use super::tables::ACTORS;
use crate::ask::Session;
use crate::fault::Fault;
use crate::output::{Rest, Tint, ago, body, moment, plain, tint_of};

/// What can be done with actors.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show who supervises whom
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock actors tree\n\
            \x20 oarlock actors tree --node n2 -o json")]
    Tree {
        /// Of this node, instead of the one that answers
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
    },
    /// Show one actor
    #[command(after_long_help = "Examples:\n  oarlock actors get scheduler")]
    Get {
        /// Its id, as the tree shows it
        actor: String,
        /// On this node, instead of the one that answers
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
    },
    /// Start an actor anew; nothing is lost by it
    #[command(after_long_help = "Examples:\n  oarlock actors restart scheduler")]
    Restart {
        /// Its id, as the tree shows it
        actor: String,
        /// On this node, instead of the one that answers
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::Tree { node } => {
            let root = match &node {
                Some(node) => client.actors_of(node).await?,
                None => client.actors().await?,
            };
            if session.out.for_people() {
                session.out.data(&tree(session, &root));
                return Ok(());
            }
            match session.out.asked {
                Some(crate::output::Format::Json | crate::output::Format::Yaml) => {
                    session.out.value(&body(&root));
                    Ok(())
                }
                _ => {
                    let mut all = Vec::new();
                    flat(&root, &mut all);
                    session.out.list(&ACTORS, all, &Rest::default())
                }
            }
        }
        Word::Get { actor, node } => {
            let found = handle(&client, &actor, node).get().await?;
            session.out.one(&ACTORS, &body(&found))
        }
        Word::Restart { actor, node } => {
            if session.dry(&format!("restart {actor}")) {
                return Ok(());
            }
            handle(&client, &actor, node).restart().await?;
            session.gone(&format!("{actor} is restarted"));
            Ok(())
        }
    }
}

fn handle(client: &Client, actor: &str, node: Option<String>) -> ActorHandle {
    let handle = client.actor(actor);
    match node {
        Some(node) => handle.of(node),
        None => handle,
    }
}

fn flat(actor: &Actor, all: &mut Vec<Value>) {
    let alone = Actor { children: Vec::new(), ..actor.clone() };
    all.push(body(&alone));
    actor.children.iter().for_each(|child| flat(child, all));
}

/// The tree as people draw it.
fn tree(session: &Session, root: &Actor) -> String {
    let mut lines = Vec::new();
    branch(session, root, "", "", &mut lines);
    let widest = lines.iter().map(|(head, _)| head.chars().count()).max().unwrap_or(0);
    let line = |(head, rest): &(String, String)| {
        let fill = " ".repeat(widest - head.chars().count());
        format!("{head}{fill}  {rest}").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

fn branch(
    session: &Session,
    actor: &Actor,
    first: &str,
    rest: &str,
    lines: &mut Vec<(String, String)>,
) {
    let out = &session.out;
    let state = out.paint(tint_of(&actor.state).style(), &actor.state);
    let mut about = vec![state];
    if actor.restarts > 0 {
        let times = if actor.restarts == 1 { "restart" } else { "restarts" };
        let text = format!("{} {times}", actor.restarts);
        about.push(out.paint(Tint::Warn.style(), &text));
    }
    if let Some(since) = actor.since.as_deref().and_then(moment) {
        let told = format!("since {}", ago(since, jiff::Timestamp::now()));
        about.push(out.paint(Tint::Faint.style(), &told));
    }
    if let Some(fields) = actor.details.as_object() {
        let telling = |value: &&Value| !matches!(value.as_u64(), Some(0)) && !value.is_null();
        let shown = fields.iter().filter(|(_, value)| telling(value));
        let shown: Vec<String> = shown.map(|(k, v)| format!("{k} {}", plain(v))).collect();
        about.push(out.paint(Tint::Faint.style(), &shown.join(" · ")));
    }
    if let Some(failure) = &actor.last_failure {
        about.push(out.paint(Tint::Bad.style(), &format!("last: {failure}")));
    }
    about.retain(|text| !text.is_empty());
    lines.push((format!("{first}{}", actor.id), about.join(" · ")));
    for (place, child) in actor.children.iter().enumerate() {
        let last = place + 1 == actor.children.len();
        let (turn, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        branch(session, child, &format!("{rest}{turn}"), &format!("{rest}{below}"), lines);
    }
}
