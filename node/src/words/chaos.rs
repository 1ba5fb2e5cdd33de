//! `oarlock chaos …`: hands over to the program that breaks clusters, which is built and shipped beside this one.
//!
//! It is a program of its own because nothing of it belongs into a node: it plants faults in processes, networks and disks.
//! What it breaks is this very binary, unless it is told another.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::ask::Session;
use crate::fault::{Exit, Fault};

/// The program's name.
const PROGRAM: &str = "oarlock-chaos";

/// What is handed over.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock chaos run --workload register --nemesis kill,partition --seed 7\n\
        \x20 oarlock chaos soak --hours 2\n\
        \x20 oarlock chaos list\n\n\
        All of it: oarlock chaos run --help. Exit codes: 0 everything held,\n\
        1 something did not, 2 wrong usage, 3 nobody knows.")]
pub(crate) struct Args {
    /// run, soak, check, report or list, and their options
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Becomes that program.
pub(crate) fn run(_: &Session, args: &Args) -> Result<(), Fault> {
    let here = std::env::current_exe().map_err(|why| {
        Fault::new(Exit::Failed, format!("this program does not know where it is: {why}"))
    })?;
    let program = here.with_file_name(PROGRAM);
    if !program.exists() {
        return Err(missing(&program));
    }
    let mut command = Command::new(&program);
    command.args(&args.words);
    if std::env::var_os("OARLOCK_BIN").is_none() {
        command.env("OARLOCK_BIN", &here);
    }
    // Only a failure comes back.
    let why = command.exec();
    Err(Fault::new(Exit::Failed, format!("{} does not start: {why}", program.display())))
}

fn missing(program: &Path) -> Fault {
    let what =
        format!("there is no {}: the chaos suite is a program of its own", program.display());
    Fault::new(Exit::NotFound, what)
        .help("it is built with: cargo build --release --package oarlock-chaos")
}
