//! What is wrong with a file, for people and for programs.
//!
//! People get it in the manner of the Rust compiler: what, where, why, what next. Programs get a list of violations with pointer,
//! line and column. Both come from the same [`Problem`]s.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// The most problems one report keeps; a file with more is broken as a whole.
pub const PROBLEMS_MAX: usize = 100;

/// Whether a problem stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; its author should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `E0102`: what `oarlock explain` takes.
    pub code: &'static str,
    /// Whether it stands in the way.
    pub severity: Severity,
    /// JSON Pointer into the document.
    pub pointer: String,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do, or why it is wrong: stands under the place. May be empty.
    pub label: String,
    /// Another place that has to do with it, and how.
    pub context: Option<(Range<usize>, String)>,
    /// More, each with its name: `allowed`, `note`.
    pub notes: Vec<(&'static str, String)>,
    /// What `oarlock explain` says more about; empty: nothing.
    pub topic: String,
}

impl Problem {
    /// An error at a place, with nothing beside its message yet.
    pub(super) fn new(
        code: &'static str,
        pointer: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Problem {
        Problem {
            code,
            severity: Severity::Error,
            pointer: pointer.to_owned(),
            span,
            message: message.into(),
            label: String::new(),
            context: None,
            notes: Vec::new(),
            topic: String::new(),
        }
    }
}

/// A problem as programs read it: an element of `violations` in problem+json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer into the document: `/tasks/load/neds`.
    pub pointer: String,
    /// From 1.
    pub line: usize,
    /// From 1, in letters.
    pub column: usize,
    /// What is wrong.
    pub detail: String,
    /// What to do; may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// `E0102`.
    pub code: &'static str,
    /// Whether it stands in the way.
    pub severity: Severity,
}

/// Everything that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the file is called in messages.
    pub file: String,
    text: String,
    /// By place.
    pub problems: Vec<Problem>,
    /// How many more there were.
    pub left_off: usize,
}

impl Report {
    pub(super) fn new(file: &str, text: &str, mut problems: Vec<Problem>) -> Report {
        problems.sort_by(|a, b| {
            (a.span.start, a.severity, &a.message).cmp(&(b.span.start, b.severity, &b.message))
        });
        problems.dedup();
        let left_off = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        Report { file: file.to_owned(), text: text.to_owned(), problems, left_off }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether anything stands in the way.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// For programs.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let violation = |problem: &Problem| {
            let (line, column) = self.place(problem.span.start);
            Violation {
                pointer: problem.pointer.clone(),
                line,
                column,
                detail: problem.message.clone(),
                hint: Some(problem.label.clone()).filter(|label| !label.is_empty()),
                code: problem.code,
                severity: problem.severity,
            }
        };
        self.problems.iter().map(violation).collect()
    }

    /// For people, with or without colour.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&self.render_one(problem, &renderer));
            text.push('\n');
            if !problem.topic.is_empty() {
                text.push_str(&help(&format!("oarlock explain {}", problem.topic), colour));
            }
            text.push('\n');
        }
        let errors = self.count(Severity::Error) + self.left_off;
        if errors > 1 {
            let unseen = match self.left_off {
                0 => String::new(),
                more => format!(", {more} of them not shown"),
            };
            text.push_str(&format!("{errors} errors in {}{unseen}\n", self.file));
        } else if text.ends_with("\n\n") {
            text.pop();
        }
        text
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let label = (!problem.label.is_empty()).then_some(problem.label.as_str());
        let primary = AnnotationKind::Primary.span(self.clamp(&problem.span)).label(label);
        let mut snippet = Snippet::source(self.text.as_str()).path(self.file.as_str());
        snippet = snippet.annotation(primary);
        if let Some((span, how)) = &problem.context {
            snippet = snippet
                .annotation(AnnotationKind::Context.span(self.clamp(span)).label(how.as_str()));
        }
        let mut group =
            level.primary_title(problem.message.as_str()).id(problem.code).element(snippet);
        for (name, note) in &problem.notes {
            group = group.element(Level::NOTE.with_name(*name).message(note.as_str()));
        }
        renderer.render(&[group])
    }

    /// A span inside the text, on letter boundaries, and of its first line only: whole blocks underlined help nobody.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let inside = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (inside(span.start), inside(span.end.max(span.start)));
        let line = self.text[start..end].find('\n').map_or(end, |line| start + line);
        let wide = self.text[start..line].trim_end().len();
        start..start + wide
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let at = self.clamp(&(at..at)).start;
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

fn help(text: &str, colour: bool) -> String {
    match colour {
        true => format!("\u{1b}[1m\u{1b}[96mhelp\u{1b}[0m: {text}\n"),
        false => format!("help: {text}\n"),
    }
}
