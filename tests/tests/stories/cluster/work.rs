//! What a cluster is busy with while it is broken: two clients that start runs, and a reader at every node.
//!
//! The runs leave traces outside: each task appends a line to a file. The readers check a register that only grows: whatever was
//! acknowledged before a read began must be found by it, on whichever node; and what one read has found no later one may miss.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oarlock_client::{Client, Error};
use tokio::task::JoinHandle;

use crate::node::until;

/// The workflow they run: two steps, each of which says into a file that it ran.
pub(super) const NAME: &str = "book";
/// Its steps.
pub(super) const STEPS: [&str; 2] = ["take", "give"];
/// The pause between two starts of one client.
const START_EVERY: Duration = Duration::from_millis(60);
/// The pause between two looks of a reader.
const READ_EVERY: Duration = Duration::from_millis(30);
/// How long it may take until some more runs are accepted.
const MORE_MAX: Duration = Duration::from_secs(60);

/// Work that goes on until it is told to stop.
pub(super) struct Work {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<u64>>,
    pub(super) effects: PathBuf,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    /// Ids of runs whose start was acknowledged, in the order of the acknowledgements.
    acknowledged: Mutex<Vec<String>>,
    count: AtomicU64,
}

impl Shared {
    fn newest(&self) -> Option<String> {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.last().cloned()
    }
}

impl Work {
    /// Begins, and goes on when the first runs are accepted.
    ///
    /// `client` finds whichever node answers; each of `nodes` is one of them. The traces are left in `folder`.
    pub(super) async fn begin(client: &Client, nodes: Vec<Client>, folder: &Path) -> Work {
        let effects = folder.join("effects");
        client.apply(workflow(&effects)).send().await.expect("the file is right");
        let shared = Arc::new(Shared::default());
        let clients = (0..2).map(|_| tokio::spawn(start(client.clone(), shared.clone()))).collect();
        let readers = nodes.into_iter().map(|node| tokio::spawn(read(node, shared.clone())));
        let readers = readers.collect();
        let work = Work { shared, clients, readers, effects };
        work.goes_on(10).await;
        work
    }

    /// Waits until so many more runs are accepted.
    pub(super) async fn goes_on(&self, more: u64) {
        let count = || self.shared.count.load(Ordering::Relaxed);
        let aim = count() + more;
        until(MORE_MAX, "runs are accepted", async || count() >= aim).await;
    }

    /// Starts no more; the answer is what was acknowledged.
    pub(super) async fn end(self) -> BTreeSet<String> {
        self.shared.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("every start got through");
        }
        let mut reads = 0;
        for reader in self.readers {
            reads += reader.await.expect("no read missed what was acknowledged before it");
        }
        assert!(reads > 0, "nobody could read anything");
        let acknowledged =
            self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        acknowledged.into_iter().collect()
    }
}

/// Starts runs, each until it is accepted.
async fn start(client: Client, shared: Arc<Shared>) {
    let mut pace = tokio::time::interval(START_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shared.over.load(Ordering::Relaxed) {
        pace.tick().await;
        let run = client.workflow(NAME).start().send().await;
        let run = run.expect("a patient client gets through").id;
        shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        shared.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads what was acknowledged last, through one node. A node that cannot say says so; it must not say that there is no such run.
async fn read(node: Client, shared: Arc<Shared>) -> u64 {
    let mut pace = tokio::time::interval(READ_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reads = 0;
    while !shared.over.load(Ordering::Relaxed) {
        pace.tick().await;
        let Some(run) = shared.newest() else { continue };
        match node.run(&run).get().await {
            Ok(_) => reads += 1,
            Err(Error::NotFound(why)) => {
                panic!("{run}, which was acknowledged before, is not known to {node:?}: {why:?}")
            }
            Err(_) => {}
        }
    }
    reads
}

/// Two steps, each of which says into a file that it ran.
fn workflow(effects: &Path) -> String {
    let effects = effects.display();
    let note = format!("printf '%s %s\\n' \"$OARLOCK_RUN\" \"$OARLOCK_TASK\" >> {effects}");
    format!(
        "kind: workflow\nname: {NAME}\ntasks:\n  take:\n    run: {note:?}\n  give:\n    needs: [take]\n    run: {note:?}\n"
    )
}
