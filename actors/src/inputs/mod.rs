//! A caller's inputs, bound to the ones that a workflow declares.
//!
//! The file's `inputs:` becomes a JSON Schema object that travels with the definition. Before a run starts, the door binds what
//! the caller sent to it: texts become numbers and truth values where those are declared (a shell knows only text), defaults are
//! filled in (they may be computed from `run`), and everything wrong is reported at once, each with the way to its place.

mod message;

use jsonschema::Validator;
use oarlock_engine::blob::PAYLOAD_BYTES_MAX;
use serde_json::{Map, Value};

use crate::expression::{Scope, Template, kind_of, nearest};
use message::translate;
pub use message::word;

/// The most violations that one answer lists.
pub const VIOLATIONS_MAX: usize = 100;
/// How deep the inputs may nest.
pub const DEPTH_MAX: usize = 64;

/// One thing that is wrong with the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the inputs: `/day`.
    pub pointer: String,
    /// What is wrong, in plain words.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A declaration that was read: bind as often as needed.
#[derive(Debug, Default)]
pub struct Inputs {
    declared: Vec<Input>,
}

#[derive(Debug)]
struct Input {
    name: String,
    required: bool,
    /// The declared types; empty: any.
    types: Vec<String>,
    default: Option<Template>,
    validator: Validator,
}

impl Inputs {
    /// Reads the schema of a definition. One without bytes or without `properties` declares nothing.
    ///
    /// # Errors
    /// A [`Violation`] with a pointer into `properties` where a declaration cannot be used.
    pub fn parse(schema: &Value) -> Result<Inputs, Violation> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut declared = Vec::new();
        for (name, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let problem = |message: String| violation(&pointer(name), message, None);
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(property)
                .map_err(|error| problem(error.to_string()))?;
            let default = property.get("default").map(Template::parse).transpose();
            declared.push(Input {
                name: name.clone(),
                required: required.contains(&name.as_str()),
                types: types_of(property),
                default: default.map_err(|fault| problem(fault.to_string()))?,
                validator,
            });
        }
        Ok(Inputs { declared })
    }

    /// The declared names, in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|input| input.name.as_str())
    }

    /// Binds what a caller gave. `null` and nothing at all are no inputs. Defaults are computed in `scope`, where only `run` and
    /// `now` have a meaning.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the declaration.
    pub fn bind(&self, given: &Value, scope: &Scope) -> Result<Value, Vec<Violation>> {
        self.bind_as(given, scope, true)
    }

    /// Like [`Inputs::bind`] for values that did not come through a shell: texts stay texts.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the declaration.
    pub fn bind_exactly(&self, given: &Value) -> Result<Value, Vec<Violation>> {
        self.bind_as(given, &Scope::default(), false)
    }

    fn bind_as(&self, given: &Value, scope: &Scope, texts: bool) -> Result<Value, Vec<Violation>> {
        let empty = Map::new();
        let given = match given {
            Value::Null => &empty,
            Value::Object(given) => given,
            other => {
                let message = format!("inputs are an object, and this is {}", kind_of(other));
                return Err(vec![violation("", message, None)]);
            }
        };
        let mut bound = Map::new();
        let mut wrong = Vec::new();
        for input in &self.declared {
            if let Some(value) = input.bind(given.get(&input.name), scope, texts, &mut wrong) {
                bound.insert(input.name.clone(), value);
            }
        }
        for name in given.keys() {
            if !self.declared.iter().any(|input| input.name == *name) {
                wrong.push(self.unknown(name));
            }
        }
        let bound = Value::Object(bound);
        if wrong.is_empty() && bound.to_string().len() > PAYLOAD_BYTES_MAX {
            let message = format!("the inputs are larger than {} KiB", PAYLOAD_BYTES_MAX >> 10);
            let hint = "pass a file name or a key instead of the data itself";
            wrong.push(violation("", message, Some(hint.to_owned())));
        }
        wrong.truncate(VIOLATIONS_MAX);
        if wrong.is_empty() { Ok(bound) } else { Err(wrong) }
    }

    fn unknown(&self, name: &str) -> Violation {
        let hint = match nearest(name, self.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.declared.is_empty() => "this workflow takes no inputs".to_owned(),
            None => format!("known: {}", self.names().take(20).collect::<Vec<_>>().join(", ")),
        };
        violation(&pointer(name), format!("there is no input `{name}`"), Some(hint))
    }
}

impl Input {
    fn bind(
        &self,
        given: Option<&Value>,
        scope: &Scope,
        texts: bool,
        wrong: &mut Vec<Violation>,
    ) -> Option<Value> {
        let at = pointer(&self.name);
        let value = match (given, &self.default) {
            (Some(value), _) if deep(value, DEPTH_MAX) => {
                let message = format!("nested more than {DEPTH_MAX} levels deep");
                wrong.push(violation(&at, message, None));
                return None;
            }
            (Some(value), _) if texts => self.typed(value),
            (Some(value), _) => value.clone(),
            (None, Some(default)) => match default.evaluate(scope) {
                Ok(value) => value,
                Err(fault) => {
                    let message = format!("its default cannot be computed: {}", fault.message);
                    wrong.push(violation(&at, message, Some("give a value".to_owned())));
                    return None;
                }
            },
            (None, None) => {
                // So that `inputs.x == null` can be asked.
                if !self.required {
                    return Some(Value::Null);
                }
                let message = format!("the input `{}` is missing", self.name);
                let hint = format!("give one: `-i {}=…`", self.name);
                wrong.push(violation(&at, message, Some(hint)));
                return None;
            }
        };
        let before = wrong.len();
        for error in self.validator.iter_errors(&value).take(VIOLATIONS_MAX) {
            wrong.push(translate(&at, &error));
        }
        (wrong.len() == before).then_some(value)
    }

    /// A text where something else is declared: a shell's `-i n=3`.
    fn typed(&self, value: &Value) -> Value {
        let Value::String(text) = value else { return value.clone() };
        if self.types.is_empty() || self.types.iter().any(|name| name == "string") {
            return value.clone();
        }
        match serde_json::from_str::<Value>(text.trim()) {
            Ok(read) if self.validator.is_valid(&read) => read,
            Ok(read) if self.types.iter().any(|name| is_of(&read, name)) => read,
            _ => value.clone(),
        }
    }
}

fn types_of(property: &Value) -> Vec<String> {
    match property.get("type") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => name == "number" || (name == "integer" && !number.is_f64()),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    }
}

fn deep(value: &Value, left: usize) -> bool {
    left == 0
        || match value {
            Value::Array(list) => list.iter().any(|element| deep(element, left - 1)),
            Value::Object(object) => object.values().any(|element| deep(element, left - 1)),
            _ => false,
        }
}

fn violation(pointer: &str, message: impl Into<String>, hint: Option<String>) -> Violation {
    Violation { pointer: pointer.to_owned(), message: message.into(), hint }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use oarlock_engine::time::Moment;
    use serde_json::json;

    use super::*;

    fn bind(given: Value) -> Result<Value, Vec<(String, String, String)>> {
        let inputs = Inputs::parse(&json!({
            "type": "object",
            "properties": {
                "day": {"type": "string", "format": "date", "default": "${{ run.scheduled_at.date() }}"},
                "full": {"type": "boolean", "default": false},
                "rows": {"type": "integer", "minimum": 1},
                "mode": {"enum": ["fast", "slow"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["rows"],
        }))
        .expect("a good declaration");
        let mut scope = Scope::default();
        scope.run.scheduled_at = Moment(1_763_600_000_000);
        inputs.bind(&given, &scope).map_err(|wrong| {
            let parts = |v: Violation| (v.pointer, v.message, v.hint.unwrap_or_default());
            wrong.into_iter().map(parts).collect()
        })
    }

    fn one(
        pointer: &str,
        message: &str,
        hint: &str,
    ) -> Result<Value, Vec<(String, String, String)>> {
        Err(vec![(pointer.to_owned(), message.to_owned(), hint.to_owned())])
    }

    #[test]
    fn defaults_are_computed_and_texts_become_what_is_declared() {
        assert_eq!(
            bind(json!({"rows": 3})),
            Ok(json!({
                "day": "2025-11-20", "full": false, "rows": 3, "mode": null, "tags": null,
            }))
        );
        assert_eq!(
            bind(json!({"rows": "3", "full": "true", "day": "2026-01-02", "tags": "[\"a\"]"})),
            Ok(json!({
                "day": "2026-01-02", "full": true, "rows": 3, "mode": null, "tags": ["a"],
            }))
        );
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let wrong = bind(json!({"rwos": 3, "day": "tomorrow", "mode": "fats", "tags": ["a", 1]}));
        assert_eq!(
            wrong
                .expect_err("five mistakes")
                .iter()
                .map(|(at, ..)| at.as_str())
                .collect::<Vec<_>>(),
            ["/day", "/rows", "/mode", "/tags/1", "/rwos"]
        );
        assert_eq!(
            bind(json!({})),
            one("/rows", "the input `rows` is missing", "give one: `-i rows=…`")
        );
        assert_eq!(bind(json!({"rows": 0})), one("/rows", "`0` is less than 1", ""));
        assert_eq!(
            bind(json!({"rows": "many"})),
            one("/rows", "expected a whole number, and this is text", "")
        );
        assert_eq!(
            bind(json!({"rows": 1, "mode": "fats"})),
            one("/mode", "`fats` is not allowed", "did you mean `fast`?")
        );
        assert_eq!(
            bind(json!({"rows": 1, "rwos": 1})),
            one("/rwos", "there is no input `rwos`", "did you mean `rows`?")
        );
        assert_eq!(
            bind(json!({"rows": 1, "day": "tomorrow"})),
            one("/day", "`tomorrow` is not a date", "for example 2026-11-20")
        );
        assert_eq!(bind(json!([1])), one("", "inputs are an object, and this is a list", ""));
    }
}
