//! Completion: what Tab offers, in the place where the cursor is.
//!
//! Words of commands come from the parser's tree, names from the cluster, and within the object of an `rpc` the fields that its operation
//! takes.

use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::meta;
use super::names::Names;
use super::spot::{Kind, Next, Offer, next};

/// Offers what may stand where the cursor is.
pub(super) struct Completion {
    tree: clap::Command,
    names: Names,
}

impl Completion {
    pub(super) fn new(tree: clap::Command, names: Names) -> Completion {
        Completion { tree, names }
    }

    /// What may stand at the end of these words.
    fn offers(&mut self, words: &[&str], begun: &str) -> Vec<Offer> {
        if words.is_empty() && begun.starts_with('\\') {
            return meta::ALL.iter().map(|(name, _, does)| Offer::new(*name, *does)).collect();
        }
        match meta_next(words).unwrap_or_else(|| next(&self.tree, words, begun)) {
            Next::These(offers) => offers,
            Next::Name(kind) => self.names.of(kind),
            Next::Anything => Vec::new(),
        }
    }
}

impl Completer for Completion {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let (words, begun) = around(&line[..pos]);
        let (offers, begun) = match in_object(&words, begun) {
            // Of the object, only the name that stands at the cursor.
            Some(operation) => (self.names.fields(operation), begun.trim_start_matches(['{', ','])),
            None => (self.offers(&words, begun), begun),
        };
        let span = Span::new(pos - begun.len(), pos);
        let fitting = offers.into_iter().filter(|offer| offer.value.starts_with(begun));
        let suggestions: Vec<Suggestion> = fitting
            .map(|offer| Suggestion {
                value: offer.value,
                description: Some(offer.about).filter(|about| !about.is_empty()),
                span,
                append_whitespace: !line[..pos].contains('{'),
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// The words of the statement before the cursor, and what stands of the next one.
pub(super) fn around(text: &str) -> (Vec<&str>, &str) {
    let text = text.rsplit([';', '\n']).next().unwrap_or_default();
    let begun = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let before = &text[..text.len() - begun.len()];
    let mut words: Vec<&str> = before.split_whitespace().collect();
    if words.first() == Some(&"oarlock") {
        words.remove(0);
    }
    if words.first() == Some(&"\\watch") {
        words.remove(0);
        if words.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            words.remove(0);
        }
    }
    if words.first() == Some(&"\\h") {
        words[0] = "help";
    }
    (words, begun)
}

/// The operation whose object is being typed, where the name of a field may stand.
fn in_object<'a>(words: &[&'a str], begun: &str) -> Option<&'a str> {
    let ["rpc", operation, object @ ..] = words else { return None };
    let opened = begun.starts_with('{') || object.first().is_some_and(|word| word.starts_with('{'));
    let named = object.last().is_some_and(|word| word.ends_with(':'));
    (opened && !named).then_some(*operation)
}

/// What may follow a command of the console's own; none: the words are not one.
fn meta_next(words: &[&str]) -> Option<Next> {
    let first = words.first().filter(|word| word.starts_with('\\'))?;
    let plain =
        |values: &[&str]| Next::These(values.iter().map(|value| Offer::new(*value, "")).collect());
    Some(match *first {
        _ if words.len() > 1 => Next::Anything,
        "\\c" => Next::Name(Kind::Contexts),
        "\\node" => Next::Name(Kind::Nodes),
        "\\d" => Next::Name(Kind::Messages),
        "\\f" => Next::These(meta::forms().into_iter().map(|form| Offer::new(form, "")).collect()),
        "\\x" | "\\timing" | "\\notify" | "\\safe" => plain(&["on", "off"]),
        _ => Next::Anything,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_statement_counts() {
        assert_eq!(around("nodes list; runs get et"), (vec!["runs", "get"], "et"));
        assert_eq!(around("\\watch 2 roles "), (vec!["roles"], ""));
        assert_eq!(around("\\h runs "), (vec!["help", "runs"], ""));
        assert_eq!(around(""), (vec![], ""));
    }

    #[test]
    fn names_of_fields_stand_in_an_object_where_values_do_not() {
        let at = |text: &'static str| {
            let (words, begun) = around(text);
            in_object(&words, begun)
        };
        assert_eq!(at("rpc runs.get {"), Some("runs.get"));
        assert_eq!(at("rpc runs.cancel {\"id\": \"a\", \"re"), Some("runs.cancel"));
        assert_eq!(at("rpc runs.get {\"id\": "), None);
        assert_eq!(at("rpc runs."), None);
    }
}
