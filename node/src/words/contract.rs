//! The contract as a node tells it: which operations there are, what each takes, what its messages are made of. Pure.
//!
//! An operation is called with one JSON object. What the operation calls a parameter is taken out of it by its name; what is left is the
//! body. Where a parameter and a field of the body have the same name, the body stands under `body`:
//!
//! ```text
//!   runs.cancel {"id": "etl/1042", "reason": "wrong day"}
//!                └─ in the path     └─ the body: {"reason": "wrong day"}
//! ```

use serde_json::{Map, Value, json};

use crate::ask::nearest;
use crate::fault::{Exit, Fault};

/// Where the whole body stands, if it has to be told from parameters, or is not JSON.
const BODY: &str = "body";

/// The header by which the server recognises what it was sent before.
const KEY: &str = "Idempotency-Key";

/// What cannot be undone, or does something to many at once, beside every `DELETE`: the friendly words ask before it, too.
const DESTROYS: [&str; 4] = ["dlq.discard", "dlq.discard-many", "dlq.retry-many", "nodes.remove"];

/// Something that the API does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// What it is called: `runs.cancel`.
    pub(crate) name: String,
    /// `GET` …
    pub(crate) method: String,
    /// With holes: `/api/v1/runs/{id}`.
    pub(crate) path: String,
    /// What it does, in a line.
    pub(crate) about: String,
    parameters: Vec<Parameter>,
    /// The media type of its body, and its shape, if it takes one.
    body: Option<(String, String)>,
    /// The media types of a good answer.
    pub(crate) answers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    name: String,
    /// `path`, `query`, `header`.
    place: String,
    required: bool,
    kind: String,
}

/// An operation with everything it needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Bound {
    /// What fills the holes of the path.
    pub(crate) path: Vec<(String, String)>,
    /// What stands behind the question mark.
    pub(crate) query: Vec<(String, String)>,
    /// A body of JSON, or a text.
    pub(crate) body: Option<Value>,
}

/// All operations of a document, by name.
pub(crate) fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        for (method, operation) in entries(item) {
            let Some(name) = operation["operationId"].as_str() else { continue };
            let about = text(&operation["summary"]);
            let about = if about.is_empty() { text(&operation["description"]) } else { about };
            let body = entries(&operation["requestBody"]["content"]).next();
            let good = entries(&operation["responses"]).filter(|(code, _)| code.starts_with('2'));
            let answers = good.flat_map(|(_, answer)| entries(&answer["content"]));
            found.push(Operation {
                name: name.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                about: about.lines().next().unwrap_or_default().trim_end_matches('.').to_owned(),
                parameters: items(&operation["parameters"]).map(parameter).collect(),
                body: body.map(|(media, body)| (media.clone(), kind(&body["schema"]))),
                answers: answers.map(|(media, _)| media.clone()).collect(),
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The operation that is meant.
pub(crate) fn find<'a>(operations: &'a [Operation], name: &str) -> Result<&'a Operation, Fault> {
    if let Some(found) = operations.iter().find(|operation| operation.name == name) {
        return Ok(found);
    }
    let fault = Fault::new(Exit::NotFound, format!("the API has no operation `{name}`"));
    let names = operations.iter().map(|operation| operation.name.as_str());
    Err(match nearest(name, names) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("all of them: rpc ?   some of them: rpc ?runs"),
    })
}

impl Operation {
    /// Whether it only reads.
    pub(crate) fn reads(&self) -> bool {
        self.method == "GET"
    }

    /// Whether somebody has to be asked first.
    pub(crate) fn destroys(&self) -> bool {
        self.method == "DELETE" || DESTROYS.contains(&self.name.as_str())
    }

    /// Whether a key goes with it, by which the server recognises it.
    pub(crate) fn is_keyed(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.name == KEY)
    }

    /// What it takes, in a line: required names first, `?` behind what may be left out.
    pub(crate) fn takes(&self) -> String {
        let told = self.parameters.iter().filter(|parameter| parameter.place != "header");
        let mut words: Vec<String> = told
            .map(|parameter| {
                let may = if parameter.required { "" } else { "?" };
                format!("{}{may}", parameter.name)
            })
            .collect();
        words.sort_by_key(|word| word.ends_with('?'));
        if let Some((_, shape)) = &self.body {
            words.push(if self.is_text() { BODY.to_owned() } else { shape.clone() });
        }
        words.join(", ")
    }

    /// For lists of operations.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "name": self.name, "method": self.method, "path": self.path, "takes": self.takes(), "about": self.about,
        })
    }

    /// The names that its object may have, with their types.
    pub(crate) fn names(&self, document: &Value) -> Vec<(String, String)> {
        let told = self.parameters.iter().filter(|parameter| parameter.place != "header");
        let mut names: Vec<(String, String)> =
            told.map(|parameter| (parameter.name.clone(), parameter.kind.clone())).collect();
        match &self.body {
            None => {}
            Some(_) if self.is_text() => names.push((BODY.to_owned(), "a text".to_owned())),
            Some((_, shape)) => {
                let mut fields = Vec::new();
                fields_of(&document["components"]["schemas"][shape], &mut fields);
                let name = |field: &Value| text(&field["field"]).trim_end_matches('?').to_owned();
                names.extend(fields.iter().map(|field| (name(field), text(&field["type"]))));
            }
        }
        names
    }

    fn is_text(&self) -> bool {
        self.body.as_ref().is_some_and(|(media, _)| media != "application/json")
    }

    /// Takes parameters and body out of one object.
    pub(crate) fn bind(&self, given: Map<String, Value>) -> Result<Bound, Fault> {
        let mut given = given;
        let mut bound = Bound::default();
        for Parameter { name, place, required, kind } in &self.parameters {
            let Some(value) = given.remove(name) else {
                if *required {
                    return Err(self.wrong(format!("needs `{name}` ({kind})")));
                }
                continue;
            };
            let Some(value) = plain(&value) else {
                return Err(self.wrong(format!("takes `{name}` as {kind}, not as an object")));
            };
            match place.as_str() {
                "path" => bound.path.push((name.clone(), value)),
                "query" => bound.query.push((name.clone(), value)),
                _ => {
                    return Err(
                        self.wrong(format!("takes `{name}` as a header, which rpc does not send"))
                    );
                }
            }
        }
        bound.body = match (&self.body, given.remove(BODY)) {
            (None, None) => None,
            (Some(_), Some(whole)) if given.is_empty() => Some(whole),
            (Some(_), None) if self.is_text() => {
                return Err(self.wrong("needs `body`, a text".to_owned()));
            }
            (Some(_), None) => Some(Value::Object(std::mem::take(&mut given))),
            (_, Some(_)) => return Err(self.wrong(format!("does not take `{BODY}` and that"))),
        };
        match given.keys().next() {
            None => Ok(bound),
            Some(name) => Err(self.wrong(format!("does not take `{name}`"))),
        }
    }

    fn wrong(&self, why: String) -> Fault {
        let takes = match self.takes() {
            takes if takes.is_empty() => "nothing".to_owned(),
            takes => takes,
        };
        Fault::new(Exit::Usage, format!("{} {why}", self.name)).help(format!("it takes {takes}"))
    }
}

/// The names of all messages.
pub(crate) fn shapes(document: &Value) -> Vec<String> {
    entries(&document["components"]["schemas"]).map(|(name, _)| name.clone()).collect()
}

/// What a message is made of: a field an item.
pub(crate) fn shape(document: &Value, name: &str) -> Result<Vec<Value>, Fault> {
    let schema = &document["components"]["schemas"][name];
    if schema.is_null() {
        let names = shapes(document);
        let fault = Fault::new(Exit::NotFound, format!("the API has no message `{name}`"));
        return Err(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("there are {}", names.join(", "))),
        });
    }
    let mut fields = Vec::new();
    fields_of(schema, &mut fields);
    if fields.is_empty() {
        fields.push(json!({"field": "", "type": kind(schema), "about": first(schema)}));
    }
    Ok(fields)
}

fn fields_of(schema: &Value, fields: &mut Vec<Value>) {
    items(&schema["allOf"]).for_each(|part| fields_of(part, fields));
    for (name, field) in entries(&schema["properties"]) {
        let must = items(&schema["required"]).any(|required| required == name);
        let may = if must { "" } else { "?" };
        fields.push(
            json!({"field": format!("{name}{may}"), "type": kind(field), "about": first(field)}),
        );
    }
}

fn first(schema: &Value) -> String {
    text(&schema["description"]).lines().next().unwrap_or_default().to_owned()
}

fn parameter(parameter: &Value) -> Parameter {
    Parameter {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        required: parameter["required"] == true,
        kind: kind(&parameter["schema"]),
    }
}

/// A type in a few words.
fn kind(schema: &Value) -> String {
    if let Some(named) = schema["$ref"].as_str() {
        return named.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .map(|word| plain(word).unwrap_or_default())
            .collect::<Vec<_>>()
            .join(" | ");
    }
    for many in ["oneOf", "anyOf", "allOf"] {
        if let Some(kinds) = schema[many].as_array() {
            return kinds.iter().map(kind).collect::<Vec<_>>().join(" | ");
        }
    }
    match &schema["type"] {
        Value::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(one) => one.clone(),
        Value::Array(some) => some.iter().map(text).collect::<Vec<_>>().join(" | "),
        _ => "anything".to_owned(),
    }
}

/// A value as it stands in a path or behind a question mark.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(some) => {
            some.iter().map(plain).collect::<Option<Vec<_>>>().map(|some| some.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        let text = oarlock_gateway::document().to_json().expect("a document is JSON");
        serde_json::from_str(&text).expect("it reads back")
    }

    fn bound(name: &str, given: Value) -> Result<Bound, Fault> {
        let operations = operations(&document());
        let Value::Object(given) = given else { panic!("an object") };
        find(&operations, name)?.bind(given)
    }

    #[test]
    fn names_go_where_the_operation_wants_them_and_the_rest_is_the_body() {
        let cancel = bound("runs.cancel", json!({"id": "etl/1", "reason": "no"})).expect("right");
        assert_eq!(cancel.path, [("id".to_owned(), "etl/1".to_owned())]);
        assert_eq!(cancel.body, Some(json!({"reason": "no"})));
        let list = bound("runs.list", json!({"page_size": 3, "status": ["failed", "running"]}));
        let list = list.expect("right");
        assert!(list.query.contains(&("status".to_owned(), "failed,running".to_owned())));
        assert_eq!(list.body, None);
        let down = bound("cluster.step-down", json!({})).expect("right");
        assert_eq!(down.body, Some(json!({})));
        let apply = bound("workflows.create", json!({"body": "kind: workflow"})).expect("right");
        assert_eq!(apply.body, Some(json!("kind: workflow")));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        let why = |name: &str, given: Value| bound(name, given).expect_err("wrong").what;
        assert_eq!(why("runs.get", json!({})), "runs.get needs `id` (string)");
        assert_eq!(why("cluster", json!({"node": 1})), "cluster does not take `node`");
        assert_eq!(why("runs.gt", json!({})), "the API has no operation `runs.gt`");
        assert!(why("workflows.create", json!({})).contains("needs `body`"));
    }

    #[test]
    fn what_destroys_is_known_and_what_has_a_key() {
        let all = operations(&document());
        let one = |name: &str| find(&all, name).expect("there is one");
        for name in ["runs.delete", "workflows.delete"].iter().chain(&DESTROYS) {
            assert!(one(name).destroys(), "{name}");
        }
        assert!(!one("dlq.retry").destroys() && !one("runs.get").destroys());
        assert!(one("workflows.runs.create").is_keyed() && !one("runs.cancel").is_keyed());
    }

    #[test]
    fn a_message_is_told_field_by_field() {
        let fields = shape(&document(), "Run").expect("there is one");
        let status = fields.iter().find(|field| field["field"] == "status");
        assert!(status.is_some_and(|field| field["type"] == "RunStatus"), "{fields:?}");
        let operations = operations(&document());
        let names = find(&operations, "runs.cancel").expect("there is one").names(&document());
        let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "reason"]);
        let near = shape(&document(), "Rnu").expect_err("there is none");
        assert!(near.help[0].contains("Run"), "{near:?}");
    }
}
