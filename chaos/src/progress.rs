//! What people are told while a run goes on: a line for each phase and each fault, with the time since it began.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use anstyle::{AnsiColor, Style};

/// Says things on the terminal, or in plain lines in a pipe. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    begun: Instant,
    colour: bool,
    quiet: bool,
}

impl Say {
    /// From now on. `quiet`: only what a program reads is wanted.
    pub(crate) fn new(quiet: bool) -> Say {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Say { begun: Instant::now(), colour, quiet }
    }

    /// A line.
    pub(crate) fn line(&self, what: &str) {
        self.write(Style::new(), what);
    }

    /// A new phase.
    pub(crate) fn phase(&self, what: &str) {
        self.write(Style::new().bold(), what);
    }

    /// Something was broken.
    pub(crate) fn harm(&self, what: &str) {
        self.write(AnsiColor::Yellow.on_default(), what);
    }

    /// Something was mended.
    pub(crate) fn mend(&self, what: &str) {
        self.write(AnsiColor::Green.on_default(), what);
    }

    fn write(&self, style: Style, what: &str) {
        if self.quiet {
            return;
        }
        let style = if self.colour { style } else { Style::new() };
        let seconds = self.begun.elapsed().as_secs();
        let line = format!("{:02}:{:02}  {style}{what}{style:#}\n", seconds / 60, seconds % 60);
        // Whoever reads this may have gone; the run has not.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
