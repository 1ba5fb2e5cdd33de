//! A run as a picture: what is where, what takes how long, what waits for what. Pure: it is given what is true and the time.

use jiff::Timestamp;
use oarlock_client::v1::{Run, RunStep, Task};
use oarlock_client::{RunStatus, TaskStatus};

use crate::output::{Out, Tint, clock, cut, moment, seconds, tint_of};

/// Letters of the progress bar.
const BAR: u32 = 20;
/// A failure's message takes at most so many letters of a line.
const MESSAGE_MAX: usize = 80;

/// What is drawn, and when.
pub(super) struct Board<'a> {
    /// For whom.
    pub(super) out: &'a Out,
    /// The run, in the full view.
    pub(super) run: &'a Run,
    /// Its tasks.
    pub(super) tasks: &'a [Task],
    /// Now.
    pub(super) now: Timestamp,
}

/// One line of the list.
struct Row<'a> {
    step: &'a RunStep,
    took: String,
    node: String,
    note: String,
    /// Which rows stay when there is no room for all: the smallest.
    rank: u8,
}

impl Board<'_> {
    /// The whole, in at most so many lines.
    pub(super) fn lines(&self, lines_max: usize) -> Vec<String> {
        let mut lines = vec![self.head(), String::new()];
        let graph = self.graph();
        if !graph.is_empty() && graph.len() + self.run.tasks.len() + 6 <= lines_max {
            lines.extend(graph);
            lines.push(String::new());
        }
        let room = lines_max.saturating_sub(lines.len() + 3).max(3);
        lines.extend(self.rows(room));
        lines.push(self.bar());
        lines
    }

    /// `etl/1042  version 3 · started 14:02:07`.
    pub(super) fn head(&self) -> String {
        let run = self.run;
        let mut parts = vec![format!("version {}", run.version)];
        match run.started_at.as_deref().and_then(moment) {
            Some(at) => parts.push(format!("started {}", clock(at))),
            None => parts.push(run.status.as_str().to_owned()),
        }
        if let Some(key) = &run.key {
            parts.push(format!("key {key}"));
        }
        let name = self.out.paint(Tint::Strong.style(), &run.name);
        format!("{name}  {}", self.out.paint(Tint::Faint.style(), &parts.join(" · ")))
    }

    /// The graph, each name in the colour of its state.
    pub(super) fn graph(&self) -> Vec<String> {
        let steps = &self.run.tasks;
        if steps.len() < 2 || steps.iter().all(|step| step.needs.is_empty()) {
            return Vec::new();
        }
        let nodes: Vec<(String, Vec<String>)> =
            steps.iter().map(|step| (step.name.clone(), step.needs.clone())).collect();
        super::picture(self.out, &nodes, |node| tint_of(steps[node].status.as_str()))
    }

    /// One line a task, at most so many; what needs eyes stays, the rest is folded.
    pub(super) fn rows(&self, lines_max: usize) -> Vec<String> {
        let rows: Vec<Row<'_>> = self.run.tasks.iter().map(|step| self.row(step)).collect();
        let mut kept: Vec<usize> = (0..rows.len()).collect();
        if rows.len() > lines_max {
            kept.sort_by_key(|place| (rows[*place].rank, *place));
            kept.truncate(lines_max.saturating_sub(1).max(1));
            kept.sort_unstable();
        }
        let shown: Vec<&Row<'_>> = kept.iter().map(|place| &rows[*place]).collect();
        let widest = |text: &dyn Fn(&Row<'_>) -> usize| shown.iter().map(|r| text(r)).max();
        let names = widest(&|row| row.step.name.chars().count()).unwrap_or(0).min(28);
        let nodes = widest(&|row| row.node.chars().count()).unwrap_or(0);
        let mut lines: Vec<String> = shown.iter().map(|row| self.line(row, names, nodes)).collect();
        if kept.len() < rows.len() {
            lines.push(self.folded(&rows, &kept));
        }
        lines
    }

    fn line(&self, row: &Row<'_>, names: usize, nodes: usize) -> String {
        let (mark, tint) = mark(row.step);
        let name = cut(&row.step.name, names);
        let fill = " ".repeat(names.saturating_sub(name.chars().count()));
        let mark = self.out.paint(tint.style(), mark);
        let room = self.out.width.saturating_sub(names + nodes + 18);
        let note = cut(&row.note, room);
        let note = match row.step.status {
            TaskStatus::Failed => self.out.paint(Tint::Bad.style(), &note),
            TaskStatus::Retrying => self.out.paint(Tint::Warn.style(), &note),
            _ => self.out.paint(Tint::Faint.style(), &note),
        };
        let node = if nodes == 0 { String::new() } else { format!("{:nodes$}   ", row.node) };
        let text = format!("  {mark} {name}{fill}  {:>6}   {node}{note}", row.took);
        text.trim_end().to_owned()
    }

    fn folded(&self, rows: &[Row<'_>], kept: &[usize]) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            if kept.contains(&place) {
                continue;
            }
            let word = row.step.status.as_str();
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        let parts: Vec<String> = counts
            .iter()
            .map(|(word, count)| format!("{count} {}", word.replace('_', " ")))
            .collect();
        self.out.paint(Tint::Faint.style(), &format!("  … {}", parts.join(", ")))
    }

    fn row<'a>(&self, step: &'a RunStep) -> Row<'a> {
        let tasks: Vec<&Task> = self.tasks.iter().filter(|task| task.name == step.name).collect();
        let one = tasks.first().copied().filter(|_| step.items.is_none() && tasks.len() == 1);
        let note = match one {
            Some(task) => self.note(step, task),
            None => self.note_of_many(step, &tasks),
        };
        let rank = match step.status {
            TaskStatus::Failed => 0,
            TaskStatus::Running | TaskStatus::Retrying => 1,
            TaskStatus::Waiting | TaskStatus::Queued | TaskStatus::Pending => 2,
            TaskStatus::Completed => 3,
            TaskStatus::UpstreamFailed | TaskStatus::Cancelled => 4,
            TaskStatus::Skipped | TaskStatus::Blocked => 5,
        };
        let node = one.and_then(|task| task.node.clone()).unwrap_or_default();
        Row { step, took: self.took(&tasks), node, note, rank }
    }

    /// From the first beginning to the last end, or to now.
    fn took(&self, tasks: &[&Task]) -> String {
        let begun = tasks.iter().filter_map(|task| moment(task.started_at.as_deref()?)).min();
        let Some(begun) = begun else { return String::new() };
        let open = tasks.iter().any(|task| !task.status.settled());
        let last = tasks.iter().filter_map(|task| moment(task.completed_at.as_deref()?)).max();
        let end = if open { self.now } else { last.unwrap_or(self.now) };
        seconds(ms_between(begun, end))
    }

    fn note(&self, step: &RunStep, task: &Task) -> String {
        let tries = match (task.attempt, task.max_attempts) {
            (0 | 1, _) => String::new(),
            (now, max) => format!("attempt {now} of {max}"),
        };
        let failed = task.error.as_ref().map(|error| one_line(&error.message)).unwrap_or_default();
        match step.status {
            TaskStatus::Running if !failed.is_empty() => {
                joined(&[tries, format!("last failed: {failed}")])
            }
            TaskStatus::Retrying => {
                let next = format!("attempt {} of {}", task.attempt + 1, task.max_attempts);
                let when = task.next_attempt_at.as_deref().and_then(moment);
                let when = when.map(|at| format!("in {}", seconds(ms_between(self.now, at))));
                joined(&[format!("{next} {}", when.unwrap_or_default()), failed])
            }
            TaskStatus::Failed => {
                let after = if task.attempt > 1 {
                    format!("after {} attempts", task.attempt)
                } else {
                    String::new()
                };
                joined(&[failed, after])
            }
            TaskStatus::Queued => match &task.call {
                Some(call) => format!("waits for a worker that serves {call}"),
                None => joined(&["waits for a worker".to_owned(), tries]),
            },
            TaskStatus::Waiting => self.awaited(task),
            _ if ignored(step) => joined(&["ignored".to_owned(), failed]),
            _ => joined(&[self.words(step), tries]),
        }
    }

    fn note_of_many(&self, step: &RunStep, tasks: &[&Task]) -> String {
        let Some(items) = step.items else { return self.words(step) };
        let running = tasks.iter().filter(|task| task.status == TaskStatus::Running).count();
        let mut parts = vec![format!("{}/{items} items", step.succeeded)];
        if step.failed > 0 {
            parts.push(format!("{} failed", step.failed));
        }
        if running > 0 {
            parts.push(format!("{running} running"));
        }
        let error = tasks.iter().find(|task| task.status == TaskStatus::Failed);
        parts.extend(error.and_then(|task| task.error.as_ref()).map(|e| one_line(&e.message)));
        joined(&parts)
    }

    /// What a status means where no task says more.
    fn words(&self, step: &RunStep) -> String {
        match step.status {
            TaskStatus::Blocked => {
                let settled = |name: &&String| {
                    let known = self.run.tasks.iter().find(|step| step.name == **name);
                    known.is_some_and(|step| step.status.settled())
                };
                let open: Vec<&str> =
                    step.needs.iter().filter(|n| !settled(n)).map(String::as_str).collect();
                match open.as_slice() {
                    [] => String::new(),
                    few if few.len() <= 4 => format!("waits for {}", few.join(", ")),
                    many => format!("waits for {} tasks", many.len()),
                }
            }
            TaskStatus::Skipped => "skipped".to_owned(),
            TaskStatus::UpstreamFailed => "left out: what it needs failed".to_owned(),
            TaskStatus::Cancelled => "cancelled".to_owned(),
            _ => String::new(),
        }
    }

    fn awaited(&self, task: &Task) -> String {
        let Some(awaiting) = &task.waits_for else { return "waits".to_owned() };
        let name = awaiting.name.clone().unwrap_or_default();
        let until = awaiting.until.as_deref().and_then(moment);
        let left = until.map(|at| seconds(ms_between(self.now, at)));
        match (awaiting.what.as_str(), left) {
            ("signal", Some(left)) => format!("waits for the signal `{name}`, {left} left"),
            ("signal", None) => format!("waits for the signal `{name}`"),
            ("run", _) => format!("waits for the run {name}"),
            (_, Some(left)) => format!("goes on in {left}"),
            (_, None) => "waits".to_owned(),
        }
    }

    /// `[████████░░░░] 3/6 · 8.1s`, and how it ended.
    fn bar(&self) -> String {
        let run = self.run;
        let total = run.tasks_total.max(1);
        let done = run.tasks_total.saturating_sub(run.tasks_open);
        let full = (BAR * done / total).min(BAR);
        let full_part = "█".repeat(usize::try_from(full).expect("a short bar"));
        let rest = "░".repeat(usize::try_from(BAR - full).expect("a short bar"));
        let begun = run.started_at.as_deref().or(Some(&run.created_at)).and_then(moment);
        let end = run.completed_at.as_deref().and_then(moment).unwrap_or(self.now);
        let took = begun.map_or(0, |begun| ms_between(begun, end));
        let counted = format!("{done}/{} · {}", run.tasks_total, seconds(took));
        let (word, tint) = match run.status {
            RunStatus::Completed => ("completed", Tint::Good),
            RunStatus::Failed => ("failed", Tint::Bad),
            RunStatus::Cancelled => ("cancelled", Tint::Warn),
            RunStatus::TimedOut => ("timed out", Tint::Bad),
            RunStatus::Paused => ("paused", Tint::Warn),
            RunStatus::Cancelling => ("being cancelled", Tint::Warn),
            RunStatus::Queued => ("queued", Tint::Faint),
            RunStatus::Running => ("", Tint::Live),
        };
        let word = match word {
            "" => String::new(),
            word => format!(" · {}", self.out.paint(tint.style(), word)),
        };
        format!("  [{}{rest}] {counted}{word}", self.out.paint(tint.style(), &full_part))
    }
}

/// A failure that is ignored lets the run go on as after a success; a tick in the picture would hide it.
fn ignored(step: &RunStep) -> bool {
    step.status == TaskStatus::Completed && step.failed > 0 && step.succeeded == 0
}

fn mark(step: &RunStep) -> (&'static str, Tint) {
    match step.status {
        TaskStatus::Completed if ignored(step) => ("✗", Tint::Warn),
        TaskStatus::Completed => ("✓", Tint::Good),
        TaskStatus::Running => ("●", Tint::Live),
        TaskStatus::Retrying => ("↻", Tint::Warn),
        TaskStatus::Waiting => ("◔", Tint::Warn),
        TaskStatus::Failed => ("✗", Tint::Bad),
        TaskStatus::UpstreamFailed => ("⊘", Tint::Bad),
        TaskStatus::Cancelled => ("⊘", Tint::Faint),
        TaskStatus::Skipped => ("–", Tint::Faint),
        TaskStatus::Blocked | TaskStatus::Pending | TaskStatus::Queued => ("○", Tint::Faint),
    }
}

fn joined(parts: &[String]) -> String {
    let some: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|p| !p.is_empty()).collect();
    some.join(" · ")
}

fn one_line(text: &str) -> String {
    cut(&crate::output::one_line(text), MESSAGE_MAX)
}

fn ms_between(from: Timestamp, to: Timestamp) -> u64 {
    (to.as_millisecond() - from.as_millisecond()).max(0).unsigned_abs()
}

#[cfg(test)]
mod tests;
