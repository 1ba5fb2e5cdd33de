//! Dead letters, and what those of one kind have in common.

use oarlock_engine::run;
use oarlock_engine::store::View;
use oarlock_engine::task::Failure;
use oarlock_engine::task::dead::DeadLetter;
use oarlock_proto::v1;

use super::{failure, name, task, time};
use crate::shelf::Shelf;

/// A dead letter. None: its run is gone.
pub(crate) fn letter(view: &dyn View, shelf: &Shelf, row: &DeadLetter) -> Option<v1::DeadLetter> {
    let of = run::get(view, row.task.run)?;
    let definition = shelf.get(view, of.workflow, of.version)?;
    let workflow = name::of_workflow(view, &of);
    let short = name::run(&workflow, of.number);
    let id = name::task(&short, &definition, row.task);
    let step = definition.steps.get(usize::from(row.task.step.0))?;
    let known = oarlock_engine::task::get(view, row.task);
    let payload = known.as_ref().and_then(|known| task::order(view, step, known));
    Some(v1::DeadLetter {
        attempt_id: format!("{id}@{}", row.attempt),
        id,
        task: step.name.clone(),
        run: of.id.to_string(),
        run_name: short,
        workflow,
        queue: known.map_or_else(|| step.queue.clone(), |known| known.queue),
        payload: payload.as_ref().map(task::order_shown),
        fingerprint: fingerprint(&pattern(&row.failure)),
        error: failure(&row.failure),
        attempts: row.attempt.0,
        created_at: time::rfc3339(row.at),
    })
}

/// A failure with what varies from case to case replaced: digits, hexadecimal ids, quoted texts. First line only.
pub(crate) fn pattern(failure: &Failure) -> String {
    const PATTERN_LETTERS_MAX: usize = 200;
    let line = failure.message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut shown = String::with_capacity(line.len());
    for word in line.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&plain(word));
    }
    let cut: String = shown.chars().take(PATTERN_LETTERS_MAX).collect();
    if cut.is_empty() { failure.kind.clone() } else { format!("{}: {cut}", failure.kind) }
}

/// A word without what varies: digits become `#`, and a long word with digits in it (an id) becomes `…`.
fn plain(word: &str) -> String {
    const ID_LETTERS: usize = 16;
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let inner = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    if digits > 0
        && inner.len() >= ID_LETTERS
        && inner.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    {
        return word.replace(inner, "…");
    }
    let mut shown = String::with_capacity(word.len());
    for letter in word.chars() {
        if !letter.is_ascii_digit() {
            shown.push(letter);
        } else if !shown.ends_with('#') {
            shown.push('#');
        }
    }
    shown
}

/// A short name for a text: 12 hexadecimal digits of its FNV-1a hash.
pub(crate) fn fingerprint(text: &str) -> String {
    let hash = crate::digest::fnv64(text.as_bytes());
    format!("{:012x}", hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(message: &str) -> String {
        pattern(&Failure { kind: "exit:1".into(), message: message.into(), retryable: true })
    }

    #[test]
    fn failures_that_differ_in_numbers_and_ids_only_are_of_one_kind() {
        assert_eq!(failed("timeout after 31 ms"), failed("timeout after 7 ms"));
        assert_eq!(
            failed("no row 0192f7a0-11c4-7e2e-8000-0123456789ab!"),
            failed("no row 0192f7a0-2222-7e2e-9000-0123456789ff!"),
        );
        assert_ne!(failed("disk full"), failed("connection reset"));
        assert_eq!(failed(""), "exit:1");
        assert_eq!(failed("\n  http 503 from x\nmore"), "exit:1: http # from x");
    }
}
