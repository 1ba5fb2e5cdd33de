//! The file format, as commands that ask no node need it: one place that knows the gateway's reader.

use oarlock_gateway::yaml::{self, Report, Severity};
use serde_json::Value;

use crate::fault::{Exit, Fault};
use crate::output::body;

/// What a look at a file found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The workflows it defines.
    pub(super) names: Vec<String>,
    /// Faults that stand in the way.
    pub(super) errors: usize,
    /// Faults that do not.
    pub(super) warnings: usize,
    /// All of them, drawn into the text.
    pub(super) drawn: String,
    /// All of them, for programs.
    pub(super) violations: Vec<Value>,
}

/// A file of another tool in our words.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// The file.
    pub(super) text: String,
    /// What has no equal here.
    pub(super) notes: Vec<String>,
}

/// Looks at a file.
pub(super) fn check(file: &str, text: &str, colour: bool) -> Checked {
    let shown = if file == "-" { "<stdin>" } else { file };
    match yaml::parse(text, shown) {
        Ok(parsed) => {
            let names = parsed.definitions.into_iter().map(|definition| definition.name).collect();
            Checked { names, ..told(&parsed.warnings, colour) }
        }
        Err(report) => told(&report, colour),
    }
}

fn told(report: &Report, colour: bool) -> Checked {
    let is_error = |problem: &&yaml::Problem| problem.severity == Severity::Error;
    let errors = report.problems.iter().filter(is_error).count();
    Checked {
        names: Vec::new(),
        errors: errors + report.left_off,
        warnings: report.problems.len() - errors,
        drawn: if report.is_empty() { String::new() } else { report.render(colour) },
        violations: report.violations().iter().map(body).collect(),
    }
}

/// Turns a file of another tool into ours.
pub(super) fn convert(file: &str, text: &str, colour: bool) -> Result<Converted, Fault> {
    let shown = if file == "-" { "<stdin>" } else { file };
    match yaml::from_flowctl(text, shown) {
        Ok(converted) => Ok(Converted { text: converted.yaml, notes: converted.warnings }),
        Err(report) => Err(Fault { drawn: report.render(colour), ..Fault::silent(Exit::Invalid) }),
    }
}

/// A JSON Schema of the format.
pub(super) fn schema() -> Value {
    yaml::workflow_schema()
}

/// What a field of the format takes.
pub(super) fn explain(field: &str) -> Option<String> {
    yaml::explain(field)
}

/// Codes of faults in files: code, title, explanation.
pub(super) fn codes() -> &'static [(&'static str, &'static str, &'static str)] {
    yaml::CODES
}
