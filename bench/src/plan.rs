//! What is measured: workflows, and how many callers run them at once.

use std::fmt::Write;

/// One measurement.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The workflow's name; the measurement's is `name × in_flight`.
    pub(crate) workflow: &'static str,
    /// Its file.
    pub(crate) file: String,
    /// Tasks that one run completes.
    pub(crate) tasks: u64,
    /// Callers, each with one run at a time.
    pub(crate) in_flight: usize,
    /// Runs asked for in one request.
    pub(crate) bulk: usize,
    /// Whether a caller waits for the end of its run, and not only for its acceptance.
    pub(crate) wait: bool,
}

impl Step {
    /// What the report calls it.
    pub(crate) fn name(&self) -> String {
        format!("{} x{}", self.workflow, self.in_flight)
    }
}

/// One node: no-op tasks at three loads, a chain, a fan-out, submissions in bulk.
pub(crate) fn single() -> Vec<Step> {
    let mut steps: Vec<Step> = [1, 64, 512]
        .into_iter()
        .map(|in_flight| Step {
            workflow: "noop",
            file: chain("noop", 1),
            tasks: 1,
            in_flight,
            bulk: 1,
            wait: true,
        })
        .collect();
    steps.push(Step {
        workflow: "chain10",
        file: chain("chain10", 10),
        tasks: 10,
        in_flight: 1,
        bulk: 1,
        wait: true,
    });
    steps.push(Step {
        workflow: "fan100",
        file: fan(),
        tasks: 102,
        in_flight: 1,
        bulk: 1,
        wait: true,
    });
    steps.push(Step {
        workflow: "submit",
        file: chain("submit", 1),
        tasks: 1,
        in_flight: 64,
        bulk: 1,
        wait: false,
    });
    steps.push(Step {
        workflow: "bulk",
        file: chain("bulk", 1),
        tasks: 1,
        in_flight: 4,
        bulk: 500,
        wait: false,
    });
    steps
}

/// Three nodes: no-op tasks at three loads, a chain, submissions.
pub(crate) fn cluster() -> Vec<Step> {
    let alike = |step: &Step| ["noop", "chain10", "submit"].contains(&step.workflow);
    single().into_iter().filter(alike).collect()
}

fn chain(name: &str, length: usize) -> String {
    let mut file = format!("kind: workflow\nname: {name}\ntasks:\n");
    for step in 0..length {
        let _ = writeln!(file, "  t{step}:\n    noop: {{}}");
        if step > 0 {
            let _ = writeln!(file, "    needs: [t{}]", step - 1);
        }
    }
    file
}

fn fan() -> String {
    let mut file = "kind: workflow\nname: fan100\ntasks:\n  first:\n    noop: {}\n".to_owned();
    let names: Vec<String> = (0..100).map(|item| format!("m{item}")).collect();
    for name in &names {
        let _ = writeln!(file, "  {name}:\n    needs: [first]\n    noop: {{}}");
    }
    let _ = writeln!(file, "  last:\n    needs: [{}]\n    noop: {{}}", names.join(", "));
    file
}
