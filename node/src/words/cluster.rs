//! `oarlock cluster …`: who takes part, who leads, what last happened, and the few changes of it.
//!
//! The node that is asked knows the tables, which are the same everywhere; how much each node has on its disk and how many actors
//! live there only that node knows. So `status` asks each of them as well, briefly, and leaves open what nobody answered.

use std::time::Duration;

use clap::Subcommand;
use futures::future::join_all;
use jiff::Timestamp;
use oarlock_client::Client;
use oarlock_client::v1::{Cluster, MemberState, RaftStatus};
use serde_json::Value;

use super::tables::{CLUSTER, NODES};
use crate::again::Again;
use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Format, Rest, Tint, ago, body, moment, tint_of};

/// How long each node may take to say how it is.
const WORD_MAX: Duration = Duration::from_millis(500);

/// What can be done with the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Show members, leader and what last happened
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock cluster status\n\
            \x20 oarlock cluster status -o json | jq .health")]
    Status,
    /// Show the members as a list
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  oarlock cluster members -o wide"
    )]
    Members(Again),
    /// Let a learner vote
    #[command(after_long_help = "Examples:\n  oarlock cluster promote n4")]
    Promote {
        /// Its name or number
        node: String,
    },
    /// Let a voter keep its copy and vote no more
    #[command(after_long_help = "Examples:\n  oarlock cluster demote n4")]
    Demote {
        /// Its name or number
        node: String,
    },
    /// Hand leadership to another voter
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock cluster step-down\n\
            \x20 oarlock cluster step-down --to n2")]
    StepDown {
        /// The node that shall lead; the best one if none is named
        #[arg(long, value_name = "NODE")]
        to: Option<String>,
    },
    /// Even out who drives what
    #[command(after_long_help = "Examples:\n  oarlock cluster rebalance")]
    Rebalance,
    /// Take a node out for good
    #[command(after_long_help = "Examples:\n\
            \x20 oarlock cluster remove n2\n\
            \x20 oarlock cluster remove n2 --force --yes")]
    Remove {
        /// Its name or number
        node: String,
        /// Also while it is up
        #[arg(long)]
        force: bool,
    },
}

/// Does it.
pub(crate) async fn run(session: &Session, word: Word) -> Result<(), Fault> {
    let client = session.client()?;
    match word {
        Word::Status => status(session, &client).await,
        Word::Members(again) => again.list(session, &NODES, client.nodes()).await,
        Word::Promote { node } if !session.dry(&format!("let {node} vote")) => {
            let member = client.node(&node).promote().await?;
            session.did(&NODES, &member, &format!("{node} votes"))
        }
        Word::Demote { node } if !session.dry(&format!("let {node} vote no more")) => {
            let member = client.node(&node).demote().await?;
            session.did(&NODES, &member, &format!("{node} keeps its copy and votes no more"))
        }
        Word::StepDown { to } if !session.dry("hand leadership to another voter") => {
            let cluster = client.step_down(to.as_deref()).await?;
            let leader = cluster.leader.clone().unwrap_or_else(|| "nobody".to_owned());
            told(session, &cluster, &format!("{leader} leads in term {}", cluster.term))
        }
        Word::Rebalance if !session.dry("even out who drives what") => {
            let cluster = client.rebalance().await?;
            let shares = cluster.members.iter().filter(|member| member.roles > 0);
            let shares: Vec<_> = shares.map(|m| format!("{} {}", m.name, m.roles)).collect();
            told(session, &cluster, &format!("roles are evened out: {}", shares.join(", ")))
        }
        Word::Remove { node, force } => {
            let question = format!("Remove {node} for good? Its number is never used again.");
            if !session.sure(&question)? {
                return Ok(());
            }
            let member = client.node(&node).remove(force).await?;
            session.did(&NODES, &member, &format!("{node} is out"))
        }
        // A dry run has said what would be done.
        Word::Promote { .. } | Word::Demote { .. } | Word::StepDown { .. } | Word::Rebalance => {
            Ok(())
        }
    }
}

fn told(session: &Session, cluster: &Cluster, said: &str) -> Result<(), Fault> {
    if session.out.for_people() || session.out.asked.is_none() {
        session.gone(said);
    } else {
        session.out.value(&body(cluster));
    }
    Ok(())
}

/// One screen: the cluster in a line, its members, and a sentence for whatever is wrong.
async fn status(session: &Session, client: &Client) -> Result<(), Fault> {
    let cluster = client.cluster().await?;
    let sound = if cluster.sure { Ok(()) } else { Err(Fault::silent(Exit::Unreachable)) };
    let out = &session.out;
    let screen = matches!(out.asked, Some(Format::Table | Format::Wide));
    if !out.for_people() && !screen {
        if out.asked.is_some() {
            out.value(&body(&cluster));
        } else {
            out.list(&CLUSTER, rows(&cluster, &asked(&cluster).await), &Rest::default())?;
        }
        return sound;
    }
    let name = out.paint(Tint::Strong.style(), "CLUSTER");
    let health = out.paint(tint_of(&cluster.health).style(), &cluster.health);
    out.data(&format!("{name}  {}\n\n", headline(&cluster, &health, Timestamp::now())));
    out.list(&CLUSTER, rows(&cluster, &asked(&cluster).await), &Rest::default())?;
    for warning in &cluster.warnings {
        out.data(&format!("\n{} {warning}\n", out.paint(Tint::Bad.style(), "!")));
    }
    if let (true, Some(last)) = (cluster.warnings.is_empty(), &cluster.last) {
        let when = moment(&last.at).map(|at| ago(at, Timestamp::now())).unwrap_or_default();
        out.data(&out.paint(Tint::Faint.style(), &format!("\nLast: {when}: {}", last.summary)));
        out.data("\n");
    }
    sound
}

/// The cluster in a line.
fn headline(cluster: &Cluster, health: &str, now: Timestamp) -> String {
    let nodes = match cluster.members.len() {
        1 => "1 node".to_owned(),
        many => format!("{many} nodes"),
    };
    let leader = match &cluster.leader {
        Some(leader) => format!("leader {leader}{}", reign(cluster, now)),
        None => "no leader".to_owned(),
    };
    format!("{} · {nodes} · {health} · term {} · {leader}", cluster.name, cluster.term)
}

/// Since when the leader leads, and why, as far as the node that was asked saw it.
fn reign(cluster: &Cluster, now: Timestamp) -> String {
    let Some(since) = cluster.leader_since.as_deref().and_then(moment) else {
        return String::new();
    };
    let mut told = format!(" (since {}", ago(since, now));
    if let Some(before) =
        cluster.leader_before.as_ref().filter(|b| cluster.leader.as_ref() != Some(b))
    {
        let gone = cluster.last.as_ref().filter(|last| last.node == *before);
        let how = match gone.map(|last| last.cause.as_str()) {
            Some("lost") => "was lost",
            Some("left" | "drained") => "left",
            Some("restarted") => "restarted",
            _ => "led",
        };
        told.push_str(&format!(", after {before} {how}"));
    }
    if let Some(ms) = cluster.election_ms {
        told.push_str(&format!("; election took {ms} ms"));
    }
    told + ")"
}

/// How each node says it is; none: it does not answer, or there is no way to it from here.
async fn asked(cluster: &Cluster) -> Vec<Option<RaftStatus>> {
    let ask = |address: String| async move {
        let client = Client::builder().addr(address).timeout(WORD_MAX).attempts_max(1).build();
        client.ok()?.raft().await.ok()
    };
    let addresses = cluster.members.iter().map(|member| match member.state {
        MemberState::Up | MemberState::Draining => member.address.clone(),
        MemberState::Lost | MemberState::Left | MemberState::Joining => String::new(),
    });
    join_all(addresses.map(ask)).await
}

/// The members with what each said of itself.
fn rows(cluster: &Cluster, said: &[Option<RaftStatus>]) -> Vec<Value> {
    let newest = said.iter().flatten().map(|raft| raft.log_last).max();
    let mut rows = Vec::new();
    for (member, said) in cluster.members.iter().zip(said) {
        let mut row = body(member);
        if let Some(raft) = said.as_ref().filter(|raft| raft.node == member.name) {
            row["actors"] = raft.actors.into();
            if let Some(bytes) = raft.disk_bytes {
                row["disk_bytes"] = bytes.into();
            }
            if let (None, Some(newest)) = (member.lag, newest) {
                row["lag"] = newest.saturating_sub(raft.applied).into();
            }
        }
        if let Some(last) = cluster.last.as_ref().filter(|last| last.node == member.name)
            && member.state != MemberState::Up
        {
            row["moved"] = last.roles.into();
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::{Colour, Out};

    fn cluster() -> Cluster {
        let member = |name: &str, state: &str, raft: Option<&str>| {
            json!({
                "id": 1, "name": name, "address": "127.0.0.1:6270", "state": state, "raft": raft,
                "since": "2026-11-20T14:00:00Z", "boot": "b", "leader": raft == Some("leader"),
                "this": false, "roles": if state == "up" { 21 } else { 0 }, "workers": 1,
                "running": 18, "lag": if state == "up" { 0 } else { 812 },
            })
        };
        let shape = json!({
            "id": "00", "name": "demo", "health": "degraded", "summary": "", "term": 7,
            "leader": "n3", "leader_since": "2026-11-20T14:00:00Z", "leader_before": "n2",
            "election_ms": 412, "sure": true, "voters": 3, "quorum": 2, "revision": 9, "node": "n1",
            "members": [
                member("n1", "up", Some("follower")),
                member("n2", "lost", None),
                member("n3", "up", Some("leader")),
            ],
            "last": {
                "node": "n2", "cause": "lost", "at": "2026-11-20T14:00:00Z", "silent_ms": 1312,
                "roles": 21, "vacant": 0, "tasks": 4, "summary": "n2 was given up.",
            },
            "warnings": ["n2 has not answered for 2m."],
        });
        serde_json::from_value(shape).expect("a cluster")
    }

    #[test]
    fn the_line_says_who_leads_since_when_and_why() {
        let now: Timestamp = "2026-11-20T14:02:00Z".parse().expect("a moment");
        assert_eq!(
            headline(&cluster(), "degraded", now),
            "demo · 3 nodes · degraded · term 7 · leader n3 (since 2m ago, after n2 was lost; election took 412 ms)"
        );
        let nobody = Cluster { leader: None, leader_since: None, ..cluster() };
        assert!(headline(&nobody, "unavailable", now).ends_with("term 7 · no leader"));
    }

    #[test]
    fn a_row_has_what_each_node_said_of_itself() {
        let cluster = cluster();
        let rows = rows(&cluster, &[None, None, None]);
        assert_eq!(rows[1]["moved"], 21);
        let out = Out { width: 120, ..Out::new(None, Colour::Never) };
        let columns = CLUSTER.chosen(&out, &rows).expect("its columns");
        let cells = |row: &Value| -> Vec<String> {
            columns.iter().map(|column| crate::output::cell_of(&out, column, row).text).collect()
        };
        let lost = cells(&rows[1]);
        assert!(lost.contains(&"0 ←21".to_owned()), "{lost:?}");
        assert!(lost.iter().any(|text| text.starts_with("down ")), "{lost:?}");
        assert!(cells(&rows[2]).contains(&"LEADER".to_owned()));
    }
}
