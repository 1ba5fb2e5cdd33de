//! The code map of docs/architecture.md is true: every file is in it, with the caption it gives itself.
//!
//! A map that is kept by hand is wrong by the second week. So each block of the map is compared with the files, and written
//! anew by `OARLOCK_UPDATE=1 cargo t -p oarlock-tests --test captions`: a caption is then changed where it belongs, in the
//! first line of the file. The rest of the page is prose and left alone.

use std::collections::BTreeMap;
use std::fmt::Write;

use oarlock_tests::house::{self, File};

const MAP: &str = "docs/architecture.md";

#[test]
fn the_code_map_says_of_every_file_what_the_file_says_of_itself() {
    let page = house::file(MAP).text;
    let mut wanted = page.clone();
    let sources = house::sources();
    for room in rooms(&page) {
        let (open, close) = (format!("<!-- map {room} -->"), format!("<!-- end {room} -->"));
        let from = wanted.find(&open).expect("the mark was found above") + open.len();
        let to = wanted.find(&close).unwrap_or_else(|| panic!("{MAP} lacks {close}"));
        wanted.replace_range(from..to, &block(room, &sources));
    }
    if std::env::var_os("OARLOCK_UPDATE").is_some() && wanted != page {
        std::fs::write(house::root().join(MAP), &wanted).expect("the page can be written");
        return;
    }
    let first = page.lines().zip(wanted.lines()).find(|(is, should)| is != should);
    assert!(
        wanted == page,
        "the code map is out of date, first here: {first:?}\n\
         OARLOCK_UPDATE=1 cargo t -p oarlock-tests --test captions writes it anew"
    );
}

#[test]
fn every_folder_with_source_is_on_the_map() {
    let page = house::file(MAP).text;
    let rooms: Vec<&str> = rooms(&page).collect();
    let lost: Vec<String> = house::sources()
        .into_iter()
        .filter(|file| !rooms.iter().any(|room| within(&file.path, room).is_some()))
        .map(|file| file.path)
        .collect();
    assert!(lost.is_empty(), "files that no block of {MAP} covers: {lost:?}");
}

/// The folders the page has a block for.
fn rooms(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| line.strip_prefix("<!-- map ")?.strip_suffix(" -->"))
}

/// A block: the files of a folder, each with its caption, folders after the files beside them.
fn block(room: &str, sources: &[File]) -> String {
    let mut by_folder: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for file in sources {
        let Some(inside) = within(&file.path, room) else { continue };
        let (folder, name) = inside.rsplit_once('/').unwrap_or(("", inside));
        let row = (name.to_owned(), caption(file));
        by_folder.entry(folder.to_owned()).or_default().push(row);
    }
    let mut text = String::from("\n```text\n");
    for (folder, mut files) in by_folder {
        if !folder.is_empty() {
            writeln!(text, "{folder}/").expect("a string takes what is written");
        }
        files.sort_by_key(|(name, _)| {
            (name != "lib.rs" && name != "main.rs" && name != "mod.rs", name.clone())
        });
        let indent = if folder.is_empty() { "" } else { "  " };
        for (name, caption) in files {
            let name = format!("{indent}{name}");
            writeln!(text, "{name:<22} {caption}").expect("a string takes what is written");
        }
    }
    text.push_str("```\n");
    text
}

/// The path below a folder, if it lies there.
fn within<'a>(path: &'a str, room: &str) -> Option<&'a str> {
    path.strip_prefix(room)?.strip_prefix('/')
}

/// The first line of a file's essay, without its mark and its full stop.
fn caption(file: &File) -> String {
    let first = file.text.lines().next().unwrap_or_default();
    first.trim_start_matches("//! ").trim_end_matches('.').to_owned()
}
