//! Links: what becomes of the bytes from one to another, and how many have passed.
//!
//! Each fault lays a sheet over the network that says which directed links it harms; what a link does is the sum of all sheets
//! that lie on it. Lifting the sheet undoes the fault and nothing else, so that two faults can overlap.
//!
//! ```text
//!   cut      bytes stop and nobody is told; they arrive when it is mended, as with lost packets that are sent again
//!   delay    each piece comes later, by a length that varies, in order
//!   pace     so many bytes a second
//!   reset    each piece may be the last: the connection is reset at both ends
//! ```
//!
//! A cut of one direction only leaves the other alone: TCP believes the silence to be a slow reader.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Who is at the other end of a link when it is not a node.
pub(crate) const CLIENT: &str = "client";
/// Bytes carried at once.
const PIECE_BYTES: usize = 16 << 10;
/// Pieces under way on one link of one connection.
const PIECES_MAX: usize = 64;

/// From whom to whom.
pub(crate) type Pair = (String, String);

/// What a link does to bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Flow {
    /// They stop.
    pub(crate) cut: bool,
    /// They come later by at least this.
    pub(crate) delay: Duration,
    /// And by at most this more.
    pub(crate) jitter: Duration,
    /// So many a second.
    pub(crate) pace: Option<u64>,
    /// How likely each piece is the last one.
    pub(crate) reset: f64,
}

/// What a fault does to links.
pub(crate) type Sheet = BTreeMap<Pair, Flow>;

/// All links.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    sheets: Arc<watch::Sender<BTreeMap<u64, Sheet>>>,
    next: Arc<AtomicU64>,
    counts: Arc<Mutex<BTreeMap<Pair, Count>>>,
}

/// What has come over a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Bytes that arrived.
    pub(crate) bytes: u64,
    /// Connections that were reset.
    pub(crate) resets: u64,
}

/// A sheet that lies on the links until it is dropped.
#[derive(Debug)]
pub(crate) struct Laid {
    links: Links,
    number: u64,
}

impl Drop for Laid {
    fn drop(&mut self) {
        self.links.sheets.send_modify(|sheets| drop(sheets.remove(&self.number)));
    }
}

impl Default for Links {
    fn default() -> Links {
        let sheets = Arc::new(watch::Sender::new(BTreeMap::new()));
        Links { sheets, next: Arc::default(), counts: Arc::default() }
    }
}

impl Links {
    /// Lays a sheet over them.
    pub(crate) fn lay(&self, sheet: Sheet) -> Laid {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.sheets.send_modify(|sheets| drop(sheets.insert(number, sheet)));
        Laid { links: self.clone(), number }
    }

    /// What a link does now.
    pub(crate) fn flow(&self, pair: &Pair) -> Flow {
        flow(&self.sheets.borrow(), pair)
    }

    /// What has come over a link until now.
    pub(crate) fn count(&self, pair: &Pair) -> Count {
        lock(&self.counts).get(pair).copied().unwrap_or_default()
    }

    /// Waits until a link is whole.
    pub(crate) async fn whole(&self, pair: &Pair) {
        let mut sheets = self.sheets.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = sheets.wait_for(|sheets| !flow(sheets, pair).cut).await;
    }

    /// Carries bytes one way until they end; whoever cannot be read any more has ended.
    pub(crate) async fn pump(
        &self,
        pair: &Pair,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> io::Result<()> {
        let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
        let read = async move {
            let mut before = Instant::now();
            loop {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                // A broken end is an end: the other side hears of it when the link lets it.
                if !from.read_buf(&mut piece).await.is_ok_and(|count| count > 0) {
                    return Ok::<(), io::Error>(());
                }
                let flow = self.flow(pair);
                let later = flow.delay + flow.jitter.mul_f64(rand::random::<f64>());
                before = before.max(Instant::now() + later);
                if send.send((before, piece)).await.is_err() {
                    return Ok(());
                }
            }
        };
        let write = async {
            while let Some((due, piece)) = receive.recv().await {
                if due > Instant::now() {
                    tokio::time::sleep_until(due).await;
                }
                self.whole(pair).await;
                let flow = self.flow(pair);
                if flow.reset > 0.0 && rand::random::<f64>() < flow.reset {
                    lock(&self.counts).entry(pair.clone()).or_default().resets += 1;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                if let Some(pace) = flow.pace {
                    tokio::time::sleep(Duration::from_micros(bytes * 1_000_000 / pace.max(1)))
                        .await;
                }
                to.write_all(&piece).await?;
                lock(&self.counts).entry(pair.clone()).or_default().bytes += bytes;
            }
            self.whole(pair).await;
            Ok(())
        };
        tokio::try_join!(read, write).map(|((), ())| ())
    }
}

fn flow(sheets: &BTreeMap<u64, Sheet>, pair: &Pair) -> Flow {
    sheets.values().filter_map(|sheet| sheet.get(pair)).fold(Flow::default(), |all, one| Flow {
        cut: all.cut || one.cut,
        delay: all.delay + one.delay,
        jitter: all.jitter + one.jitter,
        pace: [all.pace, one.pace].into_iter().flatten().min(),
        reset: all.reset.max(one.reset),
    })
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(from: &str, to: &str) -> Pair {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn two_faults_on_one_link_add_up_and_lifting_one_leaves_the_other() {
        let links = Links::default();
        let slow = Flow { delay: Duration::from_millis(50), ..Flow::default() };
        let cut = Flow { cut: true, ..Flow::default() };
        let one = links.lay(Sheet::from([(pair("n1", "n2"), slow)]));
        let other = links.lay(Sheet::from([(pair("n1", "n2"), cut)]));
        assert_eq!(links.flow(&pair("n1", "n2")), Flow { cut: true, ..slow });
        assert_eq!(links.flow(&pair("n2", "n1")), Flow::default(), "the way back is another link");
        drop(other);
        assert_eq!(links.flow(&pair("n1", "n2")), slow);
        drop(one);
        assert_eq!(links.flow(&pair("n1", "n2")), Flow::default());
    }
}
