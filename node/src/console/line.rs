//! Lines: a text becomes statements, and a statement words. Pure.
//!
//! ```text
//!   nodes list; runs signal etl/7 go {"day": "$day"}     # and so on
//!   └─ a statement    └─ another; its last word is JSON    └─ nobody reads this
//! ```
//!
//! Words are split as a shell splits them: spaces part them, `'…'` is taken as it is, in `"…"` a backslash and `$name` mean something. A
//! word that begins with `{` or `[`, or has one behind a `=`, is JSON and ends with its last bracket, quotes and spaces included, so that
//! nobody has to quote it.
//! Statements end at `;` and at the end of a line, unless a quote or a bracket is open. One pass does all of it: whether a line is whole,
//! which the editor asks at every Enter, cannot be answered otherwise than by what runs it.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// What can be open.
const QUOTE: &str = "a quote (')";
const DOUBLE_QUOTE: &str = "a quote (\")";
const BRACKET: &str = "a bracket";

/// A statement: its words, and where it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The line it begins in, from 1.
    pub(super) line: usize,
    words: Vec<Word>,
}

/// Something was opened and not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// The line in which the statement begins.
    pub(super) line: usize,
    /// What.
    pub(super) what: &'static str,
}

impl Open {
    /// Whether this may close it; if not, it is still open, and nobody has to read everything again.
    pub(super) fn closed_by(self, more: &str) -> bool {
        match self.what {
            BRACKET => more.contains(['}', ']']),
            QUOTE => more.contains('\''),
            _ => more.contains('"'),
        }
    }
}

/// A word before its variables are known.
type Word = Vec<Piece>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Its value stands here; within a text of JSON it is escaped.
    Variable {
        name: String,
        in_json: bool,
    },
}

impl Statement {
    /// The words, with the values of variables.
    pub(super) fn words(
        &self,
        variables: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, String> {
        let sets =
            self.words.first().is_some_and(|word| *word == [Piece::Text("\\set".to_owned())]);
        let words = self.words.iter().enumerate().map(|(at, word)| match word.as_slice() {
            // Here a variable is named, and not asked for its value.
            [Piece::Variable { name, .. }] if sets && at == 1 => Ok(name.clone()),
            _ => said(word, variables),
        });
        words.collect()
    }
}

fn said(word: &Word, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut said = String::new();
    for piece in word {
        match piece {
            Piece::Text(text) => said.push_str(text),
            Piece::Variable { name, in_json } => {
                let Some(value) = variables.get(name) else {
                    return Err(format!("`${name}` has no value; give it one: \\set {name} VALUE"));
                };
                if *in_json {
                    let text = serde_json::Value::from(value.as_str()).to_string();
                    said.push_str(&text[1..text.len() - 1]);
                } else {
                    said.push_str(value);
                }
            }
        }
    }
    Ok(said)
}

/// Reads a text to its end.
pub(super) fn read(text: &str) -> Result<Vec<Statement>, Open> {
    let chars = text.chars().peekable();
    let (done, words) = (Vec::new(), Vec::new());
    let mut reader = Reader { chars, line: 1, began: 1, done, words, word: None };
    reader.read()?;
    Ok(reader.done)
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
    /// The line in which the statement began.
    began: usize,
    done: Vec<Statement>,
    words: Vec<Word>,
    word: Option<Word>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Open> {
        while let Some(c) = self.next() {
            match c {
                '\n' | ';' => self.ends(),
                ' ' | '\t' | '\r' => self.word_ends(),
                '#' if self.word.is_none() => self.comment(),
                _ => {
                    if self.words.is_empty() && self.word.is_none() {
                        self.began = self.line;
                    }
                    self.part(c)?;
                }
            }
        }
        self.ends();
        Ok(())
    }

    /// One character that belongs to a word, and what it opens.
    fn part(&mut self, c: char) -> Result<(), Open> {
        let first = self.word.is_none();
        match c {
            '\'' => self.quoted(),
            '"' => self.double_quoted(),
            '{' | '[' if first || self.is_value() => self.json(c),
            '$' => self.variable(false),
            '\\' if first && self.words.is_empty() => self.meta(),
            '\\' => self.escaped(),
            c => self.push(c),
        }
    }

    /// Whether what comes is the value of a name: `cfg=…`.
    fn is_value(&self) -> bool {
        let last = self.word.as_ref().and_then(|word| word.last());
        matches!(last, Some(Piece::Text(text)) if text.ends_with('='))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().copied()
    }

    #[expect(clippy::unnecessary_wraps, reason = "a part of a word ends as all others do")]
    fn push(&mut self, c: char) -> Result<(), Open> {
        match self.word.get_or_insert_default().last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.word.get_or_insert_default().push(Piece::Text(c.to_string())),
        }
        Ok(())
    }

    fn open<T>(&self, what: &'static str) -> Result<T, Open> {
        Err(Open { line: self.began, what })
    }

    fn word_ends(&mut self) {
        self.words.extend(self.word.take());
    }

    fn ends(&mut self) {
        self.word_ends();
        if !self.words.is_empty() {
            let words = std::mem::take(&mut self.words);
            self.done.push(Statement { line: self.began, words });
        }
    }

    fn comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.next();
        }
    }

    /// A backslash at the beginning: a command of the console's own. That of a shell goes on to the end of the line, whatever is in it.
    fn meta(&mut self) -> Result<(), Open> {
        self.push('\\')?;
        if self.peek() != Some('!') {
            return Ok(());
        }
        self.next();
        self.push('!')?;
        self.word_ends();
        while self.peek().is_some_and(|c| c != '\n') {
            let Some(c) = self.next() else { break };
            self.push(c)?;
        }
        Ok(())
    }

    fn escaped(&mut self) -> Result<(), Open> {
        match self.peek() {
            Some('\n') => {
                self.next();
                Ok(())
            }
            Some(c @ (' ' | '\t' | '\'' | '"' | ';' | '#' | '$' | '\\' | '{' | '[')) => {
                self.next();
                self.push(c)
            }
            _ => self.push('\\'),
        }
    }

    fn quoted(&mut self) -> Result<(), Open> {
        self.word.get_or_insert_default();
        while let Some(c) = self.next() {
            match c {
                '\'' => return Ok(()),
                c => self.push(c)?,
            }
        }
        self.open(QUOTE)
    }

    fn double_quoted(&mut self) -> Result<(), Open> {
        self.word.get_or_insert_default();
        while let Some(c) = self.next() {
            match c {
                '"' => return Ok(()),
                '$' => self.variable(false)?,
                '\\' => match self.peek() {
                    Some(c @ ('"' | '\\' | '$')) => {
                        self.next();
                        self.push(c)?;
                    }
                    _ => self.push('\\')?,
                },
                c => self.push(c)?,
            }
        }
        self.open(DOUBLE_QUOTE)
    }

    fn json(&mut self, first: char) -> Result<(), Open> {
        self.push(first)?;
        let (mut depth, mut in_text) = (1_usize, false);
        while let Some(c) = self.next() {
            match c {
                '$' => {
                    self.variable(in_text)?;
                    continue;
                }
                '\\' if in_text => {
                    self.push(c)?;
                    if let Some(c) = self.next() {
                        self.push(c)?;
                    }
                    continue;
                }
                '"' => in_text = !in_text,
                '{' | '[' if !in_text => depth += 1,
                '}' | ']' if !in_text => depth -= 1,
                _ => {}
            }
            self.push(c)?;
            if depth == 0 {
                return Ok(());
            }
        }
        self.open(if in_text { DOUBLE_QUOTE } else { BRACKET })
    }

    /// Behind a `$`: a name, or it was an ordinary sign.
    fn variable(&mut self, in_json: bool) -> Result<(), Open> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            let fits =
                c == '_' || if name.is_empty() { c.is_alphabetic() } else { c.is_alphanumeric() };
            if !fits {
                break;
            }
            name.push(c);
            self.next();
        }
        if name.is_empty() {
            return self.push('$');
        }
        self.word.get_or_insert_default().push(Piece::Variable { name, in_json });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let day = BTreeMap::from([("day".to_owned(), "a \"b\"".to_owned())]);
        let statements = read(text).expect("everything is closed");
        statements.iter().map(|one| one.words(&day).expect("day is known")).collect()
    }

    #[test]
    fn statements_end_at_semicolons_and_lines_and_comments_are_not_read() {
        assert_eq!(
            words("nodes list; runs list # all\n\n# no\nstatus"),
            [vec!["nodes", "list"], vec!["runs", "list"], vec!["status"]]
        );
        let lines = read("a\n\n# x\nb 'c\nd'; e").expect("closed");
        let lines: Vec<_> = lines.iter().map(|one| one.line).collect();
        assert_eq!(lines, [1, 4, 5]);
        assert_eq!(words(" ;; \n"), Vec::<Vec<String>>::new());
    }

    #[test]
    fn quotes_hold_together_what_belongs_together() {
        assert_eq!(
            words("runs list --where 'a == \"b\"; c' x\\ y \"q\\\"r\" ''"),
            [vec!["runs", "list", "--where", "a == \"b\"; c", "x y", "q\"r", ""]]
        );
        assert_eq!(
            words("runs get etl#1 \\\n  -o json"),
            [vec!["runs", "get", "etl#1", "-o", "json"]]
        );
    }

    #[test]
    fn json_needs_no_quotes() {
        assert_eq!(
            words("rpc x {\"a\": [1, \"} ; ' #\"]}; y"),
            [vec!["rpc", "x", "{\"a\": [1, \"} ; ' #\"]}"], vec!["y"]]
        );
        assert_eq!(
            words("run etl -i cfg={\"a\": 1} day=$day"),
            [vec!["run", "etl", "-i", "cfg={\"a\": 1}", "day=a \"b\""]]
        );
        assert_eq!(words("x a=\\[1 b={}c"), [vec!["x", "a=[1", "b={}c"]]);
        assert_eq!(words("tasks get etl/1/each[3]"), [vec!["tasks", "get", "etl/1/each[3]"]]);
    }

    #[test]
    fn a_variable_is_put_where_it_stands_and_escaped_in_json() {
        assert_eq!(
            words("run x -i day=$day \"<$day>\" '$day' \\$day $5"),
            [vec!["run", "x", "-i", "day=a \"b\"", "<a \"b\">", "$day", "$day", "$5"]]
        );
        assert_eq!(
            words("rpc x {\"a\": \"$day\"}"),
            [vec!["rpc", "x", "{\"a\": \"a \\\"b\\\"\"}"]]
        );
        let unknown = read("run $nigth").expect("closed");
        assert!(unknown[0].words(&BTreeMap::new()).is_err_and(|why| why.contains("\\set nigth")));
    }

    #[test]
    fn a_shell_line_is_taken_as_it_is() {
        assert_eq!(words("\\! ls 'a; | wc\nstatus"), [vec!["\\!", " ls 'a; | wc"], vec!["status"]]);
        assert_eq!(words("\\set day 1"), [vec!["\\set", "day", "1"]]);
        assert_eq!(words("\\set $day $day"), [vec!["\\set", "day", "a \"b\""]]);
        assert_eq!(words("\\?"), [vec!["\\?"]]);
    }

    #[test]
    fn what_is_open_is_said_with_the_line_where_it_began() {
        assert_eq!(read("a\nb 'c\n\n"), Err(Open { line: 2, what: "a quote (')" }));
        assert_eq!(read("rpc x {\"a\": \"b\""), Err(Open { line: 1, what: "a bracket" }));
        assert_eq!(read("rpc x {\"a\": \"b"), Err(Open { line: 1, what: "a quote (\")" }));
    }
}
