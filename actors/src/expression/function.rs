//! Functions beside CEL's own: dates, and the few things everybody does to text.
//!
//! `date()`, `split`, `join`, `trim`, `lowerAscii`, `upperAscii`, `replace`. Names and meaning follow CEL's string extension.
//! Each pays for what it makes before it makes it.

use std::sync::{Arc, LazyLock};

use cel::common::types::{
    CelList, CelString, CelTimestamp, DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE, TIMESTAMP_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::work;

/// The environment of every expression.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    Arc::new(build().expect("the names of our functions are not taken by the standard library"))
});

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn build() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_overload(work::CHARGE, "charge", vec![DYN_TYPE, INT_TYPE], work::charged)?;
    env.add_member_overload("date", "timestamp_date", TIMESTAMP_TYPE, vec![], date)?;
    let zone = vec![STRING_TYPE];
    env.add_member_overload("date", "timestamp_date_zone", TIMESTAMP_TYPE, zone, date)?;
    env.add_member_overload("split", "string_split", STRING_TYPE, vec![STRING_TYPE], split)?;
    env.add_member_overload("join", "list_join", LIST_TYPE, vec![], join)?;
    let separator = vec![STRING_TYPE];
    env.add_member_overload("join", "list_join_separator", LIST_TYPE, separator, join)?;
    env.add_member_overload("trim", "string_trim", STRING_TYPE, vec![], trim)?;
    env.add_member_overload("lowerAscii", "string_lower", STRING_TYPE, vec![], lower)?;
    env.add_member_overload("upperAscii", "string_upper", STRING_TYPE, vec![], upper)?;
    let two = vec![STRING_TYPE, STRING_TYPE];
    env.add_member_overload("replace", "string_replace", STRING_TYPE, two, replace)?;
    Ok(env)
}

fn text<'a>(args: &'a Args<'_, '_>, place: usize) -> &'a str {
    args.get(place).and_then(|arg| arg.downcast_ref::<CelString>()).map_or("", |text| text.inner())
}

fn made<'b, 'v>(text: String) -> Answer<'b, 'v> {
    Ok(CowVal::owned(CelString::from(text)))
}

/// `ts.date()` in UTC, `ts.date("Europe/London")` there: `2026-11-20`.
fn date<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let fault = |message: String| ExecutionError::function_error("date", message);
    let millis = args
        .first()
        .and_then(|arg| arg.downcast_ref::<CelTimestamp>())
        .map_or(0, |moment| moment.inner().timestamp_millis());
    let moment =
        jiff::Timestamp::from_millisecond(millis).map_err(|error| fault(error.to_string()))?;
    let zone = match args.len() {
        1 => jiff::tz::TimeZone::UTC,
        _ => jiff::tz::TimeZone::get(text(&args, 1))
            .map_err(|_| fault(format!("there is no time zone `{}`", text(&args, 1))))?,
    };
    made(moment.to_zoned(zone).date().to_string())
}

fn split<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (whole, separator) = (text(&args, 0), text(&args, 1));
    work::charge(17 * whole.len() as u64)?;
    let parts: Vec<Box<dyn Val + 'v>> = match separator {
        "" => whole.chars().map(|letter| boxed(letter.to_string())).collect(),
        _ => whole.split(separator).map(|part| boxed(part.to_owned())).collect(),
    };
    Ok(CowVal::owned(CelList::from(parts)))
}

fn boxed<'v>(text: String) -> Box<dyn Val + 'v> {
    Box::new(CelString::from(text))
}

fn join<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let separator = text(&args, 1);
    let mut joined = String::new();
    let Some(list) = args.first().and_then(|arg| arg.downcast_ref::<CelList>()) else {
        return made(joined);
    };
    for (place, element) in list.inner().iter().enumerate() {
        let Some(part) = element.downcast_ref::<CelString>() else {
            let problem = "every element must be text: use .map(x, string(x)) first";
            return Err(ExecutionError::function_error("join", problem));
        };
        work::charge((separator.len() + part.inner().len()) as u64)?;
        if place > 0 {
            joined.push_str(separator);
        }
        joined.push_str(part.inner());
    }
    made(joined)
}

fn trim<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    work::charge(text(&args, 0).len() as u64)?;
    made(text(&args, 0).trim().to_owned())
}

fn lower<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    work::charge(text(&args, 0).len() as u64)?;
    made(text(&args, 0).to_ascii_lowercase())
}

fn upper<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    work::charge(text(&args, 0).len() as u64)?;
    made(text(&args, 0).to_ascii_uppercase())
}

fn replace<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (whole, from, to) = (text(&args, 0), text(&args, 1), text(&args, 2));
    let found = whole.matches(from).count() as u64;
    work::charge(whole.len() as u64 + found.saturating_mul(to.len() as u64))?;
    made(whole.replace(from, to))
}
