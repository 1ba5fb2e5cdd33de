//! A schema library's errors as sentences for whoever gave the value.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::Violation;
use crate::expression::{kind_of, nearest};

/// A schema library's error, as a sentence.
pub(super) fn translate(at: &str, error: &ValidationError<'_>) -> Violation {
    let pointer = format!("{at}{}", error.instance_path().as_str());
    let value = shown(error.instance());
    let mut hint = None;
    let message = match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => word(one.as_str()).to_owned(),
                TypeKind::Multiple(many) => {
                    let words: Vec<_> = many.iter().map(|one| word(one.as_str())).collect();
                    words.join(" or ")
                }
            };
            format!("expected {wanted}, and this is {}", kind_of(error.instance()))
        }
        ValidationErrorKind::Enum { options } => {
            let allowed: Vec<String> =
                options.as_array().into_iter().flatten().map(shown).collect();
            let names = options.as_array().into_iter().flatten().filter_map(Value::as_str);
            hint = match error.instance().as_str().and_then(|text| nearest(text, names)) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None => Some(format!("allowed: {}", allowed.join(", "))),
            };
            format!("{value} is not allowed")
        }
        ValidationErrorKind::Format { format } => {
            hint = example(format).map(|example| format!("for example {example}"));
            format!("{value} is not a {format}")
        }
        ValidationErrorKind::Minimum { limit } => format!("{value} is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{value} is more than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("{value} is not more than {limit}")
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("{value} is not less than {limit}")
        }
        ValidationErrorKind::MinLength { limit } => format!("shorter than {limit} letters"),
        ValidationErrorKind::MaxLength { limit } => format!("longer than {limit} letters"),
        ValidationErrorKind::MinItems { limit } => format!("fewer than {limit} elements"),
        ValidationErrorKind::MaxItems { limit } => format!("more than {limit} elements"),
        ValidationErrorKind::UniqueItems => "an element is there twice".to_owned(),
        ValidationErrorKind::Pattern { pattern } => {
            format!("{value} does not match the pattern `{pattern}`")
        }
        ValidationErrorKind::Required { property } => format!("{} is missing", shown(property)),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            format!("`{}` is not known here", unexpected.join("`, `"))
        }
        _ => error.to_string(),
    };
    Violation { pointer, message, hint }
}

/// A value, short enough for a sentence.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("`{}…`", &text[..cut]),
        None => format!("`{text}`"),
    }
}

/// What people call a type of JSON Schema.
#[must_use]
pub fn word(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        "null" => "nothing",
        other => other,
    }
}

fn example(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2026-11-20",
        "date-time" => "2026-11-20T14:02:07Z",
        "time" => "14:02:07Z",
        "duration" => "PT30S",
        "email" => "anna@example.com",
        "uuid" => "0192d4e5-7c3a-7def-8a2b-0123456789ab",
        "uri" => "https://example.com/a",
        "ipv4" => "192.0.2.7",
        "ipv6" => "2001:db8::7",
        "hostname" => "db.example.com",
        _ => return None,
    })
}
