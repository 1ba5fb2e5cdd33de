//! The page: one file of HTML that needs nothing beside it and runs nothing.
//!
//! It is read on a phone, sent by mail and attached to a report of a bug, so the style and the drawing are in it, it follows the
//! light or the dark of whoever reads it, and every word that came from a node, a file or a command line is escaped.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Report, count, mark, picture, span, words};
use crate::check::failover::{ALL, Row, Window};
use crate::check::story::Fault;
use crate::verdict::Outcome;

const STYLE: &str = include_str!("style.css");
/// Windows that are listed; the drawing shows all of them.
const WINDOWS_MAX: usize = 20;
/// Faults that are listed without being asked for.
const FAULTS_MAX: usize = 40;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = safe(&report.title());
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    facts(&mut html, report);
    verdict(&mut html, report);
    drawing(&mut html, report);
    laws(&mut html, report);
    failover(&mut html, report);
    operations(&mut html, report);
    faults(&mut html, report);
    again(&mut html, report);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// Text as HTML, in an element or in an attribute. What moves a cursor becomes a space.
pub(super) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter if letter.is_control() && letter != '\n' => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "valid",
        Outcome::Unknown => "unknown",
        Outcome::Invalid => "invalid",
    }
}

/// Text in which `commands` stand.
fn code(text: &str) -> String {
    let part = |(place, part): (usize, &str)| {
        if place % 2 == 1 { format!("<code>{}</code>", safe(part)) } else { safe(part) }
    };
    text.split('`').enumerate().map(part).collect()
}

/// A table with a header; names with a `#` before them are of numbers.
fn table(html: &mut String, head: &[&str], rows: &[Vec<String>]) {
    // On a phone a table of sentences is read from above to below.
    let stacked = if head.contains(&"what was found") { " class=\"stack\"" } else { "" };
    let _ = write!(html, "<div class=\"wide\"><table{stacked}><thead><tr>");
    for name in head {
        let (class, name) =
            name.strip_prefix('#').map_or(("", *name), |name| (" class=\"number\"", name));
        let _ = write!(html, "<th{class}>{name}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for (cell, name) in row.iter().zip(head) {
            let class = match *name {
                name if name.starts_with('#') => " class=\"number\"",
                "verdict" => " class=\"word\"",
                "law" | "operation" | "class" | "option" => " class=\"name\"",
                "what was found" | "how it was seen" | "value" => " class=\"says\"",
                _ => "",
            };
            let _ = write!(html, "<td{class}>{cell}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

fn facts(html: &mut String, report: &Report) {
    let metrics = &report.metrics;
    let mut facts = vec![
        format!("{} operations", count(metrics.operations.all())),
        format!("{} faults in {:.0} s", metrics.faults.len(), metrics.faults_s),
        format!("{} changes of the leader", metrics.elections),
    ];
    if let Some(seed) = report.asked.seed {
        facts.push(format!("seed {seed}"));
    }
    for name in ["version", "commit", "began"] {
        let said = report.asked.all.get(name).and_then(Value::as_str);
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            facts.push(format!("{name} {}", safe(said)));
        }
    }
    let _ = writeln!(html, "<p class=\"soft facts\">{}</p>", facts.join(" · "));
}

fn verdict(html: &mut String, report: &Report) {
    let outcome = report.verdict.outcome();
    let _ = writeln!(
        html,
        "<section class=\"verdict {}\"><strong>{} {}</strong><p>{}</p><p class=\"soft\">Next: {}.</p></section>",
        class(outcome),
        mark(outcome),
        words::word(outcome),
        words::verdict(outcome),
        code(words::next(outcome)),
    );
}

fn drawing(html: &mut String, report: &Report) {
    html.push_str("<h2>What happened</h2>\n<figure><div class=\"wide\">");
    html.push_str(&picture::draw(&report.metrics));
    html.push_str("</div><figcaption>Each strip is a workload, to its own scale.\
        <span class=\"key\" style=\"background:var(--done)\"></span>done in a second\
        <span class=\"key\" style=\"background:var(--not);height:3px;vertical-align:3px\"></span>refused, or without an answer\
        <span class=\"key\" style=\"background:var(--fault-fill)\"></span>something is broken\
        <span class=\"key\" style=\"background:var(--invalid);height:5px;vertical-align:2px\"></span>no success\
        <span class=\"key\" style=\"background:var(--stall)\"></span>the harness itself was late</figcaption></figure>\n");
}

fn laws(html: &mut String, report: &Report) {
    for (guards, head, intro) in [
        (false, "What must hold", "Promises of Oarlock, judged from what clients saw."),
        (
            true,
            "Whether enough happened",
            "A cluster that does nothing breaks no promise. These say whether the run was worth a verdict.",
        ),
    ] {
        let mut rows = Vec::new();
        for (law, outcome, found) in report.laws(guards) {
            for (place, finding) in found.iter().enumerate() {
                let means = if place == 0 { words::law(law) } else { "" };
                let mark = format!(
                    "<span class=\"{}\">{} {}</span>",
                    class(finding.outcome),
                    mark(finding.outcome),
                    words::word(finding.outcome)
                );
                let says =
                    format!("{}<br><span class=\"soft\">{means}</span>", safe(&finding.says));
                rows.push(vec![mark, safe(if place == 0 { law } else { "" }), says]);
            }
            debug_assert!(!found.is_empty(), "{outcome:?} of nothing");
        }
        let _ = writeln!(html, "<h2>{head}</h2>\n<p class=\"soft\">{intro}</p>");
        if rows.is_empty() {
            html.push_str("<p>Nothing was judged.</p>\n");
        } else {
            table(html, &["verdict", "law", "what was found"], &rows);
        }
    }
}

fn failover(html: &mut String, report: &Report) {
    let failover = &report.metrics.failover;
    html.push_str("<h2>How long clients waited</h2>\n<p class=\"soft\">From each fault to the first success of an operation that was begun after it; of the kind of operation that waited longest.</p>\n");
    let head =
        ["fault", "#strikes", "#half within", "#9 of 10", "#99 of 100", "#longest", "#never"];
    let cells = |row: &Row| {
        let mut cells = vec![count(row.faults)];
        cells.extend([row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms].map(span));
        if row.never == row.faults {
            cells[1..].fill("–".to_owned());
        }
        cells.push(count(row.never));
        cells
    };
    let rows = |all: bool| -> Vec<Vec<String>> {
        let rows = failover.table.iter().filter(|row| (row.class == ALL) == all);
        rows.map(|row| {
            let mut line = vec![safe(&row.nemesis)];
            if !all {
                line.push(safe(&row.class));
            }
            line.extend(cells(row));
            line
        })
        .collect()
    };
    if failover.table.is_empty() {
        html.push_str("<p>Nothing was broken.</p>\n");
    } else {
        table(html, &head, &rows(true));
        let mut by_class = head.to_vec();
        by_class.insert(1, "class");
        html.push_str("<details><summary>The same, for each kind of operation</summary>\n");
        table(html, &by_class, &rows(false));
        html.push_str("</details>\n");
    }
    windows(html, report);
    recovery(html, report);
}

fn windows(html: &mut String, report: &Report) {
    let failover = &report.metrics.failover;
    let mut windows: Vec<&Window> =
        failover.windows.iter().filter(|w| !w.class.contains('/')).collect();
    if windows.is_empty() {
        html.push_str("<p>No workload was without a success for long.</p>\n");
        return;
    }
    windows.sort_by_key(|window| std::cmp::Reverse(window.ms));
    let rows: Vec<Vec<String>> = windows
        .iter()
        .take(WINDOWS_MAX)
        .map(|window| {
            let ids: Vec<String> =
                window.faults.iter().map(|id| format!("{} {id}", nemesis(report, *id))).collect();
            let mut why =
                if ids.is_empty() { "nothing was broken".to_owned() } else { ids.join(", ") };
            if window.stalled {
                why.push_str("; the harness itself was late");
            }
            vec![safe(&window.class), picture::second(window.from), span(ms(window.ms)), safe(&why)]
        })
        .collect();
    let workloads =
        failover.windows_ms.iter().filter(|(class, total)| !class.contains('/') && **total > 0);
    let totals: Vec<String> =
        workloads.map(|(work, total)| format!("{} {}", safe(work), span(ms(*total)))).collect();
    let _ = writeln!(
        html,
        "<p>Without any success, in all: {}.</p>\n<details><summary>The {} longest of {} windows</summary>",
        totals.join(", "),
        rows.len(),
        windows.len()
    );
    table(html, &["workload", "#from", "#lasted", "during, or just after"], &rows);
    html.push_str("</details>\n");
}

fn ms(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64() * 1_000.0
}

fn nemesis(report: &Report, id: u64) -> String {
    let found = report.metrics.faults.iter().find(|fault| fault.id == id);
    found.map_or("fault".to_owned(), Fault::name)
}

fn recovery(html: &mut String, report: &Report) {
    let failover = &report.metrics.failover;
    let works = failover.recovery_ms.iter().filter(|(class, _)| !class.contains('/'));
    let took: Vec<String> = works
        .map(|(work, took)| format!("{} {}", safe(work), took.map_or("never".to_owned(), span)))
        .collect();
    if took.is_empty() {
        return;
    }
    let settled = failover
        .settled_s
        .map_or(String::new(), |s| format!(" The cluster settled in {}.", span(s * 1_000.0)));
    let _ = writeln!(
        html,
        "<p>From the end of the heal to the first success: {}.{settled}</p>",
        took.join(", ")
    );
}

fn operations(html: &mut String, report: &Report) {
    html.push_str("<h2>Operations</h2>\n<p class=\"soft\">Done; certainly not done; and those of which nobody knows, because the answer never came.</p>\n");
    let rows: Vec<Vec<String>> = report
        .metrics
        .kinds
        .iter()
        .map(|kind| {
            let counts = kind.counts;
            let mut row =
                vec![safe(&kind.class), count(counts.ok), count(counts.fail), count(counts.info)];
            row.extend(
                [kind.p50_ms, kind.p99_ms, kind.max_ms]
                    .map(|ms| if counts.ok == 0 { "–".to_owned() } else { span(ms) }),
            );
            row
        })
        .collect();
    let head =
        ["operation", "#done", "#refused", "#unknown", "#half within", "#99 of 100", "#longest"];
    table(html, &head, &rows);
}

fn faults(html: &mut String, report: &Report) {
    let faults = &report.metrics.faults;
    html.push_str("<h2>What was broken</h2>\n");
    for lack in &report.metrics.lacks {
        let _ = writeln!(
            html,
            "<p>Not on this machine: {}: {}.</p>",
            safe(&lack.name),
            safe(&lack.why)
        );
    }
    if faults.is_empty() {
        html.push_str("<p>Nothing.</p>\n");
        return;
    }
    let row = |fault: &Fault| {
        let outcome = if fault.proven { Outcome::Valid } else { Outcome::Unknown };
        let lasted = fault.until.map_or("to the end".to_owned(), |until| {
            span(crate::check::guard::seconds(fault.from, until) * 1_000.0)
        });
        let seen = format!(
            "<span class=\"{}\">{}</span> {}",
            class(outcome),
            mark(outcome),
            safe(&fault.proof)
        );
        vec![
            fault.id.to_string(),
            safe(&fault.name()),
            safe(&fault.targets.join(", ")),
            picture::second(fault.from),
            lasted,
            seen,
        ]
    };
    let rows: Vec<Vec<String>> = faults.iter().map(row).collect();
    let head = ["#", "fault", "struck", "#at", "#lasted", "how it was seen"];
    if rows.len() > FAULTS_MAX {
        let _ = writeln!(html, "<details><summary>All {} faults</summary>", rows.len());
        table(html, &head, &rows);
        html.push_str("</details>\n");
    } else {
        table(html, &head, &rows);
    }
}

fn again(html: &mut String, report: &Report) {
    html.push_str("<h2>Again</h2>\n");
    if !report.replay().is_empty() {
        let _ = writeln!(html, "<pre>{}</pre>", safe(report.replay()));
    }
    let said = |value: &Value| match value {
        Value::String(text) => safe(text),
        other => format!("<code>{}</code>", safe(&other.to_string())),
    };
    let rows: Vec<Vec<String>> =
        report.asked.all.iter().map(|(name, value)| vec![safe(name), said(value)]).collect();
    if !rows.is_empty() {
        html.push_str("<details><summary>All options</summary>\n");
        table(html, &["option", "value"], &rows);
        html.push_str("</details>\n");
    }
    let files = files(report);
    if !files.is_empty() {
        let links: Vec<String> = files
            .iter()
            .map(|name| format!("<a href=\"{}\">{}</a>", link(name), safe(name)))
            .collect();
        let _ = writeln!(html, "<p>Beside this page: {}</p>", links.join(" · "));
    }
}

/// What else is in the folder.
fn files(report: &Report) -> Vec<String> {
    let Ok(inside) = std::fs::read_dir(&report.folder) else { return Vec::new() };
    let mut names: Vec<String> = inside
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            Some(if entry.file_type().ok()?.is_dir() { name + "/" } else { name })
        })
        .filter(|name| name != super::PAGE && !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// The name of a file as a link: never a scheme, never another page.
fn link(name: &str) -> String {
    let mut link = String::from("./");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._/".contains(&byte) {
            link.push(char::from(byte));
        } else {
            let _ = write!(link, "%{byte:02X}");
        }
    }
    link
}
