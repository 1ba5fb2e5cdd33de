//! What a process printed, bounded: its beginning and its end, with a line in between that says what is missing.
//!
//! The first lines of a program say what it was about to do and the last ones why it failed; what is cut is the middle. Bytes
//! are kept as they came: a program may print in any encoding.

use std::collections::VecDeque;

/// Bytes kept from the beginning, and as many from the end.
pub(crate) const HALF_BYTES_MAX: usize = 128 << 10;

/// The beginning and the end of a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Capture {
    /// More was printed.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = HALF_BYTES_MAX - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        // Of a very long piece only the end can survive.
        let skipped = rest.len().saturating_sub(HALF_BYTES_MAX);
        let rest = &rest[skipped..];
        let over = (self.tail.len() + rest.len()).saturating_sub(HALF_BYTES_MAX);
        self.tail.drain(..over);
        self.tail.extend(rest);
        self.cut += (over + skipped) as u64;
    }

    /// What is kept so far, in one piece.
    pub(crate) fn text(&self) -> Vec<u8> {
        let (older, newer) = self.tail.as_slices();
        if self.cut == 0 {
            return [&self.head, older, newer].concat();
        }
        let note = format!("\n… {} bytes cut here …\n", self.cut);
        [&self.head, note.as_bytes(), older, newer].concat()
    }
}

/// The last line of a stream that is not blank, as long as it is not longer than `bytes_max`.
#[derive(Debug)]
pub(crate) struct LastLine {
    bytes_max: usize,
    current: Vec<u8>,
    complete: Vec<u8>,
    too_long: bool,
    /// Whether the line that is too long begins like JSON.
    like_json: bool,
    /// Whether the last line of all was such a line.
    lost: bool,
}

impl LastLine {
    /// Of a stream that has not begun.
    pub(crate) fn new(bytes_max: usize) -> LastLine {
        LastLine {
            bytes_max,
            current: Vec::new(),
            complete: Vec::new(),
            too_long: false,
            like_json: false,
            lost: false,
        }
    }

    /// More was printed.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, ended) = match piece.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (piece, false),
            };
            if self.current.len() + line.len() > self.bytes_max {
                if !self.too_long {
                    let first = self.current.iter().chain(line).find(|b| !b.is_ascii_whitespace());
                    self.like_json = matches!(first, Some(b'{' | b'[' | b'"'));
                }
                self.too_long = true;
                self.current.clear();
            } else if !self.too_long {
                self.current.extend_from_slice(line);
            }
            if ended {
                self.end_line();
            }
        }
    }

    /// The stream is over: the line, empty if there was none or if it is too long. None: it is too long and begins like JSON.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        self.end_line();
        (!self.lost).then_some(self.complete)
    }

    fn end_line(&mut self) {
        if self.too_long {
            self.complete.clear();
            self.lost = self.like_json;
        } else if !self.current.trim_ascii().is_empty() {
            self.lost = false;
            self.complete.clear();
            self.complete.extend_from_slice(self.current.trim_ascii());
        }
        self.current.clear();
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_output_is_kept_as_it_came() {
        let mut capture = Capture::default();
        capture.push(b"one\n");
        capture.push(b"two\n");
        assert_eq!(capture.text(), b"one\ntwo\n");
    }

    #[test]
    fn much_output_keeps_its_beginning_and_its_end_and_says_what_is_missing() {
        let mut capture = Capture::default();
        capture.push(b"first");
        for _ in 0..1_000 {
            capture.push(&[b'.'; 1_000]);
        }
        capture.push(b"last");
        let text = capture.text();
        assert!(text.len() < 2 * HALF_BYTES_MAX + 100);
        assert!(text.starts_with(b"first....") && text.ends_with(b"....last"));
        let cut = 1_000_009 - 2 * HALF_BYTES_MAX;
        assert!(String::from_utf8_lossy(&text).contains(&format!("… {cut} bytes cut here …")));
    }

    #[test]
    fn one_piece_larger_than_everything_is_cut_too() {
        let mut capture = Capture::default();
        capture.push(&vec![b'x'; 10 * HALF_BYTES_MAX]);
        let note = format!("\n… {} bytes cut here …\n", 8 * HALF_BYTES_MAX);
        assert_eq!(capture.text().len(), 2 * HALF_BYTES_MAX + note.len());
    }

    #[test]
    fn the_last_line_is_the_last_one_that_says_something() {
        for (printed, last) in [
            ("", ""),
            ("one", "one"),
            ("one\ntwo\n", "two"),
            ("one\n {\"rows\": 3} \n\n  \n", "{\"rows\": 3}"),
            ("a line far too long\n", ""),
            ("a line far too long", ""),
            ("a line far too long\nok\n", "ok"),
            ("{\"a line\": \"far too long\"}\nok\n", "ok"),
        ] {
            let mut lines = LastLine::new(16);
            for byte in printed.as_bytes() {
                lines.push(&[*byte]);
            }
            assert_eq!(lines.finish().as_deref(), Some(last.as_bytes()), "{printed:?}");
        }
    }

    #[test]
    fn an_output_that_is_too_long_is_not_taken_for_none() {
        for printed in ["{\"rows\": [1, 2, 3, 4, 5]}", "one\n  [1, 2, 3, 4, 5, 6, 7]\n\n"] {
            let mut lines = LastLine::new(16);
            for byte in printed.as_bytes() {
                lines.push(&[*byte]);
            }
            assert_eq!(lines.finish(), None, "{printed:?}");
        }
    }
}
