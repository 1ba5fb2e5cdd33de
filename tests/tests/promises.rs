//! docs/promises.md keeps its word: every promise names a test that shows it, and every test it names is in the tree.
//!
//! A place is written as `path::test`, for a golden script of the engine as its path alone. What a test shows is for people to
//! judge; that it exists, and runs, is checked here.

use oarlock_tests::house;

const PAGE: &str = "docs/promises.md";
/// The section whose promises nobody has to show yet.
const LATER: &str = "Not yet";

/// A row of a table: what is promised, and where it is shown.
#[derive(Debug)]
struct Promise {
    line: usize,
    text: String,
    places: Vec<String>,
}

#[test]
fn every_promise_is_a_sentence_with_a_test() {
    let promises = promises(&house::file(PAGE).text);
    assert!(promises.len() > 50, "the page has lost its tables: {}", promises.len());
    for promise in &promises {
        let Promise { line, text, places } = promise;
        assert!(text.ends_with('.'), "{PAGE}:{line}: a promise is a sentence: {text}");
        assert!(!places.is_empty(), "{PAGE}:{line}: nothing shows this: {text}");
    }
}

#[test]
fn every_test_that_the_page_names_is_in_the_tree() {
    let mut lost = Vec::new();
    for promise in promises(&house::file(PAGE).text) {
        let places = promise.places.iter().filter(|place| !exists(place));
        lost.extend(places.map(|place| format!("{PAGE}:{}: {place}", promise.line)));
    }
    assert!(lost.is_empty(), "tests that do not exist:\n{}", lost.join("\n"));
}

#[test]
fn what_does_not_hold_yet_is_said_and_names_no_test() {
    let page = house::file(PAGE).text;
    let (_, later) = page.split_once(&format!("## {LATER}\n")).expect("the section is there");
    let said: Vec<&str> = later.lines().filter(|line| line.starts_with("- ")).collect();
    assert!(!said.is_empty(), "if everything holds, take the section away, and this test");
    assert!(said.iter().all(|line| !line.contains("::")), "a test shows it: move it up: {said:?}");
}

/// The rows of all tables above the section of what does not hold yet.
fn promises(page: &str) -> Vec<Promise> {
    let (above, _) = page.split_once(&format!("## {LATER}\n")).unwrap_or((page, ""));
    let mut promises = Vec::new();
    for (line, text) in above.lines().enumerate() {
        let cells: Vec<&str> = text.trim_matches('|').split(" | ").map(str::trim).collect();
        let ([text, places], true) = (cells.as_slice(), text.starts_with("| ")) else { continue };
        if *text == "promise" || text.starts_with("---") {
            continue;
        }
        let places = places.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        promises.push(Promise { line: line + 1, text: (*text).to_owned(), places });
    }
    promises
}

/// Whether a place is a test, or a script that a test plays.
fn exists(place: &str) -> bool {
    let Some((path, name)) = place.split_once("::") else {
        return place.starts_with("engine/tests/scripts/") && house::root().join(place).is_file();
    };
    let Ok(text) = std::fs::read_to_string(house::root().join(path)) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(at, line)| {
        head.iter().any(|head| line.starts_with(head.as_str()))
            && lines[..at].iter().rev().take(3).any(|above| above.contains("test"))
    })
}
