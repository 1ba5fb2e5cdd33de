//! The examples run as they are, and what they report is checked against what can be known otherwise.

use std::path::Path;
use std::process::Command;

use oarlock_tests::house;
use serde_json::Value;

use crate::node::{Node, Place};

#[test]
fn hello_writes_its_letter_after_a_retry() {
    let place = Place::new();
    let node = place.start_dev();
    let output = run(&node, "examples/hello.yaml", &["name=Ada"]);
    let letter = output["letter"].as_str().expect("it has a letter");
    assert!(letter.starts_with("Dear Ada, "), "{letter}");
    let tasks = node.say(&["tasks", "list", "hello/1", "-o", "json"]).expect(0).json();
    let tasks = tasks["items"].as_array().expect("a list").clone();
    let door = tasks.iter().find(|task| task["name"] == "door").expect("it has a door");
    assert_eq!(door["attempt"], 2);
}

#[test]
fn the_report_on_packages_counts_what_dpkg_counts() {
    if !Path::new("/var/lib/dpkg/status").exists() {
        println!("no Debian package database here: nothing to report on");
        return;
    }
    let place = Place::new();
    let node = place.start_dev();
    let out = place.folder().join("packages");
    let output = run(&node, "examples/debian-packages.yaml", &[&format!("out={}", out.display())]);
    let dpkg = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev}\n"]).output();
    let listed = String::from_utf8(dpkg.expect("dpkg-query is there").stdout).expect("it is text");
    let installed = listed.lines().filter(|line| line.trim_end() == "ii").count();
    assert_eq!(output["packages"].as_u64(), u64::try_from(installed).ok());
    let report = std::fs::read_to_string(out.join("report.md")).expect("there is a report");
    assert!(report.contains("## The most needed") && report.contains("| libc6 |"), "{report}");
    let page = std::fs::read_to_string(out.join("report.html")).expect("there is a page");
    assert!(page.contains(">libc6</td>"), "{page}");
}

#[test]
fn the_report_on_licences_agrees_with_the_test_on_licences() {
    let place = Place::new();
    let node = place.start_dev();
    let project = format!("project={}", house::root().display());
    let out = format!("out={}", place.folder().join("licences").display());
    let homes = ["CARGO_HOME", "RUSTUP_HOME"].map(|name| {
        let value = std::env::var(name).unwrap_or_default();
        format!("{}={value}", name.to_lowercase())
    });
    let output =
        run(&node, "examples/dependency-licences.yaml", &[&project, &out, &homes[0], &homes[1]]);
    assert_eq!(output["verdict"], "everything may be shipped");
    let ours = house::rooms().len();
    assert_eq!(output["crates"].as_u64(), u64::try_from(house::tree().len() - ours).ok());
}

#[test]
fn a_refused_licence_fails_the_run_and_says_whose() {
    let place = Place::new();
    let node = place.start_dev();
    let project = format!("project={}", house::root().display());
    let out = place.folder().join("licences");
    let words = [project, format!("out={}", out.display()), "allow=Apache-2.0".to_owned()];
    let mut line = vec!["run", "examples/dependency-licences.yaml", "--wait"];
    line.extend(words.iter().flat_map(|word| ["-i", word.as_str()]));
    node.say(&line).expect(10);
    let refused = std::fs::read_to_string(out.join("refused.md")).expect("the refusal is written");
    assert!(refused.contains("MIT"), "{refused}");
}

/// Runs a file to its end by the command line, and answers with the run's output.
fn run(node: &Node, file: &str, inputs: &[&str]) -> Value {
    let mut words = vec!["run", file, "--watch"];
    words.extend(inputs.iter().flat_map(|input| ["-i", *input]));
    node.say(&words).expect(0);
    let runs = node.say(&["runs", "list", "--all", "-o", "json"]).expect(0).json();
    let id = runs["items"][0]["id"].as_str().expect("the run is listed").to_owned();
    node.say(&["runs", "get", &id, "-o", "json"]).expect(0).json()["output"].clone()
}
