//! Looks at a data directory that no node uses, and says in plain sentences what is right and what is not.
//!
//! Nothing of the node's own files is changed: both databases are opened to read. What must be applied again is applied to a copy
//! beside them (links to the same files), which is removed at the end.
//!
//! ```text
//!   log ── whole, without holes, not less than its mark, every entry readable
//!   snapshot ─▶ copy ── log applied again ─▶ fingerprint equal to the state's?
//!   state ────▶ copy ── rest of the log ───▶ laws
//! ```

use std::path::{Path, PathBuf};

use oarlock_engine::apply::{Engine, Parcel};
use oarlock_engine::{codec, law};
use openraft::entry::RaftEntry as _;
use rocksdb::{DB, IteratorMode};

use crate::admin::{Identity, read_identity, take_directory};
use crate::config::{LOG_READ_BYTES_MAX, LogId, Payload};
use crate::disk::Place;
use crate::fault::Fault;
use crate::log::mark::Mark;
use crate::log::store::{Found, read_rows};
use crate::machine::apply::step;
use crate::machine::hot::Hot;
use crate::machine::rocks::{Applied, Then, applied, members};
use crate::machine::{Progress, index, next};
use crate::snapshot;

/// Where copies are made.
const SCRATCH: &str = "scratch";
/// Breaches that are shown one by one; the rest is counted.
const BREACHES_MAX: usize = 20;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whose directory it is.
    pub identity: Option<Identity>,
    /// What is right, as sentences.
    pub facts: Vec<String>,
    /// What is wrong, as sentences. Empty: the directory is sound.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn fact(&mut self, what: String) {
        self.facts.push(what);
    }

    fn fault(&mut self, what: String) {
        self.faults.push(what);
    }
}

/// Looks at a data directory.
///
/// # Errors
/// When a node uses it, or it is no data directory; what is wrong *inside* is in the report.
pub fn offline(dir: &Path) -> Result<Report, Fault> {
    let Some(identity) = read_identity(dir)? else {
        return Err(Fault::Data(format!("{}: there is no Oarlock data here", dir.display())));
    };
    let _lock = take_directory(dir)?;
    let mut report = Report { identity: Some(identity), ..Report::default() };
    report.fact(format!("node {} of cluster {:032x}", identity.node, identity.cluster));
    let place = Place::new(Some(dir))?;
    let scratch = Scratch::new(dir)?;
    if let Err(why) = look(&place, &scratch, &mut report) {
        report.fault(why);
    }
    Ok(report)
}

fn look(place: &Place, scratch: &Scratch, report: &mut Report) -> Result<(), String> {
    let log = place.open_log_to_read().map_err(|why| format!("the log cannot be read: {why}"))?;
    let found = Found::read(&log).map_err(|why| format!("the log cannot be read: {why}"))?;
    match Mark::open(&place.path("mark"), false) {
        Err(why) => report.fault(why.to_string()),
        Ok(mark) => match found.check(&log, place, &mark.promise()) {
            Ok(()) => report.fact("the log has everything its high-water mark promises".to_owned()),
            Err(why) => report.fault(why.to_string()),
        },
    }
    read_log(&log, &found, report)?;

    let state = place
        .open_copy(&place.path("state"))
        .map_err(|why| format!("the state cannot be read: {why}"))?;
    let have = applied(&state).map_err(|why| format!("the state cannot be read: {why}"))?;
    let rows = count(&state).map_err(|why| format!("the state cannot be read: {why}"))?;
    report.fact(format!(
        "the state has {rows} rows and stands after log entry {}, fingerprint {}",
        index(have.last),
        have.print
    ));
    fits(&log, &found, &have, report);
    drop(state);

    if let Err(why) = fingerprint(place, scratch, &log, &found, &have, report) {
        report.fault(why);
    }
    laws(place, scratch, &log, &found, report)
}

/// Every entry: there, in order, readable.
fn read_log(log: &DB, found: &Found, report: &mut Report) -> Result<(), String> {
    let (first, to) = (next(found.purged), next(found.last));
    let (mut from, mut commands, mut before) = (first, 0, found.purged);
    while from < to {
        let entries = read_rows(log, from, to, LOG_READ_BYTES_MAX)
            .map_err(|why| format!("the log cannot be read: {why}"))?;
        match entries.first() {
            Some(entry) if entry.index() == from => {}
            _ => return Err(format!("log entry {from} is missing")),
        }
        for entry in &entries {
            let id = entry.log_id();
            if Some(id) <= before {
                report.fault(format!("log entry {id} comes after {before:?}: terms run backwards"));
            }
            before = Some(id);
            if let Payload::Normal(packet) = &entry.payload {
                match codec::decode::<Parcel>(&packet.0) {
                    Ok(parcel) => commands += parcel.entries.len(),
                    Err(why) => report.fault(format!("log entry {} is no parcel: {why}", id.index)),
                }
            }
        }
        from += entries.len() as u64;
    }
    report.fact(format!(
        "the log has entries {first} to {} without holes, with {commands} commands in them",
        index(found.last)
    ));
    Ok(())
}

fn fits(log: &DB, found: &Found, have: &Applied, report: &mut Report) {
    let Some(last) = have.last else { return };
    if Some(last) > found.last {
        report.fault(format!(
            "the state stands after {last}, but the log ends at {}",
            index(found.last)
        ));
    }
    if next(Some(last)) < next(found.purged) {
        report.fault(format!(
            "the state stands after {last}, but the log begins behind {}",
            index(found.purged)
        ));
    }
    if last.index < next(found.purged) {
        return;
    }
    let there = read_rows(log, last.index, last.index + 1, usize::MAX);
    if there.is_ok_and(|there| there.first().map(|entry| entry.log_id()) != Some(last)) {
        report.fault(format!("the state has applied {last}, which is not what the log has there"));
    }
}

/// From the newest snapshot (or from nothing, if the log is complete) the log must lead to the same fingerprint.
fn fingerprint(
    place: &Place,
    scratch: &Scratch,
    log: &DB,
    found: &Found,
    have: &Applied,
    report: &mut Report,
) -> Result<(), String> {
    let base = snapshot::newest(place);
    let path = scratch.0.join("print");
    match &base {
        Some(kept) => copy(&kept.path, &path)?,
        None if found.purged.is_none() => {}
        None => {
            return Err(
                "the log is purged, but there is no snapshot that it was purged for".to_owned()
            );
        }
    }
    let begin = next(base.as_ref().and_then(|kept| kept.meta.last_log_id));
    if begin < next(found.purged) || begin > next(have.last) {
        report.fact(format!("the fingerprint cannot be followed from log entry {begin} on"));
        return Ok(());
    }
    let db = if base.is_some() { place.open_scratch(&path) } else { place.open_fresh(&path) };
    let db = db.map_err(|why| format!("a copy cannot be opened: {why}"))?;
    let reached = replay(&db, log, have.last)?;
    if reached == *have {
        report.fact(format!(
            "applying log entries {begin} to {} again gives the same fingerprint",
            index(have.last)
        ));
    } else {
        report.fault(format!(
            "applying log entries {begin} to {} again gives fingerprint {} and not {}: the state was changed by something else than its \
             log, or the engine is not deterministic",
            index(have.last),
            reached.print,
            have.print
        ));
    }
    Ok(())
}

/// The state with the rest of the log must obey the laws.
fn laws(
    place: &Place,
    scratch: &Scratch,
    log: &DB,
    found: &Found,
    report: &mut Report,
) -> Result<(), String> {
    let path = scratch.0.join("laws");
    copy(&place.path("state"), &path)?;
    let db = place.open_scratch(&path).map_err(|why| format!("a copy cannot be opened: {why}"))?;
    let alone = members(&db)?.membership().voter_ids().count() <= 1;
    // A group of one has agreed to all its log has.
    let upto = if alone { found.last } else { found.committed };
    let reached = replay(&db, log, upto)?;
    let breaches = law::check(&Then::new(&db));
    if breaches.is_empty() {
        report.fact(format!("after log entry {} every law holds", index(reached.last)));
    }
    for breach in breaches.iter().take(BREACHES_MAX) {
        report.fault(format!("a law does not hold: {breach}"));
    }
    if breaches.len() > BREACHES_MAX {
        report.fault(format!("… and {} more", breaches.len() - BREACHES_MAX));
    }
    Ok(())
}

/// Applies the log to a copy, up to an entry.
fn replay(db: &DB, log: &DB, upto: Option<LogId>) -> Result<Applied, String> {
    let mut progress = Progress::read(db)?;
    let mut engine = Engine::default();
    let mut hot = Hot::load(db)?;
    let to = next(upto);
    let mut from = next(progress.applied.last);
    while from < to {
        let entries =
            read_rows(log, from, to, LOG_READ_BYTES_MAX).map_err(|why| why.to_string())?;
        if entries.is_empty() {
            return Err(format!("log entry {from} is missing"));
        }
        for entry in entries {
            progress = step(db, &mut engine, &mut hot, &progress, &entry)
                .map_err(|why| why.to_string())?
                .0;
            from = entry.index() + 1;
        }
    }
    Ok(progress.applied)
}

/// Reads every row, and with it every block's checksum.
fn count(db: &DB) -> Result<usize, String> {
    db.iterator(IteratorMode::Start)
        .try_fold(0, |rows, row| row.map(|_| rows + 1))
        .map_err(rocksdb::Error::into_string)
}

/// A folder for copies, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path) -> Result<Scratch, Fault> {
        let path = dir.join(SCRATCH);
        snapshot::remove(&path);
        std::fs::create_dir(&path)
            .map_err(|why| Fault::Data(format!("{}: no room for copies: {why}", path.display())))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        snapshot::remove(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    snapshot::load::copy_files(from, to).map_err(|why| format!("a copy cannot be made: {why}"))
}
