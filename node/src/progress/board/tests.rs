//! The board as people see it.

use serde_json::json;

use super::*;
use crate::output::Colour;

fn out(width: usize) -> Out {
    let mut out = Out::new(None, Colour::Never);
    (out.terminal, out.width) = (true, width);
    out
}

fn run() -> Run {
    let step = |name: &str, needs: &[&str], status: &str| {
        json!({"name": name, "needs": needs, "status": status, "action": "run",
               "succeeded": 0, "failed": 0})
    };
    let run = json!({
        "id": "run_1", "name": "etl/1042", "workflow": "etl", "version": 3, "number": 1042,
        "status": "running", "priority": 5, "created_by": "user:local",
        "created_at": "2026-11-21T14:02:07Z", "started_at": "2026-11-21T14:02:07Z",
        "tasks_total": 4, "tasks_open": 2, "tasks_failed": 0, "retries": 0, "changes": 7,
        "tasks": [
            step("extract_a", &[], "completed"), step("extract_b", &[], "completed"),
            step("load", &["extract_a", "extract_b"], "running"), step("notify", &["load"], "blocked"),
        ],
    });
    serde_json::from_value(run).expect("the shape of a run")
}

fn task(name: &str, status: &str, attempt: u32, error: Option<&str>) -> Task {
    let task = json!({
        "id": format!("etl/1042/{name}"), "name": name, "run": "run_1", "run_name": "etl/1042",
        "workflow": "etl", "type": "run", "status": status, "queue": "default", "priority": 5,
        "policy": {"attempts": 5, "priority": 5, "timeout_ms": 30_000, "on_failure": "fail",
            "backoff": {"type": "exponential", "delay_ms": 1000, "factor": 2.0,
                        "max_delay_ms": 300_000, "jitter": false}},
        "attempt": attempt, "max_attempts": 5, "max_retries": 4, "node": "n1",
        "started_at": "2026-11-21T14:02:08Z",
        "completed_at": (status == "completed").then_some("2026-11-21T14:02:10.100Z"),
        "error": error.map(|message| json!({"kind": "exit:1", "message": message, "retryable": true})),
    });
    serde_json::from_value(task).expect("the shape of a task")
}

fn drawn(out: &Out, lines_max: usize) -> String {
    let tasks = [
        task("extract_a", "completed", 1, None),
        task("extract_b", "completed", 1, None),
        task("load", "running", 2, Some("exit 1: connection reset")),
    ];
    let run = run();
    let now = moment("2026-11-21T14:02:15.100Z").expect("a moment");
    let board = Board { out, run: &run, tasks: &tasks, now };
    let lines = board.lines(lines_max);
    lines.iter().skip(2).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_run_is_drawn_with_its_graph() {
    assert_eq!(
        drawn(&out(100), 40),
        "  extract_a ─┐\n  extract_b ─┴─ load ── notify\n\n\
         \x20 ✓ extract_a    2.1s   n1\n  ✓ extract_b    2.1s   n1\n\
         \x20 ● load         7.1s   n1   attempt 2 of 5 · last failed: exit 1: connection reset\n\
         \x20 ○ notify                   waits for load\n\
         \x20 [██████████░░░░░░░░░░] 2/4 · 8.1s\n"
    );
}

#[test]
fn a_small_terminal_folds_what_needs_no_eyes() {
    assert_eq!(
        drawn(&out(60), 8),
        "  ✓ extract_a    2.1s   n1\n\
         \x20 ● load         7.1s   n1   attempt 2 of 5 · last failed: …\n\
         \x20 … 1 completed, 1 blocked\n\
         \x20 [██████████░░░░░░░░░░] 2/4 · 8.1s\n"
    );
}
