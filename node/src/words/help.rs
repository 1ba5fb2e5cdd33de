//! `oarlock help [COMMAND…|TOPIC]`: what a command takes, or what people want to read about more than one command.

use super::topics;
use crate::ask::{Session, nearest};
use crate::fault::{Exit, Fault};

/// About what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock help runs retry\n\
        \x20 oarlock help exit-codes\n\n\
        Topics: cheatsheet, environment, exit-codes, filters, output")]
pub(crate) struct Args {
    /// A command or a topic
    words: Vec<String>,
}

/// Does it.
pub(crate) fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    let mut command = crate::cli::tree();
    command.build();
    let [first, rest @ ..] = args.words.as_slice() else {
        session.out.data(&rendered(session, &mut command, false));
        return Ok(());
    };
    if rest.is_empty()
        && let Some((_, text)) = topics::ALL.iter().find(|(name, _)| name == first)
    {
        session.out.data(text);
        return Ok(());
    }
    for word in &args.words {
        let known = command
            .get_subcommands()
            .find(|sub| sub.get_name() == word || sub.get_all_aliases().any(|alias| alias == word));
        let Some(found) = known.cloned() else { return Err(unknown(&command, word)) };
        command = found;
    }
    session.out.data(&rendered(session, &mut command, true));
    Ok(())
}

fn rendered(session: &Session, command: &mut clap::Command, long: bool) -> String {
    let text = if long { command.render_long_help() } else { command.render_help() };
    if session.out.colour { text.ansi().to_string() } else { text.to_string() }
}

fn unknown(command: &clap::Command, word: &str) -> Fault {
    let topics = topics::ALL.iter().map(|(name, _)| *name);
    let names = command.get_subcommands().map(clap::Command::get_name).chain(topics);
    let fault = Fault::new(Exit::Usage, format!("there is no command or topic `{word}`"));
    match nearest(word, names) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("all commands: `oarlock help`"),
    }
}
