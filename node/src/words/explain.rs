//! `oarlock explain`, `oarlock schema`: what a code means, what a field takes, and both for programs.

use std::fmt::Write;

use oarlock_gateway::problem::table;
use serde_json::{Value, json};

use super::format;
use crate::ask::{Session, nearest};
use crate::fault::{Exit, Fault};

/// Of what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock explain E0301\n\
        \x20 oarlock explain workflow.tasks.retry\n\
        \x20 oarlock explain")]
pub(crate) struct Args {
    /// A code, or a field of the file format; absent: all codes
    what: Option<String>,
}

/// Of what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock schema workflow > .oarlock/schema/workflow.json\n\
        \x20 oarlock schema config\n\
        \x20 oarlock schema api")]
pub(crate) struct Schema {
    /// The format of files, of settings, or the API (OpenAPI)
    #[arg(value_parser = ["workflow", "config", "api"], default_value = "workflow")]
    what: String,
}

/// Does it.
#[expect(clippy::unnecessary_wraps, reason = "every word answers alike")]
pub(crate) fn schema(session: &Session, args: &Schema) -> Result<(), Fault> {
    let schema = match args.what.as_str() {
        "config" => crate::config::keys::schema(),
        "api" => crate::output::body(&oarlock_gateway::document()),
        _ => format::schema(),
    };
    session.out.value(&schema);
    Ok(())
}

/// Does it.
pub(crate) fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    let Some(what) = &args.what else {
        return all(session);
    };
    let upper = what.to_uppercase();
    if let Some(kind) = table::TABLE.iter().find(|kind| kind.code == upper) {
        if session.out.asked.is_some() {
            session.out.value(&of_kind(kind));
            return Ok(());
        }
        let mut text = format!("{}: {}\n\n{}\n", kind.code, kind.title, wrapped(kind.explanation));
        if !kind.hint.is_empty() {
            write!(text, "\nWhat to do: {}\n", kind.hint).expect("a text takes everything");
        }
        let again = if kind.retryable { "may do better later" } else { "fails again" };
        write!(text, "\nHTTP {}. The same request {again}.\n", kind.status)
            .expect("a text takes everything");
        session.out.data(&text);
        return Ok(());
    }
    if let Some((code, title, explanation)) = format::codes().iter().find(|(c, ..)| *c == upper) {
        if session.out.asked.is_some() {
            session.out.value(&of_file(code, title, explanation));
        } else {
            session.out.data(&format!("{code}: {title}\n\n{}\n", wrapped(explanation)));
        }
        return Ok(());
    }
    match format::explain(what) {
        Some(text) => {
            session.out.data(&format!("{}\n", text.trim_end()));
            Ok(())
        }
        None => Err(unknown(what)),
    }
}

/// Every code, a line each.
fn all(session: &Session) -> Result<(), Fault> {
    use crate::output::{Rest, Show, Table};
    const CODES: Table = Table {
        columns: &[
            ("CODE", "code", Show::Text),
            ("TITLE", "title", Show::Text),
            ("HTTP", "status", Show::Number),
            ("+HINT", "hint", Show::Text),
        ],
        name: "code",
        empty: "",
    };
    let mut codes: Vec<Value> = table::TABLE.iter().map(|kind| of_kind(kind)).collect();
    codes.extend(format::codes().iter().map(|(code, title, text)| of_file(code, title, text)));
    codes.sort_by(|a, b| a["code"].as_str().cmp(&b["code"].as_str()));
    session.out.list(&CODES, codes, &Rest::default())
}

fn of_kind(kind: &table::Kind) -> Value {
    json!({
        "code": kind.code, "title": kind.title, "status": kind.status, "hint": kind.hint,
        "retryable": kind.retryable, "explanation": kind.explanation,
    })
}

fn of_file(code: &str, title: &str, explanation: &str) -> Value {
    json!({"code": code, "title": title, "explanation": explanation})
}

fn unknown(what: &str) -> Fault {
    let fault = Fault::new(Exit::NotFound, format!("there is no code or field `{what}`"));
    let codes = table::TABLE.iter().map(|kind| kind.code);
    let codes = codes.chain(format::codes().iter().map(|(code, ..)| *code));
    match nearest(&what.to_uppercase(), codes) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("all codes: `oarlock explain`; the format: `oarlock explain workflow`"),
    }
}

/// Prose in lines of 80 letters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one line at least");
        if !line.is_empty() && line.chars().count() + word.chars().count() >= 80 {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n")
}
