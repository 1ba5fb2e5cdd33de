//! Scripts: lines that nobody types. The first error stops, and says in which line it was.
//!
//! A pipe is read line by line and each statement is done when it is whole, so that a program at its other end can wait for an answer
//! before it says more.

use std::io::BufRead;

use super::desk::{Desk, Went};
use super::line::{self, Open};
use crate::fault::{Exit, Fault};
use crate::output::complain;

/// Bytes that one statement may have.
const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// Where lines come from, and what to do after an error.
pub(super) struct Script {
    name: String,
    keep_going: bool,
    failed: bool,
}

impl Script {
    pub(super) fn new(name: &str, keep_going: bool) -> Script {
        Script { name: name.to_owned(), keep_going, failed: false }
    }

    /// Does what the lines say.
    pub(super) fn run(mut self, desk: &mut Desk, mut lines: impl BufRead) -> Result<(), Fault> {
        let unreadable = |fault: std::io::Error| Fault::new(Exit::Invalid, fault.to_string());
        // Lines before this piece, and the piece: whole lines, of which the last may leave something open.
        let (mut before, mut piece) = (0, String::new());
        loop {
            let read = lines.read_line(&mut piece).map_err(unreadable)?;
            let over = read == 0;
            if piece.trim_end_matches('\n').ends_with('\\') && !over {
                continue;
            }
            let statements = match line::read(&piece) {
                Ok(statements) => statements,
                Err(_) if !over && piece.len() < STATEMENT_BYTES_MAX => continue,
                Err(Open { line, what }) => {
                    complain(&format!("{}:{}: {what} is not closed\n", self.name, before + line));
                    return Err(Fault::silent(Exit::Stopped));
                }
            };
            for statement in &statements {
                match desk.take(statement) {
                    Ok(Went::Off) => return self.ended(),
                    Ok(Went::On | Went::Elsewhere) => {}
                    Err(fault) => self.wrong(desk, before + statement.line, fault)?,
                }
            }
            before += piece.lines().count();
            piece.clear();
            if over {
                return self.ended();
            }
        }
    }

    fn wrong(&mut self, desk: &Desk, line: usize, fault: Fault) -> Result<(), Fault> {
        if fault.exit == Exit::Interrupted {
            return Err(Fault::silent(Exit::Interrupted));
        }
        self.failed = true;
        // A script inside this one has said where it stopped.
        if fault.exit != Exit::Stopped {
            fault.show_at(&format!("{}:{line}", self.name), &desk.base().out());
        }
        if self.keep_going { Ok(()) } else { Err(Fault::silent(Exit::Stopped)) }
    }

    fn ended(&self) -> Result<(), Fault> {
        if self.failed { Err(Fault::silent(Exit::Stopped)) } else { Ok(()) }
    }
}
