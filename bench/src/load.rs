//! Closed loops: so many callers, each asking again as soon as it has its answer.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::door::{Ask, Door};
use crate::node::Target;
use crate::plan::Step;

/// Unmeasured, so that connections, caches and memory are warm.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long a node may take to finish what it has accepted.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// One row of the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Of which measurement.
    pub(crate) name: String,
    /// Callers.
    pub(crate) in_flight: usize,
    /// Runs whose durable result a caller knows (for bulk: whose acceptance it knows).
    pub(crate) runs: u64,
    /// Tasks of those, a second.
    pub(crate) tasks_per_s: f64,
    /// Requests told to come back later.
    pub(crate) busy: u64,
    /// Half the operations took no longer, in microseconds.
    pub(crate) p50_us: u64,
    /// 90 of 100.
    pub(crate) p90_us: u64,
    /// 99 of 100.
    pub(crate) p99_us: u64,
    /// The slowest.
    pub(crate) max_us: u64,
    /// Processor time of the node for each task, user and system, in microseconds: it does not depend on what else the machine
    /// does. None where nobody tells.
    pub(crate) cpu_us_per_task: Option<f64>,
    /// Log fsyncs for each completed task; none where the node does not count them.
    pub(crate) fsyncs_per_task: Option<f64>,
}

/// What one caller saw.
struct Seen {
    times: Histogram<u64>,
    busy: u64,
}

/// Applies the step's workflow, warms up, measures.
pub(crate) async fn measure(
    node: &Target,
    step: &Step,
    length: Duration,
) -> anyhow::Result<Figure> {
    let mut door = Door::connect(node.address).await?;
    let apply = Ask::new("POST", "/api/v1/workflows", "application/yaml", &step.file);
    door.ask(&apply).await.context("the workflow was not accepted")?;
    let mut doors = Vec::new();
    for _ in 0..step.in_flight {
        doors.push(Door::connect(node.address).await?);
    }
    let (doors, _) = run(doors, step, WARM_UP).await?;
    settle(&mut door).await?;
    let before = (fsyncs(&mut door).await?, node.cpu());
    let begin = Instant::now();
    let (_, seen) = run(doors, step, length).await?;
    let elapsed = begin.elapsed().as_secs_f64();
    // What was accepted is paid for by this measurement, and is not in the way of the next.
    settle(&mut door).await?;
    let after = (fsyncs(&mut door).await?, node.cpu());
    let runs = seen.times.len() * step.bulk as u64;
    let tasks = runs * step.tasks;
    Ok(Figure {
        name: step.name(),
        in_flight: step.in_flight,
        runs,
        tasks_per_s: tasks as f64 / elapsed,
        busy: seen.busy,
        p50_us: seen.times.value_at_quantile(0.5),
        p90_us: seen.times.value_at_quantile(0.9),
        p99_us: seen.times.value_at_quantile(0.99),
        max_us: seen.times.max(),
        cpu_us_per_task: before
            .1
            .zip(after.1)
            .map(|(before, after)| (after - before).as_secs_f64() * 1e6 / tasks.max(1) as f64),
        fsyncs_per_task: before.0.zip(after.0).map(|(b, a)| (a - b) / tasks.max(1) as f64),
    })
}

async fn fsyncs(door: &mut Door) -> anyhow::Result<Option<f64>> {
    door.metric("oarlock_raft_fsyncs_total").await
}

/// Waits until nothing is left of what was only submitted: it would be counted with the next measurement.
async fn settle(door: &mut Door) -> anyhow::Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < SETTLED_WITHIN {
        let ready = door.metric("oarlock_queue_ready").await?.unwrap_or_default();
        let running = door.metric("oarlock_queue_running").await?.unwrap_or_default();
        if ready + running == 0.0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the node did not finish within {SETTLED_WITHIN:?} what it had accepted");
}

/// All callers until the time is over; the connections come back for the next use.
async fn run(doors: Vec<Door>, step: &Step, length: Duration) -> anyhow::Result<(Vec<Door>, Seen)> {
    let end = Instant::now() + length;
    let mut callers = JoinSet::new();
    for door in doors {
        callers.spawn(call(door, step.clone(), end));
    }
    let mut doors = Vec::new();
    let mut all = Seen { times: Histogram::new(3)?, busy: 0 };
    while let Some(ended) = callers.join_next().await {
        let (door, seen) = ended??;
        all.times.add(&seen.times)?;
        all.busy += seen.busy;
        doors.push(door);
    }
    Ok((doors, all))
}

async fn call(mut door: Door, step: Step, end: Instant) -> anyhow::Result<(Door, Seen)> {
    let (path, body) = if step.bulk == 1 {
        let wait = if step.wait { "?wait=30s" } else { "" };
        (format!("/api/v1/workflows/{}/runs{wait}", step.workflow), "{}".to_owned())
    } else {
        let runs = vec!["{}"; step.bulk].join(",");
        (
            format!("/api/v1/workflows/{}/runs/batch", step.workflow),
            format!("{{\"runs\":[{runs}]}}"),
        )
    };
    let ask = Ask::new("POST", &path, "application/json", &body);
    let mut seen = Seen { times: Histogram::new(3)?, busy: 0 };
    while Instant::now() < end {
        let begin = Instant::now();
        let answer = door.ask(&ask).await?;
        if answer.busy {
            seen.busy += 1;
            continue;
        }
        seen.times.record(u64::try_from(begin.elapsed().as_micros())?)?;
        if step.bulk == 1 && step.wait {
            // A glance, where it is enough: reading every answer as JSON would be a good part of the load's own work.
            let completed = answer.says("\"status\":\"completed\"");
            ensure!(completed, "a run ended otherwise: {}", answer.text());
        }
    }
    Ok((door, seen))
}
