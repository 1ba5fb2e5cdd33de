//! The workspace as data: its files, its crates, who depends on whom.
//!
//! The laws of the house are tests that read the source tree and `cargo metadata`. This file does the reading, so that each
//! law says only what it forbids.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folders that hold our own source.
const ROOMS: [&str; 9] =
    ["engine", "proto", "raft", "actors", "node", "client", "tests", "bench", "chaos"];

/// A file of the workspace.
#[derive(Debug, Clone)]
pub struct File {
    /// From the root of the repository, with forward slashes.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// A crate of the workspace and what it names in its manifest.
#[derive(Debug, Clone)]
pub struct Room {
    /// The package's name.
    pub name: String,
    /// Crates of the house it depends on, for any purpose but tests.
    pub inside: Vec<String>,
    /// Crates of others it depends on, for any purpose but tests.
    pub outside: Vec<String>,
    /// Both kinds, that only its tests use.
    pub for_tests: Vec<String>,
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    // Where cargo runs this, which is not always where it was compiled: clones may share what is built.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().expect("the tests crate stands below the root").to_path_buf()
}

/// Every Rust file of ours, by path.
#[must_use]
pub fn sources() -> Vec<File> {
    let mut found = Vec::new();
    for room in ROOMS {
        walk(&root().join(room), &mut found);
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    found.sort();
    found.iter().map(|path| read(path)).collect()
}

/// One file, by its path from the root.
///
/// # Panics
/// When there is none, or it is not text.
#[must_use]
pub fn file(path: &str) -> File {
    read(&root().join(path))
}

/// What `cargo metadata` says about every package that this machine's build uses, without asking the network.
///
/// # Panics
/// When cargo fails: the lock file is then out of date, or nothing was ever built here.
#[must_use]
pub fn metadata() -> Value {
    let host = host();
    let words = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform"];
    let text = cargo(&[&words[..], &[&host]].concat());
    serde_json::from_str(&text).expect("cargo metadata is JSON")
}

/// All crates that are really built for this machine, tests left out: name and version.
///
/// # Panics
/// When cargo fails, as [`metadata`] does.
#[must_use]
pub fn tree() -> BTreeSet<(String, String)> {
    let words = ["tree", "--offline", "--locked", "--workspace", "--prefix", "none"];
    let text = cargo(&[&words[..], &["--edges", "normal,build", "--format", "{p}"]].concat());
    let mut crates = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            crates.insert((name.to_owned(), version.to_owned()));
        }
    }
    crates
}

/// The crates of the workspace.
///
/// # Panics
/// When `cargo metadata` does.
#[must_use]
pub fn rooms() -> Vec<Room> {
    let all = metadata();
    let packages = all["packages"].as_array().expect("packages is a list");
    let ours: Vec<&Value> = packages.iter().filter(|p| p["source"].is_null()).collect();
    let names: Vec<&str> = ours.iter().filter_map(|p| p["name"].as_str()).collect();
    ours.iter().map(|package| room(package, &names)).collect()
}

fn room(package: &Value, ours: &[&str]) -> Room {
    let name = package["name"].as_str().expect("a package has a name").to_owned();
    let mut room = Room { name, inside: Vec::new(), outside: Vec::new(), for_tests: Vec::new() };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let other = dependency["name"].as_str().expect("a dependency has a name").to_owned();
        if dependency["kind"] == "dev" {
            room.for_tests.push(other);
        } else if ours.contains(&other.as_str()) {
            room.inside.push(other);
        } else {
            room.outside.push(other);
        }
    }
    room
}

fn cargo(words: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(words).current_dir(root()).output();
    let output = output.expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes text")
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

fn read(path: &Path) -> File {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|fault| panic!("{} cannot be read: {fault}", path.display()));
    let short = path.strip_prefix(root()).unwrap_or(path);
    File { path: short.to_string_lossy().replace('\\', "/"), text }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != "node_modules" {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}
