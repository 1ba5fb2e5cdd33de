//! Golden scripts: commands in, facts out.
//!
//! Each file under `scripts/<concept>/` is one scenario, named as a sentence. What it should say is in the file;
//! `UPDATE_SCRIPTS=1 cargo test -p oarlock-engine --test scripts` writes what it does say, for the reviewer's eye.
//! How to write one: `script/mod.rs`.

mod script;

use std::fs;

#[test]
fn every_script_tells_what_happens() {
    #[allow(
        clippy::disallowed_methods,
        reason = "a test may be told by its surroundings to rewrite its files"
    )]
    let update = std::env::var("UPDATE_SCRIPTS").is_ok();
    let mut wrong = Vec::new();
    for path in script::paths() {
        let text = fs::read_to_string(&path).expect("scripts are readable text");
        let told = script::play(&text).text;
        if told == text {
            continue;
        }
        if update {
            fs::write(&path, told).expect("scripts are writable");
        } else {
            wrong.push(format!("{}\n{}", path.display(), script::difference(&text, &told)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} scripts tell another story (UPDATE_SCRIPTS=1 rewrites them):\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_script_begins_by_saying_what_it_shows() {
    for path in script::paths() {
        let text = fs::read_to_string(&path).expect("scripts are readable text");
        assert!(text.starts_with("# "), "{}", path.display());
    }
}
