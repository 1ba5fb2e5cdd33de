//! Every mistake that a file can have, and what its author is told: `tests/bad/NAME.yaml` and `NAME.expected`.
//!
//! `UPDATE=1` writes the expectations anew; read the difference as an author would: does it say what, where, why, what next?

use std::fs;
use std::path::{Path, PathBuf};

use oarlock_gateway::yaml;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad")
}

/// The files, by name.
fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("tests/bad is a folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    files
}

fn report(path: &Path) -> yaml::Report {
    let text = fs::read_to_string(path).expect("a readable file");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name in letters");
    match yaml::parse(&text, name) {
        Ok(_) => panic!("{name} is accepted"),
        Err(report) => report,
    }
}

#[test]
fn each_bad_file_is_refused_with_the_message_beside_it() {
    let files = files();
    assert!(files.len() >= 40, "only {} files", files.len());
    let update = std::env::var_os("UPDATE").is_some();
    let mut different = Vec::new();
    for path in files {
        let said = report(&path).render(false);
        let beside = path.with_extension("expected");
        if update {
            fs::write(&beside, &said).expect("tests/bad is writable");
        } else if fs::read_to_string(&beside).unwrap_or_default() != said {
            different.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(different.is_empty(), "UPDATE=1 if this is better:\n\n{}", different.join("\n"));
}

#[test]
fn programs_are_told_the_same_with_a_place() {
    for path in files() {
        let report = report(&path);
        let lines = fs::read_to_string(&path).expect("a readable file").lines().count().max(1);
        let violations = report.violations();
        assert!(!violations.is_empty(), "{}", path.display());
        for violation in violations {
            let known = yaml::CODES.iter().any(|(code, ..)| *code == violation.code);
            assert!(known, "{}: {}", path.display(), violation.code);
            assert!((1..=lines).contains(&violation.line), "{}: {violation:?}", path.display());
            assert!(violation.column >= 1 && !violation.detail.is_empty());
        }
    }
}

#[test]
fn every_code_has_a_file_that_shows_it() {
    let mut shown = Vec::new();
    for path in files() {
        shown.extend(report(&path).violations().into_iter().map(|violation| violation.code));
    }
    for (code, title, _) in yaml::CODES {
        assert!(
            shown.contains(code) || *code == "E0120",
            "no file in tests/bad shows {code} ({title})"
        );
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    for path in files() {
        let report = report(&path);
        let mut plain = String::new();
        let mut letters = report.render(true);
        while let Some(start) = letters.find('\u{1b}') {
            plain.push_str(&letters[..start]);
            let rest = &letters[start..];
            letters = rest[rest.find('m').map_or(rest.len(), |end| end + 1)..].to_owned();
        }
        plain.push_str(&letters);
        assert_eq!(plain, report.render(false), "{}", path.display());
    }
}
