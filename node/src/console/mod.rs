//! `oarlock console`: the command line without a new process for each command, for people at a prompt and for scripts.
//!
//! ```text
//!   typed, or read from a script
//!        │ line: statements and words, $name filled in
//!        ▼
//!   begins with \ ? ── meta ──▶ acts      about the console: where it talks to, how it shows things
//!        │ no
//!        ▼
//!   the parser of the command line ──▶ desk ──▶ the same words, the same output
//! ```
//!
//! What is typed is what `oarlock` takes, without that word: the parser, the words and the output are those of the command line, in this
//! very process, so that the two cannot drift apart. `rpc` is one of these words and calls anything that the node's own contract describes.
//!
//! With a person there is a line editor, news above the prompt and a question before what deletes, and Ctrl-C ends the command and
//! not the console. With a script there is none of that: the first error stops it, because whatever follows was written for a
//! cluster in which it had not happened.

mod acts;
mod bright;
mod call;
mod complete;
mod desk;
mod edit;
mod herald;
mod line;
mod meta;
mod names;
mod past;
mod place;
mod script;
mod spot;
mod verbs;

use std::io::{BufReader, Cursor, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;

use crate::ask::{Session, read_text, take_stdin};
use crate::fault::{Exit, Fault};
use desk::{Desk, Rules, Went};
use edit::{Editor, Heard};
use herald::Herald;
use script::Script;

/// What to do, and what not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock console\n\
        \x20 oarlock console -c 'nodes list; runs list --status failed'\n\
        \x20 oarlock console -f nightly.oar --yes -o json\n\
        \x20 oarlock console --read-only\n\n\
        In it \\? lists what there is beside the commands of oarlock. In a script\n\
        the first error stops, with exit code 13 and FILE:LINE on stderr.")]
pub(crate) struct Args {
    /// Do this and leave; `;` stands between commands
    #[arg(short, long, value_name = "COMMANDS", conflicts_with = "file")]
    command: Vec<String>,
    /// Do what this file says and leave; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// In a script: go on after an error
    #[arg(long)]
    keep_going: bool,
    /// Refuse every command that changes something
    #[arg(long)]
    read_only: bool,
}

/// Does it.
pub(crate) fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    let rules = Rules { read_only: args.read_only, keep_going: args.keep_going };
    if !args.command.is_empty() {
        let mut desk = Desk::for_script(session, rules)?;
        let text = args.command.join("\n");
        return Script::new("-c").run(&mut desk, Cursor::new(text));
    }
    match &args.file {
        Some(file) if file.as_os_str() != "-" => {
            let name = file.display().to_string();
            let text = read_text(&name)?;
            let mut desk = Desk::for_script(session, rules)?;
            Script::new(&name).run(&mut desk, Cursor::new(text))
        }
        None if is_person() => people(Desk::for_person(session, rules)?),
        _ => {
            take_stdin();
            let mut desk = Desk::for_script(session, rules)?;
            Script::new("stdin").run(&mut desk, BufReader::new(std::io::stdin()))
        }
    }
}

/// Whether somebody types, and sees what comes of it.
pub(crate) fn is_person() -> bool {
    let ends = [std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    std::io::stdin().is_terminal() && ends == [true, true]
}

/// Has a line carried out by somebody else; none: it is not one of theirs.
pub(crate) type Order = Box<dyn FnMut(&str) -> Option<Result<(), Fault>> + Send>;

/// What stands beside the words of the command line, in a console that is part of something else.
pub(crate) struct Beside {
    /// Who carries out the lines that are not of the command line.
    pub(crate) order: Order,
    /// What these lines are, for `\?`.
    pub(crate) help: &'static str,
    /// What is to be told above the prompt.
    pub(crate) told: mpsc::Receiver<String>,
    /// Whether all of it is over.
    pub(crate) over: Arc<AtomicBool>,
}

/// The same as a part of something else, until the person leaves or it is over.
pub(crate) fn beside(session: &Session, beside: Beside) -> Result<(), Fault> {
    let mut desk = Desk::for_person(session, Rules::default())?;
    desk.sit_beside(beside);
    people(desk)
}

/// Reads lines from a person until they leave.
fn people(mut desk: Desk) -> Result<(), Fault> {
    take_stdin();
    desk.greet();
    loop {
        let mut editor = desk.editor();
        let herald = Herald::new(&desk, editor.teller());
        match converse(&mut desk, &mut editor, herald) {
            Went::Elsewhere => {}
            Went::On | Went::Off => return Ok(()),
        }
    }
}

/// Talks about one cluster, until the person leaves or goes to another.
fn converse(desk: &mut Desk, editor: &mut Editor, mut herald: Herald) -> Went {
    loop {
        herald.heed(desk);
        let text = match editor.read(&desk.label()) {
            Heard::Line(text) => text,
            Heard::Nothing => continue,
            Heard::Gone => return Went::Off,
        };
        match desk.hear(&text) {
            Ok(Went::Off) => return Went::Off,
            Ok(_) => {}
            // Ctrl-C: whoever pressed it knows.
            Err(fault) if fault.exit == Exit::Interrupted => crate::output::complain("\n"),
            Err(fault) => fault.show_here(&desk.base().out()),
        }
        // It is where it went, also if what was typed behind that went wrong.
        if std::mem::take(&mut desk.moved) {
            return Went::Elsewhere;
        }
    }
}
