//! Records into the feed, and the feed's beginning.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Event, Record, Subject};
use crate::codec;
use crate::event::Event as Any;
use crate::id::Revision;
use crate::run;
use crate::store::{Rows, schema};
use crate::time::Moment;

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Trimmed { before } => {
            let mut clock = schema::clock(rows);
            clock.oldest = *before;
            schema::CLOCK.put(rows, &(), &clock);
            schema::FEED.clear_before(rows, &(), before);
            schema::HISTORY.clear_before(rows, &(Subject::Cell,), &(Subject::Cell, *before));
        }
    }
}

/// Files the records of one entry, those of each subject together, and moves the clock.
///
/// What a purged run did in the entry that purged it is filed under the cell: the run's own history is gone.
pub(crate) fn file(rows: &mut Rows<'_>, records: &[Record]) {
    let mut clock = schema::clock(rows);
    clock.now = rows.now();
    if let Some(last) = records.last() {
        clock.revision = last.revision;
    }
    schema::CLOCK.put(rows, &(), &clock);
    let Some(first) = records.first() else { return };

    let gone: BTreeSet<Subject> = records.iter().filter_map(purged).collect();
    let mut groups: BTreeMap<Subject, Vec<(Revision, &Any)>> = BTreeMap::new();
    for record in records {
        let own = super::subject(&record.event);
        let subject = if gone.contains(&own) { Subject::Cell } else { own };
        groups.entry(subject).or_default().push((record.revision, &record.event));
    }
    let at = first.at;
    let by = first.by.as_str();
    let mut places: Vec<(Subject, Revision)> = Vec::with_capacity(groups.len());
    for (subject, events) in groups {
        let head = events[0].0;
        places.push((subject, head));
        let page = codec::encode(&Draft { at, by, events });
        schema::HISTORY.put_bytes(rows, &(subject, head), &page);
    }
    schema::FEED.put(rows, &first.revision, &places);
}

/// A [`super::Page`] made of what others own: the same bytes.
#[derive(Serialize)]
struct Draft<'a> {
    at: Moment,
    by: &'a str,
    events: Vec<(Revision, &'a Any)>,
}

/// The run that a record purges.
fn purged(record: &Record) -> Option<Subject> {
    match &record.event {
        Any::Run(run::Event::Purged { run, .. }) => Some(Subject::Run(*run)),
        Any::Run(_)
        | Any::Catalog(_)
        | Any::Dag(_)
        | Any::Task(_)
        | Any::Queue(_)
        | Any::Timer(_)
        | Any::Role(_)
        | Any::Member(_)
        | Any::Worker(_)
        | Any::Feed(_)
        | Any::Setting(_)
        | Any::Blob(_) => None,
    }
}
