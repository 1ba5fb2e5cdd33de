//! Each field against what Jepsen says of it, and whole files read by a checker that reads Jepsen's.

use adya::{Opts, Valid, Workload};
use serde_json::json;

use super::*;
use crate::check::made_up::Tale;

/// One register: written, read, compared and set, once without an answer.
fn register() -> History {
    let mut tale = Tale::new();
    tale.at(1).asked("register", "write", "r1", json!(3), 2, Type::Ok, json!({"rev": 9}));
    tale.at(4).asked("register", "read", "r1", Value::Null, 2, Type::Ok, json!(3));
    tale.at(7).asked("register", "cas", "r1", json!([3, 4]), 2, Type::Ok, json!(true));
    tale.at(10).asked("register", "cas", "r1", json!([9, 1]), 2, Type::Ok, json!(false));
    tale.at(13).asked("register", "write", "r1", json!(5), 2, Type::Info, Value::Null);
    tale.at(16).asked("register", "read", "r2", Value::Null, 2, Type::Fail, Value::Null);
    tale.at(19).asked("register", "read-stale", "r1", Value::Null, 2, Type::Ok, json!(3));
    tale.history()
}

fn signals(second_read: &Value) -> String {
    let mut tale = Tale::new();
    tale.at(1).asked("signals", "append", "flow/1", json!(1), 2, Type::Ok, Value::Null);
    tale.at(4).asked("signals", "read", "flow/1", Value::Null, 2, Type::Ok, json!([1]));
    tale.at(7).asked("signals", "append", "flow/1", json!(2), 2, Type::Ok, Value::Null);
    tale.at(10).asked("signals", "read", "flow/1", Value::Null, 2, Type::Ok, second_read.clone());
    tale.at(13).asked("signals", "append", "flow/1", json!(3), 2, Type::Info, Value::Null);
    let (asked, told) = (json!([["r", "flow/1", null]]), json!([["r", "flow/1", [1, 2]]]));
    tale.at(16).asked("signals", "final-txn", "flow/1", asked, 2, Type::Ok, told);
    lists(&tale.history(), "signals")
}

fn strictly(text: &str) -> adya::Report {
    let history = adya::History::from_edn(text).expect("a reader of Jepsen's histories reads ours");
    let options = Opts { models: vec!["strict-serializable".into()], ..Opts::default() };
    adya::check(&history, Workload::ListAppend, &options)
}

#[test]
fn every_field_stands_where_jepsen_wants_it() {
    let files = registers(&register(), "register");
    let lines: Vec<&str> = files["r1"].lines().collect();
    assert_eq!(
        lines[..2],
        [
            "{:index 0, :time 1000000, :type :invoke, :process 0, :f :write, :value 3}",
            "{:index 1, :time 3000000, :type :ok, :process 0, :f :write, :value 3}",
        ]
    );
}

#[test]
fn a_read_asks_for_nil_and_is_told_a_value() {
    let files = registers(&register(), "register");
    assert!(files["r1"].contains(":type :invoke, :process 1, :f :read, :value nil}"), "{files:?}");
    assert!(files["r1"].contains(":type :ok, :process 1, :f :read, :value 3}"), "{files:?}");
}

#[test]
fn a_compare_and_set_that_found_another_value_failed() {
    let files = registers(&register(), "register");
    assert!(files["r1"].contains(":type :ok, :process 2, :f :cas, :value [3 4]}"), "{files:?}");
    assert!(files["r1"].contains(":type :fail, :process 3, :f :cas, :value [9 1]}"), "{files:?}");
}

#[test]
fn what_did_not_succeed_repeats_what_was_asked() {
    let files = registers(&register(), "register");
    assert!(files["r1"].contains(":type :info, :process 4, :f :write, :value 5}"), "{files:?}");
    assert!(files["r2"].contains(":type :fail, :process 5, :f :read, :value nil}"), "{files:?}");
}

#[test]
fn registers_stand_in_files_of_their_own_without_what_is_no_register() {
    let files = registers(&register(), "register");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["r1", "r2"]);
    assert!(!files["r1"].contains("stale"), "{files:?}");
}

#[test]
fn a_checker_that_reads_jepsens_lists_reads_ours() {
    let report = strictly(&signals(&json!([1, 2])));
    assert_eq!(report.valid, Valid::True, "{:?}", report.anomaly_types);
    let text = signals(&json!([1, 2]));
    assert_eq!(text.matches("[:r \"flow/1\" [1 2]]").count(), 2, "one of them is the last look");
}

#[test]
fn a_checker_that_reads_jepsens_lists_finds_what_is_lost_in_ours() {
    let report = strictly(&signals(&json!([1])));
    assert_eq!(report.valid, Valid::False);
    assert!(report.anomaly_types.iter().any(|name| name.contains("realtime")), "{report:?}");
}

#[test]
fn transactions_keep_their_steps() {
    let mut tale = Tale::new();
    let (asked, told) = (
        json!([["append", "a", 1], ["r", "b", null]]),
        json!([["append", "a", 1], ["r", "b", [7]]]),
    );
    tale.at(1).asked("signals", "txn", "", asked, 2, Type::Ok, told);
    let text = lists(&tale.history(), "signals");
    assert!(
        text.contains(
            ":type :invoke, :process 0, :f :txn, :value [[:append \"a\" 1] [:r \"b\" nil]]}"
        ),
        "{text}"
    );
    assert!(
        text.contains(":type :ok, :process 0, :f :txn, :value [[:append \"a\" 1] [:r \"b\" [7]]]}"),
        "{text}"
    );
}

#[test]
fn a_nemesis_is_a_process_of_its_own_and_always_info() {
    let mut tale = Tale::new();
    tale.at(5).start("kill", 1, &["n1"]);
    let text = whole(&tale.history());
    assert!(
        text.starts_with(
            "{:index 0, :time 5000000, :type :info, :process :nemesis, :f :start-kill, :value {"
        ),
        "{text}"
    );
    assert!(text.contains(":targets [\"n1\"]") && text.contains(":proven true"), "{text}");
}

#[test]
fn the_whole_history_says_where_each_thing_was_asked() {
    let text = whole(&register());
    assert!(text.contains(":work \"register\", :key \"r1\", :node \"n1\""), "{text}");
}

#[test]
fn values_of_all_kinds_have_a_form() {
    let value = json!({"a b": [1, -2, 1.5, true, null, 18_446_744_073_709_551_615_u64], "c": "x\"\\\n\u{1}é"});
    assert_eq!(
        edn(&value),
        "{\"a b\" [1 -2 1.5 true nil 18446744073709551615N], :c \"x\\\"\\\\\\n\\u0001é\"}"
    );
}

#[test]
fn keys_that_make_the_same_file_name_keep_their_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tale = Tale::new();
    for (at, key) in [(1, "a/b"), (5, "a_b"), (9, "")] {
        tale.at(at).asked("register", "read", key, Value::Null, 1, Type::Ok, Value::Null);
    }
    let files = write(&tale.history(), folder.path()).expect("they can be written");
    let names: Vec<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(
        names,
        ["history.edn", "register-only.edn", "register-a_b.edn", "register-a_b_.edn"]
    );
    assert!(files.iter().all(|path| path.exists()));
}
