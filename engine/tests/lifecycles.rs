//! Every transition that happens is drawn, and every transition that is drawn is taken by some script.
//!
//! The drawing is `lifecycle/drawn.rs`; from it comes `docs/lifecycles.md`, which names for each transition a script that takes it.
//! `UPDATE_LIFECYCLES=1 cargo test -p oarlock-engine --test lifecycles` writes the page.

mod history;
mod lifecycle;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use lifecycle::drawn::LIVES;
use lifecycle::{Lives, Transition};

/// The transitions that scripts take, each with the first script that does.
fn taken() -> BTreeMap<Transition, String> {
    let mut taken = BTreeMap::new();
    for path in script::paths() {
        let text = std::fs::read_to_string(&path).expect("scripts are readable text");
        let name: Vec<_> = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        for transition in Lives::read(&script::play(&text).records) {
            taken.entry(transition).or_insert_with(|| format!("{}/{}", name[1], name[0]));
        }
    }
    taken
}

fn drawn() -> BTreeSet<Transition> {
    let all = LIVES.iter().flat_map(|life| {
        life.steps.iter().map(|(from, event, to)| Transition {
            concept: life.concept,
            from: (*from).to_owned(),
            event,
            to: (*to).to_owned(),
        })
    });
    all.collect()
}

#[test]
fn every_transition_that_a_script_takes_is_drawn() {
    let drawn = drawn();
    let bare: Vec<_> = taken().into_iter().filter(|(one, _)| !drawn.contains(one)).collect();
    assert!(bare.is_empty(), "{bare:#?}");
}

#[test]
fn every_transition_of_a_random_history_is_drawn() {
    let drawn = drawn();
    let mut strange = BTreeSet::new();
    for seed in 0..150 {
        let mut play = history::Play::begun();
        play.play(&history::thrown(seed, 150), |_| ());
        strange.extend(Lives::read(&play.records).into_iter().filter(|one| !drawn.contains(one)));
    }
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn every_transition_that_is_drawn_is_taken_by_a_script() {
    let taken = taken();
    let bare: Vec<_> = drawn().into_iter().filter(|one| !taken.contains_key(one)).collect();
    assert!(bare.is_empty(), "{bare:#?}");
}

#[test]
fn the_page_is_what_the_tables_say() {
    let page = page(&taken());
    let path = path();
    #[allow(
        clippy::disallowed_methods,
        reason = "a test may be told by its surroundings to rewrite its files"
    )]
    if std::env::var("UPDATE_LIFECYCLES").is_ok() {
        std::fs::write(&path, &page).expect("the page is writable");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/lifecycles.md is out of date:\n{}",
        script::difference(&written, &page)
    );
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lifecycles.md")
}

fn page(taken: &BTreeMap<Transition, String>) -> String {
    let mut page = String::from(
        "# Lifecycles\n\n\
        Generated from `engine/tests/lifecycle/drawn.rs` by `UPDATE_LIFECYCLES=1 cargo test -p oarlock-engine --test \
        lifecycles`; do not edit.\nEvery arrow names the event that is its cause, and a golden script under \
        `engine/tests/scripts/` in which it can be watched.\n",
    );
    for life in LIVES {
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\n```mermaid\nstateDiagram-v2\n",
            life.concept, life.about
        );
        for (from, event, to) in life.steps {
            let mark =
                |state: &str| if state == "nothing" { "[*]".to_owned() } else { state.to_owned() };
            let _ = writeln!(page, "    {} --> {} : {event}", mark(from), mark(to));
        }
        page.push_str("```\n\n| from | event | to | watch it in |\n| --- | --- | --- | --- |\n");
        for (from, event, to) in life.steps {
            let one = Transition {
                concept: life.concept,
                from: (*from).to_owned(),
                event,
                to: (*to).to_owned(),
            };
            let shown = taken
                .get(&one)
                .map_or(String::new(), |name| format!("[{name}](../engine/tests/scripts/{name})"));
            let _ = writeln!(page, "| {from} | {event} | {to} | {shown} |");
        }
    }
    page
}
