//! Scripts: lines that nobody types. The first error stops, and says in which line it was.
//!
//! A pipe is read line by line and each statement is done when it is whole, so that a program at its other end can wait for an answer
//! before it says more.

use std::io::{BufRead, Read as _};

use super::desk::{Desk, Went};
use super::line::{self, Open, Statement};
use crate::fault::{Exit, Fault};
use crate::output::complain;

/// Bytes that one piece may have.
const PIECE_BYTES_MAX: usize = 16 << 20;

/// A script, and how it goes.
pub(super) struct Script {
    name: String,
    failed: bool,
}

impl Script {
    pub(super) fn new(name: &str) -> Script {
        Script { name: name.to_owned(), failed: false }
    }

    /// Does what the lines say.
    pub(super) fn run(mut self, desk: &mut Desk, mut lines: impl BufRead) -> Result<(), Fault> {
        let mut before = 0;
        loop {
            let piece = read(&mut lines)?;
            let statements = match piece.statements {
                Ok(statements) => statements,
                Err(Open { line, what }) => {
                    complain(&format!("{}:{}: {what} is not closed\n", self.name, before + line));
                    return Err(Fault::silent(Exit::Stopped));
                }
            };
            for statement in &statements {
                match desk.take(statement) {
                    Ok(Went::Off) => return self.ended(),
                    Ok(_) => {}
                    Err(fault) => self.wrong(desk, before + statement.line, fault)?,
                }
            }
            before += piece.lines;
            if piece.last {
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
        if desk.rules.keep_going { Ok(()) } else { Err(Fault::silent(Exit::Stopped)) }
    }

    fn ended(&self) -> Result<(), Fault> {
        if self.failed { Err(Fault::silent(Exit::Stopped)) } else { Ok(()) }
    }
}

/// Whole lines that leave nothing open, unless they are the last.
struct Piece {
    lines: usize,
    statements: Result<Vec<Statement>, Open>,
    last: bool,
}

/// Reads a piece: as many lines as it takes.
fn read(lines: &mut impl BufRead) -> Result<Piece, Fault> {
    let invalid = |why: String| Fault::new(Exit::Invalid, why);
    // What is open in the text, and up to where it has been looked for what closes it.
    let (mut text, mut open, mut seen) = (String::new(), None::<Open>, 0);
    loop {
        let left = PIECE_BYTES_MAX + 1 - text.len();
        let count = lines.by_ref().take(left as u64).read_line(&mut text);
        let last = count.map_err(|fault| invalid(fault.to_string()))? == 0;
        if text.len() > PIECE_BYTES_MAX {
            let most = PIECE_BYTES_MAX >> 20;
            return Err(invalid(format!("a command is larger than {most} MiB, or has no end")));
        }
        if text.trim_end_matches('\n').ends_with('\\') && !last {
            continue;
        }
        // To read all of it again with every line would take the square of its length.
        let still = open.is_some_and(|open| !open.closed_by(&text[seen..]));
        seen = text.len();
        if still && !last {
            continue;
        }
        match line::read(&text) {
            Err(found) if !last => open = Some(found),
            statements => return Ok(Piece { lines: text.lines().count(), statements, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_piece_has_as_many_lines_as_it_takes_to_close_what_is_open() {
        let text = "a\nb {\n\"x\": [\n1,\n2]\n}; c\nd 'e\n}\nf'\ng \\\n h\ni {";
        let mut lines = text.as_bytes();
        let mut pieces = Vec::new();
        loop {
            let piece = read(&mut lines).expect("it can be read");
            pieces.push((piece.lines, piece.statements.map(|statements| statements.len())));
            if piece.last {
                break;
            }
        }
        let open = Open { line: 1, what: "a bracket" };
        assert_eq!(pieces, [(1, Ok(1)), (5, Ok(2)), (3, Ok(1)), (2, Ok(1)), (1, Err(open))]);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut lines = BufReader::new(std::io::repeat(b'x'));
        let Err(fault) = read(&mut lines) else { panic!("it has no end") };
        assert_eq!(fault.what, "a command is larger than 16 MiB, or has no end");
        assert!(read(&mut BufReader::new(std::io::repeat(b'\\'))).is_err());
    }
}
