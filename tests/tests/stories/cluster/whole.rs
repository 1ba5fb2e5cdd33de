//! What must hold when a story is over: nothing acknowledged is lost, every run is finished, no task was completed twice, each role
//! had one owner in each epoch, and all copies are equal to the last byte.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use oarlock_client::v1::AttemptStatus;
use oarlock_client::{Client, RunStatus};

use super::work::{NAME, STEPS, Work};
use crate::node::until;

/// How long the runs may take to finish when nothing is broken any more.
const FINISH_MAX: Duration = Duration::from_secs(60);
/// How long it may take to read the feed from its beginning.
const READ_MAX: Duration = Duration::from_secs(300);
/// How long the copies may take to become equal.
const EQUAL_MAX: Duration = Duration::from_secs(30);

/// Ends the work and looks at everything. `client` finds whichever node answers; each of `nodes` is one of them, and all are there.
pub(super) async fn whole(client: &Client, nodes: &[Client], work: Work) {
    let effects = work.effects.clone();
    let acknowledged = work.end().await;
    until(FINISH_MAX, "every run is finished", async || {
        client.status().await.is_ok_and(|status| status.totals.unfinished_runs == 0)
    })
    .await;
    let ran = traces(&std::fs::read_to_string(effects).expect("some task has run"));
    for run in &acknowledged {
        one_run(client, run, &ran).await;
    }
    owners(client).await;
    equal(nodes).await;
}

/// A run that was acknowledged is there, it is completed, each of its tasks ran, and one attempt of each was accepted.
async fn one_run(client: &Client, run: &str, ran: &BTreeSet<(String, String)>) {
    let handle = client.run(run);
    let found = handle.get().await.unwrap_or_else(|fault| panic!("{run} is lost: {fault}"));
    assert_eq!(found.status, RunStatus::Completed, "{run}: {:?}", found.error);
    for step in STEPS {
        let trace = (found.id.clone(), step.to_owned());
        assert!(ran.contains(&trace), "{run}/{step} is said to be done and never ran");
        let (attempts, more) = handle.task(step).attempts().take(100).await.expect("attempts");
        let accepted = attempts.iter().filter(|a| a.status == AttemptStatus::Completed).count();
        assert!(accepted == 1 && !more, "{run}/{step}: {accepted} accepted of {attempts:?}");
    }
}

/// What the tasks wrote: which task of which run ran.
fn traces(text: &str) -> BTreeSet<(String, String)> {
    let words = |line: &str| {
        let (run, task) = line.split_once(' ').expect("a line is a run and a task");
        (run.to_owned(), task.rsplit('/').next().unwrap_or(task).to_owned())
    };
    text.lines().map(words).collect()
}

/// In each epoch of a role one node has it, and epochs only grow: read from the feed, from its beginning.
async fn owners(client: &Client) {
    let now = client.status().await.expect("somebody answers").cluster.revision;
    let mut epochs: BTreeMap<u64, u64> = BTreeMap::new();
    // The feed goes on for ever: what this run adds to it comes behind all that is looked at.
    client.workflow(NAME).start().send().await.expect("it is taken");
    let mut feed = client.events(Some(0));
    let listening = async {
        while let Some(event) = feed.next().await.expect("the feed is there") {
            if event.revision > now {
                break;
            }
            if event.kind != "role.assigned" {
                continue;
            }
            let role = event.details["role"].as_u64().expect("a role has a number");
            let epoch = event.details["epoch"].as_u64().expect("an epoch is a number");
            let before = epochs.insert(role, epoch);
            assert!(before < Some(epoch), "role {role} had epoch {before:?}, then {epoch}");
        }
    };
    tokio::time::timeout(READ_MAX, listening).await.expect("the feed is read to its end");
    assert!(!epochs.is_empty(), "no role was ever assigned");
    let (roles, _) = client.roles().take(1000).await.expect("a list");
    for role in roles {
        assert!(role.node.is_some(), "nobody drives {}", role.name);
    }
}

/// All copies have applied the same, and it is the same.
pub(super) async fn equal(nodes: &[Client]) {
    until(EQUAL_MAX, "all copies have applied as much", async || {
        let mut seen = BTreeSet::new();
        for node in nodes {
            let Ok(raft) = node.raft().await else { return false };
            seen.insert((raft.applied, raft.fingerprint));
        }
        let far = seen.iter().map(|(applied, _)| applied).collect::<BTreeSet<_>>();
        assert!(far.len() == seen.len(), "equal lengths and other fingerprints: {seen:?}");
        seen.len() == 1
    })
    .await;
}
