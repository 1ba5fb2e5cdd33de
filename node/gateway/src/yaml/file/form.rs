//! The forms that values of a workflow file may have: what several JSON types may stand for, with the words for each.
//!
//! Like the structs beside it, these explain themselves: `x-expected` is what error messages say is expected.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{NoopBody, RetryPolicy};

/// A JSON object whose order is kept.
#[derive(Debug)]
pub(crate) struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Ordered<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

/// A type that is read as JSON and explained by a schema of its own.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident($inner:ty), $schema:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub $inner);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let build: fn(&mut SchemaGenerator) -> Schema = $schema;
                build(generator)
            }
        }
    };
}

form!(
    /// A length of time.
    Duration(String),
    |_| json_schema!({
        "type": "string",
        "x-expected": "a duration such as `30s`, `5m` or `2h30m`",
        "examples": ["30s", "5m", "2h30m", "PT30S"],
    })
);
form!(
    /// A text, a number or a truth value, where a text is wanted in the end.
    Scalar(Value),
    |_| json_schema!({
        "type": ["string", "number", "boolean"],
        "x-expected": "text",
    })
);
form!(
    /// A command.
    Run(Value),
    |_| json_schema!({
        "anyOf": [
            {"type": "string"},
            {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"], "x-expected": "a word"}},
        ],
        "x-expected": "a command or a list of words",
        "examples": ["./extract.sh ${{ inputs.day }}", ["./extract.sh", "--full"]],
    })
);
form!(
    /// One name or several.
    Names(Value),
    |_| json_schema!({
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string", "x-expected": "the name of a task"}},
        ],
        "x-expected": "the name of a task or a list of names",
        "examples": ["extract", ["extract", "validate"]],
    })
);
form!(
    /// A condition.
    Condition(Value),
    |_| json_schema!({
        "type": ["string", "boolean"],
        "x-expected": "a condition such as `tasks.a.output.rows > 0`",
    })
);
form!(
    /// A list, or an expression that comes to one.
    Each(Value),
    |_| json_schema!({
        "anyOf": [{"type": "string"}, {"type": "array"}],
        "x-expected": "a list or one `${{ }}` that comes to a list",
        "examples": [["orders", "refunds"], "${{ tasks.list.output.files }}"],
    })
);
form!(
    /// What becomes of the run.
    OnFailure(String),
    |_| json_schema!({
        "type": "string",
        "x-expected": "`fail`, `ignore`, `dead_letter` or `task:NAME`",
        "examples": ["ignore", "dead_letter", "task:clean-up"],
    })
);
form!(
    /// Statuses that are success.
    Expect(Value),
    |_| json_schema!({
        "anyOf": [
            {"type": "string"},
            {"type": "integer"},
            {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"], "x-expected": "a status such as 200 or `2xx`"}},
        ],
        "x-expected": "a status such as 200 or `2xx`, or a list of those",
        "examples": ["2xx", 204, [200, 404]],
    })
);
form!(
    /// Retries as a number or as a policy.
    Retry(Value),
    |generator| {
        let policy = generator.subschema_for::<RetryPolicy>();
        json_schema!({
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": 999}, policy],
            "x-expected": "a number of retries, or an object such as {max_attempts: 5, initial_delay: 10s}",
            "examples": [3, {"max_attempts": 5, "initial_delay": "10s", "max_delay": "5m", "backoff_factor": 2.0}],
        })
    }
);
form!(
    /// Nothing, or what to pretend.
    Noop(Value),
    |generator| {
        let body = generator.subschema_for::<NoopBody>();
        json_schema!({"anyOf": [body, {"type": "null", "x-keep": true}], "x-expected": "nothing, or {output: …}", "examples": [{}]})
    }
);

impl Names {
    /// The names, with their places in the list where it is one.
    pub(crate) fn list(&self) -> Vec<(Option<usize>, &str)> {
        match &self.0 {
            Value::String(one) => vec![(None, one)],
            Value::Array(many) => many
                .iter()
                .enumerate()
                .filter_map(|(place, name)| Some((Some(place), name.as_str()?)))
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl Scalar {
    /// As text.
    pub(crate) fn text(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Ordered<Scalar> {
    /// As JSON, every value a text.
    pub(crate) fn texts(&self) -> Map<String, Value> {
        self.iter().map(|(name, value)| (name.to_owned(), value.text().into())).collect()
    }
}
