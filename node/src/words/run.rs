//! `oarlock run FILE|WORKFLOW`: apply the file, start a run of it, and follow it if that was asked for.

use std::collections::BTreeMap;
use std::path::Path;

use oarlock_client::v1::Run;
use oarlock_client::{Client, Start};
use serde_json::{Map, Value};

use super::tables::RUNS;
use crate::ask::{Session, read_text, value};
use crate::fault::{Exit, Fault};
use crate::output::body;
use crate::progress;

/// What to start, with what, and whether to stay.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock run examples/hello.yaml --watch\n\
        \x20 oarlock run etl -i day=2026-11-20 --id nightly-2026-11-20 --wait\n\
        \x20 oarlock run etl --input inputs.json --in 10m --priority 8\n\n\
        A FILE is applied first, so that its newest version runs. The exit code of\n\
        --watch and --wait says how the run ended: 0, 10 failed, 11 cancelled,\n\
        12 timed out. Ctrl-C leaves the run alone.")]
pub(crate) struct Args {
    /// A file, `-`, or the name of a workflow
    #[arg(value_name = "FILE|WORKFLOW")]
    what: String,
    /// One input; said as often as needed
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    input: Vec<String>,
    /// All inputs as a JSON object, from a file or `-`
    #[arg(long = "input", value_name = "FILE|-")]
    inputs: Option<String>,
    /// Your key: at most one unfinished run of the workflow has it
    #[arg(long = "id", value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// Not before this moment
    #[arg(long, value_name = "MOMENT", conflicts_with = "delay")]
    at: Option<String>,
    /// Not before so long from now
    #[arg(long = "in", value_name = "TIME")]
    delay: Option<String>,
    /// 0 low … 10 high
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=10))]
    priority: Option<u8>,
    /// A label of the run, name=value
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Another version than the newest
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Which workflow of a file that has several
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Follow it to its end
    #[arg(short, long)]
    watch: bool,
    /// Wait for its end and print what it came to
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
}

/// Does it.
pub(crate) async fn run(session: &Session, args: Args) -> Result<(), Fault> {
    let client = session.client()?;
    let name = match is_file(&args.what) {
        true => applied(session, &args).await?,
        false => args.what.clone(),
    };
    if session.global.dry_run && is_file(&args.what) {
        session.out.note(&format!("dry run: would start {name}"));
        return Ok(());
    }
    let start = prepared(&client, &name, &args).await?;
    if session.global.dry_run {
        session.out.note(&format!("dry run: would start {name}"));
        session.out.value(&body(start.body()));
        return Ok(());
    }
    let run = start.send().await?;
    session.starts(&run.name);
    if args.watch {
        return progress::follow(session, &run.name).await;
    }
    if args.wait {
        return waited(session, &client, &run).await;
    }
    let follow = format!("  follow it: oarlock runs watch {}", run.name);
    let word = if run.scheduled_at.is_some() { "is queued" } else { "is started" };
    session.did(&RUNS, &run, &format!("{} {word} (version {})\n{follow}", run.name, run.version))
}

/// Whether a word is the name of a file: there is one, or it looks like one.
fn is_file(what: &str) -> bool {
    let path = Path::new(what);
    let looks = path.extension().is_some_and(|end| {
        ["yaml", "yml", "json"].iter().any(|known| end.eq_ignore_ascii_case(known))
    });
    what == "-" || looks || what.contains(['/', '\\']) || path.is_file()
}

/// Applies the file, and says which workflow of it is meant.
async fn applied(session: &Session, args: &Args) -> Result<String, Fault> {
    let text = read_text(&args.what)?;
    let sent = session.client()?.apply(text.clone()).dry_run(session.global.dry_run).send().await;
    let applied = sent.map_err(|error| super::files::located(session, &args.what, &text, error))?;
    let names: Vec<&str> = applied.items.iter().map(|item| item.name.as_str()).collect();
    for item in &applied.items {
        for warning in &item.warnings {
            session.out.note(&format!("warning: {}: {warning}", item.name));
        }
    }
    match (&args.workflow, names.as_slice()) {
        (Some(wanted), names) if names.contains(&wanted.as_str()) => Ok(wanted.clone()),
        (None, [name]) => Ok((*name).to_owned()),
        (_, names) => {
            let what = match &args.workflow {
                Some(wanted) => format!("`{}` has no workflow `{wanted}`", args.what),
                None => format!("`{}` has {} workflows: which one?", args.what, names.len()),
            };
            Err(Fault::new(Exit::Usage, what)
                .help(format!("--workflow with one of: {}", names.join(", "))))
        }
    }
}

async fn prepared(client: &Client, name: &str, args: &Args) -> Result<Start, Fault> {
    let mut start = client.workflow(name).start();
    let inputs = inputs(client, name, args).await?;
    if !inputs.is_empty() {
        start = start.inputs(Value::Object(inputs));
    }
    let labels: BTreeMap<String, String> = super::pairs(&args.label)?;
    start = start.labels(labels);
    if let Some(key) = &args.key {
        start = start.key(key.clone());
    }
    if let Some(moment) = &args.at {
        start = start.at(moment.clone());
    }
    if let Some(delay) = &args.delay {
        start = start.delay(delay.clone());
    }
    if let Some(priority) = args.priority {
        start = start.priority(priority);
    }
    if let Some(version) = args.version {
        start = start.version(version);
    }
    Ok(start)
}

/// The inputs from both options. A word on the command line has no type; the workflow's declaration gives it one.
async fn inputs(client: &Client, name: &str, args: &Args) -> Result<Map<String, Value>, Fault> {
    let mut inputs = match &args.inputs {
        None => Map::new(),
        Some(file) => match serde_json::from_str(&read_text(file)?) {
            Ok(Value::Object(inputs)) => inputs,
            Ok(_) => {
                let what = format!("the inputs in `{file}` are not a JSON object");
                return Err(Fault::new(Exit::Invalid, what).code("E0202"));
            }
            Err(fault) => {
                let what = format!("the inputs in `{file}` are not JSON: {fault}");
                return Err(Fault::new(Exit::Invalid, what).code("E0200"));
            }
        },
    };
    let words = super::pairs(&args.input)?;
    if words.is_empty() {
        return Ok(inputs);
    }
    let workflow = client.workflow(name);
    let declared = match args.version {
        Some(version) => workflow.version(version).await?.inputs,
        None => workflow.get().await?.inputs,
    };
    for (key, text) in words {
        inputs.insert(key.clone(), typed(declared.as_ref(), &key, &text));
    }
    Ok(inputs)
}

/// A word as the type that its input is declared with; without one, JSON if it is JSON.
fn typed(declared: Option<&Value>, key: &str, text: &str) -> Value {
    let kind = declared.map(|schema| &schema["properties"][key]["type"]);
    let is_text = match kind {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    };
    if is_text { Value::String(text.to_owned()) } else { value(text) }
}

async fn waited(session: &Session, client: &Client, run: &Run) -> Result<(), Fault> {
    let handle = client.run(&run.id);
    match handle.wait().await {
        Ok(_) => {}
        Err(error) if error.is_run_end() => {}
        Err(error) => return Err(error.into()),
    }
    super::runs::show_result(session, &handle.result().await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_takes_the_type_of_its_declaration() {
        let schema = json!({"properties": {"day": {"type": "string"}, "n": {"type": "integer"}}});
        assert_eq!(typed(Some(&schema), "day", "2026"), json!("2026"));
        assert_eq!(typed(Some(&schema), "n", "7"), json!(7));
        assert_eq!(typed(Some(&schema), "else", "true"), json!(true));
        assert_eq!(typed(None, "n", "seven"), json!("seven"));
    }

    #[test]
    fn files_are_told_from_names() {
        assert!(is_file("examples/hello.yaml"));
        assert!(is_file("gone.yml"));
        assert!(is_file("-"));
        assert!(!is_file("etl"));
    }
}
