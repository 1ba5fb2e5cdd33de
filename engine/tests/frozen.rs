//! Bytes of every format ever released still read as they were meant.
//!
//! The files under `frozen/` are never edited, only added to: `UPDATE_FROZEN=1 cargo test -p oarlock-engine --test frozen` appends
//! what is not there yet. If a test here fails, a change would make logs and tables of released versions unreadable: give the new
//! shape a new format byte (`codec.rs`) and keep reading the old one.

mod history;
mod script;

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use oarlock_engine::apply::Parcel;
use oarlock_engine::codec;
use oarlock_engine::command::Command;
use oarlock_engine::event::Event;
use oarlock_engine::feed::Record;
use oarlock_engine::store::key::{Key, bytes_of};
use oarlock_engine::store::mem::MemStore;
use oarlock_engine::store::schema;
use oarlock_engine::store::table::Table;
use oarlock_engine::store::value::Value;
use oarlock_engine::store::{Batch, Change, View};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One frozen record: what it is, its bytes, what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ice {
    name: String,
    bytes: Vec<Vec<u8>>,
    means: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| (digit as char).to_digit(16).expect("frozen bytes are hexadecimal") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen").join(file)
}

/// Three lines a record: its name, its bytes (key and value, for a row), what they mean.
fn read(file: &str) -> Vec<Ice> {
    let text = std::fs::read_to_string(path(file)).unwrap_or_default();
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    let ices = blocks.map(|block| {
        let mut lines = block.trim_matches('\n').splitn(3, '\n');
        let mut line = || lines.next().expect("a frozen record has three lines").to_owned();
        let (name, bytes, means) = (line(), line(), line());
        Ice { name, bytes: bytes.split(' ').map(unhex).collect(), means }
    });
    ices.collect()
}

/// Appends what is not there, if asked to; otherwise nothing may be missing.
fn add(file: &str, missing: &[Ice]) {
    if missing.is_empty() {
        return;
    }
    #[allow(
        clippy::disallowed_methods,
        reason = "a test may be told by its surroundings to add to its files"
    )]
    let update = std::env::var("UPDATE_FROZEN").is_ok();
    let names: Vec<&String> = missing.iter().map(|ice| &ice.name).collect();
    assert!(update, "not frozen yet (UPDATE_FROZEN=1 appends them to {file}): {names:?}");
    let mut text = std::fs::read_to_string(path(file)).unwrap_or_default();
    for Ice { name, bytes, means } in missing {
        let bytes: Vec<String> = bytes.iter().map(|bytes| hex(bytes)).collect();
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{gap}{name}\n{}\n{means}\n", bytes.join(" "));
    }
    std::fs::write(path(file), text).expect("the frozen files are writable");
}

/// What is frozen still reads and writes the same; what there is, is frozen.
fn values<T: Serialize + DeserializeOwned + Debug>(file: &str, samples: BTreeMap<String, T>) {
    let frozen = read(file);
    for ice in &frozen {
        let value: T = codec::decode(&ice.bytes[0])
            .unwrap_or_else(|fault| panic!("{file}: {}: {fault}", ice.name));
        assert_eq!(format!("{value:?}"), ice.means, "{file}: {}", ice.name);
        assert_eq!(hex(&codec::encode(&value)), hex(&ice.bytes[0]), "{file}: {}", ice.name);
    }
    let fresh = samples.iter().filter(|(name, _)| !frozen.iter().any(|ice| ice.name == **name));
    let fresh: Vec<Ice> = fresh
        .map(|(name, value)| Ice {
            name: name.clone(),
            bytes: vec![codec::encode(value)],
            means: format!("{value:?}"),
        })
        .collect();
    add(file, &fresh);
}

/// Everything that scripts and a few random histories ask, record and leave behind.
struct Heap {
    parcels: Vec<Parcel>,
    records: Vec<Record>,
    stores: Vec<MemStore>,
}

fn heap() -> &'static Heap {
    static HEAP: OnceLock<Heap> = OnceLock::new();
    HEAP.get_or_init(gathered)
}

fn gathered() -> Heap {
    let mut heap = Heap { parcels: Vec::new(), records: Vec::new(), stores: Vec::new() };
    for path in script::paths() {
        let text = std::fs::read_to_string(&path).expect("scripts are readable text");
        let played = script::play(&text);
        heap.parcels.extend(played.parcels);
        heap.records.extend(played.records);
        heap.stores.push(played.store);
    }
    for seed in 0..60 {
        let mut play = history::Play::begun();
        play.play(&history::thrown(seed, 120), |_| ());
        heap.records.extend(play.records);
        heap.parcels.extend(play.log.into_iter().map(|(parcel, _, _)| parcel));
        heap.stores.push(play.store);
    }
    heap
}

/// `Task(Leased { …` as `Task.Leased`.
fn kind(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let mut words =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let (concept, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("{concept}.{name}")
}

#[test]
fn commands_read_as_they_were_meant() {
    let entries = heap().parcels.iter().flat_map(|parcel| &parcel.entries);
    let mut samples: BTreeMap<String, Command> = BTreeMap::new();
    for entry in entries {
        samples.entry(kind(&entry.command)).or_insert_with(|| entry.command.clone());
    }
    values("commands", samples);
}

#[test]
fn events_read_as_they_were_meant() {
    let mut samples: BTreeMap<String, Event> = BTreeMap::new();
    for record in &heap().records {
        samples.entry(kind(&record.event)).or_insert_with(|| record.event.clone());
    }
    values("events", samples);
}

#[test]
fn parcels_read_as_they_were_meant() {
    let mut samples = BTreeMap::new();
    for parcel in &heap().parcels {
        let offers = parcel.entries.iter().filter(|entry| entry.offer.is_some()).count();
        let name = format!("{} entries, {} offers", parcel.entries.len().min(3), offers.min(2));
        samples.entry(name).or_insert_with(|| parcel.clone());
    }
    values("parcels", samples);
}

/// A row's value by its kind: the names of its variants, so that each is frozen at least once.
fn shape(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let names = words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_uppercase()));
    names.collect::<Vec<_>>().join(" ")
}

/// A table's frozen rows, and the rows that could be.
fn rows<K, V>(table: &'static Table<K, V>, name: &str, raw: bool, heap: &Heap) -> Vec<Ice>
where
    K: Key + Debug,
    V: Value + Debug,
{
    let frozen: Vec<Ice> = read("rows").into_iter().filter(|ice| ice.name == name).collect();
    let number = schema::TABLES.iter().find(|(_, known)| *known == name).expect("it is a table").0;
    for ice in &frozen {
        let mut store = MemStore::default();
        let row = Change::Put(ice.bytes[0].clone(), ice.bytes[1].clone());
        store.write(Batch { changes: vec![row] });
        if raw {
            continue;
        }
        let (key, value) = table.under(&store, &()).next().expect("the row is in its table");
        assert_eq!(format!("{key:?} {value:?}"), ice.means, "{name}");
        assert_eq!(hex(&codec::encode(&value)), hex(&ice.bytes[1]), "{name}");
        let bytes = [vec![number], bytes_of(&key)].concat();
        assert_eq!(hex(&bytes), hex(&ice.bytes[0]), "{name}");
    }
    let mut shapes: Vec<String> = frozen.iter().map(|ice| shape(&ice.means)).collect();
    let mut fresh = Vec::new();
    for store in &heap.stores {
        for (key, value) in store.scan(&[number], &[number + 1]) {
            let means = if raw {
                format!("{:?}", String::from_utf8_lossy(&value))
            } else {
                let value: V = codec::decode(&value).expect("the engine reads what it wrote");
                let mut rest = &key[1..];
                format!("{:?} {value:?}", K::read(&mut rest).expect("and its keys"))
            };
            // A few of each table: whole definitions and pages are long.
            if shapes.len() < 6 && !shapes.contains(&shape(&means)) {
                shapes.push(shape(&means));
                fresh.push(Ice { name: name.to_owned(), bytes: vec![key, value], means });
            }
        }
    }
    assert!(!shapes.is_empty(), "no row of {name} anywhere");
    if frozen.is_empty() { fresh } else { Vec::new() }
}

macro_rules! every_table {
    ($heap:expr; $($name:ident)*) => {{
        const NAMED: &[&str] = &[$(stringify!($name)),*];
        let unnamed: Vec<_> = schema::TABLES.iter().filter(|(_, name)| !NAMED.contains(name)).collect();
        assert!(unnamed.is_empty(), "not looked at: {unnamed:?}");
        let mut fresh = Vec::new();
        $(fresh.extend(rows(&schema::$name, stringify!($name), stringify!($name) == "BLOB", $heap));)*
        fresh
    }};
}

#[test]
fn rows_read_as_they_were_meant() {
    let heap = heap();
    let fresh = every_table!(heap;
        CLOCK WORKFLOW WORKFLOW_BY_NAME DEFINITION EDITION
        RUN RUN_BY_NUMBER RUN_BY_KEY RUN_BY_REQUEST RUN_BY_CREATED RUN_BY_STATE RUN_BY_WORKFLOW_STATE
        RUN_SETTLED LANE_HOLDER LANE_WAITER SIGNAL SIGNAL_WAITER SIGNAL_SEEN
        STEP QUESTION
        TASK TRY READY LEASED DEAD DEAD_BY_TIME
        QUEUE QUEUE_NAMES TIMER
        ROLE ROLE_BY_NAME ROLE_OF_NODE MEMBER WORKER WORKER_OF_NODE SETTING
        PROFILE DEPARTURE WISH
        HISTORY FEED BLOB
    );
    add("rows", &fresh);
}
