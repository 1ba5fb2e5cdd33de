//! What has changed between two looks, made bright. Pure.
//!
//! Two texts are compared line by line and word by word: what stands in a line where something else stood before is painted. A line that
//! was not there is bright as a whole.

use anstyle::{AnsiColor, Style};

use crate::output::painted;

/// The second text, with what is new in it painted.
pub(super) fn changes(before: &str, now: &str) -> String {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    let old: Vec<&str> = before.lines().collect();
    let mut text = String::new();
    for (number, line) in now.lines().enumerate() {
        match old.get(number) {
            Some(old) if old == &line => text.push_str(line),
            Some(old) => text.push_str(&words(old, line, style)),
            None => text.push_str(&painted(true, style, line)),
        }
        text.push('\n');
    }
    text
}

/// A line with its changed words painted; words are told apart by where they begin.
fn words(old: &str, line: &str, style: Style) -> String {
    let known: Vec<(usize, &str)> = placed(old);
    let (mut text, mut end) = (String::new(), 0);
    for (at, word) in placed(line) {
        text.push_str(&line[end..at]);
        let same = known.contains(&(at, word));
        text.push_str(&painted(!same, style, word));
        end = at + word.len();
    }
    text.push_str(&line[end..]);
    text
}

/// Words with the byte at which each begins.
fn placed(line: &str) -> Vec<(usize, &str)> {
    let mut next = 0;
    let words = line.split(' ').map(|word| {
        let at = next;
        next += word.len() + 1;
        (at, word)
    });
    words.filter(|(_, word)| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With brackets instead of colour.
    fn marked(before: &str, now: &str) -> String {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        changes(before, now).replace(&style.to_string(), "[").replace(&format!("{style:#}"), "]")
    }

    #[test]
    fn only_what_is_new_is_bright() {
        assert_eq!(
            marked("n1  up   3\nn2  up   4\n", "n1  up   3\nn2  lost 0\n"),
            "n1  up   3\nn2  [lost] [0]\n"
        );
        assert_eq!(marked("a\n", "a\nb c\n"), "a\n[b c]\n");
        assert_eq!(marked("a b\n", "a b\n"), "a b\n");
    }
}
