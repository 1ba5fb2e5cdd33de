//! Server-sent events: bytes in any pieces become events. Pure.
//!
//! The format is that of the HTML standard: lines of `field: value`, an empty line ends an event, a line that begins with a
//! colon is a comment (servers send one now and then to keep the line open).

/// A line may be so long; a longer one is not from a server of ours.
const LINE_BYTES_MAX: usize = 8 << 20;

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// Its name; empty: none was given.
    pub(crate) event: String,
    /// Where to go on behind it.
    pub(crate) id: Option<String>,
    /// What it says.
    pub(crate) data: String,
}

/// Bytes so far, up to the end of the last whole event.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    rest: Vec<u8>,
    message: Message,
    begun: bool,
}

/// A line without end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Parser {
    /// Takes the next bytes and hands back the events that they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        self.rest.extend_from_slice(bytes);
        let mut done = Vec::new();
        let mut from = 0;
        while let Some(length) = self.rest[from..].iter().position(|byte| *byte == b'\n') {
            let line = &self.rest[from..from + length];
            let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
            from += length + 1;
            if let Some(message) = self.line(&line) {
                done.push(message);
            }
        }
        self.rest.drain(..from);
        if self.rest.len() > LINE_BYTES_MAX { Err(TooLong) } else { Ok(done) }
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let whole = std::mem::take(&mut self.begun);
            let message = std::mem::take(&mut self.message);
            return whole.then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "id" => self.message.id = Some(value.to_owned()),
            "data" => {
                if self.begun && !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.begun = true;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_whatever_the_pieces() {
        let text =
            ": hello\nid: 7\nevent: run.started\ndata: {\"a\":1}\n\nid: 8\ndata: x\ndata: y\n\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                got.extend(parser.feed(piece).expect("short lines"));
            }
            assert_eq!(got.len(), 2, "in pieces of {size}");
            assert_eq!(got[0].event, "run.started");
            assert_eq!(got[0].id.as_deref(), Some("7"));
            assert_eq!(got[0].data, "{\"a\":1}");
            assert_eq!(got[1].data, "x\ny");
        }
    }

    #[test]
    fn a_comment_alone_is_no_event() {
        assert_eq!(Parser::default().feed(b": keep\n\n"), Ok(Vec::new()));
    }
}
