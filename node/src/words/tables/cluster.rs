//! Which fields of the cluster's members people want to see: one screen, as an operator reads it.

use jiff::Timestamp;
use serde_json::Value;

use super::{number, passed};
use crate::output::{Cell, Show, Table, Tint, plain, span_ms};

/// The members of a cluster.
pub(crate) const CLUSTER: Table = Table {
    columns: &[
        ("NODE", "name", Show::Text),
        ("ADDRESS", "address", Show::With(address)),
        ("STATE", "state", Show::With(state)),
        ("RAFT", "raft", Show::With(standing)),
        ("LAG", "lag", Show::Number),
        ("ROLES", "roles", Show::With(roles)),
        ("ACTORS", "actors", Show::Number),
        ("RUNNING", "running", Show::With(running)),
        ("DISK", "disk_bytes", Show::With(disk)),
        ("UP", "up_since", Show::With(up)),
        ("+PEER ADDRESS", "peer_address", Show::Text),
        ("+FOR", "duties", Show::Text),
        ("+LABELS", "labels", Show::Text),
    ],
    name: "name",
    empty: "No nodes.",
};

/// A node's view of the log.
pub(crate) const RAFT: Table = Table {
    columns: &[
        ("NODE", "node", Show::Text),
        ("STANDING", "standing", Show::Text),
        ("LEADER", "leader", Show::Text),
        ("TERM", "term", Show::Number),
        ("SURE", "sure", Show::Yes),
        ("LOG", "log_last", Show::Number),
        ("APPLIED", "applied", Show::Number),
        ("PURGED", "purged", Show::Number),
        ("REVISION", "revision", Show::Number),
        ("WAITING", "waiting", Show::Number),
        ("READ ONLY", "read_only", Show::Text),
        ("FINGERPRINT", "fingerprint", Show::Text),
        ("PEER ADDRESS", "peer_address", Show::Text),
        ("DISK", "disk_bytes", Show::With(disk)),
        ("ACTORS", "actors", Show::Number),
    ],
    name: "node",
    empty: "No nodes.",
};

/// The others, as a node sees them.
pub(crate) const PEERS: Table = Table {
    columns: &[
        ("PEER", "name", Show::Text),
        ("ADDRESS", "address", Show::Text),
        ("STANDING", "standing", Show::Text),
        ("CONNECTED", "connected", Show::Yes),
        ("HEARD", "heard_ms", Show::Span),
        ("MATCHED", "matched", Show::Number),
        ("LAG", "lag", Show::Number),
        ("WHY", "why", Show::Text),
    ],
    name: "name",
    empty: "No peers.",
};

/// Whether a member takes part, so that its figures mean something.
fn present(member: &Value) -> bool {
    matches!(member["state"].as_str(), Some("up" | "draining"))
}

fn address(member: &Value) -> Cell {
    let full = plain(&member["address"]);
    Cell::plain(full.strip_prefix("http://").unwrap_or(&full))
}

fn state(member: &Value) -> Cell {
    let since = || passed(&plain(&member["since"]), Timestamp::now()).map(span_ms);
    let unreachable = member["unreachable"].is_string();
    match member["state"].as_str().unwrap_or_default() {
        "lost" => {
            let text = format!("down {}", since().unwrap_or_default());
            Cell { text: text.trim_end().to_owned(), tint: Tint::Bad }
        }
        "up" if unreachable => Cell { text: "unreachable".to_owned(), tint: Tint::Bad },
        "up" => Cell { text: "up".to_owned(), tint: Tint::Good },
        "draining" => Cell { text: "draining".to_owned(), tint: Tint::Warn },
        other => Cell { text: other.to_owned(), tint: Tint::Faint },
    }
}

fn standing(member: &Value) -> Cell {
    match member["raft"].as_str() {
        Some("leader") => Cell { text: "LEADER".to_owned(), tint: Tint::Strong },
        Some(other) => Cell::plain(other),
        None => Cell::default(),
    }
}

/// What it drives, and what moved away from it when it went.
fn roles(member: &Value) -> Cell {
    let now = number(member, "roles");
    match member["moved"].as_u64() {
        Some(moved) if moved > 0 => Cell { text: format!("{now} ←{moved}"), tint: Tint::Warn },
        _ => Cell::plain(now.to_string()),
    }
}

fn running(member: &Value) -> Cell {
    if present(member) {
        Cell::plain(number(member, "running").to_string())
    } else {
        Cell::default()
    }
}

fn disk(member: &Value) -> Cell {
    member["disk_bytes"].as_u64().map_or_else(Cell::default, |bytes| Cell::plain(size(bytes)))
}

fn up(member: &Value) -> Cell {
    let since = passed(&plain(&member["up_since"]), Timestamp::now());
    since.filter(|_| present(member)).map_or_else(Cell::default, |ms| Cell::plain(span_ms(ms)))
}

/// A size as people write it: `12M`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let (mut left, mut unit) = (bytes, 0);
    while left >= 10_240 && unit + 1 < UNITS.len() {
        left /= 1_024;
        unit += 1;
    }
    format!("{left}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_few_digits() {
        assert_eq!(size(812), "812B");
        assert_eq!(size(12 << 20), "12M");
        assert_eq!(size(5 << 20), "5120K");
        assert_eq!(size(3 << 40), "3072G");
    }
}
