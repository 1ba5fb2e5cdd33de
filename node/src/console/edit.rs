//! The line editor: reedline with the console's own prompt, completion, hints and past.
//!
//! It is told what is a whole line by what runs it ([`super::line`]), what may come next by the parser's tree ([`super::spot`]), and
//! what there is by the cluster ([`Names`]). While somebody types, news stand above the prompt.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;

use reedline::{
    ColumnarMenu, DefaultHinter, Emacs, ExternalPrinter, Hinter, History, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator, default_emacs_keybindings,
};

use super::complete::{Completion, around};
use super::names::Names;
use super::past::Discreet;
use super::spot::wanted;
use super::{line, meta};
use crate::output::{Tint, complain, painted};

/// The menu that Tab opens.
const MENU: &str = "completion";
/// Failures one after the other, before nobody is believed to be there.
const FAILURES_MAX: u32 = 3;
/// News that may wait to be shown.
const NEWS_MAX: usize = 64;

/// What came of waiting for a line.
pub(super) enum Heard {
    Line(String),
    /// The line was given up.
    Nothing,
    /// Nobody is there any more.
    Gone,
}

/// Reads lines from a person.
pub(super) struct Editor {
    reedline: Reedline,
    teller: SyncSender<String>,
    /// What Ctrl-O gives to the user's own editor.
    draft: Option<PathBuf>,
    /// Failures one after the other.
    failures: u32,
}

impl Editor {
    pub(super) fn new(file: Option<PathBuf>, names: Names, colour: bool) -> Editor {
        let mut tree = crate::cli::tree();
        tree.build();
        let mut keys = default_emacs_keybindings();
        let complete = ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu(MENU.to_owned()),
            ReedlineEvent::MenuNext,
        ]);
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
        keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
        keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('o'), ReedlineEvent::OpenEditor);
        let menu = Box::new(ColumnarMenu::default().with_name(MENU).with_marker("> "));
        let printer = ExternalPrinter::new(NEWS_MAX);
        let teller = printer.sender();
        let hinter = Hints { tree: tree.clone(), past: DefaultHinter::default(), of_past: false };
        // Beside the past, where nobody else can read it; two consoles may have the same past.
        let draft = file.as_ref().map(|file| {
            let name = format!("draft-{}", uuid::Uuid::now_v7());
            file.with_file_name(name)
        });
        let mut reedline = Reedline::create()
            .with_history(Box::new(Discreet::at(file)))
            .with_history_exclusion_prefix(Some(" ".to_owned()))
            .with_completer(Box::new(Completion::new(tree, names)))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_menu(ReedlineMenu::EngineCompleter(menu))
            .with_hinter(Box::new(hinter))
            .with_validator(Box::new(Whole))
            .with_edit_mode(Box::new(Emacs::new(keys)))
            .with_ansi_colors(colour)
            .use_bracketed_paste(true)
            .with_external_printer(printer);
        if let Some(draft) = &draft {
            let (program, words) = editor();
            let mut command = Command::new(program);
            command.args(words).arg(draft);
            reedline = reedline.with_buffer_editor(command, draft.clone());
        }
        Editor { reedline, teller, draft, failures: 0 }
    }

    /// The same, until somebody says that it is over.
    pub(super) fn until(mut self, over: Arc<AtomicBool>) -> Editor {
        self.reedline =
            std::mem::replace(&mut self.reedline, Reedline::create()).with_break_signal(over);
        self
    }

    /// Where news are told.
    pub(super) fn teller(&self) -> SyncSender<String> {
        self.teller.clone()
    }

    /// Waits for a line.
    pub(super) fn read(&mut self, label: &str) -> Heard {
        let heard = self.reedline.read_line(&Label(label.to_owned()));
        if let Some(draft) = &self.draft {
            // There is none unless somebody has pressed Ctrl-O.
            let _ = std::fs::remove_file(draft);
        }
        // What cannot be written is forgotten when the console ends.
        let _ = self.reedline.sync_history();
        self.failures = if heard.is_ok() { 0 } else { self.failures + 1 };
        match heard {
            Ok(Signal::Success(text)) => Heard::Line(text),
            Ok(Signal::CtrlD) => Heard::Gone,
            Ok(Signal::ExternalBreak(_)) => {
                complain("\n");
                Heard::Gone
            }
            Err(fault) => {
                complain(&format!("the line editor failed: {fault}\n"));
                // Once is an editor that cannot be started; again and again, a terminal that is gone.
                if self.failures < FAILURES_MAX { Heard::Nothing } else { Heard::Gone }
            }
            Ok(_) => Heard::Nothing,
        }
    }
}

/// Asks a person yes or no; anything but a yes is a no.
pub(super) fn sure(question: &str) -> bool {
    let mut asking = Reedline::create();
    match asking.read_line(&Question(format!("{question} [y/N] "))) {
        Ok(Signal::Success(text)) => {
            matches!(text.trim().to_lowercase().as_str(), "y" | "yes")
        }
        _ => false,
    }
}

/// The editor that the user likes, and its own words.
pub(super) fn editor() -> (String, Vec<String>) {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let liked = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let mut words = liked.split_whitespace().map(str::to_owned);
    let program = words.next().unwrap_or_else(|| "vi".to_owned());
    (program, words.collect())
}

/// A file of this console's own, for an editor.
pub(super) fn own_file() -> PathBuf {
    std::env::temp_dir().join(format!("oarlock-{}.oar", uuid::Uuid::now_v7()))
}

/// The prompt: where the words go.
struct Label(String);

impl Prompt for Label {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("… ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let how = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing like ",
        };
        Cow::Owned(format!(" ({how}{}) ", search.term))
    }
}

/// A question that stands where the prompt does.
struct Question(String);

impl Prompt for Question {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, _: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}

/// A line is whole when nothing is open in it.
struct Whole;

impl Validator for Whole {
    fn validate(&self, text: &str) -> ValidationResult {
        let goes_on = text.ends_with('\\') && !text.ends_with("\\\\");
        match line::read(text) {
            Ok(_) if !goes_on => ValidationResult::Complete,
            _ => ValidationResult::Incomplete,
        }
    }
}

/// What is still wanted, in grey; else what was typed before and began like this.
struct Hints {
    tree: clap::Command,
    past: DefaultHinter,
    of_past: bool,
}

impl Hinter for Hints {
    fn handle(
        &mut self,
        text: &str,
        pos: usize,
        history: &dyn History,
        colour: bool,
        cwd: &str,
    ) -> String {
        let (words, begun) = around(text);
        let hint = match words.first() {
            Some(first) if begun.is_empty() && pos == text.len() => match *first {
                meta if meta.starts_with('\\') && words.len() == 1 => {
                    let known = meta::ALL.iter().find(|(name, _, _)| *name == meta);
                    known.map(|(_, takes, _)| (*takes).to_owned()).unwrap_or_default()
                }
                _ => wanted(&self.tree, &words),
            },
            _ => String::new(),
        };
        self.of_past = hint.is_empty();
        if self.of_past {
            return self.past.handle(text, pos, history, colour, cwd);
        }
        painted(colour, Tint::Faint.style(), &hint)
    }

    fn complete_hint(&self) -> String {
        if self.of_past { self.past.complete_hint() } else { String::new() }
    }

    fn next_hint_token(&self) -> String {
        if self.of_past { self.past.next_hint_token() } else { String::new() }
    }
}
