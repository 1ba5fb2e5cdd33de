//! Equality: nodes that have applied as much of the log are in the same state, all the time and in the end.
//!
//! Every node is asked, again and again and all at the same moment, how far it has applied the log and for the fingerprint of everything
//! it ever wrote. It answers from its own copy, whatever it hears of others. In the end all are asked until they stand at one index.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::interval;

use super::shift::{self, Door, Shift};
use super::{Field, Record, Workload};
use crate::check;
use crate::history;
use crate::verdict::Verdict;

/// Its name.
const NAME: &str = "equal";
/// Between two samples.
const EVERY: Duration = Duration::from_millis(200);
/// Between two samples in the end, and how many there are at most.
const LAST_EVERY: Duration = Duration::from_millis(100);
const LAST_TRIES: usize = 200;

/// The workload.
#[derive(Debug, Default)]
pub struct Equal;

/// A node that is asked, and the process that asks it: another one after each answer that is missing, because the node may begin again
/// with less.
struct Post {
    door: Door,
    client: history::Client,
}

fn posts(field: &Field) -> Result<Vec<Post>> {
    let post = |place| {
        let door = shift::door(place, |builder| builder.stale(true))?;
        Ok(Post { door, client: history::Client::new(&field.recorder, NAME) })
    };
    field.nodes.iter().map(post).collect()
}

impl Post {
    /// A sample; the answer is the index.
    async fn sample(&mut self, field: &Field, f: &str) -> Option<u64> {
        let pending = self.client.invoke(f, "", Value::Null, &self.door.node);
        match self.door.client.raft().await {
            Ok(at) => {
                let value =
                    json!({"applied": at.applied, "print": at.fingerprint, "term": at.term});
                pending.ok(value, Some(at.applied));
                Some(at.applied)
            }
            Err(why) => {
                shift::end(pending, &why);
                self.client = history::Client::new(&field.recorder, NAME);
                None
            }
        }
    }
}

impl Workload for Equal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "all members have the same state at the same applied index, always"
    }

    fn prepare<'a>(&'a self, _: &'a Field) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn begin(&self, field: &Field, clients: &mut JoinSet<Result<()>>) {
        clients.spawn(work(field.clone()));
    }

    fn look<'a>(&'a self, field: &'a Field) -> BoxFuture<'a, Result<()>> {
        async {
            let mut posts = posts(field)?;
            let mut pace = interval(LAST_EVERY);
            for _ in 0..LAST_TRIES {
                pace.tick().await;
                let all = posts.iter_mut().map(|post| post.sample(field, "final-print"));
                let all = join_all(all).await;
                if all[0].is_some() && all.iter().all(|one| *one == all[0]) {
                    return Ok(());
                }
            }
            // Whoever judges finds no index at which all were seen, and says so.
            Ok(())
        }
        .boxed()
    }

    fn judge(&self, record: &Record, verdict: &mut Verdict) {
        let operations = record.history.operations(NAME);
        let others = record.history.nemesis().filter(|event| event.f == "fingerprint");
        check::state::equal(&operations, others, "equal/state", verdict);
        check::state::forwards(&operations, "equal/forwards", verdict);
        check::state::converged(&operations, "equal/converged", verdict);
    }
}

async fn work(field: Field) -> Result<()> {
    let mut posts = posts(&field)?;
    let mut shift = Shift::new(&field, posts.first().map_or(0, |p| p.client.process()), EVERY)?;
    while shift.goes_on().await {
        join_all(posts.iter_mut().map(|post| post.sample(&field, "print"))).await;
    }
    Ok(())
}
