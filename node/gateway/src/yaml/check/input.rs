//! Declarations of inputs: can any value meet them?

use oarlock_actors::expression::Template;
use oarlock_actors::inputs::Inputs;
use serde_json::{Map, Value, json};

use super::Check;
use crate::yaml::code;
use crate::yaml::file::{Input, InputType, Workflow};
use crate::yaml::tree::join;

/// The most inputs a workflow declares.
pub(in crate::yaml) const INPUTS_MAX: usize = 200;

/// The JSON Schema that travels with the definition.
pub(in crate::yaml) fn schema(file: &Workflow) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, input) in file.inputs.iter().flat_map(|inputs| inputs.iter()) {
        properties.insert(name.to_owned(), property(input));
        if input.required.unwrap_or(input.default.is_none()) && input.default.is_none() {
            required.push(json!(name));
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(input: &Input) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("type", input.kind.map(|kind| json!(type_name(kind))));
    put("format", input.format.map(|format| json!(format)));
    put("description", input.description.clone().map(Value::String));
    put("enum", input.allowed.clone().map(Value::Array));
    put("default", input.default.clone().filter(|default| !default.is_null()));
    put("minimum", input.minimum.map(number));
    put("maximum", input.maximum.map(number));
    put("minLength", input.min_length.map(Value::from));
    put("maxLength", input.max_length.map(Value::from));
    put("pattern", input.pattern.clone().map(Value::String));
    put("items", input.items.as_ref().map(|items| property(items)));
    put("minItems", input.min_items.map(Value::from));
    put("maxItems", input.max_items.map(Value::from));
    Value::Object(fields)
}

/// `10`, not `10.0`.
fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "what was cut off is seen below")]
    let whole = value as i64;
    #[allow(clippy::cast_precision_loss, reason = "a loss makes it differ, and the float is shown")]
    if whole as f64 == value { json!(whole) } else { json!(value) }
}

fn type_name(kind: InputType) -> &'static str {
    match kind {
        InputType::String => "string",
        InputType::Integer => "integer",
        InputType::Number => "number",
        InputType::Boolean => "boolean",
        InputType::Array => "array",
        InputType::Object => "object",
    }
}

impl Check<'_> {
    pub(super) fn inputs(&mut self) {
        let file = self.file;
        for (place, (name, input)) in
            file.inputs.iter().flat_map(|inputs| inputs.iter()).enumerate()
        {
            let at = join("/inputs", name);
            if place == INPUTS_MAX {
                let message = format!("a workflow has at most {INPUTS_MAX} inputs");
                self.add(code::TOO_LARGE, &at, message, "put some of them into one object");
            }
            self.name(&at, "input", name, true);
            self.input(&at, name, input);
        }
    }

    fn input(&mut self, at: &str, name: &str, input: &Input) {
        let text = matches!(input.kind, None | Some(InputType::String));
        let numeric = matches!(input.kind, None | Some(InputType::Integer | InputType::Number));
        let list = matches!(input.kind, None | Some(InputType::Array));
        let about = [
            ("format", input.format.is_some(), text, "string"),
            ("pattern", input.pattern.is_some(), text, "string"),
            ("min_length", input.min_length.is_some(), text, "string"),
            ("max_length", input.max_length.is_some(), text, "string"),
            ("minimum", input.minimum.is_some(), numeric, "number"),
            ("maximum", input.maximum.is_some(), numeric, "number"),
            ("items", input.items.is_some(), list, "array"),
            ("min_items", input.min_items.is_some(), list, "array"),
            ("max_items", input.max_items.is_some(), list, "array"),
        ];
        for (field, there, fits, kind) in about {
            if there && !fits {
                let message = format!("`{field}` of input `{name}` is for the type `{kind}`");
                let own = input.kind.map_or("any", type_name);
                let label = format!("this input has the type `{own}`");
                self.add(code::BAD_INPUT, &join(at, field), message, &label);
            }
        }
        for (least, most, low, high) in [
            ("minimum", "maximum", input.minimum, input.maximum),
            ("min_length", "max_length", whole(input.min_length), whole(input.max_length)),
            ("min_items", "max_items", whole(input.min_items), whole(input.max_items)),
        ] {
            if let (Some(low), Some(high)) = (low, high)
                && low > high
            {
                let message = format!("`{least}` of input `{name}` is larger than its `{most}`");
                self.add(code::BAD_INPUT, &join(at, least), message, "no value could meet both");
            }
        }
        if input.default.is_some() && input.required == Some(true) {
            let message = format!("input `{name}` is required and has a default");
            let label = "with a default it need not be given: take one of them out";
            self.add(code::COMBINATION, &join(at, "required"), message, label);
        }
        self.usable(at, name, input);
    }

    /// Whether the declaration can be read, and whether its default meets it.
    fn usable(&mut self, at: &str, name: &str, input: &Input) {
        let mut bare = property(input);
        let default = bare.as_object_mut().and_then(|fields| fields.shift_remove("default"));
        let declared = json!({"properties": {name: bare}});
        let inputs = match Inputs::parse(&declared) {
            Ok(inputs) => inputs,
            Err(_) if input.pattern.is_some() => {
                let message = format!("the pattern of input `{name}` is not a regular expression");
                return self.add(code::BAD_INPUT, &join(at, "pattern"), message, "");
            }
            Err(violation) => {
                let message = format!("input `{name}` cannot be used: {}", violation.message);
                return self.add(code::BAD_INPUT, at, message, "");
            }
        };
        let Some(default) = default else { return };
        let computed = Template::parse(&default).map_or(true, |template| !template.is_static());
        if computed {
            return;
        }
        let given = Map::from_iter([(name.to_owned(), default)]);
        if let Err(violations) = inputs.bind_exactly(&Value::Object(given)) {
            for violation in violations {
                let message =
                    format!("the default of input `{name}` does not fit: {}", violation.message);
                let hint = violation.hint.unwrap_or_default();
                self.add(code::BAD_INPUT, &join(at, "default"), message, &hint);
            }
        }
    }
}

fn whole(value: Option<u64>) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "limits of lists and texts are far below 2^53")]
    value.map(|value| value as f64)
}
