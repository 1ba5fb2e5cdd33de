//! A snapshot on its way: rows in key order, in pieces with a checksum each, and one over the whole.
//!
//! The state after one log entry has the same rows on every replica, so a transfer that broke off goes on behind the last key that
//! arrived, whoever sends the rest. The receiver gathers the rows in a database of its own beside the state, which it serves reads
//! from meanwhile; when all have arrived and the sums agree it is verified against the laws and swapped in (`snapshot/load.rs`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openraft::raft::SnapshotResponse;
use openraft::storage::Snapshot;
use rocksdb::{DB, Direction, IteratorMode, WriteBatch, WriteOptions};

use super::link::{Link, Uncalled};
use super::wire::{Ask, Reply, Ship, Shipped, put_row, rows};
use crate::config::{Cell, LogId, Raft, SnapshotMeta, Vote};
use crate::machine::Shared;
use crate::machine::print::Print;
use crate::snapshot::{FOLDER, Kept, UNFINISHED, build};

/// Bytes of rows in one piece, unless a single row is larger.
const PIECE_BYTES: usize = 1 << 20;
/// How long a piece may take.
const PIECE_WAIT: Duration = Duration::from_secs(10);
/// How long the last step may take: the laws are checked over all rows.
const INSTALL_WAIT: Duration = Duration::from_secs(600);
/// Names of what is being received.
static COUNT: AtomicU64 = AtomicU64::new(1);

/// Sends a snapshot; ends when it is installed there.
pub(crate) async fn send(
    link: &Link,
    vote: Vote,
    meta: SnapshotMeta,
    kept: Kept,
) -> Result<SnapshotResponse<Cell>, Uncalled> {
    let last = meta.last_log_id;
    let db = blocking(move || kept.place.open_copy(&kept.path).map_err(io::Error::other)).await?;
    let db = Arc::new(db);
    let begin = Ask::Ship(Ship::Begin { vote, meta: meta.clone() });
    let (mut number, mut after, mut sum) = match ask(link, &begin, PIECE_WAIT).await? {
        Shipped::Next { number, after, sum } => (number, after, sum),
        Shipped::Installed(reply) => return Ok(reply),
        Shipped::Again(why) => return Err(Uncalled::Lost(why)),
    };
    loop {
        let (from, then) = (db.clone(), after.clone());
        let piece = blocking(move || read_piece(&from, &then)).await?;
        let Some(piece) = piece else { break };
        sum = sum.and(&piece.rows);
        let of = Print::of(&piece.rows);
        let ship = Ship::Piece { vote, last, number, rows: piece.rows, sum: of };
        match ask(link, &Ask::Ship(ship), PIECE_WAIT).await? {
            Shipped::Next { number: next, .. } if next == number + 1 => number = next,
            Shipped::Installed(reply) => return Ok(reply),
            Shipped::Next { .. } => return Err(Uncalled::Lost("a piece got lost".to_owned())),
            Shipped::Again(why) => return Err(Uncalled::Lost(why)),
        }
        after = piece.last;
    }
    let end = Ask::Ship(Ship::End { vote, meta, pieces: number, sum });
    match ask(link, &end, INSTALL_WAIT).await? {
        Shipped::Installed(reply) => Ok(reply),
        Shipped::Next { .. } => Err(Uncalled::Lost("it wants more than there is".to_owned())),
        Shipped::Again(why) => Err(Uncalled::Lost(why)),
    }
}

async fn ask(link: &Link, ask: &Ask, within: Duration) -> Result<Shipped, Uncalled> {
    match link.call(ask, within).await? {
        Reply::Ship(shipped) => Ok(shipped),
        Reply::Failed(why) => Err(Uncalled::Lost(why)),
        _ => Err(Uncalled::Lost("it answered something else than was asked".to_owned())),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Uncalled> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(|why| Uncalled::NotSent(format!("the snapshot cannot be read: {why}")))
}

struct Piece {
    rows: Bytes,
    last: Bytes,
}

fn read_piece(db: &DB, after: &Bytes) -> io::Result<Option<Piece>> {
    let (mut piece, mut last) = (BytesMut::new(), Bytes::new());
    for row in db.iterator(IteratorMode::From(after, Direction::Forward)) {
        let (key, value) = row.map_err(io::Error::other)?;
        if *key == **after {
            continue;
        }
        put_row(&mut piece, &key, &value);
        if piece.len() >= PIECE_BYTES {
            last = Bytes::from(key);
            break;
        }
        last = Bytes::from(key);
    }
    Ok((!piece.is_empty()).then(|| Piece { rows: piece.freeze(), last }))
}

/// A snapshot that is arriving.
pub(crate) struct Arriving {
    last: Option<LogId>,
    path: PathBuf,
    db: Arc<DB>,
    number: u64,
    after: Bytes,
    sum: Print,
}

impl Arriving {
    fn begin(shared: &Shared, last: Option<LogId>) -> io::Result<Arriving> {
        let folder = shared.place.path(FOLDER);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{UNFINISHED}received-{number}"));
        if shared.place.disk().is_some() {
            std::fs::create_dir_all(&folder)?;
            crate::snapshot::remove(&path);
        }
        let db = Arc::new(shared.place.open_fresh(&path).map_err(io::Error::other)?);
        let (after, sum) = (Bytes::new(), Print::default());
        Ok(Arriving { last, path, db, number: 0, after, sum })
    }

    fn next(&self) -> Shipped {
        Shipped::Next { number: self.number, after: self.after.clone(), sum: self.sum }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), String> {
        let rows = rows(piece).ok_or("a piece that is cut short")?;
        let mut batch = WriteBatch::default();
        for (key, value) in &rows {
            batch.put(key, value);
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(rocksdb::Error::into_string)?;
        if let Some((key, _)) = rows.last() {
            self.after = Bytes::copy_from_slice(key);
        }
        self.number += 1;
        self.sum = self.sum.and(piece);
        Ok(())
    }

    /// Closes the database and gives it its name.
    fn finish(self, shared: &Shared) -> io::Result<Kept> {
        self.db.flush().map_err(io::Error::other)?;
        let Arriving { path, db, .. } = self;
        drop(db);
        let mut kept = Kept::read(&shared.place, &path).map_err(io::Error::other)?;
        if shared.place.disk().is_some() {
            let folder = shared.place.path(FOLDER);
            kept.path = folder.join(build::name(&kept));
            crate::snapshot::remove(&kept.path);
            std::fs::rename(&path, &kept.path)?;
            build::sync_folder(&folder)?;
        }
        Ok(kept)
    }
}

/// Takes a part of a snapshot.
pub(crate) async fn receive(
    raft: &Raft,
    shared: &Arc<Shared>,
    arriving: &tokio::sync::Mutex<Option<Arriving>>,
    ship: Ship,
) -> Result<Shipped, String> {
    let mut place = arriving.lock().await;
    match ship {
        Ship::Begin { vote: _, meta } => {
            let last = meta.last_log_id;
            let same = place.as_ref().filter(|arriving| arriving.last == last);
            if let Some(arriving) = same {
                tracing::info!(pieces = arriving.number, "a snapshot goes on where it stopped");
                return Ok(arriving.next());
            }
            let (old, shared) = (place.take(), shared.clone());
            let fresh = working(move || {
                if let Some(Arriving { path, db, .. }) = old {
                    drop(db);
                    shared.place.forget_copy(&path);
                }
                Arriving::begin(&shared, last).map_err(|why| why.to_string())
            });
            Ok(place.insert(fresh.await?).next())
        }
        Ship::Piece { vote: _, last, number, rows, sum } => {
            let Some(mut arriving) =
                place.take_if(|arriving| arriving.last == last && arriving.number == number)
            else {
                return Ok(Shipped::Again("this piece was not expected".to_owned()));
            };
            if Print::of(&rows) != sum {
                *place = Some(arriving);
                return Ok(Shipped::Again(format!("piece {number} was damaged on its way")));
            }
            let arriving = working(move || arriving.take(&rows).map(|()| arriving)).await?;
            Ok(place.insert(arriving).next())
        }
        Ship::End { vote, meta, pieces, sum } => {
            let Some(arriving) = place.take() else {
                return Ok(Shipped::Again("it has not arrived".to_owned()));
            };
            if (arriving.last, arriving.number, arriving.sum) != (meta.last_log_id, pieces, sum) {
                return Ok(Shipped::Again("its checksum is wrong".to_owned()));
            }
            let home = shared.clone();
            let kept = working(move || arriving.finish(&home).map_err(|why| why.to_string()));
            let snapshot = Snapshot { meta, snapshot: kept.await? };
            let installed = raft.install_full_snapshot(vote, snapshot).await;
            installed.map(Shipped::Installed).map_err(|why| why.to_string())
        }
    }
}

async fn working<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|why| why.to_string())?
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::future::join_all;
    use oarlock_engine::access::Principal;
    use oarlock_engine::id::NodeId;
    use oarlock_engine::setting;
    use oarlock_engine::store::Row;
    use openraft::async_runtime::WatchReceiver as _;
    use rocksdb::IteratorMode;

    use super::*;
    use crate::peer::book::Wall;
    use crate::peer::link::Ears;
    use crate::{Config, Peering, Replica, Secret};

    /// So many changes at once, and so often: a snapshot of several pieces.
    const CHANGES: u64 = 12_000;
    const ROUNDS: u32 = 3;

    async fn member(join: Vec<String>) -> Replica {
        let here = "127.0.0.1:0".parse().expect("an address");
        let peer = Peering { join, ..Peering::new(here, Secret::new("only the tests know it")) };
        let config = Config { peer: Some(peer), ..Config::new(NodeId(1), None) };
        Replica::open(config).await.expect("it opens")
    }

    fn address(replica: &Replica) -> String {
        replica.peer_address().expect("it listens").to_string()
    }

    async fn write(replica: &Replica, number: u64) {
        let (name, value) = (setting::RETENTION_MS.to_owned(), number.to_string());
        let by = Principal("user:test".to_owned());
        let command = setting::Command::Set { name, value }.into();
        replica.propose(by, None, command).await.expect("accepted");
    }

    /// A connection of its own from one to the other, when it is up.
    async fn connected(from: &Replica, to: &Replica) -> Arc<Link> {
        let ears = Ears {
            heard: Box::new(|| {}),
            changed: Box::new(|_| {}),
            refused: Box::new(|_| {}),
            wall: Wall::default(),
        };
        let card = from.inner.room.card().clone();
        let link = Link::new(to.status().node.0, address(to), card, ears);
        let begin = Instant::now();
        while !link.state().up {
            assert!(begin.elapsed() < Duration::from_secs(10), "{}", link.state().why);
            tokio::task::yield_now().await;
        }
        link
    }

    fn rows(replica: &Replica) -> Vec<Row> {
        let all = |db: &DB| {
            let rows = db.iterator(IteratorMode::Start);
            let rows = rows.map(|row| row.expect("it can be read"));
            let rows = rows.filter(|(key, _)| key[0] > 0);
            rows.map(|(key, value)| (key.into_vec(), value.into_vec())).collect()
        };
        replica.inner.shared.shelf.with(all)
    }

    /// A leader with much to tell, one that has heard nothing of it, and the leader's snapshot.
    async fn far_apart(rounds: u32) -> (Replica, Replica, Kept) {
        let leader = member(Vec::new()).await;
        let behind = member(vec![address(&leader)]).await;
        leader.cut_off(&[behind.status().node]);
        for _ in 0..rounds {
            join_all((0..CHANGES).map(|number| write(&leader, number))).await;
        }
        leader.snapshot().await.expect("a snapshot");
        let kept = leader.inner.shared.kept.lock().expect("nobody panics").clone();
        (leader, behind, kept.expect("it was just taken"))
    }

    fn vote(replica: &Replica) -> Vote {
        replica.inner.raft.metrics().borrow_watched().vote
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transfer_that_broke_off_goes_on_behind_what_has_arrived() {
        let (leader, behind, kept) = far_apart(ROUNDS).await;
        let (vote, meta) = (vote(&leader), kept.meta.clone());
        let begin = Ask::Ship(Ship::Begin { vote, meta: meta.clone() });
        let db = kept.place.open_copy(&kept.path).expect("a snapshot");
        let piece = read_piece(&db, &Bytes::new()).expect("a piece").expect("there is one");
        assert!(read_piece(&db, &piece.last).expect("a piece").is_some(), "it has several pieces");
        drop(db);

        let first = connected(&leader, &behind).await;
        let there = ask(&first, &begin, PIECE_WAIT).await.expect("an answer");
        assert!(matches!(there, Shipped::Next { number: 0, .. }), "{there:?}");
        let (last, rows_of, sum) = (meta.last_log_id, piece.rows.clone(), Print::of(&piece.rows));
        let part = Ship::Piece { vote, last, number: 0, rows: rows_of, sum };
        ask(&first, &Ask::Ship(part), PIECE_WAIT).await.expect("an answer");
        first.end();
        drop(first);

        let second = connected(&leader, &behind).await;
        match ask(&second, &begin, PIECE_WAIT).await.expect("an answer") {
            Shipped::Next { number: 1, after, .. } => assert_eq!(after, piece.last),
            other => panic!("it begins anew: {other:?}"),
        }
        send(&second, vote, meta.clone(), kept).await.expect("it is installed");
        assert_eq!(behind.inner.shared.progress().applied.last, meta.last_log_id);
        assert_eq!(rows(&behind), rows(&leader));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_piece_that_was_damaged_on_its_way_is_asked_for_again() {
        let (leader, behind, kept) = far_apart(1).await;
        let (vote, meta) = (vote(&leader), kept.meta.clone());
        let db = kept.place.open_copy(&kept.path).expect("a snapshot");
        let piece = read_piece(&db, &Bytes::new()).expect("a piece").expect("there is one");
        drop(db);
        let link = connected(&leader, &behind).await;
        let begin = Ask::Ship(Ship::Begin { vote, meta: meta.clone() });
        ask(&link, &begin, PIECE_WAIT).await.expect("an answer");
        let sum = Print::of(b"other bytes");
        let part = Ship::Piece { vote, last: meta.last_log_id, number: 0, rows: piece.rows, sum };
        let told = ask(&link, &Ask::Ship(part), PIECE_WAIT).await.expect("an answer");
        assert!(matches!(&told, Shipped::Again(why) if why.contains("damaged")), "{told:?}");
        send(&link, vote, meta, kept).await.expect("it is installed all the same");
        assert_eq!(rows(&behind), rows(&leader));
    }
}
