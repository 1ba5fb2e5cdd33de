//! The last resort when a majority is lost for good: one copy goes on alone, and says what may be gone.
//!
//! Offline, on a directory that no process uses. The copy becomes the only voter of a cluster with a new name, so that the others,
//! should they ever come back, cannot talk to it and two halves of the old cluster cannot both go on. Whatever was acknowledged by
//! a majority that did not include this copy is gone, and nothing here can know how much that is; the report says where this copy
//! ends. Entries that were in its log without a majority's word become true.

use std::path::Path;

use oarlock_engine::apply::Parcel;
use oarlock_engine::codec;
use oarlock_engine::id::NodeId;
use oarlock_engine::time::Moment;
use openraft::entry::RaftEntry as _;
use openraft::impls::BasicNode;
use openraft::impls::leader_id_adv::LeaderId;
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::admin::{self, Identity, read_identity, take_directory, write_identity};
use crate::config::{Entry, LOG_READ_BYTES_MAX, LogId, Membership, Payload, Vote};
use crate::disk::Place;
use crate::fault::Fault;
use crate::log::key;
use crate::log::mark::{Mark, Promise};
use crate::log::store::{Found, read_rows};
use crate::machine::{Progress, index, next};

/// What was done, and what may be gone.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Who the directory belongs to, with the cluster's new name.
    pub identity: Identity,
    /// The cluster's old name.
    pub cluster_before: u128,
    /// The last log entry of this copy: what came after it, if anything did, is gone.
    pub last: u64,
    /// How much of it was known to be acknowledged by a majority; what follows may never have been.
    pub committed: u64,
    /// When the newest command of this copy was proposed.
    pub newest: Option<Moment>,
    /// The other members, which have no part in the cluster any more, and where they were.
    pub gone: Vec<(NodeId, String)>,
}

/// Makes the copy in a directory the only voter of a cluster with a new name.
///
/// # Errors
/// When a process uses the directory, there is none of ours, or its log is not whole: nothing is changed then. When the disk fails in the
/// middle, what has begun is brought to its end by asking again.
pub fn recover(dir: &Path) -> Result<Recovered, Fault> {
    let Some(before) = read_identity(dir)? else {
        return Err(Fault::Data(format!("{}: there is no Oarlock data here", dir.display())));
    };
    let _lock = take_directory(dir)?;
    let place = Place::new(Some(dir))?;
    let log = place.open_log()?;
    let wrong = |why: &dyn std::fmt::Display| Fault::Storage(why.to_string());
    let found = Found::read(&log).map_err(|why| wrong(&why))?;
    let mut mark = Mark::open(&place.path("mark"), false)?;
    found.check(&log, &place, &mark.promise())?;
    let (members, newest) = look(&place, &log, &found).map_err(|why| wrong(&why))?;

    // First the name: half done, the copy belongs to a cluster that nobody else is in, and cannot decide anything.
    let identity = Identity { node: before.node, cluster: admin::random()?, joined: false };
    write_identity(dir, identity).map_err(|why| wrong(&why))?;
    let me = before.node.0;
    let term = found.vote.map_or(0, |vote| vote.leader_id.term);
    let term = 1 + term.max(found.last.map_or(0, |last| last.leader_id.term));
    let leader_id = LeaderId { term, node_id: me };
    let last = LogId::new(leader_id, next(found.last));
    let vote = Vote { leader_id, committed: false };
    let here = members.get_node(&me).cloned().unwrap_or_else(BasicNode::default);
    let alone = openraft::Membership::new(
        vec![[me].into()],
        std::collections::BTreeMap::from([(me, here)]),
    )
    .map_err(|why| wrong(&why))?;
    let entry = Entry::new(last, Payload::Membership(alone));
    let mut batch = WriteBatch::default();
    batch.put(key::entry(last.index), key::encode(&entry));
    batch.put(key::VOTE, codec::encode(&vote));
    let mut options = WriteOptions::default();
    options.set_sync(true);
    log.write_opt(batch, &options)?;
    mark.note(Promise { vote: Some(vote), last: Some(last) })
        .and_then(|()| mark.sync())
        .map_err(|why| wrong(&why))?;
    let others = members.nodes().filter(|(node, _)| **node != me);
    Ok(Recovered {
        identity,
        cluster_before: before.cluster,
        last: index(found.last),
        committed: index(found.committed),
        newest,
        gone: others.map(|(node, at)| (NodeId(*node), at.addr.clone())).collect(),
    })
}

/// Who took part last, and when the newest command was proposed.
fn look(place: &Place, log: &DB, found: &Found) -> Result<(Membership, Option<Moment>), String> {
    let progress = Progress::read(&place.open_state().map_err(rocksdb::Error::into_string)?)?;
    let (mut members, mut newest) = (progress.members, None);
    let (mut from, to) = (next(found.purged), next(found.last));
    while from < to {
        let entries =
            read_rows(log, from, to, LOG_READ_BYTES_MAX).map_err(|why| why.to_string())?;
        if entries.is_empty() {
            return Err(format!("log entry {from} is missing"));
        }
        for entry in &entries {
            match &entry.payload {
                Payload::Blank => {}
                Payload::Membership(found) => {
                    members = Membership::new(Some(entry.log_id()), found.clone());
                }
                Payload::Normal(packet) => {
                    let parcel: Parcel = codec::decode(&packet.0).map_err(|why| why.to_string())?;
                    newest = newest.max(parcel.entries.iter().map(|entry| entry.at).max());
                }
            }
            from = entry.index() + 1;
        }
    }
    Ok((members, newest))
}
