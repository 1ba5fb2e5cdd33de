//! The verdict on a terminal: the answer first, then what it rests on, then what to do.
//!
//! ```text
//! VALID  register, submit under kill · 60 s of faults · seed 7
//!
//!   ✓ register/linearizable   412 registers, each in an order that fits
//!   ? guard/rate              31 operations a second in the warm-up of 10 s; 50 are enough
//!   ✓ 7 more guards           enough happened for a verdict
//! ```

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{Report, count, mark, span, words};
use crate::check::failover::ALL;
use crate::verdict::Outcome;

/// Findings of a law that are shown; the rest is in the file.
const SHOWN_MAX: usize = 5;

/// The whole text.
pub(super) fn text(report: &Report, colour: bool) -> String {
    let outcome = report.verdict.outcome();
    let style = if colour { style(outcome).bold() } else { Style::new() };
    let mut text = format!(
        "{style}{}{style:#}  {} · {:.0} s of faults",
        words::word(outcome).to_uppercase(),
        report.title(),
        report.metrics.faults_s,
    );
    if let Some(seed) = report.asked.seed {
        let _ = write!(text, " · seed {seed}");
    }
    text.push_str("\n\n");
    findings(&mut text, report, colour);
    text.push('\n');
    figures(&mut text, report);
    let _ = write!(text, "\n{}\n\n", words::verdict(outcome));
    let _ = writeln!(text, "  next    {}", words::next(outcome));
    let _ = writeln!(
        text,
        "  draw    oarlock-chaos report {}",
        quoted(&report.folder.display().to_string())
    );
    if !report.replay().is_empty() {
        let _ = writeln!(text, "  again   {}", report.replay());
    }
    text
}

fn style(outcome: Outcome) -> Style {
    Style::new().fg_color(Some(
        match outcome {
            Outcome::Valid => AnsiColor::Green,
            Outcome::Unknown => AnsiColor::Yellow,
            Outcome::Invalid => AnsiColor::Red,
        }
        .into(),
    ))
}

/// Every law, and the guards that did not hold; those that did share a line.
fn findings(text: &mut String, report: &Report, colour: bool) {
    let mut rows: Vec<(Outcome, String, String)> = Vec::new();
    let guards = report.laws(true);
    let weak = guards.iter().filter(|(_, outcome, _)| *outcome != Outcome::Valid);
    for (law, outcome, found) in report.laws(false).iter().chain(weak) {
        // What held of a law that was also broken would only hide it.
        let found: Vec<_> = found.iter().filter(|finding| finding.outcome == *outcome).collect();
        for finding in found.iter().take(SHOWN_MAX) {
            rows.push((finding.outcome, (*law).to_owned(), finding.says.clone()));
        }
        if found.len() > SHOWN_MAX {
            let says = format!("{} more in verdict.json", found.len() - SHOWN_MAX);
            rows.push((*outcome, (*law).to_owned(), says));
        }
    }
    rows.sort_by_key(|(outcome, ..)| std::cmp::Reverse(*outcome));
    let held = guards.iter().filter(|(_, outcome, _)| *outcome == Outcome::Valid).count();
    if held > 0 {
        let says = "enough happened for a verdict, as far as these tell".to_owned();
        rows.push((Outcome::Valid, format!("{held} guards"), says));
    }
    let wide = rows.iter().map(|(_, law, _)| law.chars().count()).max().unwrap_or(0);
    for (outcome, law, says) in rows {
        let style = if colour { style(outcome) } else { Style::new() };
        let _ =
            writeln!(text, "  {style}{}{style:#} {law:wide$}  {}", mark(outcome), one_line(&says));
    }
}

fn figures(text: &mut String, report: &Report) {
    let metrics = &report.metrics;
    let done = metrics.operations;
    let _ = writeln!(
        text,
        "  {} operations: {} done, {} refused, of {} nobody knows",
        count(done.all()),
        count(done.ok),
        count(done.fail),
        count(done.info),
    );
    let proven = metrics.faults.iter().filter(|fault| fault.proven).count();
    let _ = writeln!(
        text,
        "  {} faults, {proven} of them proven; {} changes of the leader",
        metrics.faults.len(),
        metrics.elections,
    );
    for row in metrics.failover.table.iter().filter(|row| row.class == ALL) {
        let never =
            if row.never > 0 { format!(", {} times never", row.never) } else { String::new() };
        let _ = writeln!(
            text,
            "  after {}: every kind of work went on within {} as a rule, {} at most{never}",
            row.nemesis,
            span(row.p50_ms),
            span(row.max_ms),
        );
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:=@".contains(letter);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// What a node or a file said must not move the cursor.
fn one_line(says: &str) -> String {
    says.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
