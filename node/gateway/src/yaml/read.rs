//! Text into trees: the one place that knows the YAML library.
//!
//! Reading is bounded before it begins: size, depth, documents, nodes, aliases. JSON is read as the YAML that it is. Words of
//! YAML 1.1 (`yes`, `on`) stay texts, so do `012` and `1_000`, which other tools read as other numbers.

use std::ops::Range;

use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Options};

use super::code;
use super::report::Problem;
use super::tree::{Node, Spot, bytes, join};

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// How deep values may nest.
pub const DEPTH_MAX: usize = 48;
/// The most documents in one file.
pub const DOCUMENTS_MAX: usize = 100;
/// The most values in one file, with everything that aliases stand for.
pub const NODES_MAX: usize = 200_000;
/// The most aliases in one file.
pub const ALIASES_MAX: usize = 1_000;

/// Reads all documents of a text.
pub(super) fn read(text: &str) -> Result<Vec<Spot>, Box<Problem>> {
    if text.len() > FILE_BYTES_MAX {
        let mut problem = Problem::new(code::TOO_LARGE, "", 0..0, "the file is too large");
        problem.label =
            format!("{} KiB, and {} KiB are allowed", text.len() >> 10, FILE_BYTES_MAX >> 10);
        return Err(Box::new(problem));
    }
    let read = serde_saphyr::from_multiple_with_options::<Spot>(text, options());
    let documents = read.map_err(|error| Box::new(translate(text, &error)))?;
    let documents: Vec<Spot> =
        documents.into_iter().filter(|document| !matches!(document.node, Node::Null)).collect();
    if documents.is_empty() {
        let mut problem = Problem::new(code::SYNTAX, "", 0..0, "there is nothing in the file");
        problem.label = "begin with `kind: workflow`".to_owned();
        problem.topic = "workflow".to_owned();
        return Err(Box::new(problem));
    }
    Ok(documents)
}

fn options() -> Options {
    let mut options = Options::default();
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.with_snippet = false;
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    let mut budget = options.budget.take().unwrap_or_default();
    budget.max_depth = DEPTH_MAX;
    budget.max_documents = DOCUMENTS_MAX;
    budget.max_nodes = NODES_MAX;
    budget.max_aliases = ALIASES_MAX;
    budget.max_anchors = ALIASES_MAX;
    budget.max_total_scalar_bytes = 16 * FILE_BYTES_MAX;
    budget.max_merge_keys = ALIASES_MAX;
    options.budget = Some(budget);
    options
}

/// Keys that are there twice.
pub(super) fn duplicates(document: &Spot) -> Vec<Problem> {
    let mut problems = Vec::new();
    find_duplicates(document, "", &mut problems);
    problems
}

fn find_duplicates(spot: &Spot, pointer: &str, problems: &mut Vec<Problem>) {
    match &spot.node {
        Node::List(list) => {
            for (place, element) in list.iter().enumerate() {
                find_duplicates(element, &join(pointer, place), problems);
            }
        }
        Node::Object(entries) => {
            let mut seen = std::collections::BTreeMap::new();
            for (key, value) in entries {
                match seen.get(key.name.as_str()) {
                    Some(first) => {
                        let what = if pointer == "/tasks" { "task" } else { "key" };
                        let message = format!("the {what} `{}` is there twice", key.name);
                        let mut problem =
                            Problem::new(code::DUPLICATE, "", key.at.clone(), message);
                        problem.pointer = join(pointer, &key.name);
                        problem.label = match what {
                            "task" => "give it another name".to_owned(),
                            _ => "take one of them out".to_owned(),
                        };
                        problem.context = Some((Range::clone(first), "first here".to_owned()));
                        problems.push(problem);
                    }
                    None => {
                        seen.insert(key.name.as_str(), key.at.clone());
                    }
                }
                find_duplicates(value, &join(pointer, &key.name), problems);
            }
        }
        _ => {}
    }
}

/// The library's error in plain words. The library speaks of scanners and collections; authors think of brackets and indents.
fn translate(text: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let at = error.location().map_or(0..0, |location| {
        if location.span().byte_offset().is_some() {
            return bytes(&location);
        }
        let start = offset(text, location.line() as usize, location.column() as usize);
        start..text[start..].chars().next().map_or(start, |letter| start + letter.len_utf8())
    });
    let words = error.to_string();
    if let Some(limit) = limit(&words) {
        let mut problem = Problem::new(code::TOO_LARGE, "", at, limit.0);
        problem.label = limit.1;
        return problem;
    }
    let (message, label, at) = plain(text, &words, at);
    let mut problem = Problem::new(code::SYNTAX, "", at, message);
    problem.label = label;
    problem
}

fn limit(words: &str) -> Option<(String, String)> {
    let said = |message: &str, max: usize, of: &str| {
        Some((message.to_owned(), format!("at most {max} {of} are allowed")))
    };
    if words.contains("Depth {") || words.contains("nesting") || words.contains("recursion limit") {
        return said("values are nested too deeply", DEPTH_MAX, "levels");
    }
    if words.contains("Documents {") {
        return said("there are too many documents in the file", DOCUMENTS_MAX, "documents");
    }
    if words.contains("Nodes {") || words.contains("Events {") {
        return said(
            "the file has too many values, counting what aliases stand for",
            NODES_MAX,
            "values",
        );
    }
    let alias = [
        "alias replay",
        "alias expansion",
        "Aliases {",
        "Anchors {",
        "Ratio",
        "Recorded",
        "MergeKeys",
    ];
    if alias.iter().any(|word| words.contains(word)) {
        let label = "write the values out, or make them an input";
        return Some(("the file uses too many aliases".to_owned(), label.to_owned()));
    }
    words
        .contains("budget breached")
        .then(|| ("the file is too large".to_owned(), "split it into several files".to_owned()))
}

/// What the library's words mean: some of its words, what is wrong, what to do. The first row that fits counts.
const SAYINGS: &[(&str, &str, &str)] = &[
    (
        "cannot deserialize null into string",
        "there is no name before the `:`",
        "write one, in quotes if it is `null` or `~`",
    ),
    ("unclosed bracket", "this bracket is never closed", "its closing bracket is missing"),
    ("misplaced bracket", "this bracket was never opened", "take it out, or quote the text"),
    (
        "mapping values are not allowed",
        "`:` is not allowed here",
        "quote the text, or begin a new line for the key",
    ),
    ("illegal placement of ':'", "`:` is not allowed here", "is a bracket before it not closed?"),
    (
        "did not find expected key",
        "this line is not indented like the ones around it",
        "line it up with its neighbours",
    ),
    (
        "did not find expected '-'",
        "a list and keys are mixed at the same indentation",
        "indent one of them",
    ),
    (
        "expected ',' or",
        "a comma or a closing bracket is missing before this",
        "texts with these signs need quotes",
    ),
    (
        "multiline quoted scalar",
        "a quoted text is not closed before this",
        "its closing quote is missing",
    ),
    ("unclosed quote", "a quoted text is not closed before this", "its closing quote is missing"),
    ("end of stream", "a quoted text is not closed before this", "its closing quote is missing"),
    (
        "unknown escape",
        "an escape in double quotes is not known",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    (
        "trailing content after",
        "there is something after the closing quote",
        "quote the whole text",
    ),
    ("unexpected character", "a text cannot begin with this sign", "quote the text"),
    (
        "unknown anchor",
        "this alias stands for nothing",
        "define it first: `key: &name …`; or quote the text",
    ),
    ("recursive references", "this alias contains itself", "write the value out"),
    ("expected string scalar", "a key must be a text", "lists and objects cannot be keys"),
    ("non-finite", "this is not a finite number", "write a number, or quote the text"),
];

/// Message, what to do, and the place, which the library does not always point at.
fn plain(text: &str, words: &str, at: Range<usize>) -> (String, String, Range<usize>) {
    let line_start = text[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    if let Some(tab) = tab_indent(text, line_start) {
        return (
            "a tab is used for indentation".to_owned(),
            "YAML indents with spaces only".to_owned(),
            tab..tab + 1,
        );
    }
    if line.contains("${{") && (words.contains("flow") || words.contains("bracket")) {
        let start = line_start + line.find("${{").unwrap_or(0);
        return (
            "`${{ }}` inside `{ }` or `[ ]` needs quotes".to_owned(),
            "write \"${{ … }}\"".to_owned(),
            start..start + 3,
        );
    }
    if let Some((_, message, label)) = SAYINGS.iter().find(|(some, ..)| words.contains(some)) {
        return ((*message).to_owned(), (*label).to_owned(), at);
    }
    let bare = words.split(" at line ").next().unwrap_or(words);
    (format!("this is not YAML: {bare}"), String::new(), at)
}

/// The first tab that indents a line, in the line that begins at `from` or the next one.
fn tab_indent(text: &str, from: usize) -> Option<usize> {
    let mut start = from;
    for line in text[from..].split_inclusive('\n').take(2) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// Where a line (from 1) and letter (from 1) is, in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}
