//! What files come to, and that no text whatever breaks the reader.

use oarlock_engine::catalog::{Definition, Kind, OnFailure, OnTimeout, Order, Rule};
use oarlock_engine::id::{Priority, StepNo};
use oarlock_engine::time::Span;
use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> Definition {
    match parse(text, "test.yaml") {
        Ok(mut parsed) => parsed.definitions.remove(0),
        Err(report) => panic!("{}", report.render(false)),
    }
}

fn tasks(text: &str) -> Definition {
    read(&format!("kind: workflow\nname: t\ninputs: {{x: {{default: 1}}}}\ntasks:\n{text}"))
}

const FULL: &str = r#"
kind: workflow
name: etl
description: Load yesterday's orders into the warehouse.
inputs:
  day: {type: string, format: date, default: "${{ run.scheduled_at.date() }}"}
  full: {type: boolean, default: false}
defaults: {queue: work, timeout: 10m, retry: 3}
concurrency: {key: "${{ inputs.day }}", limit: 1, on_conflict: queue}
timeout: 2h
priority: 5
tasks:
  extract:
    each: [orders, refunds]
    max_parallel: 2
    run: ./extract.sh ${{ item }} ${{ inputs.day }}
    env: {DB_URL: "postgres://x"}
  load:
    needs: [extract]
    if: tasks.extract.outputs.size() > 0 || inputs.full
    call: warehouse.load
    queue: warehouse
    with: {file: "${{ tasks.extract.outputs[0] }}"}
    timeout: 15m
    retry: {max_attempts: 5, initial_delay: 10s, max_delay: 5m, backoff_factor: 2.0, jitter: true, not_on: ["exit:2"]}
    on_failure: dead_letter
  approve:
    depends_on: load
    wait: {signal: approved, timeout: 24h, on_timeout: continue}
  publish:
    needs: [approve]
    http: {method: POST, url: "https://api.example.com/publish", json: {rows: 3}, expect: 2xx}
    on_failure: task:alarm
  cleanup:
    needs: [publish]
    if: always()
    run: [rm, -rf, /staging]
  alarm: {emit: etl.failed, with: {why: publish}}
outputs: {rows: "${{ tasks.load.output.rows }}"}
retention: 30d
labels: {team: data, year: 2026}
"#;

#[test]
fn the_format_becomes_what_the_engine_keeps() {
    let etl = read(FULL);
    assert_eq!(etl.timeout, Some(Span(7_200_000)));
    assert_eq!(etl.retention, Some(Span(30 * 86_400_000)));
    assert_eq!(etl.labels["year"], "2026");
    assert_eq!(etl.concurrency.as_ref().map(|c| c.key.as_str()), Some("${{ inputs.day }}"));
    let by_name = |name: &str| etl.steps.iter().find(|step| step.name == name).expect(name);

    let extract = by_name("extract");
    assert_eq!(extract.order, None);
    let template: Value = serde_json::from_slice(&extract.template.0).expect("JSON");
    assert_eq!(
        template,
        json!({"run": {
            "command": "./extract.sh ${{ item }} ${{ inputs.day }}",
            "env": {"DB_URL": "postgres://x"},
        }})
    );
    assert_eq!(extract.each.as_ref().and_then(|each| each.parallel_max), Some(2));
    assert_eq!((extract.queue.as_str(), extract.timeout), ("work", Span(600_000)));
    assert_eq!((extract.retry.attempts_max, extract.retry.initial), (4, Span(1_000)));

    let load = by_name("load");
    assert_eq!(load.needs, [StepNo(0)]);
    assert_eq!(load.rule, Rule::Succeeded);
    assert!(load.condition.as_deref().is_some_and(|text| text.starts_with("tasks.extract")));
    assert_eq!((load.queue.as_str(), load.timeout), ("warehouse", Span(900_000)));
    assert_eq!((load.retry.attempts_max, load.retry.cap), (5, Span(300_000)));
    assert!(load.retry.jitter && load.retry.not_on == ["exit:2"]);
    assert_eq!(load.on_failure, OnFailure::DeadLetter);

    assert_eq!(
        by_name("approve").order,
        Some(Order::Wait {
            signal: "approved".into(),
            timeout: Some(Span(86_400_000)),
            on_timeout: OnTimeout::Continue,
        })
    );
    assert_eq!(by_name("publish").on_failure, OnFailure::Task(StepNo(5)));
    assert!(by_name("alarm").handler && !by_name("cleanup").handler);
    let cleanup = by_name("cleanup");
    assert_eq!((cleanup.rule, &cleanup.condition), (Rule::Settled, &None));
    let Some(Order::Work { kind, body }) = &cleanup.order else { panic!("{cleanup:?}") };
    assert_eq!(*kind, Kind::Builtin("run".into()));
    assert_eq!(body.0, br#"{"argv":["rm","-rf","/staging"]}"#);
}

#[test]
fn conditions_become_rules_where_the_engine_knows_one() {
    let of = |condition: &str| {
        let text = format!("  a: {{noop: {{}}}}\n  b: {{needs: a, noop: {{}}, if: {condition}}}");
        let step = tasks(&text).steps.remove(1);
        (step.rule, step.condition)
    };
    assert_eq!(of("always()"), (Rule::Settled, None));
    assert_eq!(of("'${{ always() }}'"), (Rule::Settled, None));
    assert_eq!(of("failed()"), (Rule::Failed, None));
    assert_eq!(of("succeeded()"), (Rule::Succeeded, None));
    assert_eq!(of("true"), (Rule::Succeeded, None));
    assert_eq!(of("false"), (Rule::Succeeded, Some("false".into())));
    let mixed = "failed() && inputs.x == 1";
    assert_eq!(of(mixed), (Rule::Settled, Some(mixed.into())));
    let plain = "tasks.a.status == 'completed'";
    assert_eq!(of(plain), (Rule::Succeeded, Some(plain.into())));
}

#[test]
fn what_is_not_said_has_its_default() {
    let definition = tasks("  a: {noop: }");
    let step = &definition.steps[0];
    assert_eq!((step.queue.as_str(), step.priority, step.timeout), ("default", None, Span(30_000)));
    assert_eq!((step.retry.attempts_max, step.retry.factor_milli), (3, 2_000));
    assert_eq!(definition.priority, Priority::NORMAL);
    assert_eq!(step.on_failure, OnFailure::Fail);
    let once = tasks("  a: {run: x, retry: 0}");
    assert_eq!(once.steps[0].retry.attempts_max, 1);
    let short = tasks("  a: {run: x, retry: {attempts: 2, delay: 500ms, factor: 1.5, cap: 1m}}");
    let retry = &short.steps[0].retry;
    assert_eq!((retry.attempts_max, retry.initial.0, retry.factor_milli), (2, 500, 1_500));
}

#[test]
fn an_input_with_the_default_null_may_be_left_out() {
    let definition = read(
        "kind: workflow\nname: t\ninputs:\n  a: {type: string, default: null}\n  b: {type: string}\ntasks: {x: {noop: }}",
    );
    let schema: Value = serde_json::from_slice(&definition.inputs.0).expect("JSON");
    assert_eq!(schema["required"], json!(["b"]));
    let inputs = oarlock_actors::inputs::Inputs::parse(&schema).expect("a good declaration");
    let bound = inputs.bind(&json!({"b": "x"}), &Default::default());
    assert_eq!(bound, Ok(json!({"a": null, "b": "x"})));
}

#[test]
fn a_literal_that_looks_like_a_template_is_one_no_longer() {
    let definition = tasks("  a: {run: 'echo $${{ x }}'}");
    let Some(Order::Work { body, .. }) = &definition.steps[0].order else { panic!("no order") };
    assert_eq!(body.0, br#"{"command":"echo ${{ x }}"}"#);
}

#[test]
fn json_and_yaml_mean_the_same() {
    let json = r#"{"kind": "workflow", "name": "t",
	"tasks": {"a": {"run": "x", "timeout": "5m"}, "b": {"needs": ["a"], "sleep": "1s"}}}"#;
    let yaml =
        "kind: workflow\nname: t\ntasks:\n  a: {run: x, timeout: 5m}\n  b: {needs: a, sleep: 1s}";
    let (json, yaml) = (read(json), read(yaml));
    assert_eq!(json.steps.len(), 2);
    assert_eq!(Definition { source: yaml.source.clone(), ..json }, yaml);
}

#[test]
fn several_documents_are_several_workflows_each_with_its_text() {
    let text = "# one\nkind: workflow\nname: a\ntasks: {x: {noop: {}}}\n---\n# two\nkind: workflow\nname: b\ntasks: {y: {noop: {}}}\n";
    let parsed = parse(text, "two.yaml").expect("two workflows");
    let sources: Vec<_> = parsed
        .definitions
        .iter()
        .map(|definition| String::from_utf8_lossy(&definition.source.0).into_owned())
        .collect();
    assert_eq!(sources.len(), 2);
    assert!(sources[0].starts_with("# one") && sources[0].ends_with("{x: {noop: {}}}\n"));
    assert!(sources[1].starts_with("# two") && sources[1].ends_with("{y: {noop: {}}}\n"));
    for (source, definition) in sources.iter().zip(&parsed.definitions) {
        assert_eq!(read(source), *definition);
    }
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let text = "kind: workflow\nname: t\ntasks:\n  a: {sleep: 1s, queue: x}\n  b: {each: [], noop: {}}\n  c: {needs: [a, a], noop: {}}\n  d: {if: failed(), noop: {}}\n";
    let warnings = parse(text, "t.yaml").expect("only warnings").warnings;
    let details: Vec<_> = warnings.violations().into_iter().map(|v| (v.pointer, v.code)).collect();
    let places = ["/tasks/a/queue", "/tasks/b/each", "/tasks/c/needs/1", "/tasks/d/if"];
    assert_eq!(details, places.map(|place| (place.to_owned(), "E0120")));
    assert!(warnings.render(false).starts_with("warning[E0120]: "));
}

#[test]
fn anchors_and_merges_are_values_like_any() {
    let text = "  a: &base {run: x, timeout: 5m}\n  b: {<<: *base, needs: a}";
    let definition = tasks(text);
    assert_eq!(definition.steps[0].order, definition.steps[1].order);
    assert_eq!(definition.steps[1].timeout, Span(300_000));
}

#[test]
fn a_thousand_tasks_and_a_long_chain_are_read_quickly() {
    let mut text = String::from("kind: workflow\nname: wide\ntasks:\n  t0: {noop: {}}\n");
    for place in 1..5_000 {
        text.push_str(&format!("  t{place}: {{needs: [t{}], noop: {{}}}}\n", place - 1));
    }
    let started = std::time::Instant::now();
    assert_eq!(read(&text).steps.len(), 5_000);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn limits_hold_for_what_is_too_large_to_keep_in_a_folder() {
    let large = format!(
        "kind: workflow\nname: t\ndescription: {}\ntasks: {{a: {{noop: }}}}",
        "x".repeat(FILE_BYTES_MAX)
    );
    let report = parse(&large, "large.yaml").expect_err("too large");
    assert_eq!(report.problems[0].code, "E0107");
    let many: String = (0..5_001).map(|place| format!("  t{place}: {{noop: }}\n")).collect();
    let report = parse(&format!("kind: workflow\nname: t\ntasks:\n{many}"), "many.yaml");
    assert_eq!(report.expect_err("too many tasks").problems[0].code, "E0107");
    let wrong: String = (0..500).map(|place| format!("  t{place}: {{rnu: x}}\n")).collect();
    let report = parse(&format!("kind: workflow\nname: t\ntasks:\n{wrong}"), "wrong.yaml");
    let report = report.expect_err("five hundred mistakes");
    assert_eq!((report.problems.len(), report.left_off), (PROBLEMS_MAX, 400));
}

/// The small checker and a general validator agree on what has the right shape.
#[test]
fn the_structure_check_agrees_with_a_general_validator() {
    let validator = jsonschema::options().build(&workflow_schema()).expect("a good schema");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        for root in read::read(&text).unwrap_or_default() {
            let document = Document { text: &text, root };
            let found = structure::check(&document);
            let valid = validator.is_valid(&document.root.json());
            assert_eq!(found.is_empty(), valid, "{}: {found:?}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
    let root = read::read(FULL).expect("YAML").remove(0);
    assert!(validator.is_valid(&root.json()));
}

#[test]
fn every_field_is_explained_with_an_example_that_is_right() {
    for path in [
        "workflow",
        "workflow.tasks",
        "workflow.tasks.retry",
        "workflow.inputs.type",
        "workflow.tasks.http.expect",
    ] {
        let page = explain(path).unwrap_or_else(|| panic!("{path} is not explained"));
        assert!(page.starts_with(path) && page.lines().count() > 2, "{page}");
    }
    assert!(explain("workflow.tasks.retry").is_some_and(|page| page.contains("max_attempts")));
    assert_eq!(explain("workflow.taks"), None);
    assert_eq!(explain("pipeline"), None);
    assert!(!workflow_schema().to_string().contains("x-expected"));
}

#[test]
fn a_key_without_a_name_is_told_in_plain_words() {
    let text = "kind: workflow\nname: x\ntasks:\n  null: {run: echo}\n";
    let report = parse(text, "x.yaml").expect_err("no name");
    assert_eq!(report.problems[0].message, "there is no name before the `:`");
}

#[test]
fn flowctl_files_become_ours() {
    let text = include_str!("../../../../tests/fixtures/flowctl/harvest.yaml");
    let converted = from_flowctl(text, "harvest.yaml")
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(converted.warnings.iter().any(|warning| warning.contains("max_concurrency")));
    assert!(converted.yaml.contains("# max_concurrency:"));
    let harvest = read(&converted.yaml);
    assert_eq!((harvest.name.as_str(), harvest.steps.len()), ("harvest-report", 4));
    assert_eq!((harvest.timeout, harvest.steps[2].needs.len()), (Some(Span(5_400_000)), 2));
    assert_eq!(
        (harvest.steps[2].retry.attempts_max, harvest.steps[2].retry.initial),
        (6, Span(5_000))
    );
    assert!(
        matches!(&harvest.steps[0].order, Some(Order::Work { kind: Kind::Call(name), .. }) if name == "etl")
    );
    assert!(from_flowctl("kind: workflow", "x").is_err());
}

#[test]
fn what_flowctl_can_do_and_we_cannot_is_kept_as_a_comment() {
    let text = r##"{"name": "x", "tags": ["a"], "config": {"timeout": 60}, "tasks": [
        {"name": "go there", "type": "shell", "payload": {"command": "echo ${{ hi }} # 1", "cwd": "/"}},
        {"name": "b", "type": "http", "dependencies": ["go there"], "payload": {"url": "https://example.com"}, "priority": 99},
        {"name": "c", "type": "sleep", "payload": {"duration": "5s"}, "labels": {"x": "1\n2"}}]}"##;
    let converted =
        from_flowctl(text, "x.json").unwrap_or_else(|report| panic!("{}", report.render(false)));
    let definition = read(&converted.yaml);
    assert_eq!(definition.timeout, Some(Span(60_000)));
    let Some(Order::Work { body, .. }) = &definition.steps[0].order else { panic!("no order") };
    assert_eq!(body.0, br#"{"command":"echo ${{ hi }} # 1"}"#);
    assert_eq!(definition.steps[1].priority, Some(Priority(10)));
    assert_eq!(definition.steps[2].order, Some(Order::Sleep { span: Span(5_000) }));
    for lost in ["tags", "cwd", "labels", "priority 99"] {
        assert!(converted.warnings.iter().any(|warning| warning.contains(lost)), "{lost}");
    }
}
