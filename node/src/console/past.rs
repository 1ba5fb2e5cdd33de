//! What was typed before, one file a context. Lines with secrets in them are not kept.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use reedline::{
    FileBackedHistory, History, HistoryItem, HistoryItemId, HistorySessionId, Result, SearchQuery,
};

/// Lines that are kept.
const LINES_MAX: usize = 10_000;
/// How a line end is written in the file, which has a line an entry.
const LINE_END: &str = "<\\n>";
/// Words of lines that are better not kept.
const SECRETS: [&str; 11] = [
    "token",
    "secret",
    "passw",
    "authorization",
    "bearer",
    "credential",
    "api_key",
    "api-key",
    "apikey",
    "private_key",
    "private-key",
];

/// Whether a line had better not be kept.
pub(super) fn is_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    SECRETS.iter().any(|word| line.contains(word))
}

/// Where the lines of a context are kept; none: this user has no place for it.
pub(super) fn file(label: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => PathBuf::from(home).join(".local").join("state"),
        (None, None) => return None,
    };
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = label.chars().map(plain).collect();
    let folder = state.join("oarlock").join("history");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let file = folder.join(name.trim_start_matches('.'));
    // Made here, so that nobody else can read it.
    let opened = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&file);
    opened.ok().map(|_| file)
}

/// The lines that are kept there, the oldest first.
pub(super) fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| line.replace(LINE_END, "\n")).collect()
}

/// A history that forgets secrets at once.
pub(super) struct Discreet(FileBackedHistory);

impl Discreet {
    /// With what the file has; without one, only for now.
    pub(super) fn at(file: Option<PathBuf>) -> Discreet {
        let kept = file.and_then(|file| FileBackedHistory::with_file(LINES_MAX, file).ok());
        Discreet(kept.unwrap_or_default())
    }
}

impl History for Discreet {
    fn save(&mut self, item: HistoryItem) -> Result<HistoryItem> {
        if is_secret(&item.command_line) {
            return Ok(item);
        }
        self.0.save(item)
    }

    fn load(&self, id: HistoryItemId) -> Result<HistoryItem> {
        self.0.load(id)
    }

    fn count(&self, query: SearchQuery) -> Result<i64> {
        self.0.count(query)
    }

    fn search(&self, query: SearchQuery) -> Result<Vec<HistoryItem>> {
        self.0.search(query)
    }

    fn update(
        &mut self,
        id: HistoryItemId,
        updater: &dyn Fn(HistoryItem) -> HistoryItem,
    ) -> Result<()> {
        self.0.update(id, updater)
    }

    fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> Result<()> {
        self.0.delete(id)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.0.session()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_secrets_are_not_kept() {
        let mut past = Discreet::at(None);
        for line in ["nodes list", "nodes list --token abc", "\\set PassWord x", "runs list"] {
            past.save(HistoryItem::from_command_line(line)).expect("it takes any line");
        }
        let everything = SearchQuery::everything(reedline::SearchDirection::Forward, None);
        let kept = past.search(everything).expect("it can be searched");
        let kept: Vec<&str> = kept.iter().map(|item| item.command_line.as_str()).collect();
        assert_eq!(kept, ["nodes list", "runs list"]);
    }
}
