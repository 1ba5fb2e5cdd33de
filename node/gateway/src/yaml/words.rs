//! The words of messages: what places are called, and what other systems call our fields.

/// What an object is called in a sentence: ``task `load` ``, `` `retry` of task `load` ``.
pub(super) fn owner(pointer: &str) -> String {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    match steps.as_slice() {
        [] => "the workflow".to_owned(),
        ["tasks", task] => format!("task `{task}`"),
        ["inputs", input] => format!("input `{input}`"),
        ["tasks", task, rest @ ..] => format!("`{}` of task `{task}`", rest.join(".")),
        rest => format!("`{}`", rest.join(".")),
    }
}

/// The path that `oarlock explain` takes for a place.
pub(super) fn topic(pointer: &str) -> String {
    let mut path = vec!["workflow"];
    let mut steps = pointer.split('/').skip(1);
    while let Some(step) = steps.next() {
        if step.parse::<usize>().is_ok() {
            break;
        }
        path.push(step);
        match step {
            "tasks" | "inputs" if path.len() == 2 => {
                steps.next();
            }
            "labels" | "outputs" | "with" | "json" | "env" | "headers" | "default" | "output" => {
                break;
            }
            _ => {}
        }
    }
    let full = path.join(".");
    match super::schema::explain(&full) {
        Some(_) => full,
        None => {
            path.pop();
            path.join(".")
        }
    }
}

/// Words of other systems.
pub(super) fn synonym<'a>(name: &str, fields: &[&'a str]) -> Option<&'a str> {
    const WORDS: &[(&str, &str)] = &[
        ("when", "if"),
        ("condition", "if"),
        ("depends", "needs"),
        ("dependencies", "needs"),
        ("after", "needs"),
        ("requires", "needs"),
        ("foreach", "each"),
        ("for_each", "each"),
        ("for", "each"),
        ("with_items", "each"),
        ("items", "each"),
        ("command", "run"),
        ("cmd", "run"),
        ("script", "run"),
        ("shell", "run"),
        ("exec", "run"),
        ("args", "with"),
        ("input", "with"),
        ("payload", "with"),
        ("params", "inputs"),
        ("parameters", "inputs"),
        ("environment", "env"),
        ("retries", "retry"),
        ("max_retries", "retry"),
        ("retry_policy", "retry"),
        ("timeout_seconds", "timeout"),
        ("jobs", "tasks"),
        ("steps", "tasks"),
        ("max_concurrency", "concurrency"),
        ("on", "triggers"),
        ("int", "integer"),
        ("str", "string"),
        ("text", "string"),
        ("bool", "boolean"),
        ("float", "number"),
        ("list", "array"),
        ("map", "object"),
        ("skip", "reject"),
        ("allow", "queue"),
        ("continue", "ignore"),
    ];
    let meant = WORDS.iter().find(|(word, _)| *word == name)?.1;
    fields.iter().copied().find(|field| *field == meant)
}
