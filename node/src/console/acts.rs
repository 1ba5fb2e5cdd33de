//! What the console's own commands do.

use std::fs::File;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use jiff::Timestamp;
use rustix::process::Signal;

use super::bright;
use super::desk::{Desk, Went};
use super::edit;
use super::meta::{self, Meta};
use super::past;
use super::script::Script;
use crate::ask::{Address, read_text, stdin_is_taken};
use crate::config::contexts::Contexts;
use crate::fault::{Exit, Fault};
use crate::output::{Format, Sink, Tint, clock};
use crate::words;

/// Clears the screen and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";
/// Files that may read each other.
const DEPTH_MAX: usize = 8;
/// Lines of the past that are shown.
const PAST_MAX: usize = 100;
/// How long one look may take at what is watched: longer than a call that is answered, and not for ever.
const LOOK_MAX: Duration = Duration::from_mins(1);

/// Does it.
pub(super) fn act(desk: &mut Desk, meta: Meta) -> Result<Went, Fault> {
    match meta {
        Meta::Quit => return Ok(Went::Off),
        Meta::Context(name) => connect(desk, name.as_deref())?,
        Meta::Node(name) => node(desk, name.as_deref())?,
        Meta::Read(file) => read(desk, &file)?,
        Meta::Edit => return edit(desk),
        Meta::Help => {
            let beside = desk.help_beside();
            let space = if beside.is_empty() { "" } else { "\n" };
            desk.base.out().data(&format!("{beside}{space}{}", meta::help()));
        }
        Meta::HelpOf(words) => {
            let words: Vec<String> = std::iter::once("help".to_owned()).chain(words).collect();
            desk.say(&words, None)?;
        }
        Meta::Watch(every, words) => watch(desk, every, &words)?,
        Meta::Form(form) => form_of(desk, form),
        Meta::Cards(switch) => {
            desk.cards = switch.turn(desk.cards);
            told(desk, "cards", desk.cards);
        }
        Meta::Timing(switch) => {
            desk.timing = switch.turn(desk.timing);
            told(desk, "timing", desk.timing);
        }
        Meta::Notify(switch) => {
            needs_person(desk, "\\notify")?;
            desk.notify = switch.turn(desk.notify);
            told(desk, "notify", desk.notify);
        }
        Meta::Safe(switch) => {
            desk.base.yes = !switch.turn(!desk.base.yes);
            told(desk, "safe", !desk.base.yes);
        }
        Meta::Into(file) => into(desk, file.as_deref())?,
        Meta::Variables => variables(desk),
        Meta::Set(name, value) => {
            desk.variables.insert(name, value);
        }
        Meta::Shell(command) => shell(desk, &command)?,
        Meta::Describe(name) => describe(desk, name.as_deref())?,
        Meta::History(text) => history(desk, text.as_deref()),
        Meta::Last => {
            let last = last(desk)?;
            desk.base.out().data(&format!("{last}\n"));
        }
        Meta::Cancel => {
            let words = ["runs".to_owned(), "cancel".to_owned(), last(desk)?];
            desk.say(&words, desk.sink.clone())?;
        }
    }
    Ok(Went::On)
}

/// Goes to another cluster; without a name, says which this is.
fn connect(desk: &mut Desk, name: Option<&str>) -> Result<(), Fault> {
    let address = match name {
        None => {
            let Address { addr, origin, .. } = &desk.place.address;
            desk.base.out().data(&format!("{addr}\t{origin}\n"));
            return Ok(());
        }
        Some("-") => {
            let missing = || Fault::new(Exit::Conflict, "there was no other cluster before");
            desk.before.take().ok_or_else(missing)?
        }
        Some(name) => Contexts::load()?.address(name)?,
    };
    let here = std::mem::replace(&mut desk.place.address, address);
    desk.before = Some(desk.home.take().unwrap_or(here));
    (desk.place.cluster, desk.place.node) = (None, None);
    desk.moved = true;
    if desk.has_person() {
        desk.greet();
    }
    Ok(())
}

/// Talks to one node, about what it has; or to any of them again.
fn node(desk: &mut Desk, name: Option<&str>) -> Result<(), Fault> {
    match name {
        None => {
            let node = desk.place.node.as_deref().unwrap_or("any");
            desk.base.out().data(&format!("{node}\t{}\n", desk.place.address.addr));
        }
        Some("-") => {
            if let Some(home) = desk.home.take() {
                desk.place.address = home;
            }
            desk.place.node = None;
            desk.moved = true;
        }
        Some(name) => {
            // The cluster knows where its nodes are; the one it talks to now may be cut off from it.
            let home = desk.home.as_ref().unwrap_or(&desk.place.address).clone();
            let client = desk.call(None)?.at(home).client()?;
            let member = desk.wait(async { Ok(client.node(name).get().await?) })?;
            let Address { token, context, .. } = desk.place.address.clone();
            let origin = format!("\\node {}, as the cluster knows it", member.name);
            let address = Address { addr: member.address, origin, token, context };
            let here = std::mem::replace(&mut desk.place.address, address);
            desk.home.get_or_insert(here);
            desk.place.node = Some(member.name);
            desk.moved = true;
        }
    }
    Ok(())
}

/// Does what a file says; the first error stops it, as in any script.
fn read(desk: &mut Desk, file: &str) -> Result<(), Fault> {
    if desk.depth >= DEPTH_MAX {
        return Err(Fault::new(Exit::Invalid, format!("`{file}` is read by a file that it reads")));
    }
    let text = read_text(file)?;
    desk.depth += 1;
    let done = Script::new(file).run(desk, Cursor::new(text));
    desk.depth -= 1;
    done
}

/// Opens what was typed last in an editor, and does what is there afterwards.
fn edit(desk: &mut Desk) -> Result<Went, Fault> {
    needs_person(desk, "\\e")?;
    let failed = |fault: std::io::Error| Fault::new(Exit::Failed, fault.to_string());
    let file = edit::own_file();
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    let written = made.and_then(|mut made| made.write_all(desk.typed.as_bytes()));
    written.map_err(failed)?;
    let (program, words) = edit::editor();
    let ended = Command::new(&program).args(words).arg(&file).status();
    let text = std::fs::read_to_string(&file);
    // It is in a folder that is emptied sooner or later.
    let _ = std::fs::remove_file(&file);
    match ended {
        Err(fault) => {
            let what = format!("cannot start `{program}`: {fault}");
            Err(Fault::new(Exit::Failed, what).help("choose another with $EDITOR"))
        }
        Ok(ended) if !ended.success() => {
            desk.base.out().note("nothing was done");
            Ok(Went::On)
        }
        Ok(_) => {
            let text = text.map_err(failed)?;
            desk.base.out().note(text.trim_end());
            desk.hear(&text)
        }
    }
}

/// The same command again and again, with what has changed made bright.
fn watch(desk: &mut Desk, every: Duration, words: &[String]) -> Result<(), Fault> {
    needs_person(desk, "\\watch")?;
    let mut before: Option<String> = None;
    loop {
        let kept = Arc::new(Mutex::new(String::new()));
        desk.until = Some(Instant::now() + LOOK_MAX);
        let done = desk.say(words, Some(Sink::Kept(Arc::clone(&kept))));
        desk.until = None;
        let now = kept.lock().expect("nobody panics while it is kept").clone();
        let out = desk.base.out();
        let head = format!("every {every:?} · {} · {}", words.join(" "), clock(Timestamp::now()));
        match done {
            // What is wrong with the words will not be right in a moment.
            Err(fault) if matches!(fault.exit, Exit::Usage | Exit::Denied) => return Err(fault),
            Err(fault) if fault.exit == Exit::Interrupted => return Ok(()),
            done => {
                let shown = match &before {
                    Some(before) if out.colour => bright::changes(before, &now),
                    _ => now.clone(),
                };
                let clear = if out.for_people() { CLEAR } else { "" };
                let head = out.paint(Tint::Faint.style(), &head);
                out.data(&format!("{clear}{head}\n\n{shown}"));
                if let Err(fault) = done {
                    fault.show_here(&out);
                }
            }
        }
        before = Some(now);
        let pause = async {
            tokio::time::sleep(every).await;
            Ok(())
        };
        if desk.wait(pause).is_err() {
            return Ok(());
        }
    }
}

fn form_of(desk: &mut Desk, form: Option<Format>) {
    if form.is_some() {
        desk.base.output = form;
    }
    let form = desk.base.output.unwrap_or(Format::Table).to_possible_value();
    let name = form.map(|form| form.get_name().to_owned()).unwrap_or_default();
    desk.base.out().note(&format!("data is shown as {name}"));
}

fn into(desk: &mut Desk, file: Option<&str>) -> Result<(), Fault> {
    desk.sink = match file {
        None => None,
        Some(file) => {
            let opened = File::options().create(true).append(true).open(file);
            let wrong =
                |fault| Fault::new(Exit::Invalid, format!("cannot write `{file}`: {fault}"));
            Some(Sink::File(Arc::new(opened.map_err(wrong)?)))
        }
    };
    Ok(())
}

fn variables(desk: &Desk) {
    let told: Vec<String> =
        desk.variables.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    desk.base.out().data(&told.concat());
}

fn shell(desk: &Desk, command: &str) -> Result<(), Fault> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    if !desk.has_person() && stdin_is_taken() {
        // What is still to come in the pipe is for the console.
        shell.stdin(Stdio::null());
    }
    let ended = shell
        .status()
        .map_err(|fault| Fault::new(Exit::Failed, format!("cannot start sh: {fault}")))?;
    if ended.success() {
        return Ok(());
    }
    if was_interrupted(ended) {
        return Err(Fault::silent(Exit::Interrupted));
    }
    let how = ended.code().map_or("was killed".to_owned(), |code| format!("ended with {code}"));
    Err(Fault::new(Exit::Failed, format!("the shell {how}")))
}

/// Whether Ctrl-C ended it, or what it was waiting for.
fn was_interrupted(ended: ExitStatus) -> bool {
    ended.signal() == Some(Signal::INT.as_raw()) || ended.code() == Some(Exit::Interrupted as i32)
}

fn describe(desk: &Desk, name: Option<&str>) -> Result<(), Fault> {
    let session = desk.call(desk.sink.clone())?;
    desk.wait(words::rpc::describe(&session, name))
}

fn history(desk: &Desk, text: Option<&str>) {
    let Some(file) = desk.past() else { return };
    let text = text.unwrap_or_default();
    let lines = past::lines(&file);
    let found: Vec<&String> = lines.iter().filter(|line| line.contains(text)).collect();
    let from = found.len().saturating_sub(PAST_MAX);
    let told: Vec<String> = found[from..].iter().map(|line| format!("{line}\n")).collect();
    desk.base.out().data(&told.concat());
}

fn last(desk: &Desk) -> Result<String, Fault> {
    desk.last.clone().ok_or_else(|| {
        let fault = Fault::new(Exit::NotFound, "no run was started from this console");
        fault.help("start one: run FILE")
    })
}

fn told(desk: &Desk, what: &str, on: bool) {
    desk.base.out().note(&format!("{what} is {}", if on { "on" } else { "off" }));
}

/// Refuses what makes no sense where nobody looks.
fn needs_person(desk: &Desk, what: &str) -> Result<(), Fault> {
    if desk.has_person() && desk.depth == 0 {
        return Ok(());
    }
    Err(Fault::new(Exit::Usage, format!("{what} is for people, not for scripts")))
}
