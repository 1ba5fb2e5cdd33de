//! Workflow files as the API meets them: text in, definitions or a problem with every fault out.

use oarlock_engine::catalog::Definition;
use oarlock_proto::v1;

use crate::problem::{Answer, Fault, table};
use crate::yaml::{self, Report, Severity};

/// A file that can be applied.
pub(crate) struct File {
    /// Its workflows, in file order.
    pub(crate) definitions: Vec<Definition>,
    /// What its author should look at, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Reads a file, or says everything that is wrong with it.
pub(crate) fn read(text: &str) -> Answer<File> {
    match yaml::parse(text, "body") {
        Ok(parsed) => Ok(File {
            definitions: parsed.definitions,
            warnings: violations(&parsed.warnings)
                .into_iter()
                .map(|one| match one.line {
                    Some(line) => format!("line {line}: {}", one.detail),
                    None => one.detail,
                })
                .collect(),
        }),
        Err(report) => Err(refused(&report)),
    }
}

fn refused(report: &Report) -> Fault {
    let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let count = errors.count() + report.left_off;
    let violations = violations(report);
    let first = violations.first();
    let detail = match (first, count) {
        (None, _) => "it cannot be read".to_owned(),
        (Some(first), 0 | 1) => first.detail.clone(),
        (Some(first), count) => format!("{count} faults, the first: {}", first.detail),
    };
    let code = first.map(|first| first.code.clone()).unwrap_or_default();
    Fault::new(&table::BAD_FILE, detail).code(&code).violations(violations)
}

fn violations(report: &Report) -> Vec<v1::Violation> {
    let shown = report.violations().into_iter().map(|one| v1::Violation {
        pointer: one.pointer,
        line: u32::try_from(one.line).ok(),
        column: u32::try_from(one.column).ok(),
        length: None,
        code: one.code.to_owned(),
        detail: one.detail,
        hint: one.hint.unwrap_or_default(),
    });
    shown.collect()
}
