//! The JSON Schema of workflow files, and its text for people.

use std::sync::LazyLock;

use oarlock_actors::inputs::word;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::file::Workflow;

static SCHEMA: LazyLock<Value> = LazyLock::new(build);

/// The schema for editors and programs (`oarlock schema workflow`). Field descriptions are those of `oarlock explain`.
#[must_use]
pub fn workflow() -> Value {
    let mut schema = SCHEMA.clone();
    publish(&mut schema);
    schema
}

/// The schema with everything the checker wants to know.
pub(super) fn internal() -> &'static Value {
    &SCHEMA
}

fn build() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Workflow>().to_value();
    strip_null(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$id".to_owned(), json!("https://oarlock.dev/schemas/v1/workflow.json"));
        object.insert("title".to_owned(), json!("Oarlock workflow"));
    }
    schema
}

/// An optional field may be left out, which is not the same as being null.
fn strip_null(schema: &mut Value) {
    let Value::Object(object) = schema else {
        if let Value::Array(list) = schema {
            list.iter_mut().for_each(strip_null);
        }
        return;
    };
    object.values_mut().for_each(strip_null);
    if let Some(Value::Array(types)) = object.get_mut("type")
        && types.iter().any(|name| name == "null")
    {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let is_null = |branch: &Value| branch["type"] == "null" && branch.get("x-keep").is_none();
    if let Some(Value::Array(branches)) = object.get_mut("anyOf")
        && branches.iter().any(is_null)
    {
        branches.retain(|branch| !is_null(branch));
        if branches.len() == 1
            && let Some(Value::Object(only)) = branches.pop()
        {
            object.shift_remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if object.get("default") == Some(&Value::Null) {
        object.shift_remove("default");
    }
}

/// Takes out what only the checker reads.
fn publish(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(publish),
        Value::Object(object) => {
            object.retain(|key, _| !key.starts_with("x-"));
            object.values_mut().for_each(publish);
        }
        _ => {}
    }
}

/// Follows a `$ref`.
pub(super) fn resolve(schema: &'static Value) -> &'static Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => SCHEMA.pointer(reference.trim_start_matches('#')).unwrap_or(schema),
        None => schema,
    }
}

/// What `oarlock explain workflow.tasks.retry` prints; none where there is no such field.
#[must_use]
pub fn explain(path: &str) -> Option<String> {
    let mut words = path.split('.');
    if words.next() != Some("workflow") {
        return None;
    }
    let mut schema = internal();
    for word in words {
        schema = field(schema, word)?;
    }
    Some(page(path, schema))
}

/// A field of an object, or of the objects inside a map, a list or one of several forms.
fn field(schema: &'static Value, name: &str) -> Option<&'static Value> {
    let schema = resolve(schema);
    if let Some(found) = schema.get("properties").and_then(|fields| fields.get(name)) {
        return Some(found);
    }
    let inside = [schema.get("additionalProperties"), schema.get("items")];
    let forms = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    inside.into_iter().flatten().chain(forms).find_map(|inner| field(inner, name))
}

fn page(path: &str, schema: &'static Value) -> String {
    let target = resolve(schema);
    let mut text = format!("{path}: {}\n", expected(schema));
    let own = schema.get("description").and_then(Value::as_str);
    let of_type = target.get("description").and_then(Value::as_str);
    if let Some(description) = own.or(of_type) {
        text.push_str(&format!("\n{}\n", wrap(description, 0)));
    }
    let inner = fields(target);
    if !inner.is_empty() {
        text.push_str("\nFields:\n");
        let width = inner.keys().map(String::len).max().unwrap_or(0);
        for (name, field) in inner {
            let first = field["description"].as_str().unwrap_or_default();
            let wrapped = wrap(first, width + 4);
            text.push_str(&format!("  {name:width$}  {}\n", wrapped.trim_start()));
        }
    }
    for (place, example) in schema["examples"].as_array().into_iter().flatten().enumerate() {
        let name = path.rsplit('.').next().unwrap_or(path);
        let shown = match example {
            Value::String(text) if !text.contains("${{") && !text.contains(": ") => text.clone(),
            other => other.to_string(),
        };
        let head = if place == 0 { "\nExamples:\n" } else { "" };
        text.push_str(&format!("{head}  {name}: {shown}\n"));
    }
    text
}

/// The fields a value of this schema may have: its own, or those of what it holds.
fn fields(schema: &'static Value) -> Map<String, Value> {
    let schema = resolve(schema);
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        return fields.clone();
    }
    let inside = [schema.get("additionalProperties")];
    let forms = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    inside
        .into_iter()
        .flatten()
        .chain(forms)
        .map(fields)
        .find(|f| !f.is_empty())
        .unwrap_or_default()
}

/// What a value must be, in words.
pub(super) fn expected(schema: &'static Value) -> String {
    let target = resolve(schema);
    let words = schema.get("x-expected").or_else(|| target.get("x-expected"));
    if let Some(words) = words.and_then(Value::as_str) {
        return words.to_owned();
    }
    if let Some(allowed) = allowed(target) {
        return format!("one of {}", allowed.join(", "));
    }
    match target.get("type") {
        Some(Value::String(name)) => word(name).to_owned(),
        Some(Value::Array(names)) => {
            let words: Vec<_> = names.iter().filter_map(Value::as_str).map(word).collect();
            words.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

/// The values of an enumeration.
pub(super) fn allowed(schema: &Value) -> Option<Vec<&str>> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(values.iter().filter_map(Value::as_str).collect());
    }
    if let Some(only) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![only]);
    }
    let forms = schema.get("oneOf").and_then(Value::as_array)?;
    forms.iter().map(|form| form.get("const").and_then(Value::as_str)).collect()
}

/// Breaks a text into lines of at most 96 letters, the later ones indented.
fn wrap(text: &str, indent: usize) -> String {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        if line.len() + word.len() > 96 && line.len() > indent {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push(line.trim_end().to_owned());
    lines.join("\n")
}
