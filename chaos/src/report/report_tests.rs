//! What is shown of runs that are made up.
//!
//! `OARLOCK_KEEP=DIR cargo test --release -p oarlock-chaos a_page` leaves the pages there, to be looked at.

use serde_json::json;

use super::*;
use crate::check::guard;
use crate::check::made_up::{Tale, minute};
use crate::check::story::Story;

/// A run of a tale, judged by the guards and by whatever else is told.
fn told(name: &str, tale: Tale, more: impl FnOnce(&mut Verdict)) -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = json!({
        "workloads": ["register", "submit"], "nemeses": ["kill", "partition", "pause"], "nodes": ["n1", "n2", "n3"],
        "seed": 7, "time_s": 60, "version": "0.1.0", "commit": "d3ee3d2",
        "replay": "oarlock-chaos run --workload register,submit --nemesis kill,partition,pause --time 60 --seed 7",
    });
    let history = tale.history();
    let asked = Asked::of(options.as_object().expect("an object").clone());
    let mut verdict = Verdict::default();
    verdict.held(
        "register/linearizable",
        "412 registers, 4,310 operations: an order that fits was found for each",
    );
    verdict.held(
        "submit/nothing-lost",
        "1,702 acknowledged submissions, all of them there through every node",
    );
    guard::judge(&Story::of(&history), &asked, &mut verdict);
    more(&mut verdict);
    let write = |file: &str, text: Vec<u8>| {
        std::fs::write(folder.path().join(file), text).expect("it can be written");
    };
    write(VERDICT, serde_json::to_vec(&verdict).expect("a verdict is JSON"));
    write(crate::asked::FILE, serde_json::to_vec(&options).expect("options are JSON"));
    write("history.jsonl", Vec::new());
    write("n1 <log>.txt", Vec::new());
    Metrics::of(&history).write(folder.path()).expect("it can be written");
    let report = Report::read(folder.path()).expect("it can be read");
    report.write().expect("the page can be written");
    if let Some(keep) = std::env::var_os("OARLOCK_KEEP") {
        let page = Path::new(&keep).join(format!("{name}.html"));
        std::fs::write(page, report.page()).expect("it can be kept");
    }
    (folder, report)
}

#[test]
fn a_page_needs_nothing_beside_it_and_runs_nothing() {
    let (folder, report) = told("valid", minute(), |_| {});
    let page = std::fs::read_to_string(folder.path().join(PAGE)).expect("it is there");
    assert_eq!(report.verdict.outcome(), Outcome::Valid, "{:#?}", report.verdict);
    for outside in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    for part in ["<svg", "prefers-color-scheme: dark", "width=device-width", "oarlock-chaos run"] {
        assert!(page.contains(part), "the page lacks {part}");
    }
}

#[test]
fn a_page_opens_what_it_closes() {
    let page = told("balanced", minute(), |_| {}).1.page();
    for tag in [
        "main", "section", "table", "tr", "td", "th", "details", "svg", "g", "text", "div", "p",
        "span",
    ] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "of {tag}");
    }
}

#[test]
fn a_page_draws_every_fault_and_every_window() {
    let (_folder, report) = told("drawn", minute(), |_| {});
    let page = report.page();
    let windows = &report.metrics.failover.windows;
    let drawn = windows.iter().filter(|window| !window.class.contains('/')).count();
    assert!(drawn > 0);
    assert_eq!(page.matches("<rect class=\"fault\"").count(), 5);
    assert_eq!(page.matches("<rect class=\"gap").count(), drawn);
    assert_eq!(page.matches("<path class=\"done\"").count(), 2);
}

#[test]
fn a_page_takes_no_orders_from_what_it_shows() {
    let mut tale = minute();
    let value = json!({
        "id": 9, "nemesis": "<img src=x onerror=alert(1)>", "targets": ["\"><script>"], "proven": false, "proof": "</td>'\u{1b}[2J",
    });
    tale.at(60_000).nemesis("start-<b>", value);
    let says = "operation 17 of </table><script>alert(1)</script> was lost";
    let (_folder, report) = told("hostile", tale, |verdict| verdict.broken("submit/<i>", says));
    let page = report.page();
    for bad in ["<script", "<img", "<i>", "\u{1b}", "</table><script", "\"><script"] {
        assert!(!page.contains(bad), "the page has {bad}");
    }
    assert!(page.contains("href=\"./n1%20%3Clog%3E.txt\""), "a name is no link");
    assert!(!report.text(false).contains('\u{1b}'), "text moves the cursor");
}

#[test]
fn a_page_of_nothing_is_still_a_page() {
    let (_folder, report) = told("empty", Tale::new(), |_| {});
    assert!(report.page().contains("Nothing was broken"));
    assert_eq!(report.verdict.outcome(), Outcome::Unknown);
}

#[test]
fn a_page_of_a_violation_shows_it_first() {
    let says = "signal 883 to run flow/35 was acknowledged at 41.2 s and is in no later read: operations 5120, 5144, 5190";
    let (_folder, report) =
        told("invalid", minute(), |verdict| verdict.broken("signals/strict-serializable", says));
    let page = report.page();
    let (red, green) = (page.find("signal 883"), page.find("412 registers"));
    assert!(red.is_some() && red < green, "{red:?} {green:?}");
    assert!(page.contains("✗ violated"));
}

#[test]
fn a_pipe_gets_no_colour_and_a_terminal_does() {
    let (_folder, report) = told("text", minute(), |_| {});
    assert!(!report.text(false).contains('\u{1b}'));
    assert!(report.text(true).contains("\u{1b}["));
}

#[test]
fn the_text_says_verdict_reasons_and_what_to_do() {
    let (_folder, report) = told("words", minute(), |verdict| {
        verdict.unknown("guard/rate", "31 operations a second; 50 are enough");
    });
    let text = report.text(false);
    assert!(
        text.starts_with(
            "UNKNOWN  register, submit under kill, partition, pause · 60 s of faults · seed 7\n"
        ),
        "{text}"
    );
    for part in [
        "? guard/rate",
        "✓ register/linearizable",
        "6 guards",
        "  next    ",
        "  again   oarlock-chaos run",
        "chaos report /",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn many_findings_of_a_law_are_cut_and_the_cut_is_said() {
    let (_folder, report) = told("many", minute(), |verdict| {
        for operation in 0..30 {
            verdict.broken("register/linearizable", format!("operation {operation} fits nowhere"));
        }
    });
    let text = report.text(false);
    assert_eq!(text.matches("fits nowhere").count(), 5, "{text}");
    assert!(text.contains("25 more in verdict.json"), "{text}");
}

#[test]
fn a_folder_that_was_not_judged_says_how_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let why = Report::read(folder.path()).expect_err("there is no verdict").to_string();
    assert!(why.contains("oarlock-chaos check"), "{why}");
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!([count(7), count(1_234), count(10_000_000)], ["7", "1,234", "10,000,000"]);
    assert_eq!(
        [span(0.44), span(402.0), span(1_240.0), span(130_000.0)],
        ["0.4 ms", "402 ms", "1.2 s", "130 s"]
    );
}
