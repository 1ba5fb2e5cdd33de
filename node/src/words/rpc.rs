//! `oarlock rpc OPERATION [JSON]`: any operation of the API, as the node's own contract describes it.
//!
//! Nothing is known here beforehand: the OpenAPI document is asked of the node, the operation is looked up in it, and the answer is shown
//! as it comes. So this can do whatever the API can, also what no other command does yet. It goes over REST, which is all there is.

use clap::Args as Arguments;
use serde_json::{Map, Value};

use super::contract::{self, Operation};
use crate::ask::{Session, read_text};
use crate::fault::{Exit, Fault};
use crate::output::{Rest, Show, Table};

const OPERATIONS: Table = Table {
    columns: &[
        ("OPERATION", "name", Show::Text),
        ("TAKES", "takes", Show::Text),
        ("DOES", "about", Show::Text),
        ("+METHOD", "method", Show::Text),
        ("+PATH", "path", Show::Text),
    ],
    name: "name",
    empty: "No operation has this word in its name.",
};

const FIELDS: Table = Table {
    columns: &[
        ("FIELD", "field", Show::Text),
        ("TYPE", "type", Show::Text),
        ("MEANS", "about", Show::Text),
    ],
    name: "field",
    empty: "It has no fields.",
};

/// What to call.
#[derive(Debug, Arguments)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock rpc '?'                              # all operations\n\
        \x20 oarlock rpc '?runs'                          # those with this word\n\
        \x20 oarlock rpc runs.get '{\"id\": \"etl/1042\"}'\n\
        \x20 oarlock rpc cluster.step-down '{\"to\": \"n1\"}'\n\
        \x20 oarlock rpc events                           # until Ctrl-C\n\n\
        Parameters are taken out of the object by their names; the rest is the\n\
        body. A body that is no JSON, or has a field named like a parameter,\n\
        stands under `body`.")]
pub(crate) struct Args {
    /// Its name; `?WORD` lists those with a word in their names
    operation: String,
    /// What it takes, as one object; `-` reads standard input
    json: Option<String>,
}

/// Does it.
pub(crate) async fn run(session: &Session, args: Args) -> Result<(), Fault> {
    let client = session.client()?;
    let document = client.contract().await?;
    let operations = contract::operations(&document);
    if let Some(word) = args.operation.strip_prefix('?') {
        let told = operations.iter().filter(|operation| operation.name.contains(word));
        let told = told.map(Operation::shown).collect();
        return session.out.list(&OPERATIONS, told, &Rest::default());
    }
    let operation = contract::find(&operations, &args.operation)?;
    let bound = operation.bind(object(args.json.as_deref())?)?;
    if !operation.reads() && session.dry(&format!("{} {}", operation.method, operation.path)) {
        return Ok(());
    }
    let question = format!("Call {} ({} {})?", operation.name, operation.method, operation.path);
    if operation.destroys() && !session.sure(&question)? {
        return Ok(());
    }
    let mut call = client.raw(&operation.method, &operation.path, &bound.path)?;
    if operation.is_keyed() {
        call = call.keyed();
    }
    for (name, value) in bound.query {
        call = call.query(&name, value);
    }
    call = match &bound.body {
        None => call,
        Some(Value::String(text)) => call.yaml(text),
        Some(body) => call.json(body),
    };
    let comes = |media: &str| operation.answers.iter().any(|answer| answer == media);
    if comes("text/event-stream") {
        call = call.events();
    } else if comes("application/x-ndjson") {
        call = call.lines();
    }
    let mut answer = call.send().await?;
    if answer.is_stream() {
        while let Some(item) = answer.next().await? {
            session.out.data(&format!("{item}\n"));
        }
        return Ok(());
    }
    let text = answer.text().await?;
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => {
            if let (Some(name), "workflows.runs.create" | "workflows.execute") =
                (value["name"].as_str(), operation.name.as_str())
            {
                session.starts(name);
            }
            session.out.value(&value);
        }
        Err(_) if text.trim().is_empty() => session.out.note("done"),
        Err(_) => session.out.data(&format!("{}\n", text.trim_end())),
    }
    Ok(())
}

/// Whether what is to be called only reads, as the contract says.
pub(crate) async fn reads(session: &Session, args: &Args) -> Result<bool, Fault> {
    if args.operation.starts_with('?') {
        return Ok(true);
    }
    let document = session.client()?.contract().await?;
    Ok(contract::find(&contract::operations(&document), &args.operation)?.reads())
}

/// Shows what a message of the API is made of; without a name, which there are.
pub(crate) async fn describe(session: &Session, name: Option<&str>) -> Result<(), Fault> {
    let document = session.client()?.contract().await?;
    match name {
        Some(name) => {
            let fields = contract::shape(&document, name)?;
            session.out.list(&FIELDS, fields, &Rest::default())
        }
        None => {
            let names = contract::shapes(&document);
            session.out.data(&format!("{}\n", names.join("\n")));
            Ok(())
        }
    }
}

fn object(text: Option<&str>) -> Result<Map<String, Value>, Fault> {
    let text = match text {
        None => return Ok(Map::new()),
        Some("-") => read_text("-")?,
        Some(text) => text.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(given)) => Ok(given),
        Ok(_) => Err(Fault::new(
            Exit::Usage,
            "rpc takes one JSON object, such as {\"id\": \"etl/1042\"}",
        )),
        Err(fault) => Err(Fault::new(Exit::Usage, format!("this is not JSON: {fault}"))),
    }
}
