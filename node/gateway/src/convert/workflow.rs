//! Workflows, their versions, and their picture.

use oarlock_engine::catalog::{Definition, Workflow};
use oarlock_engine::id::Version;
use oarlock_engine::role;
use oarlock_engine::store::View;
use oarlock_engine::time::Moment;
use oarlock_proto::v1;

use super::{name, task, time, value};

/// What a change of a workflow must name: its newest version.
pub(crate) fn etag(version: Version) -> String {
    format!("\"v{version}\"")
}

/// A workflow as lists show it, at one of its versions.
pub(crate) fn basic(
    view: &dyn View,
    known: &Workflow,
    version: Version,
    definition: &Definition,
) -> v1::Workflow {
    let role = role::get(view, known.role);
    v1::Workflow {
        name: known.name.clone(),
        description: definition.description.clone(),
        version: version.0,
        updated_at: time::rfc3339(known.defined_at),
        paused: known.paused,
        unfinished_runs: known.unfinished,
        total_runs: known.next_number.saturating_sub(1),
        role: role.as_ref().map_or_else(String::new, |role| role.name.clone()),
        node: role.and_then(|role| role.node).map(|node| name::node(view, node)),
        etag: etag(version),
        labels: definition.labels.clone(),
        tasks_total: u32::try_from(definition.steps.len()).unwrap_or(u32::MAX),
        tasks: Vec::new(),
        inputs: None,
        outputs: None,
        timeout_ms: definition.timeout.map(|span| span.0),
        retention_ms: definition.retention.map(|span| span.0),
        source: None,
    }
}

/// A workflow with its tasks, its inputs and its file.
pub(crate) fn full(
    view: &dyn View,
    known: &Workflow,
    version: Version,
    definition: &Definition,
) -> v1::Workflow {
    let mut shown = basic(view, known, version, definition);
    shown.inputs = value(&definition.inputs);
    shown.outputs = value(&definition.outputs);
    shown.source = (!definition.source.is_empty())
        .then(|| String::from_utf8_lossy(&definition.source.0).into_owned());
    shown.tasks = definition
        .steps
        .iter()
        .map(|step| {
            let needs = step.needs.iter().filter_map(|no| definition.steps.get(usize::from(no.0)));
            v1::WorkflowTask {
                name: step.name.clone(),
                action: task::action(step).to_owned(),
                needs: needs.map(|need| need.name.clone()).collect(),
                condition: step.condition.clone(),
                each: step.each.is_some(),
                max_parallel: step.each.as_ref().and_then(|each| each.parallel_max),
                queue: step.queue.clone(),
                policy: task::policy(definition, step, definition.priority),
                handler: step.handler,
            }
        })
        .collect();
    shown
}

/// A version.
pub(crate) fn version(
    known: &Workflow,
    (version, at, by): (Version, Moment, String),
) -> v1::WorkflowVersion {
    v1::WorkflowVersion {
        workflow: known.name.clone(),
        version: version.0,
        created_at: time::rfc3339(at),
        created_by: by,
        newest: version == known.newest,
    }
}

/// A graph as a Mermaid flowchart. Nodes are numbered, so that no name can break out of its label.
pub(crate) fn mermaid(definition: &Definition) -> String {
    let mut picture = String::from("flowchart LR\n");
    for (place, step) in definition.steps.iter().enumerate() {
        let label = label(&step.name);
        let (open, close) = match (step.each.is_some(), step.condition.is_some()) {
            (true, _) => ("[[\"", "\"]]"),
            (false, true) => ("{{\"", "\"}}"),
            (false, false) => ("[\"", "\"]"),
        };
        picture.push_str(&format!("  t{place}{open}{label}{close}\n"));
    }
    for (place, step) in definition.steps.iter().enumerate() {
        for need in &step.needs {
            picture.push_str(&format!("  t{need} --> t{place}\n"));
        }
        if let oarlock_engine::catalog::OnFailure::Task(handler) = step.on_failure {
            picture.push_str(&format!("  t{place} -. failed .-> t{handler}\n"));
        }
    }
    picture
}

fn label(name: &str) -> String {
    name.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
