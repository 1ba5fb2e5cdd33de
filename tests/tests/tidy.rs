//! The form of the house: what a reader may rely on in every file, checked by reading every file.
//!
//! A rule that is only remembered is broken within a month, and always in the same place: the file that is "the natural place"
//! for everything. So the rules about size, names and habits are tests. Each says what to do instead.

use oarlock_tests::house::{self, File};

/// Lines a file may have.
const LINES_MAX: usize = 500;
/// Files that are allowed to be longer, each with its own limit. The list may only get shorter.
const RATCHET: [(&str, usize); 0] = [];
/// Characters a line of comment or code may have; rustfmt keeps code at 100, and text in quotes is left alone.
const COLUMNS_MAX: usize = 140;
/// The longest pause between two looks at something a test waits for.
const LOOK_MS_MAX: u64 = 50;
/// Names that say nothing about what is inside.
const DRAWERS: [&str; 8] =
    ["utils", "util", "common", "types", "misc", "helpers", "helper", "structs"];

#[test]
fn no_file_is_longer_than_one_idea() {
    check("files over the limit: cut them where the idea changes", |file| {
        let own = RATCHET.iter().find(|(path, _)| *path == file.path);
        let lines_max = own.map_or(LINES_MAX, |(_, lines_max)| *lines_max);
        let lines = file.text.lines().count();
        (lines > lines_max).then(|| format!("{lines} lines")).into_iter().collect()
    });
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    check("files without a caption: begin with `//! What this is.`", |file| {
        let first = file.text.lines().next().unwrap_or_default();
        let caption = first.strip_prefix("//! ").unwrap_or_default();
        (caption.len() < 5).then(|| format!("begins with {first:?}")).into_iter().collect()
    });
}

#[test]
fn no_line_is_wider_than_a_page() {
    check("lines that are too wide", |file| {
        lines_where(file, |line| line.chars().count() > COLUMNS_MAX && !line.contains('"'))
    });
}

#[test]
fn no_module_is_a_drawer() {
    check("modules named after nothing: name them after what they hold", |file| {
        let parts = file.path.split(['/', '.']);
        parts.filter(|part| DRAWERS.contains(part)).map(str::to_owned).collect()
    });
}

#[test]
fn limits_end_in_max() {
    check("limits named otherwise: `…_MAX`, so that one search finds them all", |file| {
        lines_where(file, |line| {
            let Some((_, rest)) = line.split_once("const ") else { return false };
            let name = rest.split([':', ' ']).next().unwrap_or_default();
            name.starts_with("MAX_") || name.ends_with("_LIMIT") || name.contains("_MAX_")
        })
    });
}

#[test]
fn tests_wait_for_things_and_not_for_time() {
    check("tests that sleep: wait for what must happen, with a deadline", |file| {
        let sleeps = [
            concat!("thread::", "sleep("),
            concat!("time::", "sleep("),
            concat!(" sleep", "(Duration"),
        ];
        let lines = test_lines(file);
        let found = lines.filter(|(_, line)| {
            sleeps.iter().any(|word| line.contains(word)) && !looks_again(line)
        });
        found.map(|(number, line)| format!("line {number}: {}", line.trim())).collect()
    });
}

#[test]
fn nothing_is_ignored_and_nothing_is_left_to_do() {
    let ignored = concat!("#[", "ignore");
    let later = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")];
    check("tests switched off, or work left open", |file| {
        lines_where(file, |line| line.contains(ignored) || later.iter().any(|w| line.contains(w)))
    });
}

#[test]
fn nothing_is_unwrapped() {
    let unwrap = concat!(".unwrap", "()");
    check("unwraps: `expect` with the invariant in words, or an error", |file| {
        lines_where(file, |line| line.contains(unwrap) && !line.trim_start().starts_with("//"))
    });
}

#[test]
fn what_crosses_the_network_between_actors_is_in_one_file() {
    let cluster = concat!("Ractor", "ClusterMessage");
    check("messages for the network outside actors/src/wire.rs", |file| {
        if file.path == "actors/src/wire.rs" {
            return Vec::new();
        }
        lines_where(file, |line| line.contains(cluster) && !line.trim_start().starts_with("//"))
    });
}

#[test]
fn serialisation_of_the_truth_is_in_one_file() {
    check("bincode outside engine/src/codec.rs", |file| {
        if file.path == "engine/src/codec.rs" || file.path.starts_with("tests/") {
            return Vec::new();
        }
        lines_where(file, |line| line.contains("bincode::"))
    });
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let strange = [concat!("/wo", "rk/"), concat!(".libr", "ary"), concat!("sand", "box")];
    check("words about somebody's machine", |file| {
        lines_where(file, |line| strange.iter().any(|word| line.contains(word)))
    });
}

/// Runs a rule over every source file and fails with every place it found.
fn check(what: &str, rule: impl Fn(&File) -> Vec<String>) {
    let mut faults = Vec::new();
    for file in house::sources() {
        faults.extend(rule(&file).into_iter().map(|fault| format!("  {}: {fault}", file.path)));
    }
    assert!(faults.is_empty(), "{what}\n{}", faults.join("\n"));
}

fn lines_where(file: &File, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| wrong(line));
    lines.map(|(number, line)| format!("line {}: {}", number + 1, line.trim())).collect()
}

/// Whether a pause is short enough to be the one between two looks: then a loop with a deadline is around it.
fn looks_again(line: &str) -> bool {
    let (_, pause) = line.split_once("from_millis(").unwrap_or_default();
    pause.split_once(')').is_some_and(|(ms, _)| ms.parse().is_ok_and(|ms: u64| ms <= LOOK_MS_MAX))
}

/// The lines that are test code: whole files in a `tests` folder or named `tests.rs`, else what follows `#[cfg(test)]`.
fn test_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let whole = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let lines = file.text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.skip_while(move |(_, line)| !whole && !line.starts_with("#[cfg(test)]"))
}
