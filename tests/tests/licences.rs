//! Every crate in the build comes under a licence that deny.toml allows.
//!
//! cargo-deny checks the same and more, but it is not everywhere. This reads its list and answers without any tool: a
//! licence expression is allowed if it can be satisfied by allowed licences alone.

use std::collections::BTreeSet;

use oarlock_tests::house;

#[test]
fn every_crate_has_a_licence_that_is_allowed() {
    let allowed = allowed();
    let metadata = house::metadata();
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().expect("packages is a list") {
        let name = package["name"].as_str().unwrap_or("?");
        let licence = package["license"].as_str().unwrap_or("none named");
        if !satisfied(licence, &allowed) {
            faults.push(format!("  {name}: {licence}"));
        }
    }
    assert!(faults.is_empty(), "licences that deny.toml does not allow:\n{}", faults.join("\n"));
}

#[test]
fn no_banned_crate_is_in_the_build() {
    let text = house::file("deny.toml").text;
    let banned: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_once("crate = \"")?.1.split('"').next())
        .collect();
    assert!(!banned.is_empty(), "deny.toml names the banned crates");
    let tree = house::tree();
    let found: Vec<_> = tree.iter().filter(|(name, _)| banned.contains(name.as_str())).collect();
    assert!(found.is_empty(), "banned crates in the build: {found:?}");
}

#[test]
fn expressions_are_read_as_spdx_reads_them() {
    let allowed = ["MIT", "Apache-2.0", "ISC"].map(str::to_owned).into();
    for good in
        ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(GPL-3.0 OR MIT) AND ISC", "MIT AND (ISC OR X)"]
    {
        assert!(satisfied(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "Apache-2.0 WITH X", ""] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}

/// The list under `allow` in the file for cargo-deny.
fn allowed() -> BTreeSet<String> {
    let text = house::file("deny.toml").text;
    let list = text.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.expect("deny.toml has a list of licences");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether allowed licences alone satisfy an expression of names, `AND`, `OR`, `WITH` and brackets; `/` is an old `OR`.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let answer = any_of(&mut words, allowed);
    answer && words.is_empty()
}

fn any_of(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut answer = all_of(words, allowed);
    while words.pop_if(|word| *word == "OR").is_some() {
        answer |= all_of(words, allowed);
    }
    answer
}

fn all_of(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut answer = one(words, allowed);
    while words.pop_if(|word| *word == "AND").is_some() {
        answer &= one(words, allowed);
    }
    answer
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.pop() else { return false };
    if word == "(" {
        let answer = any_of(words, allowed);
        return words.pop() == Some(")") && answer;
    }
    if words.pop_if(|next| *next == "WITH").is_some() {
        let exception = words.pop().unwrap_or_default();
        return allowed.contains(&format!("{word} WITH {exception}"));
    }
    allowed.contains(word)
}
