//! What was asked of a run: its options, as the folder tells them.
//!
//! Whoever judges must know what should have happened: which nemeses were to strike, which nodes were to answer. That stands in
//! `options.json`, beside much that only whoever runs it needs. So this reads what it knows, with the plural or the singular of a
//! name, keeps the rest for the report, and does without a file: old folders are judged by what their history shows.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

/// The name of the options in the folder of a run.
pub const FILE: &str = "options.json";

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The workloads.
    pub works: Vec<String>,
    /// What was to be broken: families, `kill`, or single kinds, `kill-leader`.
    pub nemeses: Vec<String>,
    /// The nodes that are there at the end.
    pub nodes: Vec<String>,
    /// How long the phase with faults was to last.
    pub time_s: Option<f64>,
    /// Operations that must be done in a second of the warm-up, if it was chosen.
    pub rate_min: Option<f64>,
    /// Where everything that was chosen came from.
    pub seed: Option<u64>,
    /// The command that does it again.
    pub replay: String,
    /// Everything, as it stands there.
    pub all: Map<String, Value>,
}

impl Asked {
    /// Reads it from a folder.
    ///
    /// # Errors
    /// When the file is there and cannot be understood.
    pub fn read(folder: &Path) -> anyhow::Result<Asked> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(Asked::default());
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let all: Map<String, Value> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not an object of JSON", path.display()))?;
        Ok(Asked::of(all))
    }

    /// Picks out what it knows.
    #[must_use]
    pub fn of(all: Map<String, Value>) -> Asked {
        let get = |names: &[&str]| {
            let mut said = names.iter().filter_map(|name| all.get(*name));
            said.find(|value| **value != Value::Array(Vec::new())).cloned().unwrap_or_default()
        };
        Asked {
            works: list(&get(&["workloads", "workload", "works"])),
            nemeses: list(&get(&["kinds", "nemeses", "nemesis"])),
            nodes: list(&get(&["nodes"])),
            time_s: get(&["time_s", "time"]).as_f64(),
            rate_min: get(&["rate_min"]).as_f64(),
            seed: get(&["seed"]).as_u64(),
            replay: get(&["replay"]).as_str().unwrap_or_default().to_owned(),
            all,
        }
    }
}

/// A list of names: as one, as a string with commas, or as objects that have a name. Of a number, `n1` … as many.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(names) => names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        Value::Array(names) => {
            let name =
                |one: &Value| one.as_str().or_else(|| one["name"].as_str()).map(str::to_owned);
            names.iter().filter_map(name).collect()
        }
        Value::Number(count) => {
            (1..=count.as_u64().unwrap_or_default()).map(|node| format!("n{node}")).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(value: &Value) -> Asked {
        Asked::of(value.as_object().expect("an object").clone())
    }

    #[test]
    fn names_may_be_a_list_a_line_or_a_count() {
        let asked = asked(&json!({
            "workloads": "submit, register", "nemesis": ["kill"], "nodes": 3, "seed": 7,
        }));
        assert_eq!(asked.works, ["submit", "register"]);
        assert_eq!(asked.nemeses, ["kill"]);
        assert_eq!(asked.nodes, ["n1", "n2", "n3"]);
        assert_eq!(asked.seed, Some(7));
    }

    #[test]
    fn a_folder_without_options_asks_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let asked = Asked::read(folder.path()).expect("nothing is there to misunderstand");
        assert!(asked.nemeses.is_empty() && asked.all.is_empty());
    }

    #[test]
    fn options_that_are_no_object_are_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), "7").expect("it can be written");
        let why = Asked::read(folder.path()).expect_err("7 asks for nothing");
        assert!(why.to_string().contains("options.json"), "{why}");
    }
}
