//! Finds the `${{ … }}` in a text.
//!
//! `}}` ends a piece only outside of quotes and brackets, so `${{ {'a': {'b': 1}} }}` is one piece. `$${{` is the way to write
//! a literal `${{`.

use std::ops::Range;

use super::fault::Fault;

/// What begins a piece of CEL.
const OPEN: &str = "${{";

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// To be taken as it is.
    Text(String),
    /// The bytes between `${{` and `}}`.
    Code(Range<usize>),
}

/// Cuts a text into its pieces.
pub(super) fn scan(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN) {
        let open = at + found;
        if text[..open].ends_with('$') && open > at {
            plain.push_str(&text[at..open - 1]);
            plain.push_str(OPEN);
            at = open + OPEN.len();
            continue;
        }
        plain.push_str(&text[at..open]);
        let start = open + OPEN.len();
        let rest = &text[start..];
        // A quote that is never closed hides every end: the parser then says what is wrong.
        let Some(end) = end_of(rest).or_else(|| rest.find("}}")) else {
            return Err(Fault::new("`${{` without its `}}`")
                .hint("close it, or write `$${{` for a literal `${{`")
                .at(open..open + OPEN.len()));
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Code(start..start + end));
        at = start + end + 2;
    }
    plain.push_str(&text[at..]);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Where the closing `}}` begins.
fn end_of(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'}' if depth == 0 && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') => {
                let raw = at > 0
                    && matches!(bytes[at - 1], b'r' | b'R')
                    && (at < 2 || !bytes[at - 2].is_ascii_alphanumeric());
                at = end_of_quote(bytes, at, quote, raw);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The byte after the quoted text that begins at `at`; the end of all where it is not closed.
fn end_of_quote(bytes: &[u8], at: usize, quote: u8, raw: bool) -> usize {
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let mut next = at + if triple { 3 } else { 1 };
    while next < bytes.len() {
        if bytes[next] == b'\\' && !raw {
            next += 2;
        } else if triple && bytes[next..].starts_with(&[quote; 3]) {
            return next + 3;
        } else if !triple && bytes[next] == quote {
            return next + 1;
        } else {
            next += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        scan(text)
            .expect("well formed")
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => format!("t:{text}"),
                Piece::Code(range) => format!("c:{}", &text[range]),
            })
            .collect()
    }

    #[test]
    fn brackets_and_quotes_hide_the_end() {
        assert_eq!(pieces("a ${{ {'x': {'y': 1}} }} b"), ["t:a ", "c: {'x': {'y': 1}} ", "t: b"]);
        assert_eq!(pieces("${{ '}}' }}"), ["c: '}}' "]);
        assert_eq!(pieces(r#"${{ "a\"}}" }}"#), [r#"c: "a\"}}" "#]);
        assert_eq!(pieces(r"${{ r'\' }}"), [r"c: r'\' "]);
    }

    #[test]
    fn a_doubled_dollar_is_a_literal() {
        assert_eq!(pieces("$${{ x }}"), ["t:${{ x }}"]);
        assert_eq!(pieces("a$${{b${{c}}"), ["t:a${{b", "c:c"]);
    }

    #[test]
    fn an_open_end_is_a_fault_at_its_beginning() {
        let fault = scan("ab ${{ x").expect_err("not closed");
        assert_eq!(fault.position, Some(3..6));
    }
}
