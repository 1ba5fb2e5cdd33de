//! What happens to a throw-away cluster, told in sentences while it happens.
//!
//! Somebody broke something at a moment that is known here to the millisecond. From then on the nodes that are left are asked again
//! and again, until they have a leader and have given the roles to others; what that took is measured from the moment of the break.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use oarlock_client::Client;
use oarlock_client::v1::{Cluster, Departure};

use crate::output::{clock, moment};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long one node may take to answer.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Unfinished runs that are looked for afterwards.
const RUNS_MAX: usize = 1_000;
/// When to stop waiting for the end of a story.
const STORY_MAX: Duration = Duration::from_secs(60);

/// A break, as it began.
#[derive(Debug, Clone)]
pub(super) struct Break {
    /// Who was broken.
    pub(super) node: String,
    /// What was done to it.
    pub(super) what: &'static str,
    /// Whether it led.
    pub(super) led: bool,
    /// The term before.
    pub(super) term: u64,
    /// When, by the clock on the wall.
    pub(super) at: Timestamp,
    /// When, to measure from.
    pub(super) since: Instant,
}

/// What a break came to, in milliseconds from its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    pub(super) leader: String,
    pub(super) term: u64,
    /// Until another leader was seen; none: the leader stayed.
    pub(super) led_ms: Option<u64>,
    /// How long the cluster says that there was no leader.
    pub(super) election_ms: Option<u64>,
    /// What the cluster noted about it.
    pub(super) gone: Option<Departure>,
    /// Until its roles were with others.
    pub(super) taken_ms: Option<u64>,
    /// Runs that were unfinished before, and how many of them nobody knows any more.
    pub(super) runs: usize,
    pub(super) lost: usize,
}

/// Runs that are unfinished now, as many as are looked at.
pub(super) async fn unfinished(client: &Client) -> Vec<String> {
    let list = client.runs().param("status", "queued,running,paused,cancelling");
    let found = list.take(RUNS_MAX).await;
    found.map(|(runs, _)| runs.into_iter().map(|run| run.id).collect()).unwrap_or_default()
}

/// How many of these nobody knows any more.
async fn lost(clients: &[Client], runs: &[String]) -> usize {
    let mut lost = 0;
    for run in runs {
        let mut known = false;
        for client in clients {
            match client.run(run).get().await {
                Err(oarlock_client::Error::NotFound(_)) => {}
                // Who does not answer now says nothing about it.
                Ok(_) | Err(_) => known = true,
            }
            if known {
                break;
            }
        }
        lost += usize::from(!known);
    }
    lost
}

/// Looks until the cluster has come to terms with a break.
pub(super) async fn follow(
    broken: Break,
    others: Vec<String>,
    before: Vec<String>,
) -> Option<Story> {
    let asked = others.into_iter().filter_map(|addr| {
        Client::builder().addr(addr).timeout(ANSWER_MAX).attempts_max(1).build().ok()
    });
    let asked: Vec<Client> = asked.collect();
    let ms = || u64::try_from(broken.since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut led_ms = None;
    while broken.since.elapsed() < STORY_MAX {
        for client in &asked {
            let Ok(cluster) = client.cluster().await else { continue };
            let Some(leader) = settled(&broken, &cluster) else { continue };
            if broken.led && led_ms.is_none() {
                led_ms = Some(ms());
            }
            let gone = cluster.last.clone().filter(|last| concerns(&broken, last));
            if gone.is_some() {
                let noted = gone.as_ref().and_then(|gone| moment(&gone.at));
                let taken_ms = noted.map(|at| {
                    let ms = at.as_millisecond() - broken.at.as_millisecond();
                    ms.max(0).unsigned_abs()
                });
                let election_ms = cluster.election_ms.filter(|_| broken.led);
                let (runs, term) = (before.len(), cluster.term);
                let lost = lost(&asked, &before).await;
                let story = Story { leader, term, led_ms, election_ms, gone, taken_ms, runs, lost };
                return Some(story);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

/// Who leads after a break, if that is settled.
fn settled(broken: &Break, cluster: &Cluster) -> Option<String> {
    let leader = cluster.leader.clone().filter(|_| cluster.sure)?;
    let another = !broken.led || (leader != broken.node && cluster.term > broken.term);
    another.then_some(leader)
}

/// Whether a departure is of this break, and not of one before.
fn concerns(broken: &Break, last: &Departure) -> bool {
    let later = moment(&last.at).is_some_and(|at| at >= broken.at);
    last.node == broken.node && later
}

/// A story in a paragraph.
pub(super) fn told(broken: &Break, story: &Story) -> String {
    let mut text = format!("{} {} was {}.", clock(broken.at), broken.node, broken.what);
    if let Some(silent) = story.gone.as_ref().and_then(|gone| gone.silent_ms) {
        text.push_str(&format!(" Detection: {silent} ms of silence."));
    }
    if let Some(led_ms) = story.led_ms {
        let took = story.election_ms.map_or(String::new(), |ms| format!(" (election {ms} ms)"));
        text.push_str(&format!(
            " {} leads in term {} since {led_ms} ms after it{took}.",
            story.leader, story.term
        ));
    }
    if let (Some(gone), Some(taken)) = (&story.gone, story.taken_ms) {
        let roles = if gone.roles == 1 { "role was" } else { "roles were" };
        text.push_str(&format!(
            " Takeover: its {} {roles} with others {taken} ms after it.",
            gone.roles
        ));
        let again = match gone.tasks {
            0 => "no task runs again".to_owned(),
            1 => "1 task runs again".to_owned(),
            many => format!("{many} tasks run again"),
        };
        text.push_str(&format!(
            " Lost: {} of {} unfinished runs; {again}.",
            story.lost, story.runs
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broken(led: bool) -> Break {
        let at = "2026-11-20T14:07:51Z".parse().expect("a moment");
        Break { node: "n2".to_owned(), what: "killed", led, term: 7, at, since: Instant::now() }
    }

    fn gone(at: &str) -> Departure {
        let shape = json!({
            "node": "n2", "cause": "lost", "at": at, "silent_ms": 1200, "roles": 12, "vacant": 0,
            "tasks": 4, "summary": "",
        });
        serde_json::from_value(shape).expect("a departure")
    }

    #[test]
    fn a_story_names_detection_election_takeover_and_what_was_lost() {
        let story = Story {
            leader: "n3".to_owned(),
            term: 8,
            led_ms: Some(910),
            election_ms: Some(412),
            gone: Some(gone("2026-11-20T14:07:52.310Z")),
            taken_ms: Some(1310),
            runs: 214,
            lost: 0,
        };
        let text = told(&broken(true), &story);
        assert!(text.contains("Detection: 1200 ms of silence."), "{text}");
        assert!(
            text.contains("n3 leads in term 8 since 910 ms after it (election 412 ms)."),
            "{text}"
        );
        assert!(text.contains("its 12 roles were with others 1310 ms after it."), "{text}");
        assert!(text.ends_with("Lost: 0 of 214 unfinished runs; 4 tasks run again."), "{text}");
    }

    #[test]
    fn a_departure_before_the_break_is_of_another_story() {
        assert!(concerns(&broken(true), &gone("2026-11-20T14:07:52Z")));
        assert!(!concerns(&broken(true), &gone("2026-11-20T14:07:50Z")));
    }
}
