//! Lines of a script: a word, its arguments, what is indented under it.

use std::collections::BTreeMap;

/// One line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// What to do.
    pub word: String,
    /// Arguments without a key.
    pub words: Vec<String>,
    /// Arguments with a key.
    pub keyed: BTreeMap<String, String>,
    /// Indented lines below.
    pub below: Vec<Line>,
}

impl Line {
    /// An argument without a key.
    pub(crate) fn positional(&self, place: usize) -> Result<&str, String> {
        let found = self.words.get(place).map(String::as_str);
        found.ok_or_else(|| format!("`{}` lacks argument {}", self.word, place + 1))
    }

    /// The same as a number; a leading letter (`r1`, `w7`) is passed over.
    pub(crate) fn number<T: std::str::FromStr>(&self, place: usize) -> Result<T, String> {
        let text = self.positional(place)?;
        number(text).ok_or_else(|| format!("`{text}` is no number"))
    }

    /// An argument with a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.keyed.get(key).map(String::as_str)
    }

    /// The same as a number.
    pub(crate) fn get_number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.get(key) else { return Ok(None) };
        number(text).map(Some).ok_or_else(|| format!("{key}: `{text}` is no number"))
    }

    /// The same, divided at commas.
    pub(crate) fn get_list(&self, key: &str) -> Vec<String> {
        let text = self.get(key).unwrap_or_default();
        text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a word stands among the arguments.
    pub(crate) fn flag(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }
}

/// A number, with or without a letter before it.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).parse().ok()
}

/// Reads the lines of a block; comments are left out.
pub(crate) fn lines(texts: &[&str]) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    for text in texts.iter().filter(|text| !text.trim_start().starts_with('#')) {
        let line = line(text)?;
        if text.starts_with(' ') {
            let above = lines.last_mut().ok_or("an indented line has none above it")?;
            above.below.push(line);
        } else {
            lines.push(line);
        }
    }
    Ok(lines)
}

fn line(text: &str) -> Result<Line, String> {
    let mut words = tokens(text)?.into_iter();
    let mut line = Line { word: words.next().unwrap_or_default().0, ..Line::default() };
    for (word, equals) in words {
        match equals {
            Some(place) => {
                let (key, value) = word.split_at(place);
                line.keyed.insert(key.to_owned(), value.to_owned());
            }
            None => line.words.push(word),
        }
    }
    Ok(line)
}

/// Words, and where each is divided into key and value. Quotes keep spaces and `=` together.
fn tokens(text: &str) -> Result<Vec<(String, Option<usize>)>, String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut equals = None;
    let mut begun = false;
    let mut quote: Option<char> = None;
    for letter in text.trim().chars().chain([' ']) {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => word.push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                begun = true;
            }
            (None, ' ') => {
                if begun || !word.is_empty() {
                    found.push((std::mem::take(&mut word), equals.take()));
                    begun = false;
                }
            }
            (None, '=') if equals.is_none() && !word.is_empty() => {
                equals = Some(word.len());
                begun = true;
            }
            (None, _) => word.push(letter),
        }
    }
    match quote {
        Some(open) => Err(format!("{open} is not closed")),
        None => Ok(found),
    }
}
