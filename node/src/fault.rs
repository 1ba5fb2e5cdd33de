//! A command that failed: what, where, why, what next, and the exit code that scripts branch on.
//!
//! ```text
//! error[E0301]: no run `elt/1042` in namespace default
//! help: did you mean `etl/1042` (running since 4m)?  all runs: `oarlock runs list`
//! exit 3
//! ```
//!
//! With `-o json` the same goes to stderr as the problem's body, so that a program reads it like an answer of the API.

use anstyle::{AnsiColor, Style};
use oarlock_client::{Error, Problem};
use serde_json::{Value, json};

use crate::output::{Out, complain, painted, pretty};

/// How a command ends. `oarlock help exit-codes` prints this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The server failed, or something nobody thought of.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// Not signed in, or not allowed.
    Denied = 4,
    /// It exists, has changed since, or is in the wrong state.
    Conflict = 5,
    /// The file or the input is not valid.
    Invalid = 6,
    /// The cluster is not reached, has no leader, or does not answer in time.
    Unreachable = 7,
    /// Too much at once.
    Limited = 8,
    /// `diff`: there are differences.
    Different = 9,
    /// The run that was waited for failed.
    RunFailed = 10,
    /// It was cancelled.
    RunCancelled = 11,
    /// It timed out.
    RunTimedOut = 12,
    /// A line of a console script went wrong.
    Stopped = 13,
    /// Ctrl-C.
    Interrupted = 130,
}

/// A failure, ready to be shown.
#[derive(Debug)]
pub(crate) struct Fault {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// The code that `oarlock explain` knows; empty: none.
    pub(crate) code: String,
    /// What happened; empty: it has been said already.
    pub(crate) what: String,
    /// Places in a file, drawn.
    pub(crate) drawn: String,
    /// What to do, a line each.
    pub(crate) help: Vec<String>,
    /// The server's own words.
    pub(crate) problem: Option<Box<Problem>>,
}

impl Fault {
    /// A failure in a sentence.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Fault {
        Fault {
            exit,
            code: String::new(),
            what: what.into(),
            drawn: String::new(),
            help: Vec::new(),
            problem: None,
        }
    }

    /// An exit code that needs no words: they stand above already.
    pub(crate) fn silent(exit: Exit) -> Fault {
        Fault::new(exit, "")
    }

    /// With a code.
    pub(crate) fn code(mut self, code: &str) -> Fault {
        code.clone_into(&mut self.code);
        self
    }

    /// With one more line of help.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Fault {
        let help = help.into();
        if !help.is_empty() {
            self.help.push(help);
        }
        self
    }

    /// Shows it on stderr, in the form that was asked for.
    pub(crate) fn show(&self, out: &Out) {
        if self.what.is_empty() && self.drawn.is_empty() {
            return;
        }
        if out.json() {
            complain(&pretty(&self.body()));
        } else {
            complain(&self.text(out.colour_err));
        }
    }

    /// Shows it to somebody who goes on here: how the process would have ended is of no interest.
    pub(crate) fn show_here(&self, out: &Out) {
        if out.json() {
            return self.show(out);
        }
        complain(&self.without_end(out));
    }

    /// Shows it with the place in a script where it happened. The exit code is the script's own, so it is not told.
    pub(crate) fn show_at(&self, place: &str, out: &Out) {
        if self.what.is_empty() && self.drawn.is_empty() {
            complain(&format!("{place}: the line ended with {}\n", self.exit as u8));
        } else if out.json() {
            complain(&format!("{place}: {}\n", self.body()));
        } else {
            complain(&format!("{place}: {}", self.without_end(out)));
        }
    }

    fn without_end(&self, out: &Out) -> String {
        let text = self.text(out.colour_err);
        let end = format!("exit {}\n", self.exit as u8);
        text.strip_suffix(&end).unwrap_or(&text).to_owned()
    }

    fn body(&self) -> Value {
        if let Some(problem) = &self.problem {
            return crate::output::body(problem);
        }
        let kind = match self.code.as_str() {
            "" => "about:blank".to_owned(),
            code => format!("/docs/errors/{code}"),
        };
        json!({
            "type": kind, "title": self.what, "status": 0, "code": self.code, "detail": self.what,
            "hint": self.help.join("; "), "retryable": false,
        })
    }

    fn text(&self, colour: bool) -> String {
        let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into())).bold();
        let mut text = self.drawn.clone();
        if !self.what.is_empty() {
            let head = match self.code.as_str() {
                "" => "error".to_owned(),
                code => format!("error[{code}]"),
            };
            text.push_str(&format!("{}: {}\n", painted(colour, red, &head), self.what));
        }
        let violations = self.problem.iter().flat_map(|problem| &problem.violations);
        for fault in violations {
            text.push_str(&violation(fault, &self.what));
        }
        for (place, line) in self.help.iter().enumerate() {
            let head = if place == 0 { painted(colour, cyan, "help:") } else { "     ".to_owned() };
            text.push_str(&format!("{head} {line}\n"));
        }
        // A drawing in a file ends with its own help.
        if self.drawn.is_empty() {
            text.push_str(&format!("exit {}\n", self.exit as u8));
        }
        text
    }
}

/// One thing that is wrong, with its place; where the headline says it already, the place alone.
fn violation(fault: &oarlock_client::v1::Violation, what: &str) -> String {
    let place = match (fault.line, fault.column, fault.pointer.as_str()) {
        (Some(line), Some(column), _) => format!("{line}:{column}: "),
        (Some(line), None, _) => format!("{line}: "),
        (None, _, "") => String::new(),
        (None, _, pointer) => format!("{pointer}: "),
    };
    let hint = match fault.hint.as_str() {
        "" => String::new(),
        hint => format!("  ({hint})"),
    };
    if what.ends_with(&fault.detail) {
        let place = place.trim_end_matches(": ");
        return if place.is_empty() { String::new() } else { format!("  at {place}{hint}\n") };
    }
    format!("  - {place}{}{hint}\n", fault.detail)
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        let exit = match &error {
            Error::NotFound(_) => Exit::NotFound,
            Error::Conflict(_) => Exit::Conflict,
            Error::Invalid(_) => Exit::Invalid,
            Error::Unauthenticated(_) | Error::PermissionDenied(_) => Exit::Denied,
            Error::RateLimited(_) => Exit::Limited,
            Error::Unavailable(_) | Error::Unreachable { .. } | Error::Timeout { .. } => {
                Exit::Unreachable
            }
            Error::RunFailed { .. } => Exit::RunFailed,
            Error::RunCancelled { .. } => Exit::RunCancelled,
            Error::RunTimedOut { .. } => Exit::RunTimedOut,
            Error::Setup(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        let mut fault = Fault::new(exit, error.to_string()).code(error.code());
        if let Some(problem) = error.problem() {
            if !problem.hint.is_empty() {
                fault = fault.help(problem.hint.clone());
            }
            if exit == Exit::Failed && !problem.request_id.is_empty() {
                fault = fault.help(format!("the node's log has more: {}", problem.request_id));
            }
            fault.problem = Some(Box::new(problem.clone()));
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_why_and_what_next() {
        let fault = Fault::new(Exit::NotFound, "no run `elt/1042` in namespace default")
            .code("E0301")
            .help("did you mean `etl/1042`?")
            .help("all runs: `oarlock runs list`");
        assert_eq!(
            fault.text(false),
            "error[E0301]: no run `elt/1042` in namespace default\n\
             help: did you mean `etl/1042`?\n      all runs: `oarlock runs list`\nexit 3\n"
        );
    }
}
