//! docs/errors.md has every code that a person can meet, as the tables in the source explain it.
//!
//! The page is written from the tables by `OARLOCK_UPDATE=1 cargo t -p oarlock-tests --test errors`, and compared with them
//! here. A code that is used anywhere and explained in no table is a fault as well.

use std::collections::BTreeMap;
use std::fmt::Write;

use oarlock_tests::house;

const PAGE: &str = "docs/errors.md";
/// Codes of everything but single faults of files: `NAME = "E0301", 404, STAYS, "title", "hint", "explanation";`.
const PROBLEMS: &str = "node/gateway/src/problem/table.rs";
/// Codes of faults in files: constants, and then `(NAME, "title", "explanation")`.
const FAULTS: &str = "node/gateway/src/yaml/code.rs";

#[derive(Debug)]
struct Kind {
    title: String,
    hint: String,
    explanation: String,
}

#[test]
fn the_page_says_what_the_tables_say() {
    let wanted = page(&kinds());
    let path = house::root().join(PAGE);
    if std::env::var_os("OARLOCK_UPDATE").is_some() {
        std::fs::write(&path, wanted).expect("the page can be written");
        return;
    }
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    let first = is.lines().zip(wanted.lines()).find(|(is, should)| is != should);
    assert!(
        is == wanted,
        "{PAGE} is out of date, first here: {first:?}\n\
         OARLOCK_UPDATE=1 cargo t -p oarlock-tests --test errors writes it anew"
    );
}

#[test]
fn every_code_in_the_source_is_explained() {
    let kinds = kinds();
    let mut unknown = Vec::new();
    for file in house::sources() {
        let codes = literals(&file.text).into_iter().filter(|text| is_code(text));
        unknown.extend(
            codes
                .filter(|code| !kinds.contains_key(code))
                .map(|code| format!("{}: {code}", file.path)),
        );
    }
    unknown.retain(|place| !place.starts_with("tests/"));
    assert!(unknown.is_empty(), "codes that no table explains: {unknown:?}");
}

fn kinds() -> BTreeMap<String, Kind> {
    let mut kinds = BTreeMap::new();
    let texts = literals(&house::file(PROBLEMS).text);
    for at in (0..texts.len()).filter(|at| is_code(&texts[*at])) {
        let [title, hint, explanation] = [1, 2, 3].map(|next| texts[at + next].clone());
        kinds.insert(texts[at].clone(), Kind { title, hint, explanation });
    }
    let faults = house::file(FAULTS).text;
    let (constants, table) = faults.split_once("TABLE").expect("the table has that name");
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
    for line in constants.lines() {
        let Some((name, _)) = line.split_once("const ").and_then(|(_, rest)| rest.split_once(':'))
        else {
            continue;
        };
        let Some(code) = literals(line).pop() else { continue };
        let row = table.split_once(&format!("({name},")).map(|(_, row)| row);
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        let mut texts = literals(row).into_iter();
        let mut next = || texts.next().expect("a row has a title and an explanation");
        let (title, explanation) = (next(), next());
        kinds.insert(code, Kind { title, hint: String::new(), explanation });
    }
    kinds
}

fn page(kinds: &BTreeMap<String, Kind>) -> String {
    let mut page = String::from(
        "# Errors\n\nEvery failure has a code that never changes its meaning. `oarlock explain CODE` prints what stands here.\n\n\
         E01xx: workflow files · E02xx: what was sent · E03xx: what is not there · E04xx: what cannot be done now · E05xx: limits · E07xx: \
         reach and availability · E09xx: faults of Oarlock itself.\n",
    );
    for (code, kind) in kinds {
        write!(page, "\n## {code}: {}\n\n{}\n", kind.title, kind.explanation)
            .expect("a string takes what is written");
        if !kind.hint.is_empty() {
            write!(page, "\n*Next:* {}\n", kind.hint).expect("a string takes what is written");
        }
    }
    page
}

fn is_code(text: &str) -> bool {
    text.len() == 5 && text.starts_with("E0") && text[1..].bytes().all(|b| b.is_ascii_digit())
}

/// The texts in quotes, in order, outside of comments.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut rest = code.chars();
    while rest.by_ref().any(|c| c == '"') {
        let mut text = String::new();
        while let Some(c) = rest.next() {
            match c {
                '"' => break,
                '\\' => text.push(rest.next().unwrap_or_default()),
                c => text.push(c),
            }
        }
        found.push(text);
    }
    found
}
