//! What people call things: `etl/1042`, `etl/1042/load`, `etl/1042/extract[3]`, `n1`.

use oarlock_engine::catalog::{self, Definition};
use oarlock_engine::id::{Item, NodeId, Number, RunId, StepNo, TaskId};
use oarlock_engine::store::View;
use oarlock_engine::store::schema::WORKFLOW;
use oarlock_engine::{member, run};

use crate::problem::{Answer, Fault, table};

/// A run's short name.
pub(crate) fn run(workflow: &str, number: Number) -> String {
    format!("{workflow}/{number}")
}

/// A task's id: the item is shown where there is a fan-out.
pub(crate) fn task(run: &str, definition: &Definition, task: TaskId) -> String {
    let Some(step) = definition.steps.get(usize::from(task.step.0)) else {
        return format!("{run}/{}", task.step);
    };
    if step.each.is_some() {
        format!("{run}/{}[{}]", step.name, task.item)
    } else {
        format!("{run}/{}", step.name)
    }
}

/// A node's name; a number that is no member is shown as what it would be called.
pub(crate) fn node(view: &dyn View, node: NodeId) -> String {
    match member::get(view, node) {
        Some(member) if !member.name.is_empty() => member.name,
        _ => format!("n{node}"),
    }
}

/// Finds a run by either of its names.
pub(crate) fn find_run(view: &dyn View, text: &str) -> Answer<run::Run> {
    known_run(view, text).ok_or_else(|| no_run(view, text))
}

fn known_run(view: &dyn View, text: &str) -> Option<run::Run> {
    let id = if let Ok(id) = text.parse::<RunId>() {
        Some(id)
    } else if let Some((workflow, number)) = text.rsplit_once('/') {
        let number = number.parse().map(Number).ok();
        let workflow = catalog::find(view, workflow);
        number
            .zip(workflow)
            .and_then(|(number, workflow)| run::by_number(view, workflow.id, number))
    } else {
        None
    };
    run::get(view, id?)
}

fn no_run(view: &dyn View, text: &str) -> Fault {
    let fault = Fault::new(&table::NO_RUN, format!("no run `{text}` in namespace default"));
    let Some((asked, number)) = text.rsplit_once('/') else { return fault };
    if known_run(view, asked).is_some() {
        return fault
            .hint(format!("`{number}` may be a task of `{asked}`: `oarlock tasks get {text}`"));
    }
    match near_workflow(view, asked) {
        Some(near) if near == asked => fault,
        Some(near) => fault.hint(format!("did you mean `{near}/{number}`?")),
        None => fault,
    }
}

/// The workflow whose name is most like a text.
pub(crate) fn near_workflow(view: &dyn View, text: &str) -> Option<String> {
    let names = catalog::list(view, None, crate::limit::PAGE_MAX);
    let near = names.into_iter().map(|known| known.name).max_by(|a, b| {
        strsim::damerau_levenshtein(b, text).cmp(&strsim::damerau_levenshtein(a, text))
    })?;
    (strsim::damerau_levenshtein(&near, text) <= 2.max(text.len() / 4)).then_some(near)
}

/// Finds a workflow by its name, or says which one may have been meant.
pub(crate) fn find_workflow(view: &dyn View, name: &str) -> Answer<catalog::Workflow> {
    catalog::find(view, name).ok_or_else(|| {
        let fault =
            Fault::new(&table::NO_WORKFLOW, format!("no workflow `{name}` in namespace default"));
        match near_workflow(view, name) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        }
    })
}

/// The name of the workflow with a number; one that was removed keeps it.
pub(crate) fn of_workflow(view: &dyn View, run: &run::Run) -> String {
    WORKFLOW.get(view, &run.workflow).map_or_else(|| run.workflow.to_string(), |known| known.name)
}

/// Splits `etl/1042/load` into the run's name and the task's.
pub(crate) fn split_task(text: &str) -> Option<(&str, &str)> {
    let (run, task) = text.rsplit_once('/')?;
    (!run.is_empty() && !task.is_empty()).then_some((run, task))
}

/// Splits `extract[3]@2` into name, item and attempt.
pub(crate) fn task_parts(text: &str) -> Option<(&str, Option<Item>, Option<u32>)> {
    let (text, attempt) = match text.rsplit_once('@') {
        Some((text, attempt)) => (text, Some(attempt.parse().ok()?)),
        None => (text, None),
    };
    match text.strip_suffix(']') {
        None => Some((text, None, attempt)),
        Some(text) => {
            let (name, item) = text.rsplit_once('[')?;
            Some((name, Some(Item(item.parse().ok()?)), attempt))
        }
    }
}

/// Finds a task of a run by its name.
pub(crate) fn find_task(
    definition: &Definition,
    run: &run::Run,
    run_name: &str,
    text: &str,
) -> Answer<TaskId> {
    let missing = || Fault::new(&table::NO_TASK, format!("`{run_name}` has no task `{text}`"));
    let (name, item, _) = task_parts(text).ok_or_else(missing)?;
    let step = find_step(definition, name).ok_or_else(|| {
        let near =
            definition.steps.iter().map(|step| step.name.as_str()).max_by(|a, b| {
                strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
            });
        match near.filter(|near| strsim::jaro_winkler(near, name) > 0.7) {
            Some(near) => missing().hint(format!("did you mean `{near}`?")),
            None => missing(),
        }
    })?;
    let fan_out = definition.steps[usize::from(step.0)].each.is_some();
    match (fan_out, item) {
        (true, None) => Err(missing().hint(format!("it is a fan-out: name an item, `{name}[0]`"))),
        (false, Some(_)) => Err(missing().hint("it is no fan-out: leave the item out")),
        (_, item) => Ok(TaskId { run: run.id, step, item: item.unwrap_or_default() }),
    }
}

/// The place of a step by its name.
pub(crate) fn find_step(definition: &Definition, name: &str) -> Option<StepNo> {
    let place = definition.steps.iter().position(|step| step.name == name)?;
    u16::try_from(place).ok().map(StepNo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_with_item_and_attempt_or_without() {
        assert_eq!(task_parts("load"), Some(("load", None, None)));
        assert_eq!(task_parts("load@2"), Some(("load", None, Some(2))));
        assert_eq!(task_parts("x[3]@2"), Some(("x", Some(Item(3)), Some(2))));
        assert_eq!(task_parts("x[3"), Some(("x[3", None, None)));
        assert_eq!(task_parts("x[a]"), None);
        assert_eq!(split_task("etl/1042/load"), Some(("etl/1042", "load")));
        assert_eq!(split_task("load"), None);
    }
}
