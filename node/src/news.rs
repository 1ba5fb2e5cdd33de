//! News: what happens in a cluster, a sentence each, for as long as somebody listens.
//!
//! Whoever has a prompt shows them above it: the one of a throw-away cluster, and the console.

use std::collections::BTreeMap;
use std::time::Duration;

use oarlock_client::Client;
use tokio::sync::mpsc;

use crate::output::{clock, moment};

/// The pause before a feed that broke is opened again; each further one is twice as long, up to the longest.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Between two looks at who leads.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Tells what happens in the cluster, for as long as somebody listens.
pub(crate) async fn follow(client: Client, tell: mpsc::Sender<String>) {
    let kinds = "run.failed,run.timed_out,member.joined,member.left,member.lost,member.drained";
    let mut events = client.events(None).param("types", kinds);
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut again = AGAIN;
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(fault) => {
                tracing::debug!(%fault, "the feed broke");
                tokio::time::sleep(again).await;
                again = (again * 2).min(AGAIN_MAX);
                continue;
            }
        };
        again = AGAIN;
        let node = event.details["node"].as_str().or(event.details["name"].as_str());
        let node = node.unwrap_or_default().to_owned();
        let at = moment(&event.at).map(clock).unwrap_or_default();
        let text = match event.kind.as_str() {
            "member.joined" => {
                let times = names.entry(node.clone()).or_default();
                *times += 1;
                if *times == 1 { format!("{node} joined") } else { format!("{node} joined again") }
            }
            "member.left" => format!("{node} said goodbye"),
            "member.lost" => format!("{node} was given up"),
            "member.drained" => format!("{node} hands over"),
            kind => {
                let run = event.run_name.clone().unwrap_or_default();
                let how = kind.trim_start_matches("run.").replace('_', " ");
                format!("{run} {how}  (oarlock runs get {run})")
            }
        };
        if tell.send(format!("{at} {text}")).await.is_err() {
            return;
        }
    }
}

/// Tells when another node leads. The feed does not say: who leads is of the log, not in it.
pub(crate) async fn leaders(client: Client, tell: mpsc::Sender<String>) {
    let mut before: Option<String> = None;
    loop {
        if let Ok(raft) = client.raft().await
            && let Some(leader) = raft.leader
        {
            let known = before.replace(leader.clone());
            if let Some(known) = known.filter(|known| *known != leader) {
                let at = clock(jiff::Timestamp::now());
                let text = format!("{at} {leader} leads in term {} (before: {known})", raft.term);
                if tell.send(text).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
