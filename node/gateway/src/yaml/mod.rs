//! Definitions as files: the format of workflow files, and what is wrong with one.
//!
//! ```text
//!   text ──read──▶ trees with places ──structure──▶ JSON ──▶ structs ──check──▶ graph ──build──▶ Definition
//!                       │ keys twice     │ against the schema    │ names, graph, expressions
//!                       └───────────────┴───────────────────────┴──────▶ Report: everything wrong, each at its place
//! ```
//!
//! [`parse`] is the one way in, for `apply`, `validate`, the API and tests alike; JSON is read the same way, being YAML. A file
//! comes from anybody, so reading is bounded from the first byte (see `read`'s limits), and no text whatever may panic.

mod build;
mod check;
mod code;
mod convert;
mod document;
mod file;
mod read;
mod report;
mod schema;
mod structure;
mod tree;
mod words;

use std::collections::BTreeMap;

use oarlock_engine::catalog::{DEFINITION_BYTES_MAX, Definition};

pub use code::TABLE as CODES;
pub use convert::{Converted, from_flowctl};
pub use read::{ALIASES_MAX, DEPTH_MAX, DOCUMENTS_MAX, FILE_BYTES_MAX, NODES_MAX};
pub use report::{PROBLEMS_MAX, Problem, Report, Severity, Violation};
pub use schema::{explain, workflow as workflow_schema};

use document::Document;

/// A file that can be applied.
#[derive(Debug)]
pub struct Parsed {
    /// Its workflows, in file order.
    pub definitions: Vec<Definition>,
    /// What its author should look at; empty more often than not.
    pub warnings: Report,
}

/// Reads a file of workflows. `file_name` is what messages call it.
///
/// # Errors
/// A [`Report`] of everything that is wrong, warnings included.
pub fn parse(text: &str, file_name: &str) -> Result<Parsed, Report> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let report = |problems| Report::new(file_name, text, problems);
    let roots = read::read(text).map_err(|problem| report(vec![*problem]))?;
    let sources = sources(text, &roots);
    let mut problems = Vec::new();
    let mut definitions: Vec<Definition> = Vec::new();
    let mut names: BTreeMap<String, std::ops::Range<usize>> = BTreeMap::new();
    for (root, source) in roots.into_iter().zip(sources) {
        let document = Document { text, root };
        definitions.extend(one(&document, source, &mut problems));
        let Some(tree::Node::Text(name)) = document.root.get("name").map(|spot| &spot.node) else {
            continue;
        };
        let mut problem = document.problem(
            code::DUPLICATE,
            "/name",
            format!("the file has two workflows named `{name}`"),
        );
        match names.get(name) {
            Some(first) => {
                problem.label = "give one of them another name".to_owned();
                problem.context = Some((first.clone(), "first here".to_owned()));
                problems.push(problem);
            }
            None => {
                names.insert(name.clone(), problem.span);
            }
        }
    }
    let report = report(problems);
    if report.has_errors() { Err(report) } else { Ok(Parsed { definitions, warnings: report }) }
}

/// One document; none where it has errors.
fn one(document: &Document<'_>, source: &str, problems: &mut Vec<Problem>) -> Option<Definition> {
    let mut found = read::duplicates(&document.root);
    found.extend(convert::hint(document));
    if found.iter().all(|problem| problem.code == code::DUPLICATE) {
        found.extend(structure::check(document));
    }
    let read = |whole| serde_json::from_value::<file::Workflow>(document.sound(&found, whole));
    let file = read(false).or_else(|_| read(true));
    let fatal =
        found.iter().any(|problem| problem.pointer.is_empty() && problem.code != code::MISSING);
    let built = match file {
        _ if fatal => None,
        Err(_) => None,
        Ok(file) => {
            let (more, graph) = check::check(document, &file, &found);
            found.extend(more);
            let errors = found.iter().any(|problem| problem.severity == Severity::Error);
            if errors { None } else { Some(build::build(&file, &graph, source)) }
        }
    };
    let definition = match built {
        Some(Ok(definition)) => Some(definition),
        Some(Err((task, why))) => {
            let pointer = tree::join("/tasks", task);
            found.push(document.problem(code::WRONG_VALUE, &pointer, why));
            None
        }
        // The structs are stricter than the schema somewhere: say so rather than nothing.
        None if found.iter().all(|problem| problem.severity == Severity::Warning) => {
            let message = "the workflow has a shape that this format does not know";
            found.push(document.problem(code::WRONG_VALUE, "", message));
            None
        }
        None => None,
    };
    let definition = definition.filter(|definition| {
        let size = oarlock_engine::codec::encode(definition).len();
        if size > DEFINITION_BYTES_MAX {
            let message = "the workflow is too large";
            let mut problem = document.problem(code::TOO_LARGE, "/name", message);
            problem.label =
                format!("{} KiB, and {} KiB are allowed", size >> 10, DEFINITION_BYTES_MAX >> 10);
            found.push(problem);
        }
        size <= DEFINITION_BYTES_MAX
    });
    problems.append(&mut found);
    definition
}

/// The text of each document. With one document it is the whole file; with several each gets its part, comments before it too.
fn sources<'a>(text: &'a str, roots: &[tree::Spot]) -> Vec<&'a str> {
    if roots.len() == 1 {
        return vec![text];
    }
    let mut cuts: Vec<usize> = vec![0];
    for pair in roots.windows(2) {
        let between = text.get(pair[0].at.start..pair[1].at.start).unwrap_or_default();
        let cut = between.rfind("\n---").map_or(pair[1].at.start, |at| pair[0].at.start + at + 1);
        cuts.push(cut);
    }
    cuts.push(text.len());
    cuts.windows(2)
        .map(|pair| {
            let part = text.get(pair[0]..pair[1]).unwrap_or_default();
            part.strip_prefix("---").unwrap_or(part).trim_start_matches(['\n', '\r'])
        })
        .collect()
}

#[cfg(test)]
mod tests;
