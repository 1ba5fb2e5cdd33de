//! `oarlock apply`, `validate`, `diff`, `convert`: files with definitions.

use std::path::{Path, PathBuf};

use oarlock_client::Error;
use oarlock_client::v1::{AppliedDefinition, Change};
use serde_json::json;

use super::tables::APPLIED;
use super::{differ, format, prune};
use crate::ask::{Session, read_text};
use crate::fault::{Exit, Fault};
use crate::output::{Rest, Tint, body};

/// Folders are searched so deep.
const DEPTH_MAX: usize = 16;

/// Which files.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock apply -f etl.yaml\n\
        \x20 oarlock apply -f flows/ --dry-run\n\
        \x20 oarlock apply -f flows/ --prune\n\
        \x20 cat etl.yaml | oarlock apply -f -\n\n\
        Also as: oarlock workflows apply -f etl.yaml")]
pub(crate) struct Apply {
    /// A file, a folder, or `-`; said as often as needed
    #[arg(short, long = "file", value_name = "FILE|DIR|-")]
    file: Vec<String>,
    /// The same without the flag
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<String>,
    /// Then delete every workflow that no file names
    #[arg(long)]
    prune: bool,
}

/// Which files.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock validate etl.yaml\n\
        \x20 oarlock validate flows/ --strict\n\
        \x20 cat etl.yaml | oarlock validate -")]
pub(crate) struct Validate {
    /// Files, folders, or `-`
    #[arg(required = true, value_name = "FILE|DIR|-")]
    files: Vec<String>,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
}

/// Which file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock diff -f etl.yaml\n\n\
        Exit code 9 says that there are differences, 0 that there are none.")]
pub(crate) struct Diff {
    /// A file, a folder, or `-`
    #[arg(short, long = "file", value_name = "FILE|DIR|-")]
    file: Vec<String>,
    /// The same without the flag
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<String>,
}

/// Which file, of which tool.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock convert --from flowctl dag.yaml > etl.yaml\n\
        \x20 oarlock convert --from flowctl dag.yaml --out etl.yaml\n\n\
        What has no equal here is named on stderr.")]
pub(crate) struct Convert {
    /// The tool it was written for
    #[arg(long, default_value = "flowctl", value_parser = ["flowctl"])]
    from: String,
    /// The file, or `-`
    file: String,
    /// Write here instead of to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Does it.
pub(crate) async fn apply(session: &Session, args: &Apply) -> Result<(), Fault> {
    let client = session.client()?;
    let mut applied: Vec<AppliedDefinition> = Vec::new();
    let mut failed = None;
    let texts = sound(session, &found(&[args.file.as_slice(), args.more.as_slice()].concat())?)?;
    let stale = if args.prune { prune::stale(session, &texts).await? } else { Vec::new() };
    if !stale.is_empty() && !prune::sure(session, &stale)? {
        return Ok(());
    }
    for (file, text) in texts {
        let sent = client.apply(text.clone()).dry_run(session.global.dry_run).send().await;
        match sent {
            Ok(done) => applied.extend(done.items),
            Err(error) => {
                failed = Some(located(session, &file, &text, error));
                break;
            }
        }
    }
    for item in &applied {
        for warning in &item.warnings {
            session.out.note(&format!("warning: {}: {warning}", item.name));
        }
    }
    if !applied.is_empty() || failed.is_none() {
        session.out.list(&APPLIED, applied.iter().map(body).collect(), &Rest::default())?;
    }
    if session.global.dry_run {
        session.out.note("dry run: nothing was changed");
    } else if failed.is_none() {
        prune::delete(session, &stale).await?;
    }
    failed.map_or(Ok(()), Err)
}

/// The texts of several files, if nothing in any of them is wrong: a folder is applied as a whole, or not at all. A single file is
/// left to the node.
fn sound(session: &Session, files: &[String]) -> Result<Vec<(String, String)>, Fault> {
    let mut texts = Vec::new();
    let mut wrong = 0;
    for file in files {
        let text = read_text(file)?;
        if files.len() > 1 {
            let checked = format::check(file, &text, session.out.colour_err);
            if checked.errors > 0 {
                crate::output::complain(&checked.drawn);
                wrong += 1;
            }
        }
        texts.push((file.clone(), text));
    }
    if wrong > 0 {
        let what = format!("nothing was applied: {wrong} of {} files are not valid", files.len());
        return Err(Fault::new(Exit::Invalid, what).code("E0100"));
    }
    Ok(texts)
}

/// A refusal of a file, with the places drawn into its text.
pub(super) fn located(session: &Session, file: &str, text: &str, error: Error) -> Fault {
    if !matches!(error, Error::Invalid(_)) {
        return error.into();
    }
    let checked = format::check(file, text, session.out.colour_err);
    if checked.errors > 0 && !session.out.json() {
        return Fault { drawn: checked.drawn, ..Fault::silent(Exit::Invalid) };
    }
    // The node sees more than this program does, or is of another version: its own words then.
    let fault = Fault::from(error);
    Fault { what: format!("{file}: {}", fault.what), ..fault }
}

/// Does it.
pub(crate) fn validate(session: &Session, args: &Validate) -> Result<(), Fault> {
    let (mut errors, mut files, mut shown) = (0, 0, Vec::new());
    for file in found(&args.files)? {
        let text = read_text(&file)?;
        let checked = format::check(&file, &text, session.out.colour_err);
        let bad = checked.errors + if args.strict { checked.warnings } else { 0 };
        files += 1;
        errors += bad;
        if session.out.asked.is_some() {
            shown.push(json!({
                "file": file, "valid": bad == 0, "workflows": checked.names,
                "violations": checked.violations,
            }));
            continue;
        }
        crate::output::complain(&checked.drawn);
        if bad == 0 {
            let mark = session.out.paint(Tint::Good.style(), "✓");
            session.out.data(&format!("{mark} {file}: {}\n", checked.names.join(", ")));
        }
    }
    if session.out.asked.is_some() {
        session.out.value(&json!({"valid": errors == 0, "items": shown}));
    }
    match errors {
        0 => Ok(()),
        _ if files == 1 => Err(Fault::silent(Exit::Invalid)),
        _ => {
            session.out.note(&format!("{errors} errors in {files} files"));
            Err(Fault::silent(Exit::Invalid))
        }
    }
}

/// Does it.
pub(crate) async fn diff(session: &Session, args: &Diff) -> Result<(), Fault> {
    let client = session.client()?;
    let mut different = false;
    for file in found(&[args.file.as_slice(), args.more.as_slice()].concat())? {
        let text = read_text(&file)?;
        let sent = client.apply(text.clone()).dry_run(true).send().await;
        let would = sent.map_err(|error| located(session, &file, &text, error))?;
        for item in would.items {
            if item.change == Change::Unchanged {
                continue;
            }
            different = true;
            if session.out.json() {
                session.out.value(&body(&item));
                continue;
            }
            let (old, from) = match item.change {
                Change::Created => (String::new(), "/dev/null".to_owned()),
                Change::Updated | Change::Unchanged => {
                    let known = client.workflow(&item.name).get().await?;
                    let from = format!("{} version {}", item.name, known.version);
                    (known.source.unwrap_or_default(), from)
                }
            };
            let new = document(&text, &item.name);
            session.out.data(&format!("--- {from}\n+++ {file}\n"));
            for line in differ::unified(&old, new).unwrap_or_default() {
                let tint = match line.as_bytes().first() {
                    Some(b'+') => Tint::Good,
                    Some(b'-') => Tint::Bad,
                    Some(b'@') => Tint::Live,
                    _ => Tint::None,
                };
                session.out.data(&format!("{}\n", session.out.paint(tint.style(), &line)));
            }
        }
    }
    if different { Err(Fault::silent(Exit::Different)) } else { Ok(()) }
}

/// Does it.
pub(crate) fn convert(session: &Session, args: &Convert) -> Result<(), Fault> {
    let text = read_text(&args.file)?;
    tracing::debug!(from = %args.from, "converting");
    let converted = format::convert(&args.file, &text, session.out.colour_err)?;
    for note in &converted.notes {
        session.out.note(&format!("note: {note}"));
    }
    match &args.out {
        None => session.out.data(&converted.text),
        Some(path) => {
            std::fs::write(path, &converted.text).map_err(|fault| {
                Fault::new(Exit::Failed, format!("cannot write {}: {fault}", path.display()))
            })?;
            session.out.note(&format!("written: {}", path.display()));
        }
    }
    Ok(())
}

/// The document of a file that defines this name; the whole file if it has only one.
fn document<'a>(text: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    let mut documents = Vec::new();
    for (at, _) in text.match_indices("\n---") {
        documents.push(&text[from..=at]);
        from = text[at + 4..].find('\n').map_or(text.len(), |end| at + 5 + end);
    }
    documents.push(&text[from..]);
    let defines = |document: &&&str| {
        document.lines().any(|line| {
            let value = line.strip_prefix("name:").map(str::trim);
            value.is_some_and(|value| value.trim_matches(['"', '\'']) == name)
        })
    };
    documents.iter().find(defines).copied().unwrap_or(text)
}

/// The files that words name: folders by what is in them.
pub(super) fn found(words: &[String]) -> Result<Vec<String>, Fault> {
    if words.is_empty() {
        return Err(
            Fault::new(Exit::Usage, "which file?").help("-f FILE, a folder, or - for stdin")
        );
    }
    let mut files = Vec::new();
    for word in words {
        let path = Path::new(word);
        if word != "-" && path.is_dir() {
            let before = files.len();
            walk(path, 0, &mut files)?;
            if files.len() == before {
                let what = format!("there is no *.yaml, *.yml or *.json below {word}");
                return Err(Fault::new(Exit::Invalid, what));
            }
        } else {
            files.push(word.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<String>) -> Result<(), Fault> {
    let wrong = |fault: std::io::Error| {
        Fault::new(Exit::Invalid, format!("cannot read {}: {fault}", folder.display()))
            .code("E0101")
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        entries.push(entry.map_err(wrong)?.path());
    }
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if hidden {
            continue;
        }
        if path.is_dir() && depth < DEPTH_MAX {
            walk(&path, depth + 1, files)?;
        } else if matches!(ending.as_str(), "yaml" | "yml" | "json") {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn a_document_is_found_by_its_name() {
        let text = "name: a\ntasks: {}\n--- # next\nname: \"b\"\ntasks: {}\n";
        assert_eq!(document(text, "b"), "name: \"b\"\ntasks: {}\n");
        assert_eq!(document(text, "a"), "name: a\ntasks: {}\n");
        assert_eq!(document("name: c\n", "d"), "name: c\n");
    }
}
