//! The contract as text: what callers may rely on, reviewed in diffs.
//!
//! `proto/contract.snap` says every path, parameter and field in one line each. This test compares it with what the handlers and
//! shapes say of themselves. A line that goes or changes breaks somebody; a new line is an addition. To accept a change, run the
//! test with `OARLOCK_CONTRACT=write` and look at the diff.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

#[test]
fn the_contract_is_what_was_reviewed() {
    let document = oarlock_gateway::document().to_json().expect("a document is JSON");
    let document: Value = serde_json::from_str(&document).expect("it reads back");
    let now = told(&document);
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/contract.snap");
    if std::env::var_os("OARLOCK_CONTRACT").is_some_and(|what| what == "write") {
        std::fs::write(&place, &now).expect("the snapshot is writable");
    }
    let reviewed = std::fs::read_to_string(&place).expect("there is a snapshot");
    let gone: Vec<&str> = reviewed.lines().filter(|line| !now.contains(*line)).collect();
    let new: Vec<&str> = now.lines().filter(|line| !reviewed.contains(*line)).collect();
    assert!(
        reviewed == now,
        "the contract changed. Gone or changed:\n{}\nNew:\n{}\nIf that is meant: OARLOCK_CONTRACT=write",
        gone.join("\n"),
        new.join("\n")
    );
}

fn told(document: &Value) -> String {
    let mut text = String::from(
        "# Every path, parameter and field of the API. Written by node/gateway/tests/contract.rs.\n",
    );
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in object(item) {
            let name = word(&operation["operationId"]);
            let _ = writeln!(text, "\n{} {path}\n  is {name}", method.to_uppercase());
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let required = if parameter["required"] == true { "" } else { "?" };
                let _ = writeln!(
                    text,
                    "  {} {}{required}: {}",
                    word(&parameter["in"]),
                    word(&parameter["name"]),
                    kind(&parameter["schema"])
                );
            }
            for (media, body) in object(&operation["requestBody"]["content"]) {
                let _ = writeln!(text, "  body {media}: {}", kind(&body["schema"]));
            }
            for (status, answer) in object(&operation["responses"]) {
                let mut bodies = object(&answer["content"]).peekable();
                if bodies.peek().is_none() {
                    let _ = writeln!(text, "  {status}");
                }
                for (media, body) in bodies {
                    let _ = writeln!(text, "  {status} {media}: {}", kind(&body["schema"]));
                }
            }
        }
    }
    for (name, schema) in object(&document["components"]["schemas"]) {
        let _ = writeln!(text, "\n{name}");
        shape(&mut text, schema);
    }
    text
}

fn shape(text: &mut String, schema: &Value) {
    if schema.get("enum").is_some() || schema.get("oneOf").is_some() {
        let _ = writeln!(text, "  {}", kind(schema));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part.get("$ref") {
            Some(_) => {
                let _ = writeln!(text, "  … {}", kind(part));
            }
            None => shape(text, part),
        }
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (field, inner) in object(&schema["properties"]) {
        let mark = if required.contains(&field.as_str()) { "" } else { "?" };
        let _ = writeln!(text, "  {field}{mark}: {}", kind(inner));
    }
}

fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let list = |key: &str| schema[key].as_array().into_iter().flatten();
    let words: Vec<String> = list("enum").map(Value::to_string).collect();
    if !words.is_empty() {
        return words.join(" | ");
    }
    let choices: Vec<String> = list("oneOf").map(kind).collect();
    if !choices.is_empty() {
        return choices.join(" | ");
    }
    if schema.get("items").is_some() {
        return format!("[{}]", kind(&schema["items"]));
    }
    if schema.get("additionalProperties").is_some() {
        return format!("{{{}}}", kind(&schema["additionalProperties"]));
    }
    match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(many) => many.iter().map(word).collect::<Vec<_>>().join(" | "),
        _ => "any".to_owned(),
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
