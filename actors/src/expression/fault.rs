//! What is wrong with an expression: where, what, and what to do about it.

use std::fmt;
use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::{ExecutionError, ParseErrors};

/// What sort of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The text is not an expression.
    #[default]
    Malformed,
    /// It names what nobody knows.
    Unknown,
    /// It names what a later release will know.
    NotYet,
    /// It is well formed, and the data is not what it expects.
    Data,
}

/// An author's mistake, or data that is not what the author expected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// What sort of fault it is.
    pub sort: Sort,
    /// JSON Pointer to the text, inside the value that was parsed; empty where the value is the text.
    pub pointer: String,
    /// The bytes of that text it is about, where they are known.
    pub position: Option<Range<usize>>,
    /// What is wrong, in plain words.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), ..Fault::default() }
    }

    pub(super) fn sort(mut self, sort: Sort) -> Fault {
        self.sort = sort;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(mut self, position: Range<usize>) -> Fault {
        self.position = Some(position);
        self
    }

    /// Moves the position: the text it was found in begins `by` bytes into a larger one.
    pub(super) fn shifted(mut self, by: usize) -> Fault {
        self.position = self.position.map(|range| range.start + by..range.end + by);
        self
    }

    /// The same fault, seen from `steps` further out.
    pub(super) fn under(mut self, step: &str) -> Fault {
        self.pointer = format!("/{}{}", step.replace('~', "~0").replace('/', "~1"), self.pointer);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// Where the `line`th line (from 1) and `column`th letter (from 1) of a text is, in bytes.
fn place(text: &str, line: isize, column: isize) -> usize {
    let line = usize::try_from(line).unwrap_or(0).max(1);
    let column = usize::try_from(column).unwrap_or(0).max(1);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}

/// The parser's first complaint in plain words.
pub(super) fn of_syntax(text: &str, errors: &ParseErrors) -> Fault {
    let Some(first) = errors.errors.first() else {
        return Fault::new("this is not an expression");
    };
    let start = place(text, first.pos.0, first.pos.1);
    let token = quoted(&first.msg).unwrap_or_default();
    let known = token.len().min(text.len() - start);
    let at = start..(start + known.max(1)).min(text.len().max(start));
    if first.msg.contains("Recursion limit") || first.msg.contains("recovery attempt limit") {
        return Fault::new("the expression is nested too deeply").at(0..text.len());
    }
    if let Some(word) = first.msg.strip_prefix("reserved identifier: ") {
        return Fault::new(format!("`{word}` is a reserved word and cannot be used as a name"))
            .at(at);
    }
    if let Some(operator) = operator_for(text, start, &token) {
        return Fault::new(format!("`{}` is not an operator here", operator.0))
            .hint(format!("write `{}`", operator.1))
            .at(operator.2);
    }
    if first.msg.contains("token recognition error") {
        return match token.chars().next() {
            Some('\'' | '"') => Fault::new("this text has no closing quote").at(start..text.len()),
            Some(letter) if letter.is_alphabetic() => {
                Fault::new(format!("names in expressions cannot have the letter `{letter}`"))
                    .hint("write such names in brackets: inputs[\"…\"], tasks[\"…\"]")
                    .at(at)
            }
            _ => Fault::new(format!("`{token}` does not belong in an expression")).at(at),
        };
    }
    if token == "<EOF>" || start >= text.len() {
        let end = text.trim_end();
        let last = end.char_indices().next_back().map_or(0, |(at, _)| at);
        let fault = Fault::new("the expression ends too early").at(last..end.len());
        return match unclosed(text) {
            Some(bracket) => fault.hint(format!("a `{bracket}` is missing")),
            None => fault,
        };
    }
    if token.is_empty() {
        return Fault::new("this is not an expression").at(at);
    }
    Fault::new(format!("`{token}` is not expected here")).at(at)
}

/// The first thing in single quotes of the parser's message.
fn quoted(message: &str) -> Option<String> {
    let rest = &message[message.find('\'')? + 1..];
    let end = ["' expecting", "'"]
        .iter()
        .find_map(|end| rest.find(end).filter(|_| rest.contains(end)))
        .unwrap_or(rest.len());
    let end = if message.contains("token recognition") { rest.rfind('\'')? } else { end };
    Some(rest[..end].to_owned())
}

/// Operators of other languages: what was written, what to write, and where.
fn operator_for(
    text: &str,
    start: usize,
    token: &str,
) -> Option<(&'static str, &'static str, std::ops::Range<usize>)> {
    const WORDS: [(&str, &str); 8] = [
        ("and", "&&"),
        ("or", "||"),
        ("not", "!"),
        ("===", "=="),
        ("<>", "!="),
        ("=", "=="),
        ("&", "&&"),
        ("|", "||"),
    ];
    // The complaint is at the word itself, or at the letter after it where the word could be a name (`not x`).
    let before = text[..start].trim_end();
    for (wrong, right) in WORDS {
        if text[start..].starts_with(wrong) && (token.starts_with(wrong) || wrong.len() == 1) {
            return Some((wrong, right, start..start + wrong.len()));
        }
        let alone = before.strip_suffix(wrong).is_some_and(|rest| {
            wrong.chars().all(char::is_alphabetic)
                && !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
        });
        if alone {
            return Some((wrong, right, before.len() - wrong.len()..before.len()));
        }
    }
    None
}

/// The bracket that would close the innermost open one.
fn unclosed(text: &str) -> Option<char> {
    let mut open = Vec::new();
    for letter in text.chars() {
        match letter {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

/// What went wrong while evaluating, in plain words.
pub(super) fn of_evaluation(
    text: &str,
    ast: &IdedExpr,
    source: &SourceInfo,
    error: &ExecutionError,
) -> Fault {
    match error {
        ExecutionError::NoSuchKey(key) => no_such_key(text, ast, source, key),
        ExecutionError::NoSuchOverload(overload) => {
            let name = operator(overload.function());
            let types: Vec<_> = overload.argument_types().iter().map(|t| kind(t)).collect();
            Fault::new(format!("`{name}` does not work on {}", listing(&types)))
                .hint("convert first: string(x), int(x), double(x)")
        }
        ExecutionError::UnsupportedBinaryOperator(operator, one, other) => {
            let types = [one, other].map(|value| value.type_of().to_string());
            Fault::new(format!(
                "`{}` does not work on {} and {}",
                arithmetic(operator),
                kind(&types[0]),
                kind(&types[1])
            ))
            .hint("convert first: string(x), int(x), double(x)")
        }
        ExecutionError::UnexpectedType { got, want } => {
            Fault::new(format!("expected {}, and this is {}", kind(want), kind(got)))
        }
        ExecutionError::UndeclaredReference(name) => {
            Fault::new(format!("`{name}` is not known here"))
        }
        ExecutionError::FunctionError { function, message } if function == super::work::CHARGE => {
            Fault::new(message.clone()).hint("work on smaller lists, or do it in a task")
        }
        ExecutionError::FunctionError { function, message } => {
            Fault::new(format!("`{}` failed: {message}", operator(function)))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            Fault::new("division by zero")
        }
        ExecutionError::Overflow(..) => Fault::new("the number is too large for 64 bits"),
        ExecutionError::IndexOutOfBounds(index) => {
            Fault::new(format!("the list has no element {}", shown(index)))
                .hint("the first element is 0; size(x) tells how many there are")
        }
        ExecutionError::DuplicateKey(key) => {
            Fault::new(format!("the key {} is there twice", shown(key)))
        }
        ExecutionError::ValuesNotComparable(one, other) => Fault::new(format!(
            "{} and {} cannot be compared",
            kind(&one.type_of().to_string()),
            kind(&other.type_of().to_string())
        )),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            Fault::new(format!("a function takes {expected} values here and got {actual}"))
        }
        ExecutionError::UnsupportedIndex(index, of) => Fault::new(format!(
            "{} cannot be indexed by {}",
            kind(&of.type_of().to_string()),
            kind(&index.type_of().to_string())
        )),
        other => {
            let mut message = other.to_string();
            message.truncate(message.char_indices().nth(200).map_or(message.len(), |(at, _)| at));
            Fault::new(message)
        }
    }
}

/// A field that is not there, at the place of what lacks it.
fn no_such_key(text: &str, ast: &IdedExpr, source: &SourceInfo, key: &str) -> Fault {
    let Some(operand) = operand_of(ast, key) else {
        return Fault::new(format!("there is no `{key}`"));
    };
    let owner = super::tree::spell(operand).unwrap_or_else(|| "this".to_owned());
    let fault = Fault::new(format!("`{owner}` has no `{key}`"))
        .hint(format!("where it may be missing, ask first: has({owner}.{key})"));
    match super::tree::extent(text, operand, source) {
        Some(at) => fault.at(at),
        None => fault,
    }
}

fn shown(value: &cel::Value) -> String {
    match value {
        cel::Value::Int(number) => number.to_string(),
        cel::Value::UInt(number) => number.to_string(),
        cel::Value::String(text) => format!("`{text}`"),
        other => kind(&other.type_of().to_string()).to_owned(),
    }
}

/// `_+_` is how CEL calls `+`.
fn operator(function: &str) -> String {
    match function {
        "_[_]" => "[ ]".to_owned(),
        "@in" => "in".to_owned(),
        "@not_strictly_false" => "all".to_owned(),
        other => other.trim_matches('_').to_owned(),
    }
}

/// Arithmetic has names of its own in one kind of error.
fn arithmetic(name: &str) -> &str {
    match name {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other,
    }
}

/// A CEL type in words.
fn kind(name: &str) -> &str {
    match name {
        "bool" => "true or false",
        "int" | "uint" => "a whole number",
        "double" | "float" => "a number with a fraction",
        "string" => "text",
        "bytes" => "bytes",
        "list" | "iterable" => "a list",
        "map" => "an object",
        "null" | "null_type" => "null",
        "google.protobuf.Timestamp" | "timestamp" => "a moment",
        "google.protobuf.Duration" | "duration" => "a duration",
        other => other,
    }
}

fn listing(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What `key` was asked of, where the expression has a selection of that name.
fn operand_of<'a>(ast: &'a IdedExpr, key: &str) -> Option<&'a IdedExpr> {
    if let Expr::Select(select) = &ast.expr
        && select.field == key
        && !select.test
    {
        return Some(&select.operand);
    }
    super::tree::children(ast).into_iter().find_map(|child| operand_of(child, key))
}
