//! The pages keep their word: the sixty-second tour works, commands exist, workflow files in the text are valid.

use std::time::{Duration, Instant};

use oarlock_tests::house;

use crate::node::Place;

/// Pages whose blocks are read.
const PAGES: [&str; 6] = [
    "README.md",
    "docs/guide/start.md",
    "docs/guide/write.md",
    "docs/guide/operate.md",
    "docs/guide/cluster.md",
    "docs/guide/console.md",
];
/// `oarlock dev` is ready within this, best of three.
const READY_MAX: Duration = Duration::from_secs(1);

#[test]
fn a_development_node_is_ready_within_a_second_and_runs_hello() {
    let place = Place::new();
    let fastest = (0..3).map(|_| {
        let began = Instant::now();
        let node = place.start_dev();
        let took = began.elapsed();
        assert_eq!(node.ready()["event"], "ready");
        node.kill();
        took
    });
    let fastest = fastest.min().expect("there were some");
    assert!(fastest < READY_MAX, "{fastest:?}");
    let node = place.start_dev();
    node.say(&["run", "examples/hello.yaml", "--watch"]).expect(0);
    let listed = node.say(&["runs", "list", "--all"]).expect(0);
    assert!(listed.out.contains("hello/1") && !listed.out.contains('\u{1b}'), "{}", listed.out);
    let log = node.say(&["logs", "hello/1/letter"]).expect(0);
    assert!(log.out.contains("Dear world,"), "{}", log.out);
    assert!(node.stop().success());
}

#[test]
fn every_command_in_the_pages_exists() {
    let place = Place::new();
    let mut lost = Vec::new();
    for (page, block) in blocks("console") {
        for line in block.lines().filter_map(|line| line.trim().strip_prefix("$ oarlock ")) {
            let line = line.split(" #").next().unwrap_or(line);
            let is_verb = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let mut words: Vec<&str> = line
                .split_whitespace()
                .take_while(is_verb)
                .filter(|w| !w.starts_with('-'))
                .collect();
            words.truncate(2);
            // `run hello` names a workflow, not a verb: the longest line of verbs that has a help page counts.
            while !words.is_empty() && place.say(&[&words[..], &["--help"]].concat()).code != 0 {
                words.pop();
            }
            if words.is_empty() {
                lost.push(format!("{page}: oarlock {line}"));
            }
        }
    }
    assert!(lost.is_empty(), "commands that do not exist:\n{}", lost.join("\n"));
}

#[test]
fn every_workflow_in_the_pages_is_valid() {
    let place = Place::new();
    let mut read = 0;
    for (page, block) in blocks("yaml") {
        // A piece of a file is for reading; a whole one says what it is.
        if !block.contains("kind: workflow") {
            continue;
        }
        let file = place.folder().join("page.yaml");
        std::fs::write(&file, &block).expect("the folder can be written");
        let said = place.say(&["validate", &file.to_string_lossy()]);
        assert_eq!(said.code, 0, "{page}:\n{block}\n{}", said.err);
        read += 1;
    }
    assert!(read > 0, "the pages show workflows");
}

/// The fenced blocks of one language, each with its page.
fn blocks(language: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for page in PAGES {
        let text = house::file(page).text;
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
            let (block, behind) = after.split_once("```").expect("a block is closed");
            found.push((page, block.to_owned()));
            rest = behind;
        }
    }
    found
}
