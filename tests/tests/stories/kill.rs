//! `kill -9`, twenty times, under load: nothing acknowledged is lost, everything finishes, nothing is done twice.
//!
//! Two clients start a thousand runs while the node is killed at points that a seed decides: after so many more events of the feed. Each
//! task writes a line into a file when it runs, so the story compares three things: what the clients were told, what the node
//! says was done, and what was really done. A line may be there twice — effects are at least once — but of its attempts
//! exactly one may have been accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use oarlock_client::v1::AttemptStatus;
use oarlock_client::{Client, RunStatus};
use tokio::task::JoinSet;

use crate::node::{Node, Place, until};

const RUNS: usize = 1000;
const KILLS: usize = 20;
/// Starts that one client has under way at once.
const AT_ONCE: usize = 8;
/// From the last kill until everything is finished.
const FINISH_MAX: Duration = Duration::from_secs(240);
/// How long the feed is listened to before the node is killed all the same.
const QUIET_MAX: Duration = Duration::from_secs(3);
const STEPS: [&str; 2] = ["take", "give"];

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_and_repeat_nothing() {
    let seed = std::env::var("OARLOCK_SEED").ok().and_then(|text| text.parse().ok());
    let mut dice = Dice(seed.unwrap_or(0x0A51_0C4B));
    println!("seed {}: OARLOCK_SEED repeats it", dice.0);
    let place = Place::new();
    let effects = place.folder().join("effects");
    let mut node = place.start();
    node.client().apply(workflow(&effects)).send().await.expect("the file is right");

    let mut clients = JoinSet::new();
    for half in 0..2 {
        clients.spawn(start_half(place.client(), half));
    }
    for _ in 0..KILLS {
        events(&node, dice.between(50, 900)).await;
        node.kill();
        node = place.start();
    }
    let acknowledged: BTreeSet<String> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(acknowledged.len(), RUNS);

    let client = node.client();
    until(FINISH_MAX, "every run is finished", async || {
        let status = client.status().await.expect("a node that is ready says how it is");
        status.totals.unfinished_runs == 0
    })
    .await;
    let done = lines(&effects);
    for run in &acknowledged {
        one_run_is_whole(&client, run, &done).await;
    }
    assert!(node.stop().success());
    let data = place.data().to_string_lossy().into_owned();
    place.say(&["doctor", "--data", &data]).expect(0);
}

/// A run that was acknowledged is there, it is completed, each of its tasks ran, and one attempt of each was accepted.
async fn one_run_is_whole(client: &Client, run: &str, done: &BTreeMap<(String, String), u32>) {
    let handle = client.run(run);
    let found = handle.get().await.unwrap_or_else(|fault| panic!("{run} is lost: {fault}"));
    assert_eq!(found.status, RunStatus::Completed, "{run}: {:?}", found.error);
    for step in STEPS {
        let ran = done.get(&(found.id.clone(), step.to_owned()));
        assert!(ran.is_some(), "{run}/{step} is said to be done and never ran");
        let (attempts, more) = handle.task(step).attempts().take(100).await.expect("attempts");
        let accepted = attempts.iter().filter(|a| a.status == AttemptStatus::Completed).count();
        assert!(accepted == 1 && !more, "{run}/{step}: {accepted} accepted of {attempts:?}");
    }
}

/// Two steps, each of which says into a file that it ran.
fn workflow(effects: &Path) -> String {
    let effects = effects.display();
    let note = format!("printf '%s %s\\n' \"$OARLOCK_RUN\" \"$OARLOCK_TASK\" >> {effects}");
    format!(
        "kind: workflow\nname: book\ntasks:\n  take:\n    run: {note:?}\n  give:\n    needs: [take]\n    run: {note:?}\n"
    )
}

/// One client's half of the runs; the answer is the ids that were acknowledged.
async fn start_half(client: Client, half: usize) -> Vec<String> {
    let mut under_way = JoinSet::new();
    let mut acknowledged = Vec::new();
    for number in 0..RUNS / 2 {
        if under_way.len() == AT_ONCE {
            let next = under_way.join_next().await.expect("some are under way");
            acknowledged.push(next.expect("a start got through"));
        }
        let start = client.workflow("book").start().label("of", format!("{half}-{number}"));
        under_way
            .spawn(async move { start.send().await.expect("a patient client gets through").id });
    }
    acknowledged.extend(under_way.join_all().await);
    acknowledged
}

/// Waits until so many more events have happened, or nothing does any more.
async fn events(node: &Node, count: u64) {
    let client = node.client();
    let now = client.status().await.expect("a node that is ready says how it is").cluster.revision;
    let mut feed = client.events(Some(now));
    for _ in 0..count {
        let Ok(Ok(Some(_))) = tokio::time::timeout(QUIET_MAX, feed.next()).await else { return };
    }
}

/// What the tasks wrote: how often each task of each run ran.
fn lines(effects: &Path) -> BTreeMap<(String, String), u32> {
    let text = std::fs::read_to_string(effects).expect("some task has run");
    let mut done = BTreeMap::new();
    for line in text.lines() {
        let (run, task) = line.split_once(' ').expect("a line is a run and a task");
        let step = task.rsplit('/').next().unwrap_or(task);
        *done.entry((run.to_owned(), step.to_owned())).or_default() += 1;
    }
    done
}

/// Small and repeatable: splitmix64.
struct Dice(u64);

impl Dice {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        least + (mixed ^ (mixed >> 31)) % (most - least + 1)
    }
}
