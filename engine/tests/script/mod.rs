//! The runner of golden scripts.
//!
//! A script is blocks divided by blank lines: lines to do, `---`, what came of it. A line is a word and its arguments, some
//! of them `key=value`; quotes keep spaces together; lines that begin with `#` are for the reader. Lines that are indented
//! belong to the line above them (the steps of a `define`).
//!
//! ```text
//! join 1                                   a member; its boot is 1 unless `boot=2` says otherwise
//! enter 2 roles=worker label.zone=a        the same with a profile (capacity=50); drain-node 2, undrain 2, give-up 2 silent=900
//! attach 7 node=1 slots=2                  a worker, attached through it (queues=a,b calls=mail builtin=no)
//! define etl timeout=60000                 a workflow; its steps follow: NAME ACTION key=value…
//!   extract run                              actions: noop run http call:NAME sleep:MS wait:SIGNAL[:MS[:continue]]
//!   load run needs=extract attempts=3                 child:WORKFLOW emit:NAME template
//! start etl 1 key=monday offer=7:2         run 1 is called r1; any line can carry `offer=WORKER:SLOTS`
//! complete r1.extract worker=7 attempt=1   tasks: r1.extract, or r1.extract[3]
//! cancel ^r1/call@2                        the child run that attempt 2 of r1.call started; its tasks: ^r1/call@2.load
//! at 5000 · wait 100 · by user:eva         time and principal of what follows
//! together                                 as the first line of a block: all its lines are one parcel
//! show run r1                              also: steps r1, tasks r1, tries r1.load, queue NAME, roles, feed 3, history r1 …
//! ```
//!
//! After each block the laws of the tables are checked; a breach is told in the output.

#![allow(dead_code, reason = "each test binary uses its own part of the runner")]

pub(crate) mod ask;
pub(crate) mod parse;
pub(crate) mod print;
pub(crate) mod show;
pub(crate) mod world;

use std::path::{Path, PathBuf};

use oarlock_engine::apply::Parcel;
use oarlock_engine::feed::Record;
use oarlock_engine::store::mem::MemStore;

use self::parse::Line;
use self::world::World;

/// What playing a script came to.
pub(crate) struct Played {
    /// The script with what it said.
    pub text: String,
    /// Everything recorded while it was played.
    pub records: Vec<Record>,
    /// Everything asked.
    pub parcels: Vec<Parcel>,
    /// The tables in the end.
    pub store: MemStore,
}

/// All scripts, in the order of their paths.
pub(crate) fn paths() -> Vec<PathBuf> {
    fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder of scripts is readable") {
            let path = entry.expect("the folder of scripts is readable").path();
            if path.is_dir() {
                gather(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"), &mut found);
    found.sort();
    found
}

/// Plays a script, block by block.
pub(crate) fn play(text: &str) -> Played {
    let mut world = World::default();
    let mut told = Vec::new();
    for block in text.split("\n\n") {
        let block = block.trim_matches('\n');
        let mut lines: Vec<&str> = Vec::new();
        let mut asks = false;
        for line in block.lines() {
            if line == "---" {
                break;
            }
            asks |= !line.starts_with('#') && !line.trim().is_empty();
            lines.push(line);
        }
        let mut block = lines.join("\n");
        if asks {
            block.push_str("\n---\n");
            block.push_str(&answer(&mut world, &lines));
        }
        told.push(block);
    }
    let mut text = told.join("\n\n");
    text.push('\n');
    Played { text, records: world.records, parcels: world.parcels, store: world.store }
}

fn answer(world: &mut World, lines: &[&str]) -> String {
    let parsed = match parse::lines(lines) {
        Ok(parsed) => parsed,
        Err(fault) => return format!("cannot read: {fault}"),
    };
    let (together, parsed) = match parsed.split_first() {
        Some((first, rest)) if first.word == "together" => (true, rest.to_vec()),
        _ => (false, parsed),
    };
    let mut told = Vec::new();
    if together {
        told.append(&mut commands(world, &parsed));
    } else {
        for line in &parsed {
            told.append(&mut one(world, line));
        }
    }
    for breach in oarlock_engine::law::check(&world.store) {
        told.push(format!("BREACH: {breach}"));
    }
    if told.is_empty() {
        told.push("ok".to_owned());
    }
    told.join("\n")
}

fn one(world: &mut World, line: &Line) -> Vec<String> {
    match line.word.as_str() {
        "at" => {
            world.now.0 = line.number(0).expect("`at` takes milliseconds");
            Vec::new()
        }
        "wait" => {
            world.now.0 += line.number::<u64>(0).expect("`wait` takes milliseconds");
            Vec::new()
        }
        "by" => {
            world.by.0 = line.positional(0).expect("`by` takes a principal").to_owned();
            Vec::new()
        }
        "show" => {
            show::show(world, line).unwrap_or_else(|fault| vec![format!("cannot show: {fault}")])
        }
        _ => commands(world, std::slice::from_ref(line)),
    }
}

fn commands(world: &mut World, lines: &[Line]) -> Vec<String> {
    let mut entries = Vec::new();
    for line in lines {
        match ask::entry(world, line) {
            Ok(entry) => entries.push(entry),
            Err(fault) => return vec![format!("cannot read: {fault}")],
        }
    }
    world.apply(entries)
}

/// Where two texts part, for people: the lines around the first difference.
pub(crate) fn difference(expected: &str, told: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), told.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let mut text = String::new();
    for line in old.iter().take(same).skip(same.saturating_sub(4)) {
        text.push_str(&format!("      {line}\n"));
    }
    for line in old.iter().skip(same).take(8) {
        text.push_str(&format!("    - {line}\n"));
    }
    for line in new.iter().skip(same).take(8) {
        text.push_str(&format!("    + {line}\n"));
    }
    text
}
