//! Scripts for the console: the first error stops them, nothing is asked, and who only looks changes nothing.

use oarlock_client::RunStatus;

use crate::node::Place;

/// A workflow that waits for a word.
const HOLD: &str = "kind: workflow\nname: hold\ntasks:\n  first: {wait: {signal: go}}\n";

#[test]
fn a_script_stops_at_its_first_error_and_says_in_which_line() {
    let place = Place::new();
    let node = place.start_dev();
    let script = place.folder().join("check.oar");
    let text = "# the nodes\nnodes list -o name\n\nrpc runs.list {\n  \"page_size\": 1\n}; roles get nosuch\nversion\n";
    std::fs::write(&script, text).expect("the folder can be written");
    let file = script.to_string_lossy().into_owned();
    let said = node.say(&["console", "-f", &file]).expect(13);
    assert!(said.err.contains("check.oar:6: error[E0307]: no role `nosuch`"), "{}", said.err);
    assert!(said.out.starts_with("n1\n") && !said.out.contains("oarlock 0"), "{}", said.out);
    let said = node.say(&["console", "-f", &file, "--keep-going"]).expect(13);
    assert!(said.out.contains("oarlock 0"), "it goes on: {}", said.out);
    let said = node.say(&["console", "-c", "version; runs get 'x"]).expect(13);
    assert!(said.err.contains("-c:1: a quote (') is not closed"), "{}", said.err);
    assert!(said.out.is_empty(), "nothing is done of a line that is not whole: {}", said.out);
    node.say(&["console", "-c", "nodes list; \\q; nosuch"]).expect(0);
}

#[tokio::test]
async fn a_script_is_asked_nothing_and_answers_with_one_document_a_command() {
    let place = Place::new();
    let node = place.start_dev();
    node.client().apply(HOLD).send().await.expect("the file is right");
    let lines = "\\set flow hold\nrun $flow; \\cancel; workflows get \"$flow\"; \\last";
    let said = node.say(&["console", "-o", "json", "-c", lines]).expect(0);
    let (documents, last) = said.out.trim_end().rsplit_once('\n').expect("several lines");
    let documents = serde_json::Deserializer::from_str(documents).into_iter();
    let documents: Vec<serde_json::Value> =
        documents.map(|one| one.expect("one document after the other")).collect();
    let names: Vec<&str> = documents.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["hold/1", "hold/1", "hold"]);
    assert_eq!(last, "hold/1");
    for line in ["runs delete hold/1", "rpc runs.delete {\"id\": \"hold/1\"}"] {
        let said = node.say(&["console", "-c", line]).expect(13);
        assert!(said.err.contains("add --yes"), "{line}: {}", said.err);
    }
    node.say(&["console", "-c", "runs delete hold/1 --yes"]).expect(0);
}

#[tokio::test]
async fn a_console_that_only_looks_refuses_every_change() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    client.apply(HOLD).send().await.expect("the file is right");
    let run = client.workflow("hold").start().send().await.expect("it starts");
    let changes = [
        "runs pause hold/1",
        "runs cancel hold/1 --yes",
        "run hold",
        "workflows pause hold",
        "settings set retention_ms 1d",
        "rpc runs.cancel {\"id\": \"hold/1\"}",
        "oarlock runs terminate hold/1",
    ];
    for line in changes {
        let said = node.say(&["console", "--read-only", "-c", line]).expect(13);
        assert!(said.err.contains("only looks"), "{line}: {}", said.err);
    }
    let looks =
        "runs list; status; rpc runs.get {\"id\": \"hold/1\"}; rpc ?runs; \\d Run; roles list";
    node.say(&["console", "--read-only", "-c", looks]).expect(0);
    assert_eq!(client.run(&run.id).get().await.expect("it is there").status, RunStatus::Running);
    assert_eq!(client.status().await.expect("it answers").totals.unfinished_runs, 1);
}

#[test]
fn any_operation_of_the_api_can_be_called_by_its_name() {
    let place = Place::new();
    let node = place.start_dev();
    let all = node.say(&["rpc", "?", "-o", "json"]).expect(0).json();
    let all = all["items"].as_array().expect("a list");
    assert!(all.len() > 60 && all.iter().any(|one| one["name"] == "runs.cancel"), "{all:?}");
    let body = "{\"body\": \"kind: workflow\\nname: hold\\ntasks: {first: {wait: {signal: go}}}\"}";
    node.say(&["rpc", "workflows.create", body]).expect(0);
    node.say(&["rpc", "workflows.runs.create", "{\"name\": \"hold\"}"]).expect(0);
    let list = node.say(&["rpc", "runs.list", "{\"status\": [\"running\"], \"page_size\": 1}"]);
    assert_eq!(list.expect(0).json()["items"][0]["name"], "hold/1");
    let near = node.say(&["rpc", "runs.cancle"]).expect(3);
    assert!(near.err.contains("did you mean `runs.cancel`?"), "{}", near.err);
    let hole = node.say(&["rpc", "runs.cancel"]).expect(2);
    assert!(hole.err.contains("needs `id`"), "{}", hole.err);
}
