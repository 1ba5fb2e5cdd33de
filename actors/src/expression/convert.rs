//! JSON into CEL values and back.
//!
//! Texts are borrowed, not copied, and what no expression reads is left as it is. JSON's numbers become CEL's `int` where they
//! are whole and fit (so that `inputs.n + 1` works), else `uint` or `double`. On the way back keys are sorted (CEL's maps have no
//! order), moments become RFC 3339, durations `90s`.

use std::collections::{BTreeMap, HashMap};

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
    CelOptional, CelString, CelTimestamp, CelType, CelUInt,
};
use cel::common::value::{CowVal, Val};
use oarlock_engine::blob::PAYLOAD_BYTES_MAX;
use oarlock_engine::time::Moment;
use serde_json::{Map, Number, Value};

use super::fault::Fault;
use super::function::ENV;
use super::reading::Local;
use super::reads::Reads;
use super::{RunView, Scope, TaskView};

#[cfg(test)]
thread_local! {
    /// How many values were converted on this thread: tests count them, because time is nobody's proof.
    pub(super) static CONVERTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A value for some evaluations.
pub(super) type Boxed<'v> = Box<dyn Val + 'v>;

/// How a text goes over: borrowed from the JSON, or copied.
type Text<'v, 'o> = fn(&'v str) -> CelString<'o>;

fn to_cel<'v, 'o>(value: &'v Value, text: Text<'v, 'o>) -> Boxed<'o> {
    #[cfg(test)]
    CONVERTED.set(CONVERTED.get() + 1);
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(whole)) => Box::new(CelUInt::from(whole)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(value) => Box::new(text(value)),
        Value::Array(list) => {
            let list: Vec<_> = list.iter().map(|value| to_cel(value, text)).collect();
            Box::new(CelList::from(list))
        }
        Value::Object(object) => {
            map(object.iter().map(|(key, value)| (text(key), to_cel(value, text))))
        }
    }
}

/// Those parts of a value that are read; of what is no object, everything.
fn pruned<'v, 'o>(value: &'v Value, reads: &Reads, text: Text<'v, 'o>) -> Boxed<'o> {
    match (value, reads) {
        (Value::Object(object), Reads::Parts(parts)) => {
            let found = parts.iter().filter_map(|(name, reads)| {
                let (key, value) = object.get_key_value(name)?;
                Some((text(key), pruned(value, reads, text)))
            });
            map(found)
        }
        (value, _) => to_cel(value, text),
    }
}

fn map<'o>(entries: impl IntoIterator<Item = (CelString<'o>, Boxed<'o>)>) -> Boxed<'o> {
    let entries: HashMap<CelMapKey<'o>, Boxed<'o>> =
        entries.into_iter().map(|(key, value)| (CelMapKey::String(key), value)).collect();
    Box::new(CelMap::from(entries))
}

fn copied(text: &str) -> CelString<'static> {
    CelString::from(text.to_owned())
}

fn borrowed(text: &str) -> CelString<'_> {
    CelString::from(text)
}

fn text(text: &str) -> Boxed<'static> {
    Box::new(copied(text))
}

/// An object with names of ours.
fn object(entries: Vec<(&'static str, Boxed<'static>)>) -> Boxed<'static> {
    map(entries.into_iter().map(|(key, value)| (CelString::from(key), value)))
}

fn number<'v>(value: u64) -> Boxed<'v> {
    Box::new(CelInt::from(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// The value of a name that a scope has: `inputs`, `tasks`, `run`. It lives on when the scope is gone.
pub(super) fn root(scope: &Scope, name: &str, reads: &Reads) -> Result<Boxed<'static>, Fault> {
    Ok(match name {
        "inputs" => pruned(&scope.inputs, reads, copied),
        "tasks" => map(scope
            .tasks
            .iter()
            .filter_map(|(name, view)| Some((copied(name), task(view, reads.part(name)?))))),
        _ => run(&scope.run, reads)?,
    })
}

/// The value of a name that differs from item to item: `item`, `index`, `env`.
pub(super) fn local<'v>(local: &Local<'v>, name: &str, reads: &Reads) -> Option<Boxed<'v>> {
    Some(match name {
        "item" => pruned(local.item?, reads, borrowed),
        "index" => number(local.index?),
        _ => map(local
            .env
            .iter()
            .map(|(key, value)| (borrowed(key), Box::new(borrowed(value)) as Boxed<'v>))),
    })
}

fn task(view: &TaskView, reads: &Reads) -> Boxed<'static> {
    let mut entries = vec![("status", text(&view.status)), ("attempts", number(view.attempts))];
    if let Some(reads) = reads.part("output") {
        entries.push(("output", pruned(&view.output, reads, copied)));
    }
    if reads.part("outputs").is_some() {
        let outputs: Vec<_> = view.outputs.iter().map(|one| to_cel(one, copied)).collect();
        entries.push(("outputs", Box::new(CelList::from(outputs))));
    }
    if let Some(reads) = reads.part("error") {
        entries.push(("error", pruned(&view.error, reads, copied)));
    }
    object(entries)
}

fn run(view: &RunView, reads: &Reads) -> Result<Boxed<'static>, Fault> {
    let labels = view.labels.iter().map(|(key, value)| (copied(key), text(value)));
    let mut entries = vec![
        ("id", text(&view.id)),
        ("key", text(&view.key)),
        ("workflow", text(&view.workflow)),
        ("version", number(view.version)),
        ("number", number(view.number)),
        ("attempt", number(view.attempt)),
        ("by", text(&view.by)),
        ("labels", map(labels)),
    ];
    for (name, at) in [("started_at", view.started_at), ("scheduled_at", view.scheduled_at)] {
        if reads.part(name).is_some() {
            entries.push((name, moment(at)?));
        }
    }
    Ok(object(entries))
}

/// RFC 3339 in UTC.
pub(super) fn rfc3339(moment: Moment) -> String {
    let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A moment as CEL's `timestamp`.
pub(super) fn moment<'v>(at: Moment) -> Result<Boxed<'v>, Fault> {
    let args = vec![CowVal::owned(CelString::from(rfc3339(at)))];
    let convert = ENV.find_overload("timestamp", &args);
    let value = convert.ok_or_else(|| Fault::new("moments are not supported by this build"))?;
    let value = value(args).map_err(|error| Fault::new(error.to_string()))?;
    Ok(value.into_owned())
}

/// The value at a plain path, without a detour through CEL. None: the path needs CEL, or leads nowhere.
pub(super) fn lookup(
    scope: &Scope,
    local: &Local<'_>,
    root: &str,
    steps: &[String],
) -> Option<Value> {
    let (start, rest) = match (root, steps) {
        ("inputs", rest) => (&scope.inputs, rest),
        ("item", rest) => (local.item?, rest),
        ("index", []) => return local.index.map(Value::from),
        ("env", [name]) => return local.env.get(name).cloned().map(Value::from),
        ("tasks", [task, field, rest @ ..]) => {
            let view = scope.tasks.get(task)?;
            match (field.as_str(), rest) {
                ("output", rest) => (&view.output, rest),
                ("error", rest) => (&view.error, rest),
                ("outputs", []) => return Some(Value::Array(view.outputs.clone())),
                ("status", []) => return Some(view.status.clone().into()),
                ("attempts", []) => return Some(view.attempts.into()),
                _ => return None,
            }
        }
        ("run", [field]) => return run_field(&scope.run, field),
        ("run", [labels, name]) if labels == "labels" => {
            return scope.run.labels.get(name).cloned().map(Value::from);
        }
        _ => return None,
    };
    rest.iter().try_fold(start, |value, step| value.as_object()?.get(step)).cloned()
}

fn run_field(run: &RunView, field: &str) -> Option<Value> {
    Some(match field {
        "id" => run.id.clone().into(),
        "key" => run.key.clone().into(),
        "workflow" => run.workflow.clone().into(),
        "version" => run.version.into(),
        "number" => run.number.into(),
        "attempt" => run.attempt.into(),
        "started_at" => rfc3339(run.started_at).into(),
        "scheduled_at" => rfc3339(run.scheduled_at).into(),
        "by" => run.by.clone().into(),
        _ => return None,
    })
}

/// A CEL value as JSON, at most [`PAYLOAD_BYTES_MAX`] of it.
pub(super) fn to_json(value: &dyn Val) -> Result<Value, Fault> {
    let mut left = PAYLOAD_BYTES_MAX;
    json(value, &mut left)
}

/// The fault of a result that is too large.
pub(super) fn too_large() -> Fault {
    Fault::new(format!("the result is larger than {} KiB", PAYLOAD_BYTES_MAX >> 10))
        .hint("pass a file name or a key instead of the data itself")
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), Fault> {
    *left = left.checked_sub(bytes).ok_or_else(too_large)?;
    Ok(())
}

fn json(value: &dyn Val, left: &mut usize) -> Result<Value, Fault> {
    spend(left, 2)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        spend(left, text.inner().len())?;
        return Ok(text.inner().into());
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Ok((*number.inner()).into());
    }
    if let Some(truth) = value.downcast_ref::<CelBool>() {
        return Ok((*truth.inner()).into());
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        let number = Number::from_f64(*number.inner());
        return number.map(Value::Number).ok_or_else(|| Fault::new("the result is not a number"));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Ok((*number.inner()).into());
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().map(|element| json(&**element, left)).collect();
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let mut sorted = BTreeMap::new();
        for (key, value) in map.inner() {
            let key = key_text(key)?;
            spend(left, key.len() + 2)?;
            sorted.insert(key, json(&**value, left)?);
        }
        return Ok(Value::Object(sorted.into_iter().collect::<Map<_, _>>()));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(moment) = value.downcast_ref::<CelTimestamp>() {
        let millis = moment.inner().timestamp_millis();
        return Ok(rfc3339(Moment(u64::try_from(millis).unwrap_or(0))).into());
    }
    if let Some(span) = value.downcast_ref::<CelDuration>() {
        let millis = span.inner().num_milliseconds();
        return Ok(match millis % 1000 {
            0 => format!("{}s", millis / 1000),
            _ => format!("{millis}ms"),
        }
        .into());
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        let text = std::str::from_utf8(bytes.inner());
        return text.map(Value::from).map_err(|_| Fault::new("the result is bytes, not text"));
    }
    if let Some(kind) = value.downcast_ref::<CelType>() {
        return Ok(kind.name().into());
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return match optional.option() {
            Some(inner) => json(inner, left),
            None => Ok(Value::Null),
        };
    }
    Err(Fault::new("the result cannot be written as JSON"))
}

fn key_text(key: &CelMapKey<'_>) -> Result<String, Fault> {
    match json(key.inner(), &mut { PAYLOAD_BYTES_MAX })? {
        Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    }
}
