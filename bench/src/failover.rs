//! How long nothing moves when a node goes: killed as leader, killed as the driver of a workflow, stopped in order.
//!
//! From the moment a node goes, probes are sent to the nodes that are left, a new one every [`PROBE_EVERY`]: each starts a run of a
//! workflow that the node drove and waits for its end. The first one that completes ends the gap. What it was made of is read from the
//! cluster afterwards: how long the node had been silent when it was given up, how long nobody led, when its roles were with others.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::door::{Ask, Door};
use crate::lab::{Lab, json};

/// The pause between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// A probe is given up after this: others were sent meanwhile.
const PROBE_MAX: Duration = Duration::from_secs(20);
/// How long nothing may move before the measurement has failed.
const GAP_MAX: Duration = Duration::from_secs(60);
/// The workflow of the probes. Its second task has an expression, which only whoever drives the workflow evaluates.
const PROBE: &str = "\
kind: workflow
name: probe
tasks:
  first: {noop: {output: {n: 1}}}
  last: {needs: [first], noop: {output: {n: \"${{ tasks.first.output.n }}\"}}}
";
/// Its role.
const ROLE: &str = "dag-probe-1-of-1";

/// Who goes, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    LeaderKilled,
    OwnerKilled,
    OwnerStopped,
}

impl Loss {
    fn name(self) -> &'static str {
        match self {
            Loss::LeaderKilled => "leader killed",
            Loss::OwnerKilled => "owner killed",
            Loss::OwnerStopped => "owner stopped",
        }
    }
}

/// How long nothing moved, over all losses of one kind, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Gap {
    pub(crate) what: String,
    pub(crate) times: u64,
    pub(crate) p50_ms: u64,
    pub(crate) p99_ms: u64,
    pub(crate) max_ms: u64,
    /// Until the cluster gave the node up, at the median.
    pub(crate) noticed_p50_ms: Option<u64>,
    /// How long nobody led, at the median.
    pub(crate) election_p50_ms: Option<u64>,
    /// Each one, in order.
    pub(crate) all_ms: Vec<u64>,
}

/// One loss.
struct Seen {
    gap: Duration,
    noticed_ms: Option<u64>,
    election_ms: Option<u64>,
}

/// Makes the cluster ready to be probed.
pub(crate) async fn prepare(lab: &Lab) -> anyhow::Result<()> {
    let mut door = Door::connect(lab.nodes[0].address).await?;
    let apply = Ask::new("POST", "/api/v1/workflows", "application/yaml", PROBE);
    door.ask(&apply).await.context("the workflow was not accepted").map(drop)
}

/// Loses a node so many times.
pub(crate) async fn measure(lab: &mut Lab, loss: Loss, times: u32) -> anyhow::Result<Gap> {
    let (mut gaps, mut noticed, mut elections) =
        (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    let mut all_ms = Vec::new();
    for _ in 0..times {
        let seen = lose(lab, loss).await?;
        let ms = u64::try_from(seen.gap.as_millis())?;
        gaps.record(ms)?;
        all_ms.push(ms);
        seen.noticed_ms.map(|ms| noticed.record(ms)).transpose()?;
        seen.election_ms.map(|ms| elections.record(ms)).transpose()?;
    }
    let half = |of: &Histogram<u64>| (!of.is_empty()).then(|| of.value_at_quantile(0.5));
    Ok(Gap {
        what: loss.name().to_owned(),
        times: gaps.len(),
        p50_ms: gaps.value_at_quantile(0.5),
        p99_ms: gaps.value_at_quantile(0.99),
        max_ms: gaps.max(),
        noticed_p50_ms: half(&noticed),
        election_p50_ms: half(&elections),
        all_ms,
    })
}

/// Loses a node once, and starts it again.
async fn lose(lab: &mut Lab, loss: Loss) -> anyhow::Result<Seen> {
    let leader = lab.healthy().await?;
    let node = match loss {
        Loss::LeaderKilled => leader.clone(),
        Loss::OwnerKilled | Loss::OwnerStopped => {
            let other = lab.nodes.iter().find(|node| node.name != leader);
            other.context("three nodes")?.name.clone()
        }
    };
    // Whoever goes drives the workflow of the probes: the leader loses both.
    give(lab, &leader, &node).await?;
    let (verb, did) = match loss {
        Loss::OwnerStopped => ("stop", "was stopped in order"),
        Loss::LeaderKilled | Loss::OwnerKilled => ("kill", "was killed (SIGKILL)"),
    };
    let others = lab.others(&node);
    let (mut begin, mut at) = (Instant::now(), now_ms()?);
    lab.type_in(&format!("nodes {verb} {node}")).await?;
    if loss != Loss::OwnerStopped {
        // The prompt says when it was killed, to the millisecond; before that it looked how things stood.
        let line = lab.hear(&format!("{node} {did}")).await?;
        let killed = line.split(' ').next().and_then(moment);
        let killed = killed.with_context(|| format!("no moment: {line}"))?;
        let ago = Duration::from_millis(now_ms()?.saturating_sub(killed));
        (begin, at) = (Instant::now().checked_sub(ago).context("a moment ago")?, killed);
    }
    let gap = progress(&others, begin).await?;
    if loss == Loss::OwnerStopped {
        lab.hear(&format!("{node} {did}")).await?;
    }
    let (cluster, noticed) = told(&others, &node, at).await?;
    let noticed_ms = Some(noticed.saturating_sub(at));
    let election_ms = cluster["election_ms"].as_u64().filter(|_| loss == Loss::LeaderKilled);
    lab.order(&format!("nodes start {node}"), &format!("{node} is back")).await?;
    Ok(Seen { gap, noticed_ms, election_ms })
}

/// Gives the role of the probes to a node, and waits until it drives it.
async fn give(lab: &Lab, leader: &str, node: &str) -> anyhow::Result<()> {
    let mut door = Door::connect(lab.find(leader)?.address).await?;
    let body = format!("{{\"node\":\"{node}\"}}");
    let path = format!("/api/v1/roles/{ROLE}/move");
    let moved = door.ask(&Ask::new("POST", &path, "application/json", &body)).await;
    // It may have it already.
    let role = json(lab.find(leader)?.address, &format!("/api/v1/roles/{ROLE}")).await?;
    ensure!(role["node"] == node, "{ROLE} is with {}, not {node}: {:?}", role["node"], moved.err());
    progress(&[lab.find(leader)?.address], Instant::now()).await.map(drop)
}

/// Sends probes until one completes: how long that was since `begin`.
async fn progress(nodes: &[SocketAddr], begin: Instant) -> anyhow::Result<Duration> {
    let mut probes = JoinSet::new();
    let mut pace = tokio::time::interval(PROBE_EVERY);
    let mut turn = nodes.iter().cycle();
    loop {
        tokio::select! {
            _ = pace.tick() => {
                let node = *turn.next().context("somebody is left")?;
                probes.spawn(tokio::time::timeout(PROBE_MAX, probe(node)));
            }
            Some(ended) = probes.join_next() => {
                if matches!(ended, Ok(Ok(Ok(true)))) {
                    return Ok(begin.elapsed());
                }
            }
        }
        ensure!(begin.elapsed() < GAP_MAX, "nothing moved within {GAP_MAX:?}");
    }
}

async fn probe(node: SocketAddr) -> anyhow::Result<bool> {
    let mut door = Door::connect(node).await?;
    let path = "/api/v1/workflows/probe/runs?wait=15s";
    let answer = door.ask(&Ask::new("POST", path, "application/json", "{}")).await?;
    Ok(answer.says("\"status\":\"completed\""))
}

/// The cluster, when it has taken note that the node went after this moment, and when that was.
async fn told(nodes: &[SocketAddr], gone: &str, after: u64) -> anyhow::Result<(Value, u64)> {
    let begin = Instant::now();
    loop {
        for node in nodes {
            if let Ok(cluster) = json(*node, "/api/v1/cluster").await
                && cluster["last"]["node"] == gone
                && let Some(at) = cluster["last"]["at"].as_str().and_then(moment)
                && at >= after
            {
                return Ok((cluster, at));
            }
        }
        ensure!(begin.elapsed() < GAP_MAX, "nobody noticed that {gone} went");
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

fn now_ms() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// Milliseconds since 1970 of a moment as the API writes it.
fn moment(at: &str) -> Option<u64> {
    let at: jiff::Timestamp = at.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}
