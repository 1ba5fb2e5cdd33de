//! Who may import whom, and which crates of others each room may use.
//!
//! A new edge between two rooms is a decision and wants a record in docs/decisions; a new crate of others wants a word with
//! whoever reads the change. Both begin by failing here. What only tests use is free, except that it must not reach up.

use std::collections::BTreeSet;

use oarlock_tests::house::{self, Room};

/// A room, the rooms it may know, and the crates of others it may use.
struct Law {
    room: &'static str,
    inside: &'static [&'static str],
    outside: &'static [&'static str],
}

const LAWS: [Law; 10] = [
    Law { room: "oarlock-engine", inside: &[], outside: &["bincode", "serde"] },
    Law { room: "oarlock-proto", inside: &[], outside: &["serde", "serde_json", "utoipa"] },
    Law {
        room: "oarlock-raft",
        inside: &["oarlock-engine"],
        outside: &[
            "bytes",
            "futures",
            "hmac",
            "metrics",
            "openraft",
            "rocksdb",
            "rustix",
            "serde",
            "sha2",
            "shutdown_hooks",
            "thiserror",
            "tokio",
            "tokio-rustls",
            "tokio-util",
            "tracing",
        ],
    },
    Law {
        room: "oarlock-actors",
        inside: &["oarlock-engine", "oarlock-raft"],
        outside: &[
            "bytes",
            "cel",
            "futures",
            "jiff",
            "jsonschema",
            "metrics",
            "ractor",
            "ractor_cluster",
            "reqwest",
            "rustix",
            "serde",
            "serde_json",
            "strsim",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ],
    },
    Law {
        room: "oarlock-gateway",
        inside: &["oarlock-actors", "oarlock-engine", "oarlock-proto", "oarlock-raft"],
        outside: &[
            "annotate-snippets",
            "axum",
            "bytes",
            "cel",
            "futures",
            "jiff",
            "jsonschema",
            "metrics",
            "metrics-exporter-prometheus",
            "schemars",
            "serde",
            "serde-saphyr",
            "serde_json",
            "strsim",
            "thiserror",
            "tokio",
            "tokio-stream",
            "tower",
            "tower-http",
            "tracing",
            "utoipa",
            "utoipa-axum",
            "uuid",
        ],
    },
    Law {
        room: "oarlock-client",
        inside: &["oarlock-proto"],
        outside: &[
            "futures",
            "reqwest",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ],
    },
    Law {
        room: "oarlock",
        inside: &[
            "oarlock-actors",
            "oarlock-client",
            "oarlock-engine",
            "oarlock-gateway",
            "oarlock-proto",
            "oarlock-raft",
        ],
        outside: &[
            "anstyle",
            "clap",
            "clap_complete",
            "csv",
            "futures",
            "jiff",
            "mimalloc",
            "reedline",
            "rustix",
            "serde",
            "serde-saphyr",
            "serde_json",
            "strsim",
            "terminal_size",
            "tokio",
            "toml",
            "tracing",
            "tracing-subscriber",
            "unicode-width",
            "uuid",
        ],
    },
    Law { room: "oarlock-tests", inside: &[], outside: &["serde_json"] },
    Law {
        room: "oarlock-bench",
        inside: &["oarlock-client", "oarlock-engine", "oarlock-raft"],
        outside: &[
            "anyhow",
            "clap",
            "hdrhistogram",
            "httparse",
            "jiff",
            "serde",
            "serde_json",
            "tempfile",
            "tokio",
        ],
    },
    Law {
        room: "oarlock-chaos",
        inside: &["oarlock-client"],
        outside: &[
            "adya",
            "anstyle",
            "anyhow",
            "axum",
            "clap",
            "futures",
            "hdrhistogram",
            "jiff",
            "porcupine-rs",
            "rand",
            "rustix",
            "serde",
            "serde_json",
            "strsim",
            "tempfile",
            "tokio",
            "toml",
        ],
    },
];

/// Rooms from the bottom up: a test may use what is below its own room, never what is above.
const LEVELS: [&[&str]; 6] = [
    &["oarlock-engine", "oarlock-proto"],
    &["oarlock-raft", "oarlock-client"],
    &["oarlock-actors"],
    &["oarlock-gateway"],
    &["oarlock"],
    &["oarlock-tests", "oarlock-bench", "oarlock-chaos"],
];

#[test]
fn every_room_has_its_law() {
    let found: BTreeSet<String> = house::rooms().into_iter().map(|room| room.name).collect();
    let known: BTreeSet<String> = LAWS.iter().map(|law| law.room.to_owned()).collect();
    assert_eq!(found, known);
}

#[test]
fn rooms_know_only_the_rooms_they_may_know() {
    let faults = each_room(|room, law| strangers(&room.inside, law.inside));
    assert!(
        faults.is_empty(),
        "edges that docs/architecture.md does not allow:\n{}",
        faults.join("\n")
    );
}

#[test]
fn rooms_use_only_the_crates_on_their_list() {
    let faults = each_room(|room, law| strangers(&room.outside, law.outside));
    assert!(faults.is_empty(), "crates that are not on the room's list:\n{}", faults.join("\n"));
}

#[test]
fn tests_of_a_room_do_not_reach_up() {
    let faults = each_room(|room, _| {
        let own = level(&room.name);
        room.for_tests
            .iter()
            .filter(|other| level(other) > own && *other != &room.name)
            .cloned()
            .collect()
    });
    assert!(
        faults.is_empty(),
        "tests that use what is built on top of them:\n{}",
        faults.join("\n")
    );
}

fn each_room(look: impl Fn(&Room, &Law) -> Vec<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for room in house::rooms() {
        let law = LAWS.iter().find(|law| law.room == room.name);
        let law = law.unwrap_or_else(|| panic!("{} has no law in this file", room.name));
        faults.extend(look(&room, law).iter().map(|other| format!("  {} → {other}", room.name)));
    }
    faults
}

fn strangers(found: &[String], allowed: &[&str]) -> Vec<String> {
    found.iter().filter(|name| !allowed.contains(&name.as_str())).cloned().collect()
}

/// How high a room stands; crates of others lie below everything.
fn level(name: &str) -> usize {
    LEVELS.iter().position(|rooms| rooms.contains(&name)).map_or(0, |level| level + 1)
}
