//! Runs from start to end.

use oarlock_engine::blob::{Payload, Slot};
use oarlock_engine::catalog::Step;
use oarlock_engine::command::Command;
use oarlock_engine::event::Event;
use oarlock_engine::run::{self, State};
use oarlock_engine::setting::{self, RETENTION_MS};
use oarlock_engine::time::Span;
use oarlock_engine::{dag, role, task};
use serde_json::json;

use super::home::{Home, each, id, noop, retry, sh, step, within, workflow};

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_runs_from_its_roots_to_its_end() {
    let home = Home::new(4).await;
    let steps = vec![
        step("a", &[], noop()),
        step("b", &[0], sh("echo '{\"rows\": 3}'")),
        step("c", &[0], json!({"noop": {"output": [1, 2]}})),
        step("d", &[1, 2], noop()),
    ];
    home.define(workflow("diamond", steps)).await;
    let run = home.ran("diamond", json!({})).await;
    assert_eq!(run.state, State::Completed);
    assert_eq!(home.output(run.id, 1), json!({"rows": 3}));
    assert_eq!(home.output(run.id, 2), json!([1, 2]));
    assert_eq!(home.log(run.id, 1, 1), "{\"rows\": 3}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_conditions_lists_and_outputs_are_computed() {
    let home = Home::new(4).await;
    let steps = vec![
        each(
            json!("${{ inputs.files }}"),
            step("extract", &[], sh("echo '\"${{ item }}-${{ index }}\"'")),
        ),
        Step {
            condition: Some("size(tasks.extract.outputs) > 5".to_owned()),
            ..step("many", &[0], noop())
        },
        Step {
            condition: Some("tasks.extract.status == 'completed'".to_owned()),
            ..step(
                "join",
                &[0],
                json!({"noop": {"output": "${{ tasks.extract.output.join('+') }}"}}),
            )
        },
        step(
            "env",
            &[2],
            json!({"run": {"command": "printf '\"%s %s\"' $A ${{ env.A }}", "env": {"A": "${{ tasks.join.output }}"}}}),
        ),
    ];
    let outputs =
        Payload::from(r#"{"all": "${{ tasks.env.output }}", "many": "${{ tasks.many.status }}"}"#);
    let definition = oarlock_engine::catalog::Definition { outputs, ..workflow("compute", steps) };
    home.define(definition).await;
    let run = home.ran("compute", json!({"files": ["x", "y"]})).await;
    assert_eq!(run.state, State::Completed, "{:?}", run.cause);
    let output = home.blob(run.id, Slot::Output);
    assert_eq!(output, json!({"all": "x-0+y-1 x-0+y-1", "many": "skipped"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_computed_fails_its_task_with_the_reason() {
    let home = Home::new(4).await;
    let steps = vec![
        step("a", &[], json!({"noop": {"output": {}}})),
        step("b", &[0], json!({"noop": {"output": "${{ tasks.a.output.rows }}"}})),
        each(json!("${{ tasks.a.output }}"), step("c", &[0], noop())),
    ];
    home.define(workflow("wrong", steps)).await;
    let run = home.ran("wrong", json!({})).await;
    assert_eq!(run.state, State::Failed);
    for (step, word) in [(1, "rows"), (2, "list")] {
        let failure = home.task(run.id, step).failure.expect("it failed");
        assert_eq!(failure.kind, "expression");
        assert!(failure.message.contains(word), "{}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_signals_and_children_need_no_worker() {
    let home = Home::new(2).await;
    let child = vec![step("echo", &[], json!({"noop": {"output": "${{ inputs.n }}"}}))];
    let outputs = Payload::from(r#""${{ tasks.echo.output + 1 }}""#);
    let inputs = Payload::from(
        r#"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#,
    );
    let child = oarlock_engine::catalog::Definition { outputs, inputs, ..workflow("child", child) };
    home.define(child).await;
    let steps = vec![
        step("nap", &[], json!({"sleep": {"for": "50ms"}})),
        step("go", &[0], json!({"wait": {"signal": "go"}})),
        step(
            "sub",
            &[1],
            json!({"workflow": {"name": "child", "input": {"n": "${{ tasks.go.output }}"}}}),
        ),
        step(
            "late",
            &[0],
            json!({"wait": {"signal": "never", "timeout": "20ms", "on_timeout": "continue"}}),
        ),
        step(
            "bad",
            &[1],
            json!({"workflow": {"name": "child", "input": {"n": "${{ 'no number' }}"}}}),
        ),
    ];
    home.define(workflow("parent", steps)).await;
    let run = home.start("parent", json!({})).await;
    let signal = run::Command::Signal {
        run,
        name: "go".to_owned(),
        payload: Payload::from("41"),
        dedup: String::new(),
    };
    home.propose(Command::Run(signal)).await.expect("the run is open");
    let run = home.settled(run).await;
    assert_eq!(home.output(run.id, 2), json!(42));
    assert_eq!(home.output(run.id, 3), json!(null));
    assert_eq!(home.failure(run.id, 4), "expression");
    assert_eq!(run.state, State::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_after_ever_longer_pauses() {
    let home = Home::new(2).await;
    let fail = Step { retry: retry(3, 60), ..step("fail", &[], sh("exit 7")) };
    home.define(workflow("again", vec![fail])).await;
    let run = home.ran("again", json!({})).await;
    assert_eq!(home.failure(run.id, 0), "exit:7");
    let tries = home.read(|view| task::tries(view, id(run.id, 0, 0)));
    assert_eq!(tries.len(), 3);
    let pauses: Vec<u64> = tries
        .windows(2)
        .map(|pair| pair[1].began_at.since(pair[0].settled_at.expect("it failed")).0)
        .collect();
    assert!(pauses[0] >= 60 && pauses[1] >= 120, "{pauses:?}");
    assert!(pauses[0] < 1_000 && pauses[1] < 1_000, "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_knows_which_attempt_it_is() {
    let home = Home::new(2).await;
    let command = "env | grep OARLOCK_ | sort; test $OARLOCK_ATTEMPT = 2";
    let tell = Step { retry: retry(2, 1), ..step("tell", &[], sh(command)) };
    home.define(workflow("env", vec![each(json!([1]), tell)])).await;
    let run = home.ran("env", json!({})).await;
    assert_eq!(run.state, State::Completed);
    let (_, epoch) = home.read(|view| role::epoch_of(view, run.id)).expect("it has a driver");
    assert!(epoch.0 > 0);
    let wanted = format!(
        "OARLOCK_ATTEMPT=2\nOARLOCK_EPOCH={epoch}\nOARLOCK_IDEMPOTENCY_KEY={id}/tell[0]\n\
         OARLOCK_RUN={id}\nOARLOCK_TASK=env/1/tell[0]\n",
        id = run.id
    );
    assert_eq!(home.log(run.id, 0, 2), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_and_a_cancel_end_the_whole_process_group() {
    let home = Home::new(2).await;
    let command = "sleep 1000 & echo $! > \"$OARLOCK_IDEMPOTENCY_KEY\"; wait";
    let stuck = |name: &str, timeout| Step {
        timeout: Span(timeout),
        ..step(name, &[], sh(&format!("mkdir -p $OARLOCK_RUN; {command}")))
    };
    home.define(workflow("slow", vec![stuck("slow", 200)])).await;
    home.define(workflow("stuck", vec![stuck("stuck", 60_000)])).await;
    let run = home.ran("slow", json!({})).await;
    assert_eq!(home.failure(run.id, 0), "timeout");
    gone(&home, &format!("{}/slow", run.id)).await;
    let run = home.start("stuck", json!({})).await;
    let pid = format!("{run}/stuck");
    super::home::eventually(|| written(&home, &pid).is_some()).await;
    let cancel = run::Command::Cancel { run, reason: "enough".to_owned() };
    home.propose(Command::Run(cancel)).await.expect("the run is open");
    assert_eq!(home.settled(run).await.state, State::Cancelled);
    gone(&home, &pid).await;
}

fn written(home: &Home, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(home.dir.path().join(name)).ok()?;
    text.strip_suffix('\n').map(str::to_owned)
}

/// Waits for the end of the process whose number is in a file.
async fn gone(home: &Home, name: &str) {
    let pid = written(home, name).expect("the process has written it");
    super::home::eventually(|| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_output_is_there_while_the_attempt_runs() {
    let home = Home::new(2).await;
    let command = "echo one; while ! test -e go; do sleep 0.01; done; echo two";
    home.define(workflow("talk", vec![step("talk", &[], sh(command))])).await;
    let run = home.start("talk", json!({})).await;
    let attempt = oarlock_engine::id::Attempt(1);
    super::home::eventually(|| {
        let live = home.crew.logs().follow(id(run, 0, 0), attempt);
        live.is_some_and(|live| live.so_far == b"one\n")
    })
    .await;
    let mut live = home.crew.logs().follow(id(run, 0, 0), attempt).expect("it runs");
    std::fs::write(home.dir.path().join("go"), "").expect("it can be written");
    assert_eq!(within(live.next()).await.as_deref(), Some(&b"two\n"[..]));
    assert_eq!(within(live.next()).await, None);
    home.settled(run).await;
    assert_eq!(home.log(run, 0, 1), "one\ntwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_out_of_a_thousand_computed_orders_ends_with_all_results_in_order() {
    let home = Home::new(64).await;
    let list: Vec<u32> = (0..1_000).collect();
    let double = step("double", &[], json!({"noop": {"output": "${{ item * 2 }}"}}));
    home.define(workflow("wide", vec![each(json!(list), double), step("end", &[0], noop())])).await;
    let run = home.ran("wide", json!({})).await;
    assert_eq!(run.state, State::Completed);
    let progress = home.read(|view| dag::progress(view, run.id, oarlock_engine::id::StepNo(0)));
    assert_eq!(progress.map(|row| row.succeeded), Some(1_000));
    let slot = Slot::result(id(run.id, 0, 999));
    assert_eq!(home.blob(run.id, slot), json!(1998));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keeper_forgets_runs_whose_time_is_over() {
    let home = Home::new(2).await;
    home.define(workflow("short", vec![step("a", &[], noop())])).await;
    let run = home.ran("short", json!({})).await;
    let set = setting::Command::Set { name: RETENTION_MS.to_owned(), value: "0".to_owned() };
    home.propose(Command::Setting(set)).await.expect("it is a known setting");
    // The keeper looks when it starts, and then every minute.
    home.crew.restart("keeper").expect("there is a keeper");
    home.until(|record| {
        matches!(&record.event, Event::Run(run::Event::Purged { run: gone, .. }) if *gone == run.id)
    })
    .await;
    assert!(home.read(|view| run::get(view, run.id)).is_none());
}
