//! One line for each change: `14:02:15 transform retrying attempt=2/5 in=2s error="connection reset"`.

use oarlock_client::v1::{Event, Run};

use crate::ask::Session;
use crate::fault::Fault;
use crate::output::{Format, at, body, clock, moment, plain, span_ms};

/// Shows changes until the run is over.
pub(super) async fn follow(session: &Session, id: &str) -> Result<Run, Fault> {
    let handle = session.client()?.run(id);
    let mut events = handle.events(0);
    while let Some(event) = events.next().await? {
        match session.out.asked {
            Some(Format::Jsonl) => session.out.data(&format!("{}\n", body(&event))),
            // The others show the run itself, once it is over.
            Some(Format::Json | Format::Yaml | Format::Name | Format::Csv | Format::Fields) => {}
            None | Some(Format::Table | Format::Wide) => {
                if let Some(line) = line(&event) {
                    session.out.data(&format!("{line}\n"));
                }
            }
        }
    }
    Ok(handle.get().await?)
}

/// A change as a line; none for what only the machine cares about.
fn line(event: &Event) -> Option<String> {
    let (group, kind) = event.kind.split_once('.')?;
    let word = match (group, kind) {
        ("run", "marred" | "released" | "signal_taken") => return None,
        ("run", "started") => "queued",
        ("run", "began") => "running",
        ("run", word) => word,
        ("task", "opened" | "ordered" | "queued" | "forgotten") => return None,
        ("task", "started") => "running",
        ("task", "succeeded") => "completed",
        ("task", word) => word,
        _ => return None,
    };
    let at = moment(&event.at).map(clock).unwrap_or_default();
    let name = match (&event.task, &event.run_name) {
        (Some(task), _) => task.rsplit('/').next().unwrap_or(task).to_owned(),
        (None, Some(run)) => run.clone(),
        (None, None) => event.run.clone().unwrap_or_default(),
    };
    let mut line = format!("{at} {name} {word}");
    for (key, value) in more(event) {
        line.push_str(&format!(" {key}={value}"));
    }
    Some(line)
}

/// What else there is to say, as `key=value`.
fn more(event: &Event) -> Vec<(&'static str, String)> {
    let details = &event.details;
    let mut more = Vec::new();
    if let Some(attempt) = event.attempt.filter(|attempt| *attempt > 1) {
        more.push(("attempt", attempt.to_string()));
    }
    if let Some(until) = details["until"].as_str()
        && let (Some(until), Some(now)) = (moment(until), moment(&event.at))
    {
        let ms = (until.as_millisecond() - now.as_millisecond()).max(0).unsigned_abs();
        more.push(("in", span_ms(ms)));
    }
    for (key, path) in [("what", "what"), ("signal", "name"), ("reason", "reason")] {
        let value = plain(at(details, path));
        if !value.is_empty() {
            more.push((key, quoted(&value)));
        }
    }
    let error = plain(at(details, "error.message"));
    if !error.is_empty() {
        more.push(("error", quoted(&error)));
    }
    more
}

fn quoted(text: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
    if text.chars().all(simple) { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, details: serde_json::Value) -> Event {
        let event = json!({
            "revision": 7, "at": "2026-11-21T14:02:15.000Z", "by": "role", "type": kind,
            "run": "run_1", "run_name": "etl/1042", "task": "etl/1042/transform", "attempt": 2,
            "details": details,
        });
        serde_json::from_value(event).expect("the shape of an event")
    }

    #[test]
    fn a_retry_says_which_when_and_why() {
        let details = json!({"until": "2026-11-21T14:02:17.000Z",
                             "error": {"kind": "exit:1", "message": "connection reset"}});
        let line = line(&event("task.retrying", details)).expect("a line");
        let rest = line.split_once(' ').expect("a clock").1;
        assert_eq!(rest, "transform retrying attempt=2 in=2.0s error=\"connection reset\"");
    }

    #[test]
    fn what_only_the_machine_cares_about_is_left_out() {
        assert_eq!(line(&event("step.counted", serde_json::Value::Null)), None);
        assert_eq!(line(&event("task.ordered", serde_json::Value::Null)), None);
    }
}
