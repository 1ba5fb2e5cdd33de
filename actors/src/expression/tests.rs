//! What expressions mean, what they refuse, and that nothing breaks them.

use serde_json::json;

use super::*;

fn scope() -> Scope {
    let output = json!({"rows": 3, "file": "a.csv", "ratio": 0.5, "day": null});
    let load = TaskView {
        status: "completed".into(),
        outputs: vec![output.clone()],
        output,
        error: Value::Null,
        attempts: 2,
    };
    let spread = TaskView {
        status: "failed".into(),
        outputs: vec![json!({"f": 1}), json!({"f": 2})],
        ..TaskView::default()
    };
    Scope {
        inputs: json!({"day": "2026-11-20", "full": false, "n": 4, "list": [1, 2, 3], "ü": "ö"}),
        tasks: [("load".to_owned(), load), ("get-all".to_owned(), spread)].into(),
        run: RunView {
            id: "run_1".into(),
            workflow: "etl".into(),
            number: 7,
            scheduled_at: Moment(1_763_600_000_000),
            labels: [("team".to_owned(), "data".to_owned())].into(),
            ..RunView::default()
        },
        env: [("HOME".to_owned(), "/root".to_owned())].into(),
        now: Moment(1_763_600_000_000),
        succeeded: true,
        ..Scope::default()
    }
}

fn value(template: Value) -> Value {
    let parsed = Template::parse(&template).expect("a good template");
    parsed.evaluate(&scope()).unwrap_or_else(|fault| panic!("{template}: {fault}"))
}

fn holds(text: &str) -> bool {
    let parsed = Condition::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    parsed.evaluate(&scope()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn refused(text: &str) -> Fault {
    Expression::parse(text).expect_err(text)
}

fn fails(text: &str) -> Fault {
    Expression::parse(text).expect(text).evaluate(&scope()).expect_err(text)
}

#[test]
fn a_lone_piece_keeps_its_type_and_text_is_written_out() {
    assert_eq!(value(json!("${{ tasks.load.output.rows }}")), json!(3));
    assert_eq!(value(json!("${{ inputs.n + 1 }}")), json!(5));
    assert_eq!(value(json!("${{ inputs.list }}")), json!([1, 2, 3]));
    assert_eq!(value(json!("n=${{ inputs.n }} l=${{ inputs.list }}!")), json!("n=4 l=[1,2,3]!"));
    assert_eq!(value(json!("$${{ inputs.n }}")), json!("${{ inputs.n }}"));
    assert_eq!(value(json!({"x": {"y": ["${{ run.number }}"]}})), json!({"x": {"y": [7]}}));
}

#[test]
fn names_and_functions_mean_what_the_page_says() {
    assert!(holds("tasks.load.status == 'completed' && tasks.load.attempts == 2"));
    assert!(holds(r#"tasks["get-all"].outputs.map(o, o.f) == [1, 2]"#));
    assert!(holds("always() && succeeded() && !failed()"));
    assert!(holds("now() - duration('1h') < run.scheduled_at"));
    assert!(holds("run.labels.team == 'data' && env.HOME.startsWith('/')"));
    assert!(holds("${{ inputs.n > 3 }}"));
    assert!(holds("inputs.n > 3.5 && tasks.load.output.ratio < 1"));
    assert!(holds("has(tasks.load.output.rows) && !has(tasks.load.output.columns)"));
    assert!(holds("tasks.load.output.day == null"));
    assert_eq!(value(json!("${{ run.scheduled_at.date() }}")), json!("2025-11-20"));
    assert_eq!(value(json!("${{ run.scheduled_at.date('Asia/Tokyo') }}")), json!("2025-11-20"));
    assert_eq!(
        value(json!("${{ 'a,b'.split(',').map(x, x.upperAscii()).join('-') }}")),
        json!("A-B")
    );
    assert_eq!(value(json!("${{ {'b': 1, 'a': inputs.n} }}")).to_string(), r#"{"a":4,"b":1}"#);
    assert_eq!(value(json!("${{ inputs['ü'] }}")), json!("ö"));
}

#[test]
fn what_an_expression_mentions_is_known_before_it_runs() {
    let template = Template::parse(&json!({
        "a": "x ${{ tasks.load.output.rows }} ${{ inputs.day }}",
        "b": [r#"${{ tasks["get-all"].outputs.filter(o, o.f > inputs.n) }}"#],
    }))
    .expect("a good template");
    assert_eq!(template.tasks(), ["get-all", "load"]);
    let places: Vec<_> = template
        .mentions()
        .iter()
        .map(|m| (format!("{:?}", m.name), m.pointer.as_str(), m.position.clone()))
        .collect();
    assert_eq!(places[0], ("Task(\"load\")".to_owned(), "/a", 6..16));
    assert_eq!(places[1], ("Input(\"day\")".to_owned(), "/a", 36..46));
    assert_eq!(places[2].1, "/b/0");
    assert!(!template.is_static());
    assert!(Template::parse(&json!({"a": [1, "$${{"]})).expect("static").is_static());
}

#[test]
fn positions_are_bytes_even_after_wide_letters() {
    let text = "'üü' + inputs.n + tasks.load";
    let parsed = Expression::parse(text).expect("parses");
    let places: Vec<_> = parsed.mentions().iter().map(|m| &text[m.position.clone()]).collect();
    assert_eq!(places, ["inputs.n", "tasks.load"]);
    let text = "'üü' = inputs.n";
    assert_eq!(refused(text).position.map(|at| &text[at]), Some("="));
    let text = "'üü' + itme";
    assert_eq!(refused(text).position.map(|at| &text[at]), Some("itme"));
    let text = "inputs.n +\n 'ü' ü";
    assert_eq!(refused(text).position.map(|at| &text[at]), Some("ü"));
}

#[test]
fn mistakes_are_said_in_plain_words() {
    for (text, message, hint) in [
        ("", "the expression is empty", None),
        ("inputs.n = 3", "`=` is not an operator here", Some("write `==`")),
        ("inputs.n > 3 and inputs.full", "`and` is not an operator here", Some("write `&&`")),
        ("not inputs.full", "`not` is not an operator here", Some("write `!`")),
        ("inputs.n & 1", "`&` is not an operator here", Some("write `&&`")),
        ("(inputs.n > 3", "the expression ends too early", Some("a `)` is missing")),
        ("inputs.n >", "the expression ends too early", None),
        ("inputs.n 3", "`3` is not expected here", None),
        ("'abc", "this text has no closing quote", None),
        ("inptus.n", "`inptus` is not known here", Some("did you mean `inputs`?")),
        ("alway()", "there is no function `alway`", Some("did you mean `always`?")),
        ("tasks.load.outptu", "a task has no `outptu`", Some("did you mean `output`?")),
        ("tasks.load.rows", "a task has no `rows`", Some("its result is tasks.load.output.rows")),
        ("run.nmuber", "`run` has no `nmuber`", Some("did you mean `number`?")),
        ("secrets.x", "`secrets` is not available yet", None),
        (
            "tasks.get-all.status",
            "`all` is not known here",
            Some("a name with a dash is written in brackets: tasks[\"get-all\"]"),
        ),
    ] {
        let fault = refused(text);
        assert_eq!((fault.message.as_str(), fault.hint.as_deref()), (message, hint), "{text}");
    }
    let fault = refused("tasks.size()");
    assert!(fault.message.contains("which task"), "{fault}");
}

#[test]
fn missing_data_names_the_path() {
    let fault = fails("tasks.load.output.columns > 3");
    assert_eq!(fault.message, "`tasks.load.output` has no `columns`");
    assert_eq!(fails("tasks.load.output.columns").message, fault.message);
    assert_eq!(fails("inputs.day + 1").message, "`+` does not work on text and a whole number");
    assert_eq!(fails("inputs.list[9]").message, "the list has no element 9");
    assert_eq!(fails("1 / 0").message, "division by zero");
    assert!(fails("item").message.contains("each"), "{}", fails("item"));
    let condition = Condition::parse("inputs.n").expect("parses").evaluate(&scope());
    assert!(condition.expect_err("a number").message.contains("true or false"));
}

#[test]
fn an_evaluation_that_would_take_too_much_is_stopped() {
    let mut scope = scope();
    scope.inputs = json!({
        "list": (0..10_000).collect::<Vec<_>>(),
        "big": "x".repeat(1 << 19),
    });
    for text in [
        "inputs.list.all(a, inputs.list.all(b, inputs.list.all(c, true)))",
        "inputs.list.map(a, inputs.big)",
        "inputs.list.map(a, inputs.big + 'x')",
        "inputs.list.filter(a, a in inputs.list).size()",
        "inputs.list.exists(a, inputs.big.matches('(x+x+)+y'))",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaa'.replace('', inputs.big).replace('', inputs.big)",
        "inputs.list.map(a, 'x').join(inputs.big)",
        "[inputs.big + 'x'].map(y, [[y,y,y,y,y,y,y,y,y],[y,y,y,y,y,y,y,y,y,y,y,y,y,y,y]]).map(y, [y,y,y,y,y,y])",
    ] {
        let started = std::time::Instant::now();
        let fault = Expression::parse(text).expect(text).evaluate(&scope).expect_err(text);
        let words = ["too much work", "larger than"];
        assert!(words.iter().any(|word| fault.message.contains(word)), "{text}: {fault}");
        assert!(started.elapsed().as_secs() < 20, "{text} took {:?}", started.elapsed());
    }
    let fine = Expression::parse("inputs.list.filter(x, x % 2 == 0).map(x, {'n': x}).size()");
    assert_eq!(fine.expect("parses").evaluate(&scope), Ok(json!(5_000)));
}

#[test]
fn nothing_an_author_can_write_is_too_deep_for_the_stack() {
    let long = [
        "(".repeat(2_000),
        "[".repeat(4_000),
        format!("{}1{}", "(".repeat(49), ")".repeat(49)),
        format!("{}1", "-".repeat(3_000)),
        format!("{}true", "!".repeat(4_000)),
        format!("1{}", "+1".repeat(2_000)),
        format!("inputs{}", ".a".repeat(2_000)),
        format!("1{}", "?1:1".repeat(1_000)),
        format!("{}1", "1?1:".repeat(1_000)),
        format!("inputs.list{}", ".map(x,x)".repeat(400)),
        format!("inputs.list{}", ".map(x,[x])".repeat(48)),
        format!("{}inputs.list{}", "[1].map(x,".repeat(30), ")".repeat(30)),
        format!("true{}", "&&true".repeat(600)),
        format!("true{}", "&&true".repeat(190)),
        format!("1{}", "+1".repeat(70)),
        format!("inputs{}", ".a".repeat(70)),
        format!("inputs.list{}", ".map(x,x)".repeat(11)),
        format!("inputs.list{}", ".map(x,[x])".repeat(11)),
        format!("{}inputs.list{}", "[1].map(x,".repeat(11), ")".repeat(11)),
        format!("{}1{}", "[".repeat(17), "]".repeat(17)),
        format!("{}1{}", "{'a':".repeat(17), "}".repeat(17)),
        format!("{}1{}", "size([".repeat(12), "])".repeat(12)),
        format!("{}1{}", "(1+".repeat(17), ")".repeat(17)),
        format!("1{}", "?1:1".repeat(90)),
        format!("{}1", "true?1:".repeat(90)),
        "a".repeat(5_000),
    ];
    for text in long {
        let small = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
            if let Ok(expression) = Expression::parse(&text) {
                let _ = expression.evaluate(&scope());
            }
        });
        small.expect("a thread").join().expect("no overflow, no panic");
    }
}

#[test]
fn arbitrary_text_never_panics() {
    let words = [
        "${{",
        "}}",
        "$",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "'",
        "\"",
        "\\",
        "inputs",
        "tasks",
        ".",
        "?",
        "a",
        "map",
        "x",
        ",",
        "+",
        "-",
        "==",
        "&&",
        "1",
        "ü",
        " ",
        "\n",
        "has",
        "`",
        "r'",
        "'''",
        "0x",
        "1e999",
        "now()",
        "item",
        "null",
        ":",
        "%",
        "\u{0}",
        "\u{1F600}",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..(seed >> 59) + 1 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(words[(seed >> 33) as usize % words.len()]);
        }
        let value = json!({ "a": [text] });
        if let Ok(template) = Template::parse(&value) {
            let _ = template.evaluate(&scope());
        }
        let _ = Condition::parse(&text);
    }
}

/// How many values of a scope became CEL while something was computed.
fn converted(compute: impl FnOnce()) -> usize {
    convert::CONVERTED.set(0);
    compute();
    convert::CONVERTED.get()
}

#[test]
fn only_what_is_read_is_converted() {
    let scope = Scope {
        inputs: json!({"large": (0..10_000).collect::<Vec<_>>(), "n": 4, "deep": {"a": 1, "b": [1]}}),
        ..scope()
    };
    let count = |text: &str, expected: Value| {
        let expression = Expression::parse(text).expect(text);
        converted(|| assert_eq!(expression.evaluate(&scope), Ok(expected), "{text}"))
    };
    assert_eq!(count("inputs.large", json!((0..10_000).collect::<Vec<_>>())), 0);
    assert_eq!(count("inputs.n + 1", json!(5)), 1);
    assert_eq!(count("inputs.deep.a + inputs.n", json!(5)), 2);
    assert_eq!(count("inputs['deep']['b'][0] + 1", json!(2)), 2);
    assert_eq!(count("has(inputs.deep.c) ? 1 : 2", json!(2)), 0);
    assert_eq!(count("size(inputs.large)", json!(10_000)), 10_001);
    assert_eq!(count("tasks.load.attempts + 1", json!(3)), 0);
}

#[test]
fn what_items_share_is_converted_once() {
    let action = json!({"call": {
        "name": "x",
        "input": ["${{ inputs.large[index] + item.n }}", "${{ inputs.large.size() }}"],
    }});
    let action = Action::parse(&action).expect("an action");
    let scope = Scope {
        inputs: json!({"large": (0..1_000).collect::<Vec<_>>(), "other": [1, 2, 3]}),
        ..Scope::default()
    };
    let names = action.names();
    let mut counts = Vec::new();
    for index in 0..1_000 {
        // A reading serves some items; the next one finds the names converted.
        let reading = names.read(&scope, Moment(index));
        let (item, env) = (json!({"n": 1, "more": [1, 2, 3]}), BTreeMap::new());
        let local = Local { item: Some(&item), index: Some(index), env: &env };
        counts.push(converted(|| {
            let made = action.evaluate_in(&reading, &local);
            let input = json!([index + 1, 1_000]);
            assert_eq!(made, Ok(json!({"call": {"name": "x", "input": input}})));
        }));
    }
    // The list with its elements, once; and of each item the one number.
    assert_eq!(counts[0], 1_002);
    assert!(counts[1..].iter().all(|count| *count == 1), "{:?}", &counts[..5]);
}
